//! What a rollout line can hold, apart from events (see `event`).
//!
//! Items of the model's conversation stay raw JSON text, so that what the model sent is what it is sent back. Fields
//! that this version does not know are dropped from typed lines; unknown kinds of line are skipped by the reader.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::{
    AskForApproval, DynamicToolSpec, ReasoningEffort, SandboxPolicy, SessionSource, ThreadId, ThreadItem, ThreadSource,
    TurnError,
};
use crate::store::rollout::event::EventMsg;
use crate::store::rollout::source;

/// One line's content.
#[derive(Debug, Clone)]
pub enum RolloutItem {
    /// Who the thread is: the first line; may come again with changed git or memory mode.
    SessionMeta(Box<SessionMeta>),
    /// The settings a turn ran with.
    TurnContext(Box<TurnContextLine>),
    /// An item of the conversation with the model, as sent.
    ResponseItem(Arc<RawValue>),
    /// Something that happened, as clients saw it.
    Event(EventMsg),
    /// The conversation was replaced by a summary.
    Compacted(Box<CompactedLine>),
    /// A line that only Greenroom writes and reads.
    Greenroom(GreenroomLine),
}

impl RolloutItem {
    /// The line's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            RolloutItem::SessionMeta(_) => "session_meta",
            RolloutItem::TurnContext(_) => "turn_context",
            RolloutItem::ResponseItem(_) => "response_item",
            RolloutItem::Event(_) => "event_msg",
            RolloutItem::Compacted(_) => "compacted",
            RolloutItem::Greenroom(_) => "greenroom",
        }
    }

    /// A conversation item from any serializable value.
    pub fn response_item(item: &impl Serialize) -> serde_json::Result<Self> {
        Ok(RolloutItem::ResponseItem(serde_json::value::to_raw_value(item)?.into()))
    }

    /// A shown item that has no event line of its own, kept whole.
    pub fn item(turn_id: impl Into<String>, item: ThreadItem) -> Self {
        RolloutItem::Greenroom(GreenroomLine::Item {
            turn_id: turn_id.into(),
            item: Box::new(item),
        })
    }

    /// The id clients know the item by that the preceding event line stands for.
    pub fn item_id(turn_id: impl Into<String>, item_id: impl Into<String>, of: ItemIdOf) -> Self {
        RolloutItem::Greenroom(GreenroomLine::ItemId {
            turn_id: turn_id.into(),
            item_id: item_id.into(),
            of,
        })
    }
}

impl From<GreenroomLine> for RolloutItem {
    fn from(line: GreenroomLine) -> Self {
        RolloutItem::Greenroom(line)
    }
}

impl From<EventMsg> for RolloutItem {
    fn from(event: EventMsg) -> Self {
        RolloutItem::Event(event)
    }
}

/// Identity and origin of a thread.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SessionMeta {
    pub id: ThreadId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from_id: Option<ThreadId>,
    /// When the thread was made: RFC 3339, milliseconds, UTC.
    pub timestamp: String,
    #[serde(default)]
    pub cwd: PathBuf,
    #[serde(default)]
    pub originator: String,
    #[serde(default)]
    pub cli_version: String,
    #[serde(default = "source::unset", with = "source")]
    pub source: SessionSource,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "source::lenient"
    )]
    pub thread_source: Option<ThreadSource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_nickname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "agent_type")]
    pub agent_role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_path: Option<String>,
    #[serde(default)]
    pub model_provider: Option<String>,
    #[serde(default)]
    pub base_instructions: Option<BaseInstructions>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "source::lenient"
    )]
    pub dynamic_tools: Option<Vec<DynamicToolSpec>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mode: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "source::lenient"
    )]
    pub git: Option<GitMeta>,
}

impl SessionMeta {
    /// The meta of a thread made now by this program. The caller fills in what else it knows.
    pub fn new(id: ThreadId, cwd: PathBuf, originator: String, model_provider: String) -> Self {
        SessionMeta {
            id,
            forked_from_id: None,
            timestamp: crate::store::rollout::codec::now_timestamp(),
            cwd,
            originator,
            cli_version: crate::store::COMPATIBLE_VERSION.to_owned(),
            source: SessionSource::Vscode,
            thread_source: None,
            agent_nickname: None,
            agent_role: None,
            agent_path: None,
            model_provider: Some(model_provider),
            base_instructions: None,
            dynamic_tools: None,
            memory_mode: None,
            git: None,
        }
    }
}

/// The system prompt a thread was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseInstructions {
    pub text: String,
}

/// Where the thread's folder stood in git.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GitMeta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_hash: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_url: Option<String>,
}

/// The settings of a turn. Members that no reader needs typed stay JSON values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TurnContextLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    pub cwd: PathBuf,
    /// Empty when it is the folder alone. Only Greenroom writes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace_roots: Vec<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_date: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    pub approval_policy: AskForApproval,
    #[serde(with = "source::sandbox")]
    pub sandbox_policy: SandboxPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_profile: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<serde_json::Value>,
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collaboration_mode: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_active: Option<bool>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "source::lenient"
    )]
    pub effort: Option<ReasoningEffort>,
    #[serde(default = "source::auto_summary")]
    pub summary: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_output_json_schema: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation_policy: Option<serde_json::Value>,
}

/// A compaction: what the conversation was replaced by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CompactedLine {
    #[serde(default)]
    pub message: String,
    /// Missing in old files: then the history is the user's messages and the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement_history: Option<Vec<Box<RawValue>>>,
    /// How many compactions the thread has seen, this one included. Files of other programs do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
}

/// What a line of Greenroom's own says. Other programs skip these lines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GreenroomLine {
    /// A shown item that the common format has no line for (or not a whole one).
    Item { turn_id: String, item: Box<ThreadItem> },
    /// The id of the item that the event line just before stands for.
    ItemId {
        turn_id: String,
        item_id: String,
        of: ItemIdOf,
    },
    /// What a turn failed with; stands before the turn's last line.
    TurnError { turn_id: String, error: TurnError },
    /// The thread has no goal any more.
    GoalCleared,
}

/// The event line an item id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemIdOf {
    UserMessage,
    AgentMessage,
    Reasoning,
    ContextCompaction,
    ReviewMode,
}
