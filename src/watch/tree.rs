//! Watching whole trees: that something in them changed, not what.
//!
//! The folders of a tree are watched one by one, so that trees may overlap and lead into each other. How many is bounded;
//! what lies deeper goes unnoticed. A tree that does not exist is awaited at its nearest ancestor that does.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::watch::{FolderWatch, FolderWatcher, Listener};

/// How deep a tree is watched.
const DEEPEST: usize = 7;
/// How many folders of one tree are watched.
const MOST_FOLDERS: usize = 2000;

struct Heard {
    /// The folders and names that count; of a folder without names, everything does.
    interest: Mutex<HashMap<PathBuf, Interest>>,
    arrived: Notify,
}

enum Interest {
    Everything,
    Names(HashSet<PathBuf>),
}

impl Listener for Heard {
    fn changed(&self, path: &Path) {
        let interest = self.interest.lock().unwrap_or_else(PoisonError::into_inner);
        let own = interest.contains_key(path);
        let counts = path
            .parent()
            .and_then(|folder| interest.get(folder))
            .is_some_and(|what| match what {
                Interest::Everything => true,
                Interest::Names(names) => names.contains(path),
            });
        if own || counts {
            self.arrived.notify_one();
        }
    }

    fn lost(&self) {
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
                interest: Mutex::default(),
                arrived: Notify::new(),
            }),
            folders: Mutex::default(),
        }
    }

    /// Watches these trees as they are now, instead of those before. Blocking.
    pub fn cover(&self, roots: &[PathBuf]) {
        let mut interest = HashMap::new();
        for root in roots {
            cover_tree(root, &mut interest);
        }
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched = HashMap::new();
        for folder in interest.keys() {
            let listener = Arc::clone(&self.heard) as Arc<dyn Listener>;
            match self.watcher.watch(folder, listener) {
                Ok(watch) => {
                    watched.insert(folder.clone(), watch);
                }
                Err(error) => tracing::debug!("a folder is not watched: {error}"),
            }
        }
        *self.heard.interest.lock().unwrap_or_else(PoisonError::into_inner) = interest;
        // Only now do those before end, so that a folder in both is watched all the time.
        *folders = watched;
    }

    /// Resolves when something has changed since the last time.
    pub async fn changed(&self) {
        self.heard.arrived.notified().await;
    }
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
