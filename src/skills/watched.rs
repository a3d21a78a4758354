//! The roots whose changes matter: those of the loaded threads, counted.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

/// How far the clock of files may be behind.
const CLOCK: Duration = Duration::from_millis(20);

/// The roots that somebody uses, and word of their changes for the one who watches them.
#[derive(Debug, Default)]
pub struct WatchedRoots {
    counts: Mutex<HashMap<PathBuf, usize>>,
    fresh_since: Mutex<Option<SystemTime>>,
    changed: Notify,
}

impl WatchedRoots {
    /// Has these roots watched for as long as the guard is kept.
    pub fn watch(self: &Arc<Self>, roots: &[PathBuf]) -> RootsGuard {
        let mut counts = self.counts();
        let mut fresh = false;
        for root in roots {
            let count = counts.entry(root.clone()).or_default();
            fresh |= *count == 0;
            *count += 1;
        }
        drop(counts);
        if fresh {
            let now = SystemTime::now() - CLOCK;
            self.fresh_since().get_or_insert(now);
            self.changed.notify_one();
        }
        RootsGuard {
            watched: Arc::clone(self),
            roots: roots.to_vec(),
        }
    }

    /// All roots that are to be watched.
    pub fn all(&self) -> Vec<PathBuf> {
        self.counts().keys().cloned().collect()
    }

    /// Since when there are roots that were not watched before, if there are any. They are, once this was asked.
    pub fn take_fresh(&self) -> Option<SystemTime> {
        self.fresh_since().take()
    }

    /// Resolves when they are others than the last time. For one waiter.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn fresh_since(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.fresh_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<PathBuf, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's wish to have roots watched.
#[derive(Debug)]
pub struct RootsGuard {
    watched: Arc<WatchedRoots>,
    roots: Vec<PathBuf>,
}

impl Drop for RootsGuard {
    fn drop(&mut self) {
        let mut counts = self.watched.counts();
        let mut last = false;
        for root in &self.roots {
            if let Some(count) = counts.get_mut(root) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(root);
                    last = true;
                }
            }
        }
        drop(counts);
        if last {
            self.watched.changed.notify_one();
        }
    }
}
