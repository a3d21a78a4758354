//! Notices rollouts that other programs put into the home while this one runs.
//!
//! A folder's time changes when a file comes or goes. So each list looks at the times of the few folders there are, and
//! only where one changed at the names in it; ids that nobody knows are to be read. Blocks, in microseconds mostly.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::protocol::ThreadId;
use crate::store::rollout::path as rollout_path;
use crate::store::scan;

/// Folder times are coarse: one that changed this recently may change again without showing it.
const COARSE: Duration = Duration::from_millis(50);
/// Years, months and days below `sessions/`.
const DEPTH: usize = 3;

#[derive(Debug)]
struct Folder {
    changed: SystemTime,
    children: Vec<PathBuf>,
}

/// What was seen of the folders so far.
#[derive(Debug, Default)]
pub(crate) struct Folders {
    folders: HashMap<PathBuf, Folder>,
    /// Known threads, and whether they are archived.
    known: HashMap<ThreadId, bool>,
    /// Known files whose names tell no id.
    unnamed: HashSet<PathBuf>,
    /// When all files were last compared with the index.
    pub(crate) looked_at_all: Option<Instant>,
}

impl Folders {
    /// Takes note of a thread's file.
    pub(crate) fn learn(&mut self, path: &Path, id: ThreadId, archived: bool) {
        self.known.insert(id, archived);
        if named(path) != Some(id) {
            self.unnamed.insert(path.to_path_buf());
        }
    }

    /// Forgets a thread whose file is gone.
    pub(crate) fn forget(&mut self, path: &Path, id: ThreadId) {
        self.known.remove(&id);
        self.unnamed.remove(path);
    }

    /// Files that came since the last look, apart from those that `ours` knows.
    pub(crate) fn look(&mut self, home: &Path, ours: impl Fn(ThreadId) -> bool) -> Vec<(PathBuf, bool)> {
        let mut came = Vec::new();
        let mut changed = Vec::new();
        self.walk(&home.join(rollout_path::SESSIONS), DEPTH, false, &mut changed);
        self.walk(&home.join(rollout_path::ARCHIVED), 0, true, &mut changed);
        for (folder, archived) in changed {
            for path in scan::files(&folder) {
                let known = match named(&path) {
                    Some(id) => ours(id) || self.known.get(&id) == Some(&archived),
                    None => self.unnamed.contains(&path),
                };
                if !known {
                    came.push((path, archived));
                }
            }
        }
        came
    }

    fn walk(&mut self, folder: &Path, depth: usize, archived: bool, changed: &mut Vec<(PathBuf, bool)>) {
        let Ok(time) = fs::metadata(folder).and_then(|metadata| metadata.modified()) else {
            self.folders.remove(folder);
            return;
        };
        let same = self.folders.get(folder).is_some_and(|seen| seen.changed == time);
        if !same {
            let children = if depth > 0 { subfolders(folder) } else { Vec::new() };
            // A time this fresh is not trusted to show the next change.
            let settled = time.elapsed().is_ok_and(|age| age > COARSE);
            let changed_at = if settled { time } else { SystemTime::UNIX_EPOCH };
            self.folders.insert(
                folder.to_path_buf(),
                Folder {
                    changed: changed_at,
                    children,
                },
            );
            if depth == 0 {
                changed.push((folder.to_path_buf(), archived));
            }
        }
        if depth > 0 {
            let children = self
                .folders
                .get(folder)
                .map(|seen| seen.children.clone())
                .unwrap_or_default();
            for child in children {
                self.walk(&child, depth - 1, archived, changed);
            }
        }
    }
}

fn named(path: &Path) -> Option<ThreadId> {
    let name = path.file_name()?.to_str()?;
    rollout_path::parse_name(name).map(|(_, id)| id)
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
