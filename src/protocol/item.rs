//! Wire payloads: item.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::ident::AbsolutePathBuf;
use crate::protocol::response_item::MessagePhase;
use crate::protocol::turn::{ReasoningEffort, UserInput};

/// Payload of the notification `item/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemCompletedNotification {
    pub completed_at_ms: i64,
    pub item: ThreadItem,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemStartedNotification {
    pub item: ThreadItem,
    pub started_at_ms: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// Command action, carried by `item/commandExecution/requestApproval`, `item/completed`, `item/started` and 15 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum CommandAction {
    #[serde(rename = "read")]
    Read {
        command: String,
        name: String,
        path: AbsolutePathBuf,
    },
    #[serde(rename = "listFiles")]
    ListFiles {
        command: String,
        #[serde(default)]
        path: Option<String>,
    },
    #[serde(rename = "search")]
    Search {
        command: String,
        #[serde(default)]
        path: Option<String>,
        #[serde(default)]
        query: Option<String>,
    },
    #[serde(rename = "unknown")]
    Unknown { command: String },
}

/// Dynamic tool call output content item, carried by `item/tool/call`, `item/completed`, `item/started` and 15 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum DynamicToolCallOutputContentItem {
    #[serde(rename = "inputText")]
    InputText { text: String },
    #[serde(rename = "inputImage", rename_all = "camelCase")]
    InputImage { image_url: String },
}

/// Collab agent state, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CollabAgentState {
    #[serde(default)]
    pub message: Option<String>,
    pub status: CollabAgentStatus,
}

/// Collab agent status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CollabAgentStatus {
    PendingInit,
    Running,
    Interrupted,
    Completed,
    Errored,
    Shutdown,
    NotFound,
}

/// Collab agent tool, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CollabAgentTool {
    SpawnAgent,
    SendInput,
    ResumeAgent,
    Wait,
    CloseAgent,
}

/// Collab agent tool call status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CollabAgentToolCallStatus {
    InProgress,
    Completed,
    Failed,
}

/// Command execution source, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CommandExecutionSource {
    #[default]
    Agent,
    UserShell,
    UnifiedExecStartup,
    UnifiedExecInteraction,
}

/// Command execution status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CommandExecutionStatus {
    InProgress,
    Completed,
    Failed,
    Declined,
}

/// Dynamic tool call status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DynamicToolCallStatus {
    InProgress,
    Completed,
    Failed,
}

/// File update change, carried by `item/fileChange/patchUpdated`, `item/completed`, `item/started` and 15 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileUpdateChange {
    pub diff: String,
    pub kind: PatchChangeKind,
    pub path: String,
}

/// Hook prompt fragment, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookPromptFragment {
    pub hook_run_id: String,
    pub text: String,
}

/// Mcp tool call error, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct McpToolCallError {
    pub message: String,
}

/// Mcp tool call result, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct McpToolCallResult {
    #[serde(rename = "_meta", default)]
    pub meta: Option<serde_json::Value>,
    pub content: Vec<serde_json::Value>,
    #[serde(rename = "structuredContent", default)]
    pub structured_content: Option<serde_json::Value>,
}

/// Mcp tool call status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpToolCallStatus {
    InProgress,
    Completed,
    Failed,
}

/// Memory citation, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryCitation {
    pub entries: Vec<MemoryCitationEntry>,
    pub thread_ids: Vec<String>,
}

/// Memory citation entry, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemoryCitationEntry {
    pub line_end: u32,
    pub line_start: u32,
    pub note: String,
    pub path: String,
}

/// Patch apply status, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchApplyStatus {
    InProgress,
    Completed,
    Failed,
    Declined,
}

/// Patch change kind, carried by `item/fileChange/patchUpdated`, `item/completed`, `item/started` and 15 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum PatchChangeKind {
    #[serde(rename = "add")]
    Add,
    #[serde(rename = "delete")]
    Delete,
    #[serde(rename = "update")]
    Update {
        #[serde(default)]
        move_path: Option<String>,
    },
}

