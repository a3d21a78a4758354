//! Agents: threads that a thread's model has spawned to work for it.
//!
//! What lives here is what the engine knows of them: how they stand ([`AgentStatus`]), where they belong ([`Lineage`]),
//! and the seam [`Agents`] through which tools spawn and steer them. An agent is a thread like any other; whoever
//! implements the seam loads it, and its end is told to its parent by the agent's own thread.

mod names;
mod status;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::engine::scope::TurnScope;
use crate::protocol::{ReasoningEffort, SessionSource, SubAgentSource, ThreadId, UserInput};
use crate::store::StoredThread;

pub use names::choose_nickname;
pub use status::AgentStatus;

/// The name by which model providers know requests of spawned agents.
pub const SUBAGENT_LABEL: &str = "collab_spawn";

/// Where a thread stands in the tree of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lineage {
    /// The thread itself.
    pub id: ThreadId,
    /// Who spawned it; none for the thread of a user.
    pub parent: Option<ThreadId>,
    /// The thread at the root of the tree.
    pub session: ThreadId,
    /// How far it is from the root.
    pub depth: u32,
    /// What people call it.
    pub nickname: Option<String>,
}

impl Lineage {
    /// The lineage that a thread's own source tells, within the session of its parent if that is known.
    pub fn of(thread: &StoredThread, session: Option<ThreadId>) -> Self {
        let (parent, depth) = match &thread.source {
            SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
                parent_thread_id,
                depth,
                ..
            }) => (Some(*parent_thread_id), u32::try_from(*depth).unwrap_or(u32::MAX)),
            _ => (None, 0),
        };
        Lineage {
            id: thread.id,
            parent,
            session: session.unwrap_or_else(|| thread.session_id()),
            depth,
            nickname: thread.agent_nickname.clone(),
        }
    }
}

/// What an agent is to be.
#[derive(Debug, Clone, Default)]
pub struct AgentWish {
    /// Its role; none for an ordinary agent.
    pub role: Option<String>,
    /// Whether it begins with the conversation of its parent.
    pub fork_context: bool,
    /// Its model, in place of its parent's.
    pub model: Option<String>,
    /// Its effort, in place of its parent's.
    pub effort: Option<ReasoningEffort>,
    /// Its service tier, in place of its parent's.
    pub service_tier: Option<String>,
}

/// An agent that was spawned. It does nothing yet.
#[derive(Debug, Clone)]
pub struct SpawnedAgent {
    /// Its thread.
    pub id: ThreadId,
    /// What people call it.
    pub nickname: Option<String>,
    /// Its model.
    pub model: String,
    /// Its effort; none is the model's own.
    pub effort: Option<ReasoningEffort>,
}

/// Why something could not be done with an agent. The texts are for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentError {
    /// There is no such agent, or it is not loaded.
    #[error("agent with id {0} not found")]
    NotFound(ThreadId),
    /// The wish does not fit together, or names what does not exist.
    #[error("{0}")]
    Refused(String),
    /// The session has as many agents as it may have.
    #[error("collab spawn failed: agent thread limit reached")]
    TooMany,
    /// The parent is as deep in the tree as agents may be.
    #[error("Agent depth limit reached. Solve the task yourself.")]
    TooDeep,
    /// The agent could not be made or loaded.
    #[error("collab spawn failed: {0}")]
    Failed(String),
    /// The agent takes nothing at the moment.
    #[error("agent with id {0} has too much to do; try again later")]
    Busy(ThreadId),
}

/// What tools can do with agents. Nothing here waits for an agent's work, and every wait has an end.
pub trait Agents: Send + Sync {
    /// Loads a new agent of the thread whose turn runs. Clients are told that it is idle.
    fn spawn(&self, parent: Arc<TurnScope>, wish: AgentWish) -> BoxFuture<'static, Result<SpawnedAgent, AgentError>>;

    /// Gives an agent something to do, after it was interrupted if that is wanted; the id under which it was taken.
    fn send(
        &self,
        asker: Lineage,
        target: ThreadId,
        input: Vec<UserInput>,
        interrupt: bool,
    ) -> BoxFuture<'static, Result<String, AgentError>>;

    /// Loads an agent that was closed from its rollout; one that is loaded is left as it is. How it stands then.
    fn resume(&self, parent: Arc<TurnScope>, target: ThreadId) -> BoxFuture<'static, Result<AgentStatus, AgentError>>;

    /// Ends an agent and the agents below it; how it stood before.
    fn close(&self, asker: Lineage, target: ThreadId) -> BoxFuture<'static, Result<AgentStatus, AgentError>>;

    /// How an agent stands, now and later; none when it is not loaded.
    fn watch(&self, asker: &Lineage, target: ThreadId) -> Option<watch::Receiver<AgentStatus>>;
}

/// A thread's place among agents, and what it can do there.
#[derive(Clone)]
pub struct AgentSeat {
    /// Who loads and steers agents.
    pub agents: Arc<dyn Agents>,
    /// Where the thread stands.
    pub lineage: Lineage,
}

#[cfg(test)]
mod tests;
