//! The loaded threads, and where they run.
//!
//! State: the address of every loaded thread, and the arbiters over which threads are spread in turn. A thread enters the
//! directory before its actor has started and leaves it when the actor ends; a dead thread's successor is never removed
//! in its place.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::prelude::SendError;
use actix::{Actor, Addr, Arbiter, ArbiterHandle};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{Mail, Surroundings, ThreadActor};
use crate::engine::agents::Lineage;
use crate::engine::thread_ref::{ThreadCommand, ThreadError, ThreadFace, ThreadMailbox, ThreadRef, ThreadSeed};
use crate::protocol::ThreadId;
use crate::rpc::directory::{BoxFuture, ThreadDirectory};
use crate::rpc::replay::EventLog;
use crate::rpc::{ConnectionId, RpcError};

/// How many arbiters threads run on at most.
const MAX_ARBITERS: usize = 4;
/// How long the end of the process waits for threads to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The addresses of the loaded threads.
#[derive(Debug, Default)]
pub(super) struct Loaded(DashMap<ThreadId, ThreadRef>);

impl Loaded {
    /// Whether a thread is there, be it on its way out.
    fn knows(&self, id: &ThreadId, face: &Arc<ThreadFace>) -> bool {
        self.0.get(id).is_some_and(|thread| Arc::ptr_eq(thread.face(), face))
    }

    /// A loaded thread.
    pub(super) fn get(&self, id: &ThreadId) -> Option<ThreadRef> {
        self.0.get(id).map(|thread| thread.value().clone())
    }

    /// The loaded agents that a thread spawned.
    pub(super) fn children(&self, parent: &ThreadId) -> Vec<ThreadRef> {
        let all = self.0.iter();
        all.filter(|thread| thread.face().lineage().parent.as_ref() == Some(parent))
            .map(|thread| thread.value().clone())
            .collect()
    }

    /// Removes a thread, unless another has taken its place.
    pub(super) fn forget(&self, id: &ThreadId, face: &Arc<ThreadFace>) {
        self.0.remove_if(id, |_, thread| Arc::ptr_eq(thread.face(), face));
    }
}

/// Loads threads as actors, spread over arbiters.
pub struct ThreadRegistry {
    loaded: Arc<Loaded>,
    arbiters: Vec<ArbiterHandle>,
    next: AtomicUsize,
    surroundings: Arc<Surroundings>,
}

impl ThreadRegistry {
    /// A directory without threads, with arbiters of its own: one for each core, within bounds. Must be called inside the
    /// actix system.
    pub fn new(surroundings: Surroundings) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let arbiters = (0..cores.clamp(1, MAX_ARBITERS))
            .map(|_| Arbiter::new().handle())
            .collect();
        Self::on(arbiters, surroundings)
    }

    /// The same on given arbiters.
    pub(super) fn on(arbiters: Vec<ArbiterHandle>, surroundings: Surroundings) -> Self {
        ThreadRegistry {
            loaded: Arc::default(),
            arbiters,
            next: AtomicUsize::new(0),
            surroundings: Arc::new(surroundings),
        }
    }

    fn load(&self, seed: ThreadSeed) -> ThreadRef {
        let id = seed.id;
        let entry = match self.loaded.0.entry(id) {
            Entry::Occupied(running) => return running.get().clone(),
            Entry::Vacant(entry) => entry,
        };
        let lineage = match &seed.services.agents {
            Some(seat) => seat.lineage.clone(),
            None => Lineage::of(&seed.recorder.thread(), None),
        };
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let arbiter = &self.arbiters[turn % self.arbiters.len()];
        let face = Arc::new(ThreadFace::new(
            EventLog::new(Arc::clone(&self.surroundings.replay)),
            lineage,
        ));
        let registry = Arc::downgrade(&self.loaded);
        let surroundings = Arc::clone(&self.surroundings);
        let shown = Arc::clone(&face);
        let address = ThreadActor::start_in_arbiter(arbiter, move |_ctx| {
            ThreadActor::new(seed, shown, surroundings, registry)
        });
        let mailbox = Mailbox {
            id,
            address: Arc::new(address),
            face: Arc::clone(&face),
            loaded: Arc::downgrade(&self.loaded),
        };
        let thread = ThreadRef::new(id, face, Arc::new(mailbox));
        entry.insert(thread.clone());
        thread
    }

    fn all(&self) -> Vec<ThreadRef> {
        self.loaded.0.iter().map(|entry| entry.value().clone()).collect()
    }
}

impl ThreadDirectory for ThreadRegistry {
    fn get(&self, id: &ThreadId) -> Option<ThreadRef> {
        self.loaded.0.get(id).map(|entry| entry.value().clone())
    }

    fn loaded_ids(&self) -> Vec<ThreadId> {
        self.loaded.0.iter().map(|entry| *entry.key()).collect()
    }

    fn spawn(&self, seed: ThreadSeed) -> BoxFuture<Result<ThreadRef, RpcError>> {
        Box::pin(std::future::ready(Ok(self.load(seed))))
    }

    fn remove(&self, id: &ThreadId) {
        self.loaded.0.remove(id);
    }

    fn client_gone(&self, client: ConnectionId) -> BoxFuture<()> {
        let threads: Vec<ThreadRef> = self
            .all()
            .into_iter()
            .filter(|thread| thread.face().is_heard_by(client))
            .collect();
        Box::pin(async move {
            for thread in threads {
                // A thread that is gone needs not be told.
                let _ = thread.deliver(ThreadCommand::Disconnected(client)).await;
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let threads = self.all();
        Box::pin(async move {
            let ends = threads.into_iter().map(|thread| async move {
                let (reply, ended) = oneshot::channel();
                let close = ThreadCommand::Close { announce: false, reply };
                if thread.deliver(close).await.is_ok() {
                    let _ = ended.await;
                }
            });
            if tokio::time::timeout(SHUTDOWN_GRACE, join_all(ends)).await.is_err() {
                tracing::warn!("threads.abandoned: some did not end in time");
            }
        })
    }
}

/// A thread's mailbox. The address is never cloned, because each clone of it has a free slot.
struct Mailbox {
    id: ThreadId,
    address: Arc<Addr<ThreadActor>>,
    face: Arc<ThreadFace>,
    loaded: Weak<Loaded>,
}

/// Why a thread without an actor takes nothing: it is gone, or has fallen and its turn is still ending.
fn absence(id: ThreadId, face: &Arc<ThreadFace>, loaded: &Weak<Loaded>) -> ThreadError {
    match loaded.upgrade() {
        Some(loaded) if loaded.knows(&id, face) => ThreadError::Closing(id),
        _ => ThreadError::Gone(id),
    }
}

impl ThreadMailbox for Mailbox {
    fn try_send(&self, command: ThreadCommand) -> Result<(), ThreadError> {
        self.address.try_send(Mail(command)).map_err(|error| match error {
            SendError::Full(_) => ThreadError::Overloaded,
            SendError::Closed(_) => absence(self.id, &self.face, &self.loaded),
        })
    }

    fn deliver(&self, command: ThreadCommand) -> BoxFuture<Result<(), ThreadError>> {
        let address = Arc::clone(&self.address);
        let (id, face, loaded) = (self.id, Arc::clone(&self.face), self.loaded.clone());
        Box::pin(async move {
            let sent = address.send(Mail(command)).await;
            sent.map_err(|_| absence(id, &face, &loaded))
        })
    }
}
