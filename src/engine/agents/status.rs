//! How an agent stands: what its parent's model and clients are told.

use serde::Serialize;

use crate::protocol::{CollabAgentState, CollabAgentStatus, TurnError, TurnStatus};

/// How an agent stands. Its JSON form is what models read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// It was loaded and has done nothing since.
    #[default]
    PendingInit,
    /// A turn runs.
    Running,
    /// Its last turn was interrupted; it can be given something else to do.
    Interrupted,
    /// Its last turn ended with this message.
    Completed(Option<String>),
    /// Its last turn failed.
    Errored(String),
    /// It was closed.
    Shutdown,
    /// There is none, or it is not loaded.
    NotFound,
}

impl AgentStatus {
    /// How an agent stands after a turn.
    pub fn after_turn(status: TurnStatus, message: Option<String>, error: Option<&TurnError>) -> Self {
        match status {
            TurnStatus::Completed => AgentStatus::Completed(message),
            TurnStatus::Interrupted => AgentStatus::Interrupted,
            TurnStatus::Failed => AgentStatus::Errored(error.map(|error| error.message.clone()).unwrap_or_default()),
            TurnStatus::InProgress => AgentStatus::Running,
        }
    }

    /// Whether nothing more comes unless somebody asks for it. An interrupted agent is expected to be told what to do.
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            AgentStatus::PendingInit | AgentStatus::Running | AgentStatus::Interrupted
        )
    }

    /// Whether the status tells of a fault.
    pub fn is_failure(&self) -> bool {
        matches!(self, AgentStatus::Errored(_) | AgentStatus::NotFound)
    }

    /// The status as clients see it.
    pub fn shown(&self) -> CollabAgentState {
        let (status, message) = match self {
            AgentStatus::PendingInit => (CollabAgentStatus::PendingInit, None),
            AgentStatus::Running => (CollabAgentStatus::Running, None),
            AgentStatus::Interrupted => (CollabAgentStatus::Interrupted, None),
            AgentStatus::Completed(message) => (CollabAgentStatus::Completed, message.clone()),
            AgentStatus::Errored(message) => (CollabAgentStatus::Errored, Some(message.clone())),
            AgentStatus::Shutdown => (CollabAgentStatus::Shutdown, None),
            AgentStatus::NotFound => (CollabAgentStatus::NotFound, None),
        };
        CollabAgentState { message, status }
    }
}
