//! Event lines that tell how a tool call ended.
//!
//! Current files hold the first four; the others stand in files of older versions and are read, never written. Turning
//! them into shown items is the business of `store::turns`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A completed item kept as such; plans only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ItemCompletedEvent {
    #[serde(default)]
    pub thread_id: Option<String>,
    #[serde(default)]
    pub turn_id: String,
    /// `{"type": "Plan", "id": …, "text": …}`.
    pub item: Value,
    #[serde(default)]
    pub completed_at_ms: Option<i64>,
}

/// A span of time as rollouts spell it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub secs: u64,
    #[serde(default)]
    pub nanos: u32,
}

impl Span {
    /// Whole milliseconds.
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.secs).unwrap_or(i64::MAX).saturating_mul(1000) + i64::from(self.nanos / 1_000_000)
    }
}

impl From<std::time::Duration> for Span {
    fn from(duration: std::time::Duration) -> Self {
        Span {
            secs: duration.as_secs(),
            nanos: duration.subsec_nanos(),
        }
    }
}

/// What an MCP server's tool was called with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpInvocation {
    pub server: String,
    pub tool: String,
    #[serde(default)]
    pub arguments: Option<Value>,
}

/// A tool of an MCP server answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct McpToolCallEnd {
    pub call_id: String,
    pub invocation: McpInvocation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_app_resource_uri: Option<String>,
    #[serde(default)]
    pub duration: Span,
    /// `{"Ok": {"content": […], "isError"?, …}}` or `{"Err": "…"}`.
    pub result: Value,
}

/// A change of one file in a patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RolloutFileChange {
    /// The file is new.
    Add { content: String },
    /// The file went.
    Delete { content: String },
    /// The file changed, and perhaps moved.
    Update {
        unified_diff: String,
        #[serde(default)]
        move_path: Option<PathBuf>,
    },
}

/// A patch was applied, or not: `completed`, `failed` or `declined`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PatchApplyEnd {
    pub call_id: String,
    #[serde(default)]
    pub turn_id: String,
    #[serde(default)]
    pub stdout: String,
    #[serde(default)]
    pub stderr: String,
    #[serde(default)]
    pub success: bool,
    #[serde(default)]
    pub changes: BTreeMap<PathBuf, RolloutFileChange>,
    #[serde(default)]
    pub status: Option<String>,
}

/// A web search ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebSearchEnd {
    pub call_id: String,
    #[serde(default)]
    pub query: String,
    /// `{"type": "search" | "open_page" | "find_in_page" | "other", …}`.
    #[serde(default)]
    pub action: Option<Value>,
}

/// An image was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageGenerationEnd {
    pub call_id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub revised_prompt: Option<String>,
    #[serde(default)]
    pub result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_path: Option<PathBuf>,
}

/// A command ended (older files).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecCommandEnd {
    pub call_id: String,
    #[serde(default)]
    pub process_id: Option<String>,
    #[serde(default)]
    pub turn_id: String,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub cwd: PathBuf,
    /// `[{"type": "read" | "list_files" | "search" | "unknown", "cmd": …}]`.
    #[serde(default)]
    pub parsed_cmd: Vec<Value>,
    #[serde(default)]
    pub source: Option<String>,
    #[serde(default)]
    pub aggregated_output: String,
    #[serde(default)]
    pub exit_code: i32,
    #[serde(default)]
    pub duration: Span,
    #[serde(default)]
    pub status: Option<String>,
}

/// A client's tool was called (older files). This event alone spells its members in camelCase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallRequest {
    #[serde(alias = "call_id")]
    pub call_id: String,
    #[serde(default, alias = "turn_id")]
    pub turn_id: String,
    pub tool: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub arguments: Value,
}

/// A client's tool answered (older files).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DynamicToolCallResponse {
    pub call_id: String,
    #[serde(default)]
    pub turn_id: String,
    pub tool: String,
    #[serde(default)]
    pub namespace: Option<String>,
    #[serde(default)]
    pub arguments: Value,
    #[serde(default)]
    pub content_items: Vec<Value>,
    #[serde(default)]
    pub success: bool,
    #[serde(default)]
    pub duration: Span,
}

/// An image was looked at (older files).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewImageToolCall {
    pub call_id: String,
    pub path: PathBuf,
}
