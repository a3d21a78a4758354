//! Watching whole trees: that something in them changed, not what.
//!
//! The folders of a tree are watched one by one, so that trees may overlap and lead into each other. How many is bounded;
//! what lies deeper goes unnoticed. A tree that does not exist is awaited at its nearest ancestor that does.

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
    /// The folders and names that count; of a folder without names, everything does.
    interest: HashMap<PathBuf, Interest>,
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

#[derive(Clone, PartialEq, Eq)]
enum Interest {
    Everything,
    Names(HashSet<PathBuf>),
}

impl Interest {
    /// Whether the folder, as far as it counts, has changed since a time.
    fn changed(&self, folder: &Path, since: SystemTime) -> bool {
        let fresh = |meta: io::Result<fs::Metadata>| meta.is_ok_and(|meta| changed_at(&meta) >= since);
        match self {
            Interest::Everything => {
                let entries = fs::read_dir(folder).into_iter().flatten().flatten();
                fresh(fs::metadata(folder)) || entries.into_iter().any(|entry| fresh(entry.metadata()))
            }
            Interest::Names(names) => names.iter().any(|name| fresh(fs::symlink_metadata(name))),
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
        let own = state.interest.contains_key(path);
        if own {
            state.stale.folders.insert(path.to_path_buf());
        }
        let around = path.parent().and_then(|folder| state.interest.get(folder));
        let counts = around.is_some_and(|what| match what {
            Interest::Everything => true,
            Interest::Names(names) => names.contains(path),
        });
        drop(state);
        if own || counts {
            self.arrived.notify_one();
        }
    }

    fn lost(&self) {
        self.state().stale.all = true;
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
    pub fn cover(&self, roots: &[PathBuf], since: Option<SystemTime>) -> bool {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut interest = interest_in(roots);
        for _ in 0..ROUNDS {
            let stale = std::mem::take(&mut self.heard.state().stale);
            let mut before = std::mem::take(&mut *folders);
            for folder in interest.keys() {
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
            self.heard.state().interest = interest.clone();
            // What was made before its folder was watched was told to nobody.
            let now = interest_in(roots);
            if now == interest {
                break;
            }
            interest = now;
        }
        since.is_some_and(|since| interest.iter().any(|(folder, what)| what.changed(folder, since)))
    }

    /// Resolves when something has changed since the last time.
    pub async fn changed(&self) {
        self.heard.arrived.notified().await;
    }
}

/// What counts of these trees as they are now.
fn interest_in(roots: &[PathBuf]) -> HashMap<PathBuf, Interest> {
    let mut interest = HashMap::new();
    for root in roots {
        cover_tree(root, &mut interest);
    }
    interest
}

fn cover_tree(root: &Path, interest: &mut HashMap<PathBuf, Interest>) {
    let mut below = Vec::new();
    match fs::canonicalize(root).ok().filter(|real| real.is_dir()) {
        Some(real) => {
            // So that the tree's own end and return are noticed.
            if let (Some(folder), Some(_)) = (real.parent(), real.file_name()) {
                name(interest, folder.to_path_buf(), real.clone());
            }
            below.push((real, 0));
        }
        None => {
            let mut missing = root;
            for ancestor in root.ancestors().skip(1) {
                if let Some(real) = fs::canonicalize(ancestor).ok().filter(|real| real.is_dir()) {
                    if let Some(next) = missing.file_name() {
                        let awaited = real.join(next);
                        name(interest, real, awaited);
                    }
                    return;
                }
                missing = ancestor;
            }
            return;
        }
    }
    let mut seen = HashSet::new();
    while let Some((folder, depth)) = below.pop() {
        if seen.len() >= MOST_FOLDERS || !seen.insert(folder.clone()) {
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
        interest.insert(folder, Interest::Everything);
    }
}

fn name(interest: &mut HashMap<PathBuf, Interest>, folder: PathBuf, path: PathBuf) {
    let there = interest
        .entry(folder)
        .or_insert_with(|| Interest::Names(HashSet::new()));
    if let Interest::Names(names) = there {
        names.insert(path);
    }
}
