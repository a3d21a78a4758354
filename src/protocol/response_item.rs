//! Wire payloads: response item.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Content item, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ContentItem {
    #[serde(rename = "input_text")]
    InputText { text: String },
    #[serde(rename = "input_image")]
    InputImage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
        image_url: String,
    },
    #[serde(rename = "output_text")]
    OutputText { text: String },
}

/// Function call output body, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FunctionCallOutputBody {
    Text(String),
    List(Vec<FunctionCallOutputContentItem>),
}

/// Function call output content item, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum FunctionCallOutputContentItem {
    #[serde(rename = "input_text")]
    InputText { text: String },
    #[serde(rename = "input_image")]
    InputImage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<ImageDetail>,
        image_url: String,
    },
}

/// Image detail, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImageDetail {
    Auto,
    Low,
    High,
    Original,
}

/// Local shell action, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum LocalShellAction {
    #[serde(rename = "exec")]
    Exec {
        command: Vec<String>,
        #[serde(default)]
        env: Option<BTreeMap<String, String>>,
        #[serde(default)]
        timeout_ms: Option<u64>,
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        working_directory: Option<String>,
    },
}

/// Local shell status, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum LocalShellStatus {
    #[serde(rename = "completed")]
    Completed,
    #[serde(rename = "in_progress")]
    InProgress,
    #[serde(rename = "incomplete")]
    Incomplete,
}

/// Message phase, carried by `item/completed`, `item/started`, `rawResponseItem/completed` and 15 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MessagePhase {
    #[serde(rename = "commentary")]
    Commentary,
    #[serde(rename = "final_answer")]
    FinalAnswer,
}

/// Reasoning item content, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ReasoningItemContent {
    #[serde(rename = "reasoning_text")]
    ReasoningText { text: String },
    #[serde(rename = "text")]
    Text { text: String },
}

/// Reasoning item reasoning summary, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ReasoningItemReasoningSummary {
    #[serde(rename = "summary_text")]
    SummaryText { text: String },
}

/// Response item, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ResponseItem {
    #[serde(rename = "message", rename_all = "camelCase")]
    Message {
        role: String,
        content: Vec<ContentItem>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<MessagePhase>,
    },
    #[serde(rename = "reasoning")]
    Reasoning {
        #[serde(default, skip_serializing_if = "is_without_reasoning")]
        content: Option<Vec<ReasoningItemContent>>,
        #[serde(default)]
        encrypted_content: Option<String>,
        summary: Vec<ReasoningItemReasoningSummary>,
    },
    #[serde(rename = "local_shell_call")]
    LocalShellCall {
        action: LocalShellAction,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        status: LocalShellStatus,
    },
    #[serde(rename = "function_call")]
    FunctionCall {
        arguments: String,
        call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
    },
    #[serde(rename = "tool_search_call")]
    ToolSearchCall {
        arguments: serde_json::Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<String>,
        execution: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    },
    #[serde(rename = "function_call_output")]
    FunctionCallOutput {
        call_id: String,
        output: FunctionCallOutputBody,
    },
    #[serde(rename = "custom_tool_call")]
    CustomToolCall {
        call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        input: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    },
    #[serde(rename = "custom_tool_call_output")]
    CustomToolCallOutput {
        call_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        output: FunctionCallOutputBody,
    },
    #[serde(rename = "tool_search_output")]
    ToolSearchOutput {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call_id: Option<String>,
        execution: String,
        status: String,
        tools: Vec<serde_json::Value>,
    },
    #[serde(rename = "web_search_call", rename_all = "camelCase")]
    WebSearchCall {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action: Option<ResponsesApiWebSearchAction>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<String>,
    },
    #[serde(rename = "image_generation_call")]
    ImageGenerationCall {
        id: String,
        result: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revised_prompt: Option<String>,
        status: String,
    },
    #[serde(rename = "compaction")]
    Compaction { encrypted_content: String },
    #[serde(rename = "compaction_trigger")]
    CompactionTrigger,
    #[serde(rename = "context_compaction")]
    ContextCompaction {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    /// Also what a later version knows.
    #[serde(rename = "other", other)]
    Other,
}

impl ResponseItem {
    /// Whether a model is told of it. What is of the `system` and what asks for something are no part of a conversation.
    pub fn is_told(&self) -> bool {
        match self {
            ResponseItem::Message { role, .. } => role != "system",
            ResponseItem::CompactionTrigger | ResponseItem::Other => false,
            _ => true,
        }
    }
}

/// Whether the content of a reasoning item is left out: where there is some, none of which is reasoning.
fn is_without_reasoning(content: &Option<Vec<ReasoningItemContent>>) -> bool {
    let reasoning = |part: &ReasoningItemContent| matches!(part, ReasoningItemContent::ReasoningText { .. });
    content.as_ref().is_some_and(|parts| !parts.iter().any(reasoning))
}

/// Responses api web search action, carried by `rawResponseItem/completed`, `thread/resume`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ResponsesApiWebSearchAction {
    #[serde(rename = "search", rename_all = "camelCase")]
    Search {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queries: Option<Vec<String>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    #[serde(rename = "open_page", rename_all = "camelCase")]
    OpenPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    #[serde(rename = "find_in_page", rename_all = "camelCase")]
    FindInPage {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
    },
    /// Also what a later version knows.
    #[serde(rename = "other", other)]
    Other,
}
