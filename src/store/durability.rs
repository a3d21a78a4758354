//! When rollouts are forced to the disk itself.
//!
//! A recorded line is always with the kernel before anybody is told, so the death of the process loses nothing. What
//! the death of the machine may lose is the policy here. Forcing never delays publishing: a few files at a time are
//! synced by a background task, and a file that is already waiting is not queued twice.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that may wait to be synced.
#[derive(Debug)]
pub(crate) struct SyncTarget {
    file: Arc<File>,
    folder: Option<PathBuf>,
    waiting: AtomicBool,
}

impl SyncTarget {
    /// A target over an open file. `folder` is synced once too, so that a new file's name is kept.
    pub(crate) fn new(file: Arc<File>, folder: Option<PathBuf>) -> Arc<Self> {
        Arc::new(SyncTarget {
            file,
            folder,
            waiting: AtomicBool::new(false),
        })
    }

    /// Forces the file's lines to the disk. Blocks.
    pub(crate) fn sync_now(&self) -> std::io::Result<()> {
        self.waiting.store(false, Ordering::Release);
        self.file.sync_data()
    }
}

#[derive(Debug, Default)]
struct Waiting {
    targets: VecDeque<Arc<SyncTarget>>,
    running: bool,
}

/// The queue of files to be synced.
#[derive(Debug, Default)]
pub(crate) struct Syncer {
    waiting: Mutex<Waiting>,
}

impl Syncer {
    /// Queues a file unless it waits already. Must be called within a tokio runtime or its blocking pool.
    pub(crate) fn queue(self: &Arc<Self>, target: &Arc<SyncTarget>) {
        if target.waiting.swap(true, Ordering::AcqRel) {
            return;
        }
        let start = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.targets.push_back(Arc::clone(target));
            !std::mem::replace(&mut waiting.running, true)
        };
        if start {
            let syncer = Arc::clone(self);
            tokio::task::spawn_blocking(move || syncer.drain());
        }
    }

    fn drain(&self) {
        loop {
            let target = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(target) = waiting.targets.pop_front() else {
                    waiting.running = false;
                    return;
                };
                target
            };
            if let Err(error) = target.sync_now() {
                tracing::warn!(%error, "rollout could not be synced");
            }
            if let Some(folder) = &target.folder
                && let Ok(folder) = File::open(folder)
            {
                let _ = folder.sync_data();
            }
        }
    }
}
