//! Finding files by a few letters of their paths: walking folders, scoring paths, keeping the best.
//!
//! A search walks once and keeps only the best of what each walker sees. A session keeps the paths, so that every further
//! query costs no look at the disk. Ignore files count, those of git within repositories; hidden files are found; links are
//! followed. Work is done on the blocking pool and gives up when it is told to.

use std::sync::Arc;

mod rank;
mod session;
mod walk;

pub use rank::Hit;
pub use session::{Session, SessionEvent};
pub use walk::search_once;

/// How many results are told.
pub const MOST_HITS: usize = 50;

/// The most threads that one search uses.
const MOST_THREADS: usize = 12;

/// A path that can be found.
#[derive(Debug, Clone)]
struct Entry {
    /// Below its root.
    path: Arc<str>,
    /// The root's position.
    root: u32,
    is_folder: bool,
}

/// How many threads a search uses.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_THREADS))
}
