//! Watching whole trees: that something in them changed, not what.
//!
//! The folders of a tree are watched one by one, so that trees may overlap and lead into each other. How many is bounded;
//! what lies deeper goes unnoticed. A tree that does not exist is awaited at its nearest ancestor that does. What happens
//! on the way to a tree is no change of it: the trees are only to be looked at again, since they may have come or gone.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use crate::watch::{FolderWatch, FolderWatcher, Listener};

/// How deep a tree is watched.
const DEEPEST: usize = 7;
/// How many folders of one tree are watched.
const MOST_FOLDERS: usize = 2000;
/// How often trees are looked at again because they changed while they were looked at.
const ROUNDS: usize = 4;

struct Heard {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    seen: Seen,
    /// Something has changed in a tree, not only on the way to one.
    inside: bool,
    /// Folders that may be watched no longer, although they were.
    stale: Stale,
}

#[derive(Default)]
struct Stale {
    folders: HashSet<PathBuf>,
    all: bool,
}

impl Stale {
    fn holds(&self, folder: &Path) -> bool {
        self.all || self.folders.contains(folder)
    }
}

/// What trees look like at a time.
#[derive(Clone, Default, PartialEq, Eq)]
struct Seen {
    /// The folders and names that count; of a folder without names, everything does.
    interest: HashMap<PathBuf, Interest>,
    /// The names that are trees themselves, and not on the way to one.
    tops: HashSet<PathBuf>,
    /// Which folder each root is, by device and number.
    roots: HashMap<PathBuf, Option<(u64, u64)>>,
}

/// What has changed while nobody listened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Covered {
    /// Something is newer than the time that was asked about.
    pub fresh: bool,
    /// A root that was watched before has come, gone, or become another folder.
    pub moved: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Interest {
    Everything,
    Names(HashSet<PathBuf>),
}

impl Interest {
    /// Whether something of a tree in this folder has changed since a time.
    fn changed(&self, folder: &Path, tops: &HashSet<PathBuf>, since: SystemTime) -> bool {
        let fresh = |meta: io::Result<fs::Metadata>| meta.is_ok_and(|meta| changed_at(&meta) >= since);
        match self {
            Interest::Everything => {
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                fresh(fs::metadata(folder)) || entries.into_iter().any(|entry| fresh(entry.metadata()))
            }
            Interest::Names(names) => names.intersection(tops).any(|name| fresh(fs::symlink_metadata(name))),
        }
    }
}

