//! Wire payloads: hooks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::AbsolutePathBuf;

/// Payload of the notification `hook/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookCompletedNotification {
    pub run: HookRunSummary,
    pub thread_id: String,
    #[serde(default)]
    pub turn_id: Option<String>,
}

/// Payload of the notification `hook/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookStartedNotification {
    pub run: HookRunSummary,
    pub thread_id: String,
    #[serde(default)]
    pub turn_id: Option<String>,
}

/// Parameters of `hooks/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HooksListParams {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cwds: Vec<String>,
}

/// Result of `hooks/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HooksListResponse {
    pub data: Vec<HooksListEntry>,
}

/// Hook event name, carried by `hook/completed`, `hook/started`, `hooks/list` and 1 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookEventName {
    PreToolUse,
    PermissionRequest,
    PostToolUse,
    PreCompact,
    PostCompact,
    SessionStart,
    UserPromptSubmit,
    Stop,
}

/// Hook execution mode, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookExecutionMode {
    Sync,
    Async,
}

/// Hook handler type, carried by `hook/completed`, `hook/started`, `hooks/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookHandlerType {
    Command,
    Prompt,
    Agent,
}

/// Hook output entry, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HookOutputEntry {
    pub kind: HookOutputEntryKind,
    pub text: String,
}

/// Hook output entry kind, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookOutputEntryKind {
    Warning,
    Stop,
    Feedback,
    Context,
    Error,
}

/// Hook run status, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookRunStatus {
    Running,
    Completed,
    Failed,
    Blocked,
    Stopped,
}

/// Hook run summary, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookRunSummary {
    #[serde(default)]
    pub completed_at: Option<i64>,
    pub display_order: i64,
    #[serde(default)]
    pub duration_ms: Option<i64>,
    pub entries: Vec<HookOutputEntry>,
    pub event_name: HookEventName,
    pub execution_mode: HookExecutionMode,
    pub handler_type: HookHandlerType,
    pub id: String,
    pub scope: HookScope,
    #[serde(default)]
    pub source: HookSource,
    pub source_path: AbsolutePathBuf,
    pub started_at: i64,
    pub status: HookRunStatus,
    #[serde(default)]
    pub status_message: Option<String>,
}

/// Hook scope, carried by `hook/completed`, `hook/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookScope {
    Thread,
    Turn,
}

/// Hook source, carried by `hook/completed`, `hook/started`, `hooks/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookSource {
    System,
    User,
    Project,
    Mdm,
    SessionFlags,
    Plugin,
    CloudRequirements,
    LegacyManagedConfigFile,
    LegacyManagedConfigMdm,
    #[default]
    Unknown,
}

/// Hook error info, carried by `hooks/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HookErrorInfo {
    pub message: String,
    pub path: String,
}

/// Hook metadata, carried by `hooks/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookMetadata {
    #[serde(default)]
    pub command: Option<String>,
    pub current_hash: String,
    pub display_order: i64,
    pub enabled: bool,
    pub event_name: HookEventName,
    pub handler_type: HookHandlerType,
    pub is_managed: bool,
    pub key: String,
    #[serde(default)]
    pub matcher: Option<String>,
    #[serde(default)]
    pub plugin_id: Option<String>,
    pub source: HookSource,
    pub source_path: AbsolutePathBuf,
    #[serde(default)]
    pub status_message: Option<String>,
    pub timeout_sec: u64,
    pub trust_status: HookTrustStatus,
}

/// Hook trust status, carried by `hooks/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HookTrustStatus {
    Managed,
    Untrusted,
    Trusted,
    Modified,
}

/// Hooks list entry, carried by `hooks/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HooksListEntry {
    pub cwd: String,
    pub errors: Vec<HookErrorInfo>,
    pub hooks: Vec<HookMetadata>,
    pub warnings: Vec<String>,
}
