//! Walking folders on several threads, handing every path to whoever wants it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use ignore::{DirEntry, Error, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};

use crate::search::rank::{Best, Hit, Query, Scorer};
use crate::search::{Entry, threads};

/// Who is handed what one walker finds. Dropped when that walker ends.
pub(super) trait Sink: Send {
    /// A path. False ends the walk.
    fn found(&mut self, entry: Entry) -> bool;
}

/// Walks all roots, unless it is stopped. Blocking. Each walker has a sink of its own.
pub(super) fn walk<S: Sink>(roots: &[String], stop: &AtomicBool, sink: impl Fn() -> S + Sync) {
    let Some((first, more)) = roots.split_first() else {
        return;
    };
    let mut builder = WalkBuilder::new(first);
    for root in more {
        builder.add(root);
    }
    builder.threads(threads()).hidden(false).follow_links(true);
    let paths: Vec<PathBuf> = roots.iter().map(PathBuf::from).collect();
    let mut walkers = Walkers {
        roots: &paths,
        stop,
        sink: &sink,
    };
    builder.build_parallel().visit(&mut walkers);
}

struct Walkers<'s, F> {
    roots: &'s [PathBuf],
    stop: &'s AtomicBool,
    sink: &'s F,
}

impl<'s, S: Sink + 's, F: Fn() -> S + Sync> ParallelVisitorBuilder<'s> for Walkers<'s, F> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(Walker {
            roots: self.roots,
            stop: self.stop,
            sink: (self.sink)(),
        })
    }
}

struct Walker<'s, S> {
    roots: &'s [PathBuf],
    stop: &'s AtomicBool,
    sink: S,
}

impl<S: Sink> ParallelVisitor for Walker<'_, S> {
    fn visit(&mut self, entry: Result<DirEntry, Error>) -> WalkState {
        if self.stop.load(Ordering::Relaxed) {
            return WalkState::Quit;
        }
        // What cannot be read is not found.
        let Ok(entry) = entry else { return WalkState::Continue };
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        let goes_on = found(self.roots, entry.path(), is_folder).is_none_or(|entry| self.sink.found(entry));
        match goes_on {
            true => WalkState::Continue,
            false => WalkState::Quit,
        }
    }
}

/// The path below the root that is nearest to it.
fn found(roots: &[PathBuf], path: &Path, is_folder: bool) -> Option<Entry> {
    let holds = roots.iter().enumerate().filter(|(_, root)| path.starts_with(root));
    let (at, root) = holds.max_by_key(|(_, root)| root.components().count())?;
    let below = path.strip_prefix(root).ok()?;
    Some(Entry {
        path: below.to_string_lossy().into(),
        root: u32::try_from(at).ok()?,
        is_folder,
    })
}

/// Searches once. Stopped, it returns what it has found so far. Blocking.
pub fn search_once(roots: &[String], query: &str, stop: &AtomicBool) -> Vec<Hit> {
    let query = Query::new(query);
    if query.is_empty() {
        return Vec::new();
    }
    let best = Mutex::new(Best::default());
    walk(roots, stop, || OwnBest {
        query: &query,
        scorer: Scorer::new(),
        own: Best::default(),
        all: &best,
    });
    let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
    best.hits(&query)
}

struct OwnBest<'s> {
    query: &'s Query,
    scorer: Scorer,
    own: Best,
    all: &'s Mutex<Best>,
}

impl Sink for OwnBest<'_> {
    fn found(&mut self, entry: Entry) -> bool {
        if let Some(score) = self.scorer.score(self.query, &entry.path) {
            self.own.offer(score, &entry);
        }
        true
    }
}

impl Drop for OwnBest<'_> {
    fn drop(&mut self) {
        let own = std::mem::take(&mut self.own);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).merge(own);
    }
}
