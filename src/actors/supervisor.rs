//! The switchboard: which lane a keyed request waits in, and who is started again when it falls.
//!
//! It owns the lanes and the list of supervised children. It never does I/O, never parses, never waits; each message
//! costs it microseconds. Unkeyed requests do not pass here: there is nothing to decide about them, so their connection
//! runs them at once. What runs, runs on its connection's arbiter; the supervisor only says when. One that falls is
//! followed by another, which takes over everything it knew (`seat.rs`).

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, Message, StreamHandler};
use futures_util::stream::poll_fn;
use tokio::sync::{mpsc, oneshot};

use crate::actors::gate::Gate;
use crate::rpc::lanes::{Access, LaneKey, Lanes};
use crate::telemetry::metrics::{self, Load};

mod seat;
#[cfg(test)]
mod tests;

use seat::Seat;
pub use seat::SupervisorHandle;

/// Mail that may wait: far above what all connections' caps let through at once in practice, and bounded.
const MAILBOX: usize = 16 * 1024;
/// A child that was started again this often within [`RESTART_WINDOW`] is given up.
const RESTARTS: usize = 5;
/// See [`RESTARTS`].
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// The first restart waits this long, each further one twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });

/// Queues a request in its lane.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Enter {
    /// The lane.
    pub key: LaneKey,
    /// Alone, or beside neighbouring reads.
    pub access: Access,
    /// The connection's gate: closed, the request is skipped.
    pub gate: Arc<Gate>,
    /// Resolves when the request may run.
    pub start: oneshot::Sender<LanePermit>,
    /// Counts it until it is handled or lost.
    pub mail: WaitingMail,
}

/// A message on its way to the supervisor, as it shows in the process's load.
#[derive(Debug)]
pub(crate) struct WaitingMail(Arc<Load>);

impl WaitingMail {
    /// One more.
    pub(crate) fn new(load: &Arc<Load>) -> Self {
        load.supervisor_mail.add();
        WaitingMail(load.clone())
    }
}

impl Drop for WaitingMail {
    fn drop(&mut self) {
        self.0.supervisor_mail.take(1);
    }
}

/// The right to run in a lane, until dropped.
#[derive(Debug)]
pub(crate) struct LanePermit {
    key: Option<LaneKey>,
    // Unbounded, but every message in it stands for a permit, and those are bounded by the connections' caps.
    released: mpsc::UnboundedSender<LaneKey>,
}

impl Drop for LanePermit {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            let _ = self.released.send(key);
        }
    }
}

/// Puts an actor under supervision: `start` is called again, after a pause, whenever it stops without being told to.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Supervise {
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// Starts a new one and makes it reachable.
    pub start: Box<dyn Fn() + Send>,
}

/// An actor under supervision has stopped; sent from its `stopped`, which also runs while it unwinds.
#[derive(Message, Debug, Clone, Copy)]
#[rtype(result = "()")]
pub struct ChildStopped {
    /// Its name.
    pub name: &'static str,
}

struct Child {
    name: &'static str,
    start: Box<dyn Fn() + Send>,
    restarts: Vec<Instant>,
}

struct Ticket {
    gate: Arc<Gate>,
    start: oneshot::Sender<LanePermit>,
}

/// The line on which lanes are given back. It outlives the supervisor that listens.
type Released = (
    mpsc::UnboundedSender<LaneKey>,
    Arc<Mutex<mpsc::UnboundedReceiver<LaneKey>>>,
);

/// The supervisor of a process; one at a time.
pub struct Supervisor {
    lanes: Lanes<LaneKey, Ticket>,
    released: Released,
    children: Vec<Child>,
    load: Arc<Load>,
    seat: Weak<Seat>,
    /// When it, or one before it, fell lately.
    falls: Vec<Instant>,
}

