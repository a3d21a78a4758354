//! Wire payloads: thread.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::{AbsolutePathBuf, AgentPath, ThreadId};
use crate::protocol::turn::Turn;

/// Payload of the notification `thread/compacted`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextCompactedNotification {
    pub thread_id: String,
    pub turn_id: String,
}

/// Parameters of `thread/approveGuardianDeniedAction`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadApproveGuardianDeniedActionParams {
    pub event: serde_json::Value,
    pub thread_id: String,
}

/// Result of `thread/approveGuardianDeniedAction`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadApproveGuardianDeniedActionResponse {}

/// Parameters of `thread/backgroundTerminals/clean`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadBackgroundTerminalsCleanParams {
    pub thread_id: String,
}

/// Result of `thread/backgroundTerminals/clean`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadBackgroundTerminalsCleanResponse {}

/// Payload of the notification `thread/closed`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadClosedNotification {
    pub thread_id: String,
}

/// Parameters of `thread/compact/start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadCompactStartParams {
    pub thread_id: String,
}

/// Result of `thread/compact/start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadCompactStartResponse {}

/// Parameters of `thread/decrement_elicitation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadDecrementElicitationParams {
    pub thread_id: String,
}

/// Result of `thread/decrement_elicitation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadDecrementElicitationResponse {
    pub count: u64,
    pub paused: bool,
}

/// Parameters of `thread/increment_elicitation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadIncrementElicitationParams {
    pub thread_id: String,
}

/// Result of `thread/increment_elicitation`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadIncrementElicitationResponse {
    pub count: u64,
    pub paused: bool,
}

/// Parameters of `thread/shellCommand`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadShellCommandParams {
    pub command: String,
    pub thread_id: String,
}

/// Result of `thread/shellCommand`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadShellCommandResponse {}

/// Payload of the notification `thread/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadStartedNotification {
    pub thread: Thread,
}

/// Payload of the notification `thread/status/changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadStatusChangedNotification {
    pub status: ThreadStatus,
    pub thread_id: String,
}

/// Payload of the notification `thread/tokenUsage/updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadTokenUsageUpdatedNotification {
    pub thread_id: String,
    pub token_usage: ThreadTokenUsage,
    pub turn_id: String,
}

/// Parameters of `thread/unsubscribe`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadUnsubscribeParams {
    pub thread_id: String,
}

/// Result of `thread/unsubscribe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadUnsubscribeResponse {
    pub status: ThreadUnsubscribeStatus,
}

/// Thread memory mode, carried by `thread/memoryMode/set`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThreadMemoryMode {
    Enabled,
    Disabled,
}

/// Thread source, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 6 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ThreadSource {
    #[serde(rename = "user")]
    User,
    #[serde(rename = "subagent")]
    Subagent,
    #[serde(rename = "memory_consolidation")]
    MemoryConsolidation,
}

/// Git info, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 6 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitInfo {
    #[serde(default)]
    pub branch: Option<String>,
    #[serde(default)]
    pub origin_url: Option<String>,
    #[serde(default)]
    pub sha: Option<String>,
}

/// Session source, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 6 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum SessionSource {
    #[serde(rename = "cli")]
    Cli,
    #[serde(rename = "vscode")]
    Vscode,
    #[serde(rename = "exec")]
    Exec,
    #[serde(rename = "appServer")]
    AppServer,
    #[serde(rename = "unknown")]
    Unknown,
    #[serde(rename = "custom")]
    Custom(String),
    #[serde(rename = "subAgent")]
    SubAgent(SubAgentSource),
}

/// Sub agent source, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 6 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum SubAgentSource {
    #[serde(rename = "review")]
    Review,
    #[serde(rename = "compact")]
    Compact,
    #[serde(rename = "memory_consolidation")]
    MemoryConsolidation,
    #[serde(rename = "thread_spawn")]
    ThreadSpawn {
        #[serde(default)]
        agent_nickname: Option<String>,
        #[serde(default)]
        agent_path: Option<AgentPath>,
        #[serde(default)]
        agent_role: Option<String>,
        depth: i32,
        parent_thread_id: ThreadId,
    },
    #[serde(rename = "other")]
    Other(String),
}

/// Thread, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 6 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    pub id: String,
    pub session_id: String,
    #[serde(default)]
    pub forked_from_id: Option<String>,
    #[serde(default)]
    pub agent_nickname: Option<String>,
    #[serde(default)]
    pub agent_role: Option<String>,
    pub cli_version: String,
    pub created_at: i64,
    pub cwd: AbsolutePathBuf,
    pub ephemeral: bool,
    #[serde(default)]
    pub git_info: Option<GitInfo>,
    pub model_provider: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub path: Option<String>,
    pub preview: String,
    pub source: SessionSource,
    pub status: ThreadStatus,
    #[serde(default)]
    pub thread_source: Option<ThreadSource>,
    pub turns: Vec<Turn>,
    pub updated_at: i64,
}

/// Thread active flag, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 7 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThreadActiveFlag {
    WaitingOnApproval,
    WaitingOnUserInput,
}

/// Thread status, carried by `thread/fork`, `thread/list`, `thread/metadata/update` and 7 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ThreadStatus {
    #[serde(rename = "notLoaded")]
    NotLoaded,
    #[serde(rename = "idle")]
    Idle,
    #[serde(rename = "systemError")]
    SystemError,
    #[serde(rename = "active", rename_all = "camelCase")]
    Active { active_flags: Vec<ThreadActiveFlag> },
}

/// Thread token usage, carried by `thread/tokenUsage/updated`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadTokenUsage {
    pub last: TokenUsageBreakdown,
    #[serde(default)]
    pub model_context_window: Option<i64>,
    pub total: TokenUsageBreakdown,
}

/// Token usage breakdown, carried by `thread/tokenUsage/updated`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsageBreakdown {
    pub cached_input_tokens: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub reasoning_output_tokens: i64,
    pub total_tokens: i64,
}

/// Thread unsubscribe status, carried by `thread/unsubscribe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ThreadUnsubscribeStatus {
    NotLoaded,
    NotSubscribed,
    Unsubscribed,
}
