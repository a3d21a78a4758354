//! Threads on disk: rollout files are the truth, SQLite is their index.
//!
//! [`ThreadStore`] is the seam; [`LocalThreadStore`] keeps threads below the home. A running thread records through its
//! [`Recorder`], whose `append` returns once the lines are with the kernel. The index (`index/`) only makes reading
//! fast: without it, or while it is being rebuilt, every answer comes from the files. Nothing here knows actors: the
//! one writer of the index is handed in as an [`IndexWriter`].

pub mod agent_graph;
mod backfill;
mod core;
mod counters;
pub mod digest;
mod durability;
pub mod error;
pub mod fork;
mod goals;
mod head;
pub mod index;
pub mod installation;
pub mod list;
mod listing;
pub mod live;
pub mod local;
pub mod metadata;
mod moving;
pub mod names;
mod page_reader;
pub mod pages;
pub mod recorder;
pub mod rollout;
pub mod scan;
mod scribe;
pub mod thread;
pub mod turns;
mod warnings;

#[cfg(test)]
pub(crate) mod tests;

use futures_util::future::BoxFuture;

pub use agent_graph::{AgentGraphStore, EdgeStatus, LocalAgentGraph, SpawnEdge};
pub use error::{Missing, StoreError};
pub use fork::{ForkOf, ForkSource, NewFork};
pub use index::{IndexJob, IndexWriter};
pub use installation::installation_id;
pub use list::{ListQuery, ThreadPage};
pub use local::LocalThreadStore;
pub use metadata::MetadataPatch;
pub use pages::{ItemAnchor, ItemPage, ItemQuery, Page, TurnAnchor, TurnPage, TurnQuery};
pub use recorder::Recorder;
pub use rollout::*;
pub use thread::{StoredConversation, StoredThread, ThreadHead, ThreadHistory};
pub use warnings::StoreWarning;

pub use crate::settings::Durability;

use crate::protocol::{ThreadGoal, ThreadId, Turn};

/// The version of the format that rollouts claim in `cli_version`.
pub const COMPATIBLE_VERSION: &str = "0.131.0";

/// A future of the store.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What a new thread is made of.
#[derive(Debug, Clone)]
pub struct NewThread {
    /// Identity and origin; becomes the rollout's first line.
    pub meta: SessionMeta,
    /// Keeps the thread out of the files and the index.
    pub ephemeral: bool,
}

/// Which threads a look-up may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Threads that are not archived.
    Active,
    /// Archived threads.
    Archived,
    /// Both.
    All,
}

/// A thread taken up again.
#[derive(Debug)]
pub struct ResumedThread {
    /// Its recorder; appends go behind what is there.
    pub recorder: Recorder,
    /// What is known of it. Turns and conversation are read when they are needed.
    pub head: ThreadHead,
}

/// Where threads are kept.
///
/// Recording goes through a [`Recorder`], which `create` and `resume` hand out: `append` adds lines, `materialise` makes
/// the file now, `sync` returns when everything is on the disk, and dropping it ends the recording.
pub trait ThreadStore: Send + Sync {
    /// A recorder for a new thread. Nothing is written before its first append.
    fn create(&self, new: NewThread) -> Result<Recorder, StoreError>;

    /// Takes up the thread with this id, archived or not.
    fn resume(&self, id: ThreadId) -> StoreFuture<'_, ResumedThread>;

    /// Takes up the thread in the file at `path`.
    fn resume_path<'a>(&'a self, path: &'a std::path::Path) -> StoreFuture<'a, ResumedThread>;

    /// What is known of a thread without reading its turns.
    fn read(&self, id: ThreadId, scope: Scope) -> StoreFuture<'_, StoredThread>;

    /// The same of the file at `path`.
    fn read_path<'a>(&'a self, path: &'a std::path::Path) -> StoreFuture<'a, StoredThread>;

    /// A thread with its turns. `live_turn` is the turn that is running now, if the thread is loaded.
    fn history<'a>(&'a self, id: ThreadId, live_turn: Option<&'a str>) -> StoreFuture<'a, ThreadHistory>;

    /// What the model is to be sent of a thread, without its last `rolled_back` turns.
    fn conversation(&self, id: ThreadId, rolled_back: usize) -> StoreFuture<'_, StoredConversation>;

    /// A thread as it is now, to be forked. What is recorded later is no part of it.
    fn fork_source<'a>(&'a self, of: ForkOf<'a>) -> StoreFuture<'a, ForkSource>;

    /// Copies a thread into one of its own and takes that up.
    fn fork<'a>(&'a self, source: &'a ForkSource, new: NewFork) -> StoreFuture<'a, ResumedThread>;

    /// The turns of what is to be forked and what the model is to be sent of it, for a fork that is not kept.
    fn look_into<'a>(&'a self, source: &'a ForkSource) -> StoreFuture<'a, (Vec<Turn>, StoredConversation)>;

    /// Changes what is kept about a thread beside its turns, and returns the thread as it is then.
    fn update_metadata(&self, id: ThreadId, patch: MetadataPatch) -> StoreFuture<'_, StoredThread>;

    /// What a thread is to achieve, if anything.
    fn goal(&self, id: ThreadId) -> StoreFuture<'_, Option<ThreadGoal>>;

    /// A page of threads.
    fn list(&self, query: ListQuery) -> StoreFuture<'_, ThreadPage>;

    /// Names a thread.
    fn rename<'a>(&'a self, id: ThreadId, name: &'a str) -> StoreFuture<'a, ()>;

    /// Moves a thread's file to the archive and returns its new path.
    fn archive(&self, id: ThreadId) -> StoreFuture<'_, std::path::PathBuf>;

    /// Moves a thread's file back and returns its new path.
    fn unarchive(&self, id: ThreadId) -> StoreFuture<'_, std::path::PathBuf>;

    /// A page of turns.
    fn list_turns(&self, _id: ThreadId, _query: TurnQuery) -> StoreFuture<'_, TurnPage> {
        Box::pin(async { Err(StoreError::Unsupported("list_turns")) })
    }

    /// A page of items.
    fn list_items(&self, _id: ThreadId, _query: ItemQuery) -> StoreFuture<'_, ItemPage> {
        Box::pin(async { Err(StoreError::Unsupported("list_items")) })
    }
}