impl Supervisor {
    /// Starts the supervisor on this arbiter; it tells `load` what it has to do.
    pub fn launch(load: Arc<Load>) -> SupervisorHandle {
        let seat = Arc::new(Seat::default());
        let (sender, receiver) = mpsc::unbounded_channel();
        let supervisor = Supervisor {
            lanes: Lanes::default(),
            released: (sender, Arc::new(Mutex::new(receiver))),
            children: Vec::new(),
            load,
            seat: Arc::downgrade(&seat),
            falls: Vec::new(),
        };
        supervisor.sit(&seat);
        SupervisorHandle(seat)
    }

    fn begin(&mut self, key: &LaneKey, ticket: Ticket) {
        let permit = LanePermit {
            key: Some(key.clone()),
            released: self.released.0.clone(),
        };
        // A connection that is gone has dropped its end: the permit comes back by itself and frees the lane.
        let _ = ticket.start.send(permit);
    }
}

/// A panic costs the message in hand, never the switchboard: without it no keyed request of the process would run.
fn contained(work: impl FnOnce()) {
    if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
        metrics::panicked("supervisor");
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        let released = self.released.1.clone();
        ctx.add_stream(poll_fn(move |cx| {
            let mut released = released.lock().unwrap_or_else(PoisonError::into_inner);
            released.poll_recv(cx)
        }));
        // What fell while nobody was here.
        let down = self.seat.upgrade().map(|seat| seat.down().clone());
        for name in down.unwrap_or_default() {
            ctx.notify(ChildStopped { name });
        }
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        if std::thread::panicking() {
            self.fall();
        }
    }
}

impl Handler<Enter> for Supervisor {
    type Result = ();

    fn handle(&mut self, request: Enter, _ctx: &mut Self::Context) {
        drop(request.mail);
        let ticket = Ticket {
            gate: request.gate,
            start: request.start,
        };
        contained(|| {
            match self.lanes.enter(request.key.clone(), request.access, ticket) {
                Some(ticket) => self.begin(&request.key, ticket),
                None => self.load.lane_depth.add(),
            }
            self.load.lanes.set(self.lanes.len());
        });
    }
}

impl StreamHandler<LaneKey> for Supervisor {
    fn handle(&mut self, key: LaneKey, _ctx: &mut Self::Context) {
        contained(|| {
            let left = self.lanes.leave(&key, |ticket| !ticket.gate.is_closed());
            self.load.lane_depth.take(left.taken);
            for ticket in left.started {
                self.begin(&key, ticket);
            }
            self.load.lanes.set(self.lanes.len());
        });
    }
}

impl Handler<Supervise> for Supervisor {
    type Result = ();

    fn handle(&mut self, child: Supervise, _ctx: &mut Self::Context) {
        self.children.retain(|known| known.name != child.name);
        self.children.push(Child {
            name: child.name,
            start: child.start,
            restarts: Vec::new(),
        });
    }
}

impl Handler<ChildStopped> for Supervisor {
    type Result = ();

    fn handle(&mut self, stopped: ChildStopped, ctx: &mut Self::Context) {
        let Some(child) = self.children.iter_mut().find(|child| child.name == stopped.name) else {
            return;
        };
        let now = Instant::now();
        child.restarts.retain(|at| now.duration_since(*at) < RESTART_WINDOW);
        if child.restarts.len() >= RESTARTS {
            tracing::error!(
                actor = child.name,
                "{} fell {RESTARTS} times in a minute and stays down",
                child.name
            );
            if let Some(seat) = self.seat.upgrade() {
                seat.settled(stopped.name);
            }
            return;
        }
        let pause = FIRST_BACKOFF * 2u32.pow(u32::try_from(child.restarts.len()).unwrap_or(0));
        child.restarts.push(now);
        metrics::restarted(child.name);
        tracing::warn!(
            actor = child.name,
            "{} stopped; it starts again in {pause:?}",
            child.name
        );
        ctx.run_later(pause, move |supervisor, _ctx| {
            if let Some(child) = supervisor.children.iter().find(|child| child.name == stopped.name) {
                contained(|| (child.start)());
            }
            if let Some(seat) = supervisor.seat.upgrade() {
                seat.settled(stopped.name);
            }
        });
    }
}
