//! A thread as the store knows it, and how it is shown on the wire.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::protocol::{
    AbsolutePathBuf, GitInfo, ReasoningEffort, SessionSource, SubAgentSource, Thread, ThreadId, ThreadSource,
    ThreadStatus, ThreadTokenUsage, Turn,
};
use crate::store::rollout::{BaseInstructions, SessionMeta, TurnContextLine};

/// What is known of a thread without its turns: a row of the index, or the sum of a rollout's lines.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredThread {
    /// The thread.
    pub id: ThreadId,
    /// Its rollout; `None` for an ephemeral thread.
    pub path: Option<PathBuf>,
    /// Whether the rollout lies in the archive.
    pub archived: bool,
    /// The thread it was forked from.
    pub forked_from_id: Option<ThreadId>,
    /// When it was made, in Unix milliseconds.
    pub created_at_ms: i64,
    /// When a line was last written, in Unix milliseconds.
    pub updated_at_ms: i64,
    /// Its folder.
    pub cwd: PathBuf,
    /// The version that made it.
    pub cli_version: String,
    /// What made it.
    pub source: SessionSource,
    /// On whose behalf.
    pub thread_source: Option<ThreadSource>,
    /// The agent's nickname.
    pub agent_nickname: Option<String>,
    /// The agent's role.
    pub agent_role: Option<String>,
    /// The agent's place in the spawn tree.
    pub agent_path: Option<String>,
    /// The id of its provider; empty when the rollout names none.
    pub model_provider: String,
    /// The model of its last turn.
    pub model: Option<String>,
    /// The reasoning effort of its last turn.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The first message's text: what a search looks at, beside the name.
    pub title: String,
    /// What lists show; empty while the thread has no user message, which hides it.
    pub preview: String,
    /// Where its folder stood in git.
    pub git: Option<GitInfo>,
    /// `enabled`, `disabled` or `polluted`; `None` counts as enabled.
    pub memory_mode: Option<String>,
    /// All tokens used so far.
    pub tokens_used: i64,
    /// The explicit name.
    pub name: Option<String>,
    /// The rollout's size when this was true.
    pub file_size: u64,
    /// The rollout's modification time when this was true, in Unix nanoseconds.
    pub file_mtime_ns: i64,
}

impl StoredThread {
    /// The thread on the wire.
    pub fn to_thread(&self, status: ThreadStatus, turns: Vec<Turn>) -> Thread {
        Thread {
            agent_nickname: self.agent_nickname.clone(),
            agent_role: self.agent_role.clone(),
            cli_version: self.cli_version.clone(),
            created_at: self.created_at_ms.div_euclid(1000),
            cwd: absolute(&self.cwd),
            ephemeral: self.path.is_none(),
            forked_from_id: self.forked_from_id.map(|id| id.to_string()),
            git_info: self.git.clone(),
            id: self.id.to_string(),
            model_provider: self.model_provider.clone(),
            name: self.name.clone(),
            path: self.path.as_ref().map(|path| path.display().to_string()),
            preview: self.preview.clone(),
            session_id: self.session_id().to_string(),
            source: self.source.clone(),
            status,
            thread_source: self.thread_source,
            turns,
            updated_at: self.updated_at_ms.div_euclid(1000),
        }
    }

    /// The root of the thread's session tree as far as this thread alone can tell: the parent of a spawned agent, else
    /// the thread itself. Forks are roots of their own.
    pub fn session_id(&self) -> ThreadId {
        match &self.source {
            SessionSource::SubAgent(SubAgentSource::ThreadSpawn { parent_thread_id, .. }) => *parent_thread_id,
            _ => self.id,
        }
    }

    /// Whether lists show it.
    pub fn is_listed(&self) -> bool {
        !self.preview.is_empty()
    }
}

/// Rollouts hold absolute folders; a relative one of a foreign file is shown below the root, not hidden.
fn absolute(path: &std::path::Path) -> AbsolutePathBuf {
    AbsolutePathBuf::rooted(path)
}

/// A stored thread with what taking it up needs, turns and conversation aside.
#[derive(Debug, Clone)]
pub struct ThreadHead {
    /// The thread.
    pub thread: StoredThread,
    /// Its first line.
    pub meta: Option<Box<SessionMeta>>,
    /// The last usage and the turn it belongs to.
    pub usage: Option<(String, ThreadTokenUsage)>,
    /// The last rate limits as recorded.
    pub rate_limits: Option<serde_json::Value>,
    /// The settings that the model was last told of; `None` when it has to be told them anew.
    pub last_context: Option<Box<TurnContextLine>>,
}

impl ThreadHead {
    /// The head of a thread whose rollout says nothing more.
    pub(crate) fn of(thread: StoredThread) -> Self {
        ThreadHead {
            thread,
            meta: None,
            usage: None,
            rate_limits: None,
            last_context: None,
        }
    }

    /// The system prompt the thread was started with.
    pub fn base_instructions(&self) -> Option<&BaseInstructions> {
        self.meta.as_ref()?.base_instructions.as_ref()
    }
}

/// A stored thread with its turns.
#[derive(Debug, Clone)]
pub struct ThreadHistory {
    /// What is known beside the turns.
    pub head: ThreadHead,
    /// Its turns, oldest first, with items.
    pub turns: Vec<Turn>,
}

/// A stored thread with what the model is to be sent.
#[derive(Debug, Clone)]
pub struct StoredConversation {
    /// What is known beside it.
    pub head: ThreadHead,
    /// The items: after the last compaction, without what was rolled back, every call with an output.
    pub items: Vec<Arc<RawValue>>,
    /// How many compactions it has seen.
    pub window: u32,
}
