//! Watching the file system: one watcher for the process, however many watch.
//!
//! The system tells of a folder's own entries, never of deeper ones. Folders are known by their real paths, so that two
//! names of one folder do not take each other's events, and are counted, so that two who watch one share it. Listeners
//! are called on the watcher's thread: they note what they heard and return.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

mod path;
mod tree;

pub use path::PathWatch;
pub use tree::{Covered, TreeWatch};

/// Who is told of changes. Called on the watcher's thread, so it must not wait.
pub trait Listener: Send + Sync {
    /// This entry of a watched folder, or a watched folder itself, has changed.
    fn changed(&self, path: &Path);

    /// Some events were lost: anything may have changed.
    fn lost(&self);
}

/// Who listens to which folder, by its real path.
type Listeners = HashMap<PathBuf, Vec<(u64, Arc<dyn Listener>)>>;

#[derive(Default)]
struct Watched {
    folders: Mutex<Listeners>,
    next: AtomicU64,
}

impl Watched {
    fn folders(&self) -> MutexGuard<'_, Listeners> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, event: &Event) {
        let folders = self.folders();
        if event.need_rescan() {
            for (_, listener) in folders.values().flatten() {
                listener.lost();
            }
        }
        if matches!(event.kind, EventKind::Access(_)) {
            return;
        }
        for path in &event.paths {
            let around = [path.parent(), Some(path.as_path())];
            for (_, listener) in around.into_iter().flatten().filter_map(|at| folders.get(at)).flatten() {
                listener.changed(path);
            }
        }
    }
}

/// The process's watcher. The system's part of it begins with the first folder.
///
/// Its lock is held while the system's watcher is spoken to, which answers on the thread that calls the listeners; so
/// the list of folders has a lock of its own, which is never held meanwhile.
#[derive(Default)]
pub struct FolderWatcher {
    system: Mutex<Option<RecommendedWatcher>>,
    watched: Arc<Watched>,
}

impl std::fmt::Debug for FolderWatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FolderWatcher")
    }
}

impl FolderWatcher {
    /// Tells `listener` of changes of the folder's entries until the guard is dropped. `folder` must be a real path.
    /// Blocking, if only for a moment.
    pub fn watch(self: &Arc<Self>, folder: &Path, listener: Arc<dyn Listener>) -> io::Result<FolderWatch> {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let id = self.watched.next.fetch_add(1, Ordering::Relaxed);
        // Before the system's own watch begins: nothing that it tells is told to nobody.
        let entry = (id, listener);
        self.watched
            .folders()
            .entry(folder.to_path_buf())
            .or_default()
            .push(entry);
        let watch = FolderWatch {
            watcher: Arc::clone(self),
            folder: folder.to_path_buf(),
            id,
        };
        // A folder that was removed and made again is another one to the system, so it is always asked.
        let started = match &mut *system {
            Some(system) => system.watch(folder, RecursiveMode::NonRecursive),
            none => {
                let watched = Arc::clone(&self.watched);
                let hear = move |event: notify::Result<Event>| match event {
                    Ok(event) => watched.hear(&event),
                    Err(error) => tracing::debug!("a file event could not be read: {error}"),
                };
                RecommendedWatcher::new(hear, Config::default())
                    .and_then(|system| none.insert(system).watch(folder, RecursiveMode::NonRecursive))
            }
        };
        // The guard takes the lock when it is dropped.
        drop(system);
        match started {
            Ok(()) => Ok(watch),
            Err(error) => Err(to_io(error)),
        }
    }

    fn unwatch(&self, folder: &Path, id: u64) {
        let mut system = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let mut folders = self.watched.folders();
        let Some(listeners) = folders.get_mut(folder) else {
            return;
        };
        listeners.retain(|(own, _)| *own != id);
        if !listeners.is_empty() {
            return;
        }
        folders.remove(folder);
        drop(folders);
        if let Some(system) = &mut *system {
            // A folder that is gone is not watched any more.
            let _ = system.unwatch(folder);
        }
    }
}

fn to_io(error: notify::Error) -> io::Error {
    match error.kind {
        notify::ErrorKind::Io(error) => error,
        notify::ErrorKind::PathNotFound => io::Error::from_raw_os_error(libc::ENOENT),
        notify::ErrorKind::MaxFilesWatch => io::Error::from_raw_os_error(libc::ENOSPC),
        _ => io::Error::other(error.to_string()),
    }
}

/// A watched folder, until it is dropped.
#[derive(Debug)]
pub struct FolderWatch {
    watcher: Arc<FolderWatcher>,
    folder: PathBuf,
    id: u64,
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        self.watcher.unwatch(&self.folder, self.id);
    }
}