/// When an entry was last changed in any way, renamed included.
fn changed_at(meta: &fs::Metadata) -> SystemTime {
    let (seconds, nanos) = (u64::try_from(meta.ctime()), u32::try_from(meta.ctime_nsec()));
    SystemTime::UNIX_EPOCH + Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

impl Heard {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Heard {
    fn changed(&self, path: &Path) {
        let mut state = self.state();
        let itself = state.seen.interest.get(path);
        let around = path.parent().and_then(|folder| state.seen.interest.get(folder));
        let counts = around.is_some_and(|what| match what {
            Interest::Everything => true,
            Interest::Names(names) => names.contains(path),
        });
        let own = itself.is_some();
        let everything = |what: Option<&Interest>| matches!(what, Some(Interest::Everything));
        let inside = everything(itself) || everything(around) || (counts && state.seen.tops.contains(path));
        state.inside |= inside;
        if own {
            state.stale.folders.insert(path.to_path_buf());
        }
        drop(state);
        if own || counts {
            self.arrived.notify_one();
        }
    }

    fn lost(&self) {
        let mut state = self.state();
        state.stale.all = true;
        state.inside = true;
        drop(state);
        self.arrived.notify_one();
    }
}

/// Watched trees, until this is dropped.
pub struct TreeWatch {
    watcher: Arc<FolderWatcher>,
    heard: Arc<Heard>,
    folders: Mutex<HashMap<PathBuf, FolderWatch>>,
}

impl TreeWatch {
    /// A watch of nothing yet.
    pub fn new(watcher: &Arc<FolderWatcher>) -> Self {
        TreeWatch {
            watcher: Arc::clone(watcher),
            heard: Arc::new(Heard {
                state: Mutex::default(),
                arrived: Notify::new(),
            }),
            folders: Mutex::default(),
        }
    }

    /// Watches these trees as they are now, instead of those before. Tells whether anything in them has changed `since`
    /// a time, when nobody watched yet. Blocking.
    pub fn cover(&self, roots: &[PathBuf], since: Option<SystemTime>) -> Covered {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = Seen::of(roots);
        let known = self.heard.state().seen.roots.clone();
        for _ in 0..ROUNDS {
            let stale = std::mem::take(&mut self.heard.state().stale);
            let mut before = std::mem::take(&mut *folders);
            for folder in seen.interest.keys() {
                // One that was removed and made again is another one.
                let known = before.remove(folder).filter(|_| !stale.holds(folder));
                let watch = match known {
                    Some(known) => Ok(known),
                    None => self.watcher.watch(folder, Arc::clone(&self.heard) as Arc<dyn Listener>),
                };
                match watch {
                    Ok(watch) => {
                        folders.insert(folder.clone(), watch);
                    }
                    Err(error) => tracing::debug!("a folder is not watched: {error}"),
                }
            }
            self.heard.state().seen = seen.clone();
            // What was made before its folder was watched was told to nobody.
            let now = Seen::of(roots);
            if now == seen {
                break;
            }
            seen = now;
        }
        let changed = |since| {
            let mut all = seen.interest.iter();
            all.any(|(folder, what)| what.changed(folder, &seen.tops, since))
        };
        Covered {
            fresh: since.is_some_and(changed),
            moved: seen
                .roots
                .iter()
                .any(|(root, is)| known.get(root).is_some_and(|was| was != is)),
        }
    }

    /// Resolves when something has changed since the last time: whether in a tree, or only on the way to one.
    pub async fn changed(&self) -> bool {
        self.heard.arrived.notified().await;
        std::mem::take(&mut self.heard.state().inside)
    }
}

impl Seen {
    /// These trees as they are now.
    fn of(roots: &[PathBuf]) -> Self {
        let mut seen = Seen::default();
        for root in roots {
            cover_tree(root, &mut seen);
        }
        seen
    }

    /// Notices this name in a folder.
    fn name(&mut self, folder: PathBuf, path: PathBuf) {
        let there = self
            .interest
            .entry(folder)
            .or_insert_with(|| Interest::Names(HashSet::new()));
        if let Interest::Names(names) = there {
            names.insert(path);
        }
    }
}

fn cover_tree(root: &Path, seen: &mut Seen) {
    let mut below = Vec::new();
    let meta = fs::metadata(root).ok().filter(fs::Metadata::is_dir);
    let number = meta.map(|meta| (meta.dev(), meta.ino()));
    seen.roots.insert(root.to_path_buf(), number);
    match fs::canonicalize(root).ok().filter(|real| real.is_dir()) {
        Some(real) => {
            // So that the tree's own end and return are noticed.
            if let (Some(folder), Some(_)) = (real.parent(), real.file_name()) {
                seen.name(folder.to_path_buf(), real.clone());
                seen.tops.insert(real.clone());
            }
            below.push((real, 0));
        }
        None => {
            let mut missing = root;
            for ancestor in root.ancestors().skip(1) {
                if let Some(real) = fs::canonicalize(ancestor).ok().filter(|real| real.is_dir()) {
                    if let Some(next) = missing.file_name() {
                        let awaited = real.join(next);
                        if missing == root {
                            seen.tops.insert(awaited.clone());
                        }
                        seen.name(real, awaited);
                    }
                    return;
                }
                missing = ancestor;
            }
            return;
        }
    }
    let mut walked = HashSet::new();
    while let Some((folder, depth)) = below.pop() {
        if walked.len() >= MOST_FOLDERS || !walked.insert(folder.clone()) {
            continue;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|_| depth < DEEPEST) {
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && entry.file_type().is_ok_and(|kind| kind.is_dir() || kind.is_symlink()) {
                let real = fs::canonicalize(entry.path()).ok().filter(|real| real.is_dir());
                below.extend(real.map(|real| (real, depth + 1)));
            }
        }
        seen.interest.insert(folder, Interest::Everything);
    }
}
