//! Who writes for all recorders: a few tasks of the blocking pool, however many threads there are.
//!
//! A pen with something to write waits here once; a task takes pens in turn until none waits, then ends. So a burst of
//! turns makes no crowd of OS threads, and under load one wake-up serves many appends.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::recorder::Pen;

/// How many rollouts are written at once.
const WRITERS: usize = 2;

#[derive(Default)]
struct Desk {
    pens: VecDeque<Arc<Pen>>,
    writers: usize,
}

/// The pens that have something to write, and those who write for them.
#[derive(Default)]
pub(crate) struct Scribe(Mutex<Desk>);

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scribe")
    }
}

impl Scribe {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a pen. Must be called within a tokio runtime.
    pub(crate) fn queue(self: &Arc<Self>, pen: Arc<Pen>) {
        let start = {
            let mut desk = self.desk();
            desk.pens.push_back(pen);
            let start = desk.writers < WRITERS;
            desk.writers += usize::from(start);
            start
        };
        if start {
            let scribe = Arc::clone(self);
            tokio::task::spawn_blocking(move || {
                while let Some(pen) = scribe.next() {
                    pen.write_waiting();
                }
            });
        }
    }

    fn next(&self) -> Option<Arc<Pen>> {
        let mut desk = self.desk();
        let pen = desk.pens.pop_front();
        if pen.is_none() {
            desk.writers -= 1;
        }
        pen
    }
}
