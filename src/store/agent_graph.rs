//! Which agents a thread has spawned: edges from parent to child, open while the child may still be talked to.
//!
//! [`AgentGraphStore`] is the seam; [`LocalAgentGraph`] keeps the edges in the index. A child's first rollout line names
//! its parent, so a lost index gets every edge back, as an open one; children that are recorded now are known before the
//! index hears of them. Without an index there are no stored edges: look-ups find live children only.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::protocol::{SessionSource, SubAgentSource, ThreadId};
use crate::store::core::StoreCore;
use crate::store::index::IndexJob;
use crate::store::recorder::blocking;
use crate::store::thread::StoredThread;
use crate::store::{StoreError, StoreFuture};

/// Whether a child may still be talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeStatus {
    /// The child runs or can be taken up again.
    Open,
    /// The child was closed.
    Closed,
}

impl EdgeStatus {
    /// The word the index keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            EdgeStatus::Open => "open",
            EdgeStatus::Closed => "closed",
        }
    }

    /// Reads that word; anything else counts as open.
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "closed" => EdgeStatus::Closed,
            _ => EdgeStatus::Open,
        }
    }
}

/// A parent and a thread that it spawned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnEdge {
    /// Who spawned.
    pub parent: ThreadId,
    /// The spawned thread. It has no other parent.
    pub child: ThreadId,
    /// Whether it may still be talked to.
    pub status: EdgeStatus,
    /// The child's place in the tree of agents, where it has a name.
    pub agent_path: Option<String>,
}

impl SpawnEdge {
    /// The edge that a thread's own source tells, if it was spawned. Open: a source does not tell of the end.
    pub fn of(thread: &StoredThread) -> Option<Self> {
        match &thread.source {
            SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
                parent_thread_id,
                agent_path,
                ..
            }) => Some(SpawnEdge {
                parent: *parent_thread_id,
                child: thread.id,
                status: EdgeStatus::Open,
                agent_path: (thread.agent_path.clone()).or_else(|| agent_path.as_ref().map(|path| path.0.clone())),
            }),
            _ => None,
        }
    }
}

/// The tree of agents.
pub trait AgentGraphStore: Send + Sync {
    /// Keeps an edge; the child's earlier one is replaced.
    fn upsert(&self, edge: SpawnEdge) -> StoreFuture<'_, ()>;

    /// Opens or closes the edge to `child`. A child without an edge is passed over.
    fn set_status(&self, child: ThreadId, status: EdgeStatus) -> StoreFuture<'_, ()>;

    /// The children of a thread in the order of their ids, all of them or those of one status.
    fn children(&self, parent: ThreadId, status: Option<EdgeStatus>) -> StoreFuture<'_, Vec<ThreadId>>;

    /// Everything below a thread, the thread itself excluded: children first, then their children, each level in the
    /// order of ids. With a status only edges of that status are followed.
    fn descendants(&self, root: ThreadId, status: Option<EdgeStatus>) -> StoreFuture<'_, Vec<ThreadId>>;

    /// The child of a thread that has this place in the tree of agents.
    fn child_by_path<'a>(&'a self, parent: ThreadId, agent_path: &'a str) -> StoreFuture<'a, Option<ThreadId>>;
}

/// The tree of the agents of one home.
#[derive(Debug, Clone)]
pub struct LocalAgentGraph {
    core: Arc<StoreCore>,
}

impl LocalAgentGraph {
    pub(crate) fn new(core: Arc<StoreCore>) -> Self {
        LocalAgentGraph { core }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&StoreCore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let core = Arc::clone(&self.core);
        blocking(move || work(&core)).await
    }

    async fn write(&self, job: IndexJob) -> Result<(), StoreError> {
        if self.core.index.is_on() {
            self.core.apply(vec![job]).await
        } else {
            Ok(())
        }
    }
}

impl StoreCore {
    /// The edges below the given parents. Blocks.
    fn edges_below(&self, parents: &[ThreadId], status: Option<EdgeStatus>) -> Result<Vec<SpawnEdge>, StoreError> {
        let stored = match self.index.reader() {
            Some(reader) => reader
                .spawn_edges(parents)
                .map_err(|error| StoreError::Internal(error.to_string()))?,
            None => Vec::new(),
        };
        // What the index knows of a live child wins: it may have been closed.
        let mut edges: HashMap<ThreadId, SpawnEdge> = self
            .live
            .ahead()
            .iter()
            .filter_map(SpawnEdge::of)
            .filter(|edge| parents.contains(&edge.parent))
            .chain(stored)
            .map(|edge| (edge.child, edge))
            .collect();
        edges.retain(|_, edge| status.is_none_or(|status| edge.status == status));
        let mut edges: Vec<SpawnEdge> = edges.into_values().collect();
        edges.sort_unstable_by_key(|edge| edge.child);
        Ok(edges)
    }

    fn descendants(&self, root: ThreadId, status: Option<EdgeStatus>) -> Result<Vec<ThreadId>, StoreError> {
        let mut found = Vec::new();
        // Rollouts are anybody's: a circle of parents ends the walk.
        let mut seen = HashSet::from([root]);
        let mut level = vec![root];
        while !level.is_empty() {
            let below = self.edges_below(&level, status)?;
            level = below
                .into_iter()
                .map(|edge| edge.child)
                .filter(|child| seen.insert(*child))
                .collect();
            found.extend_from_slice(&level);
        }
        Ok(found)
    }
}

impl AgentGraphStore for LocalAgentGraph {
    fn upsert(&self, edge: SpawnEdge) -> StoreFuture<'_, ()> {
        Box::pin(self.write(IndexJob::Edge(edge)))
    }

    fn set_status(&self, child: ThreadId, status: EdgeStatus) -> StoreFuture<'_, ()> {
        Box::pin(self.write(IndexJob::EdgeStatus { child, status }))
    }

    fn children(&self, parent: ThreadId, status: Option<EdgeStatus>) -> StoreFuture<'_, Vec<ThreadId>> {
        Box::pin(self.read(move |core| {
            let edges = core.edges_below(&[parent], status)?;
            Ok(edges.into_iter().map(|edge| edge.child).collect())
        }))
    }

    fn descendants(&self, root: ThreadId, status: Option<EdgeStatus>) -> StoreFuture<'_, Vec<ThreadId>> {
        Box::pin(self.read(move |core| core.descendants(root, status)))
    }

    fn child_by_path<'a>(&'a self, parent: ThreadId, agent_path: &'a str) -> StoreFuture<'a, Option<ThreadId>> {
        let agent_path = agent_path.to_owned();
        Box::pin(self.read(move |core| {
            let edges = core.edges_below(&[parent], None)?;
            let named = edges
                .into_iter()
                .find(|edge| edge.agent_path.as_deref() == Some(agent_path.as_str()));
            Ok(named.map(|edge| edge.child))
        }))
    }
}

#[cfg(test)]
mod tests;
