//! Watching one path: a file, a folder with its entries, or a name that nothing has yet.
//!
//! The path's own entry is watched in its folder, so that a file that is replaced, removed or made again is still the one
//! that is watched. Where the folder does not exist either, the nearest one that does is watched until the next appears.
//! What is told are paths as the caller wrote them, whatever links they pass.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::files::normalised;
use crate::watch::{FolderWatch, FolderWatcher, Listener};

/// Changes that come within this time of the first are told together.
const TOGETHER: Duration = Duration::from_millis(20);
/// More changed paths than this are told as a change of the watched path itself.
const MOST_PATHS: usize = 4096;
/// How often the watched folders are looked at again because they changed while they were looked at.
const ROUNDS: usize = 4;

/// Where a path leads at the moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Shape {
    /// The path's own entry, by the real path of its folder; `None` while the folder does not exist.
    entry: Option<PathBuf>,
    /// The real path of what is there, when that is another one.
    target: Option<PathBuf>,
    /// Whether a folder is there, whose entries count.
    is_folder: bool,
    /// Whether anything is there.
    exists: bool,
    /// The next name on the way to an entry whose folder does not exist, below a real path.
    awaited: Option<PathBuf>,
    /// The folders to watch, by their real paths.
    folders: Vec<PathBuf>,
}

impl Shape {
    fn of(path: &Path) -> Self {
        let mut shape = Shape::default();
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            let real = parent.ancestors().find_map(|ancestor| {
                let real = fs::canonicalize(ancestor).ok().filter(|real| real.is_dir())?;
                Some((ancestor, real))
            });
            if let Some((ancestor, real)) = real {
                let missing = parent.strip_prefix(ancestor).unwrap_or(Path::new(""));
                match missing.components().next() {
                    None => shape.entry = Some(real.join(name)),
                    Some(next) => shape.awaited = Some(real.join(next)),
                }
                shape.folders.push(real);
            }
        }
        shape.exists = fs::symlink_metadata(path).is_ok();
        if let Ok(real) = fs::canonicalize(path) {
            shape.is_folder = real.is_dir();
            let watched = match shape.is_folder {
                true => Some(real.as_path()),
                false => real.parent(),
            };
            shape.folders.extend(watched.map(Path::to_path_buf));
            shape.target = (shape.is_folder || shape.entry.as_ref() != Some(&real)).then_some(real);
        } else if let Some(target) = missing_target(path) {
            shape.folders.extend(target.parent().map(Path::to_path_buf));
            shape.target = Some(target);
        }
        shape.folders.dedup();
        shape
    }

    /// Whether a change of this path may have changed where things lead.
    fn is_part(&self, changed: &Path) -> bool {
        self.is_self(changed)
            || self.awaited.as_deref() == Some(changed)
            || self.folders.is_empty()
            || self.folders.iter().any(|folder| folder == changed)
    }

    fn is_self(&self, changed: &Path) -> bool {
        self.entry.as_deref() == Some(changed) || self.target.as_deref() == Some(changed)
    }

    /// What the caller calls the changed path, if it concerns them.
    fn told_as(&self, path: &Path, changed: &Path) -> Option<PathBuf> {
        if self.is_self(changed) {
            return Some(path.to_path_buf());
        }
        let target = self.target.as_deref().filter(|_| self.is_folder)?;
        let name = changed.strip_prefix(target).ok()?;
        (name.components().count() == 1).then(|| path.join(name))
    }
}

/// Where a link leads that leads to nothing for now, if that is in a folder.
fn missing_target(link: &Path) -> Option<PathBuf> {
    let target = normalised(&link.parent()?.join(fs::read_link(link).ok()?));
    let folder = fs::canonicalize(target.parent()?).ok()?;
    Some(folder.join(target.file_name()?))
}

#[derive(Default)]
struct State {
    shape: Shape,
    changed: BTreeSet<PathBuf>,
    /// Whether the shape may be another one by now.
    moved: bool,
    closed: bool,
}

