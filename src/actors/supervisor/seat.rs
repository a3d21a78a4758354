//! Where the supervisor can be reached, whichever one it is at the moment, and how a fallen one is followed by another.
//!
//! A panic that nothing contained ends the actor. Its successor takes over the lanes with everything that runs and waits
//! in them, the children, and the line on which lanes are given back; only the mail in its mailbox is lost, and whoever
//! sent that is answered as overload. Falls of children are noted here until they have been started again, so that none
//! is forgotten between two supervisors. Without a supervisor no keyed request runs: it is followed for as long as the
//! process lives, after pauses that grow.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Actor, Context, Handler, Message};

use super::{ChildStopped, FIRST_BACKOFF, RESTART_WINDOW, Supervisor};
use crate::actors::handle::{Handle, MailError};
use crate::telemetry::metrics;

/// The longest pause before a successor starts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The address of the supervisor. Cheap to clone, and good for all successors.
#[derive(Clone)]
pub struct SupervisorHandle(pub(super) Arc<Seat>);

/// The place that one supervisor after another takes.
#[derive(Default)]
pub(super) struct Seat {
    present: RwLock<Option<Handle<Supervisor>>>,
    down: Mutex<Vec<&'static str>>,
}

impl Seat {
    /// The children that fell and have not been started again.
    pub(super) fn down(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A child runs again, or is given up.
    pub(super) fn settled(&self, child: &'static str) {
        self.down().retain(|name| *name != child);
    }
}

impl SupervisorHandle {
    /// Sends mail without waiting.
    pub(crate) fn try_send<M>(&self, message: M) -> Result<(), MailError>
    where
        Supervisor: Handler<M>,
        Context<Supervisor>: ToEnvelope<Supervisor, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.present().ok_or(MailError::Gone)?.try_send(message)
    }

    /// A supervised actor has ended without being told to. If there is no supervisor just now, the next one hears of it.
    pub(crate) fn child_stopped(&self, name: &'static str) {
        self.0.down().push(name);
        let _ = self.try_send(ChildStopped { name });
    }

    pub(super) fn present(&self) -> Option<Handle<Supervisor>> {
        self.0.present.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Supervisor {
    /// Starts on this arbiter, in the place of whoever was there before.
    pub(super) fn sit(self, seat: &Arc<Seat>) {
        let handle = Handle::new(self.start());
        *seat.present.write().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// Runs while the panic unwinds, so nothing in it may panic through.
    pub(super) fn fall(&mut self) {
        tracing::error!("the supervisor fell");
        metrics::panicked("supervisor");
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.hand_over())).is_err() {
            tracing::error!("nobody follows the supervisor: keyed requests are refused from now on");
        }
    }

    fn hand_over(&mut self) {
        let Some(seat) = self.seat.upgrade() else { return };
        let now = Instant::now();
        self.falls.retain(|at| now.duration_since(*at) < RESTART_WINDOW);
        let doublings = u32::try_from(self.falls.len()).unwrap_or(u32::MAX).min(16);
        let pause = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        self.falls.push(now);
        let successor = Supervisor {
            lanes: std::mem::take(&mut self.lanes),
            released: self.released.clone(),
            children: std::mem::take(&mut self.children),
            load: self.load.clone(),
            seat: self.seat.clone(),
            falls: std::mem::take(&mut self.falls),
        };
        actix_rt::spawn(async move {
            tokio::time::sleep(pause).await;
            metrics::restarted("supervisor");
            successor.sit(&seat);
        });
    }
}
