//! The index: a SQLite database over the rollouts that can be deleted at any time.
//!
//! It is written by one actor per process, which is handed in as an [`IndexWriter`], and read through a small pool.
//! Live threads are not pushed into it: a recorder marks its thread and the writer fetches what changed, so marks
//! coalesce by themselves, are never lost, and never make a turn wait.

pub mod connection;
mod edges;
pub(crate) mod folders;
pub mod reader;
mod row;
pub mod schema;
pub(crate) mod state;
pub(crate) mod turn_reader;
pub mod writer;

#[cfg(test)]
mod tests;

pub use connection::IndexError;
pub use reader::IndexReader;
pub use state::PendingChange;
pub use writer::{IndexConnection, WriteOp, WriteResult};

use crate::protocol::ThreadId;
use crate::store::StoreFuture;
use crate::store::agent_graph::{EdgeStatus, SpawnEdge};
use crate::store::scan::Scanned;

/// Something the index is to learn that no live thread tells.
#[derive(Debug)]
pub enum IndexJob {
    /// A rollout was read: replace all that is known of its thread.
    Scanned(Box<Scanned>),
    /// A rollout is gone: forget the row that points at it.
    Gone {
        /// The row.
        id: ThreadId,
        /// Only if it still points here.
        path: std::path::PathBuf,
    },
    /// A thread spawned another one.
    Edge(SpawnEdge),
    /// A spawned thread was closed, or opened again.
    EdgeStatus {
        /// The spawned thread.
        child: ThreadId,
        /// What it is now.
        status: EdgeStatus,
    },
}

/// The one writer of the index.
pub trait IndexWriter: Send + Sync {
    /// Some live thread changed. Never waits; a writer that is busy will look anyway.
    fn wake(&self);

    /// Applies jobs; done when they are committed.
    fn apply(&self, jobs: Vec<IndexJob>) -> StoreFuture<'_, ()>;

    /// A reader found the database damaged. Never waits.
    fn doubt(&self) {}
}