struct Heard {
    path: PathBuf,
    state: Mutex<State>,
    arrived: Notify,
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Heard {
    fn changed(&self, path: &Path) {
        let mut state = self.state();
        let told = state.shape.told_as(&self.path, path);
        let moved = state.shape.is_part(path);
        if told.is_none() && !moved {
            return;
        }
        state.moved |= moved;
        state.changed.extend(told);
        if state.changed.len() > MOST_PATHS {
            state.changed = BTreeSet::from([self.path.clone()]);
        }
        drop(state);
        self.arrived.notify_one();
    }

    fn lost(&self) {
        let mut state = self.state();
        state.moved = true;
        state.changed.insert(self.path.clone());
        drop(state);
        self.arrived.notify_one();
    }
}

/// A watched path. Cheap to clone; [`PathWatch::close`] ends it.
#[derive(Clone)]
pub struct PathWatch {
    watcher: Arc<FolderWatcher>,
    heard: Arc<Heard>,
    /// The watched folders, by their real paths.
    folders: Arc<Mutex<HashMap<PathBuf, FolderWatch>>>,
}

impl PathWatch {
    /// Begins to watch. Blocking.
    pub fn start(watcher: &Arc<FolderWatcher>, path: PathBuf) -> io::Result<Self> {
        let watch = PathWatch {
            watcher: Arc::clone(watcher),
            heard: Arc::new(Heard {
                path,
                state: Mutex::default(),
                arrived: Notify::new(),
            }),
            folders: Arc::default(),
        };
        watch.follow()?;
        // What was found at the beginning is no change.
        watch.heard.state().changed.clear();
        Ok(watch)
    }

    /// Watches what the path leads to by now, and tells when it has come to be there. Blocking.
    fn follow(&self) -> io::Result<()> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ROUNDS {
            let shape = Shape::of(&self.heard.path);
            let listener = || Arc::clone(&self.heard) as Arc<dyn Listener>;
            let mut watched = HashMap::new();
            for folder in &shape.folders {
                // Asked anew each time: the folder may be another one under its old name.
                match self.watcher.watch(folder, listener()) {
                    Ok(watch) => watched.insert(folder.clone(), watch),
                    // It went away just now; the next round finds what is left.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                };
            }
            let before = {
                let mut state = self.heard.state();
                if state.closed {
                    return Ok(());
                }
                state.moved = false;
                std::mem::replace(&mut state.shape, shape.clone())
            };
            *folders = watched;
            // What happened before the folders were watched was told to nobody.
            let now = Shape::of(&self.heard.path);
            if now.exists != before.exists || now.target != before.target {
                self.heard.state().changed.insert(self.heard.path.clone());
            }
            if now == shape {
                break;
            }
        }
        Ok(())
    }

    /// Waits for changes and hands them to `tell`, which must not wait. False once the watch is closed, after which
    /// `tell` is never called.
    pub async fn tell(&self, tell: impl FnOnce(Vec<PathBuf>)) -> bool {
        self.heard.arrived.notified().await;
        tokio::time::sleep(TOGETHER).await;
        let moved = {
            let state = self.heard.state();
            if state.closed {
                return false;
            }
            state.moved
        };
        if moved {
            let this = self.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || this.follow()).await {
                tracing::warn!("a watched path is not followed any further: {error}");
            }
        }
        // Told under the lock that closing takes: nothing is told afterwards.
        let mut state = self.heard.state();
        if state.closed {
            return false;
        }
        let changed = std::mem::take(&mut state.changed);
        if !changed.is_empty() {
            tell(changed.into_iter().collect());
        }
        true
    }

    /// Ends the watch. Nothing is told once this has returned.
    pub fn close(&self) {
        self.heard.state().closed = true;
        self.heard.arrived.notify_one();
    }
}