/// Thread item, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ThreadItem {
    #[serde(rename = "userMessage")]
    UserMessage { content: Vec<UserInput>, id: String },
    #[serde(rename = "hookPrompt")]
    HookPrompt {
        fragments: Vec<HookPromptFragment>,
        id: String,
    },
    #[serde(rename = "agentMessage", rename_all = "camelCase")]
    AgentMessage {
        id: String,
        #[serde(default)]
        memory_citation: Option<MemoryCitation>,
        #[serde(default)]
        phase: Option<MessagePhase>,
        text: String,
    },
    #[serde(rename = "plan")]
    Plan { id: String, text: String },
    #[serde(rename = "reasoning")]
    Reasoning {
        #[serde(default)]
        content: Vec<String>,
        id: String,
        #[serde(default)]
        summary: Vec<String>,
    },
    #[serde(rename = "commandExecution", rename_all = "camelCase")]
    CommandExecution {
        #[serde(default)]
        aggregated_output: Option<String>,
        command: String,
        command_actions: Vec<CommandAction>,
        cwd: AbsolutePathBuf,
        #[serde(default)]
        duration_ms: Option<i64>,
        #[serde(default)]
        exit_code: Option<i32>,
        id: String,
        #[serde(default)]
        process_id: Option<String>,
        #[serde(default)]
        source: CommandExecutionSource,
        status: CommandExecutionStatus,
    },
    #[serde(rename = "fileChange")]
    FileChange {
        changes: Vec<FileUpdateChange>,
        id: String,
        status: PatchApplyStatus,
    },
    #[serde(rename = "mcpToolCall", rename_all = "camelCase")]
    McpToolCall {
        arguments: serde_json::Value,
        #[serde(default)]
        duration_ms: Option<i64>,
        #[serde(default)]
        error: Option<McpToolCallError>,
        id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mcp_app_resource_uri: Option<String>,
        #[serde(default)]
        result: Option<McpToolCallResult>,
        server: String,
        status: McpToolCallStatus,
        tool: String,
    },
    #[serde(rename = "dynamicToolCall", rename_all = "camelCase")]
    DynamicToolCall {
        arguments: serde_json::Value,
        #[serde(default)]
        content_items: Option<Vec<DynamicToolCallOutputContentItem>>,
        #[serde(default)]
        duration_ms: Option<i64>,
        id: String,
        #[serde(default)]
        namespace: Option<String>,
        status: DynamicToolCallStatus,
        #[serde(default)]
        success: Option<bool>,
        tool: String,
    },
    #[serde(rename = "collabAgentToolCall", rename_all = "camelCase")]
    CollabAgentToolCall {
        agents_states: BTreeMap<String, CollabAgentState>,
        id: String,
        #[serde(default)]
        model: Option<String>,
        #[serde(default)]
        prompt: Option<String>,
        #[serde(default)]
        reasoning_effort: Option<ReasoningEffort>,
        receiver_thread_ids: Vec<String>,
        sender_thread_id: String,
        status: CollabAgentToolCallStatus,
        tool: CollabAgentTool,
    },
    #[serde(rename = "webSearch")]
    WebSearch {
        #[serde(default)]
        action: Option<WebSearchAction>,
        id: String,
        query: String,
    },
    #[serde(rename = "imageView")]
    ImageView { id: String, path: AbsolutePathBuf },
    #[serde(rename = "imageGeneration", rename_all = "camelCase")]
    ImageGeneration {
        id: String,
        result: String,
        #[serde(default)]
        revised_prompt: Option<String>,
        #[serde(default)]
        saved_path: Option<AbsolutePathBuf>,
        status: String,
    },
    #[serde(rename = "enteredReviewMode")]
    EnteredReviewMode { id: String, review: String },
    #[serde(rename = "exitedReviewMode")]
    ExitedReviewMode { id: String, review: String },
    #[serde(rename = "contextCompaction")]
    ContextCompaction { id: String },
}

/// Web search action, carried by `item/completed`, `item/started`, `review/start` and 14 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum WebSearchAction {
    #[serde(rename = "search")]
    Search {
        #[serde(default)]
        queries: Option<Vec<String>>,
        #[serde(default)]
        query: Option<String>,
    },
    #[serde(rename = "openPage")]
    OpenPage {
        #[serde(default)]
        url: Option<String>,
    },
    #[serde(rename = "findInPage")]
    FindInPage {
        #[serde(default)]
        pattern: Option<String>,
        #[serde(default)]
        url: Option<String>,
    },
    #[serde(rename = "other")]
    Other,
}
