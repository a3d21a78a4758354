//! The processes of one thread, by the numbers the model knows them by.
//!
//! At most 64 live here. When a 65th comes, one has to go: an ended one first, else the one used least recently, but
//! never one of the eight used last. Whoever goes is killed. Dropping the registry kills all that is left.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use rand::RngExt;

use crate::exec::remote::RemoteProcess;
use crate::exec::session::{Phase, Session, SpawnError};
use crate::exec::spawn::SpawnRequest;

/// The most processes a thread may have.
pub const MAX_SESSIONS: usize = 64;
/// From so many on the model is told to tidy up.
pub const MANY_SESSIONS: usize = 60;
/// Those used last are never pruned.
const PROTECTED: usize = 8;
/// Session numbers.
const IDS: std::ops::Range<u32> = 1_000..100_000;

#[derive(Default)]
struct Registry {
    sessions: HashMap<u32, Entry>,
    /// Counts uses: the higher, the more recent.
    clock: u64,
}

struct Entry {
    /// None while the process is being started.
    session: Option<Arc<Session>>,
    used: u64,
}

/// The processes of a thread.
#[derive(Default)]
pub struct Sessions(Mutex<Registry>);

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({})", self.len())
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        self.close();
    }
}

impl Sessions {
    /// Starts a process under a number of its own. Must run on a thread that lives as long as the server.
    pub fn start(&self, item_id: Arc<str>, request: &SpawnRequest<'_>) -> Result<Arc<Session>, SpawnError> {
        let id = self.registry().reserve();
        match Session::start(id, item_id, request) {
            Ok(session) => {
                if let Some(entry) = self.registry().sessions.get_mut(&id) {
                    entry.session = Some(Arc::clone(&session));
                }
                Ok(session)
            }
            Err(error) => {
                self.registry().sessions.remove(&id);
                Err(error)
            }
        }
    }

    /// Starts a process elsewhere under a number of its own; `start` is given the number. If the future is dropped, the
    /// number is free again, and so is whatever `start` made.
    pub(super) async fn start_there(
        &self,
        item_id: Arc<str>,
        terminal: bool,
        start: impl FnOnce(u32) -> BoxFuture<'static, Result<RemoteProcess, SpawnError>>,
    ) -> Result<Arc<Session>, SpawnError> {
        let mut slot = Slot {
            sessions: self,
            id: Some(self.registry().reserve()),
        };
        let id = slot.id.unwrap_or_default();
        let process = start(id).await?;
        let session = Session::of_remote(id, item_id, process, terminal);
        slot.id = None;
        match self.registry().sessions.get_mut(&id) {
            Some(entry) => entry.session = Some(Arc::clone(&session)),
            // The thread was closed meanwhile.
            None => session.kill(),
        }
        Ok(session)
    }

    /// The process of a number, which counts as a use.
    pub fn get(&self, id: u32) -> Option<Arc<Session>> {
        let mut registry = self.registry();
        registry.clock += 1;
        let now = registry.clock;
        let entry = registry.sessions.get_mut(&id)?;
        entry.used = now;
        entry.session.clone()
    }

    /// Forgets a number, once the model has seen the end of its process.
    pub fn forget(&self, id: u32) {
        self.registry().sessions.remove(&id);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.registry().sessions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Kills and forgets them all.
    pub fn close(&self) {
        for (_, entry) in self.registry().sessions.drain() {
            if let Some(session) = entry.session {
                session.kill();
            }
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that is given back unless a process takes it.
struct Slot<'a> {
    sessions: &'a Sessions,
    id: Option<u32>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.sessions.forget(id);
        }
    }
}

impl Registry {
    /// A free number, with room made for it.
    fn reserve(&mut self) -> u32 {
        if self.sessions.len() >= MAX_SESSIONS
            && let Some(id) = self.prunable()
            && let Some(Entry {
                session: Some(session), ..
            }) = self.sessions.remove(&id)
        {
            session.kill();
        }
        self.clock += 1;
        let mut rng = rand::rng();
        let id = loop {
            let id = rng.random_range(IDS);
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let entry = Entry {
            session: None,
            used: self.clock,
        };
        self.sessions.insert(id, entry);
        id
    }

    /// Which process goes when there are too many.
    fn prunable(&self) -> Option<u32> {
        let mut by_use: Vec<(&u32, &Entry)> = self
            .sessions
            .iter()
            .filter(|(_, entry)| entry.session.is_some())
            .collect();
        by_use.sort_unstable_by_key(|(_, entry)| entry.used);
        by_use.truncate(by_use.len().saturating_sub(PROTECTED));
        let running = |entry: &Entry| entry.session.as_ref().is_some_and(|s| s.phase() == Phase::Running);
        by_use
            .iter()
            .find(|(_, entry)| !running(entry))
            .or_else(|| by_use.first())
            .map(|(id, _)| **id)
    }
}
