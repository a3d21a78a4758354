//! The event lines of a rollout: what happened, as clients saw it.
//!
//! Only kinds that are written or shown are typed; every other kind is kept as raw text and encoded unchanged. One
//! macro lists the kinds with their names, so that reading, writing and naming cannot disagree.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::protocol::{MemoryCitation, MessagePhase, ReviewTarget, TextElement, ThreadTokenUsage, TokenUsageBreakdown};
use crate::store::rollout::source;
use crate::store::rollout::tool_event::{
    DynamicToolCallRequest, DynamicToolCallResponse, ExecCommandEnd, ImageGenerationEnd, ItemCompletedEvent,
    McpToolCallEnd, PatchApplyEnd, ViewImageToolCall, WebSearchEnd,
};

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $tag:literal $(| $alias:literal)*;)*) => {
        /// An event line.
        #[derive(Debug, Clone)]
        pub enum EventMsg {
            $($(#[$doc])* $variant($payload),)*
            /// A kind that nothing here looks into, kept as it was.
            Other(OtherEvent),
        }

        impl EventMsg {
            /// The event's `type`.
            pub fn kind(&self) -> &str {
                match self {
                    $(EventMsg::$variant(_) => $tag,)*
                    EventMsg::Other(other) => &other.kind,
                }
            }

            /// Reads an event payload. An event of a known kind that does not parse is an error.
            pub fn decode(payload: &RawValue) -> serde_json::Result<Self> {
                #[derive(Deserialize)]
                struct Tag<'a> {
                    #[serde(rename = "type", borrow)]
                    kind: Cow<'a, str>,
                }
                let tag: Tag<'_> = serde_json::from_str(payload.get())?;
                Ok(match tag.kind.as_ref() {
                    $($tag $(| $alias)* => EventMsg::$variant(serde_json::from_str(payload.get())?),)*
                    other => EventMsg::Other(OtherEvent { kind: other.into(), payload: payload.to_owned().into() }),
                })
            }
        }

        impl Serialize for EventMsg {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(EventMsg::$variant(payload) => Tagged { kind: $tag, payload }.serialize(serializer),)*
                    EventMsg::Other(other) => other.payload.serialize(serializer),
                }
            }
        }
    };
}

#[derive(Serialize)]
struct Tagged<'a, T> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    payload: &'a T,
}

events! {
    /// A turn began.
    TaskStarted(TaskStarted) = "task_started" | "turn_started";
    /// A turn ended by itself.
    TaskComplete(TaskComplete) = "task_complete" | "turn_complete";
    /// A turn was ended.
    TurnAborted(TurnAborted) = "turn_aborted";
    /// The user said something.
    UserMessage(UserMessage) = "user_message";
    /// The agent said something.
    AgentMessage(AgentMessage) = "agent_message";
    /// A part of a reasoning summary.
    AgentReasoning(TextEvent) = "agent_reasoning";
    /// A part of raw reasoning.
    AgentReasoningRawContent(TextEvent) = "agent_reasoning_raw_content";
    /// Usage and rate limits after a response.
    TokenCount(Box<TokenCount>) = "token_count";
    /// The conversation was compacted.
    ContextCompacted(Empty) = "context_compacted";
    /// A review began.
    EnteredReviewMode(EnteredReviewMode) = "entered_review_mode";
    /// A review ended.
    ExitedReviewMode(ExitedReviewMode) = "exited_review_mode";
    /// The last turns were dropped.
    ThreadRolledBack(ThreadRolledBack) = "thread_rolled_back";
    /// A goal was set or changed.
    ThreadGoalUpdated(GoalUpdated) = "thread_goal_updated";
    /// A plan item was completed.
    ItemCompleted(ItemCompletedEvent) = "item_completed";
    /// A tool of an MCP server answered.
    McpToolCallEnd(Box<McpToolCallEnd>) = "mcp_tool_call_end";
    /// A patch was applied, or not.
    PatchApplyEnd(Box<PatchApplyEnd>) = "patch_apply_end";
    /// A web search ended.
    WebSearchEnd(WebSearchEnd) = "web_search_end";
    /// An image was made.
    ImageGenerationEnd(ImageGenerationEnd) = "image_generation_end";
    /// A command ended (older files).
    ExecCommandEnd(Box<ExecCommandEnd>) = "exec_command_end";
    /// A client's tool was called (older files).
    DynamicToolCallRequest(DynamicToolCallRequest) = "dynamic_tool_call_request";
    /// A client's tool answered (older files).
    DynamicToolCallResponse(Box<DynamicToolCallResponse>) = "dynamic_tool_call_response";
    /// An image was looked at (older files).
    ViewImageToolCall(ViewImageToolCall) = "view_image_tool_call";
    /// A turn failed (older files).
    Error(ErrorEvent) = "error";
}

/// An event of a kind that is not looked into.
#[derive(Debug, Clone)]
pub struct OtherEvent {
    /// Its `type`.
    pub kind: Box<str>,
    /// The whole payload.
    pub payload: Arc<RawValue>,
}

/// An event without members.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// An event that is a text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextEvent {
    pub text: String,
}

/// A turn began.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskStarted {
    #[serde(default)]
    pub turn_id: Option<String>,
    /// Unix seconds.
    #[serde(default)]
    pub started_at: Option<i64>,
    #[serde(default)]
    pub model_context_window: Option<i64>,
    #[serde(default)]
    pub collaboration_mode_kind: Option<String>,
}

/// A turn ended by itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskComplete {
    #[serde(default)]
    pub turn_id: Option<String>,
    #[serde(default)]
    pub last_agent_message: Option<String>,
    /// Unix seconds.
    #[serde(default)]
    pub completed_at: Option<i64>,
    #[serde(default)]
    pub duration_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_to_first_token_ms: Option<i64>,
}

/// A turn was ended: `interrupted`, `replaced`, `review_ended` or `budget_limited`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnAborted {
    #[serde(default)]
    pub turn_id: Option<String>,
    #[serde(default)]
    pub reason: String,
    /// Unix seconds.
    #[serde(default)]
    pub completed_at: Option<i64>,
    #[serde(default)]
    pub duration_ms: Option<i64>,
}

/// The user said something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UserMessage {
    pub message: String,
    /// URLs of images; data URLs mostly.
    #[serde(default)]
    pub images: Option<Vec<String>>,
    #[serde(default)]
    pub local_images: Vec<PathBuf>,
    #[serde(
        default,
        deserialize_with = "source::text_elements",
        serialize_with = "source::write_text_elements"
    )]
    pub text_elements: Vec<TextElement>,
}

/// The agent said something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentMessage {
    pub message: String,
    #[serde(default, deserialize_with = "source::lenient")]
    pub phase: Option<MessagePhase>,
    #[serde(default, deserialize_with = "source::lenient")]
    pub memory_citation: Option<MemoryCitation>,
}

/// Usage and rate limits.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenCount {
    #[serde(default)]
    pub info: Option<TokenUsageInfo>,
    #[serde(default)]
    pub rate_limits: Option<serde_json::Value>,
}

/// Usage of a thread, as rollouts spell it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokenUsageInfo {
    pub total_token_usage: TokenUsage,
    pub last_token_usage: TokenUsage,
    #[serde(default)]
    pub model_context_window: Option<i64>,
}

/// Counted tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    #[serde(default)]
    pub input_tokens: i64,
    #[serde(default)]
    pub cached_input_tokens: i64,
    #[serde(default)]
    pub output_tokens: i64,
    #[serde(default)]
    pub reasoning_output_tokens: i64,
    #[serde(default)]
    pub total_tokens: i64,
}

impl From<TokenUsage> for TokenUsageBreakdown {
    fn from(usage: TokenUsage) -> Self {
        TokenUsageBreakdown {
            cached_input_tokens: usage.cached_input_tokens,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            total_tokens: usage.total_tokens,
        }
    }
}

impl From<&TokenUsageBreakdown> for TokenUsage {
    fn from(usage: &TokenUsageBreakdown) -> Self {
        TokenUsage {
            input_tokens: usage.input_tokens,
            cached_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            total_tokens: usage.total_tokens,
        }
    }
}

impl From<&ThreadTokenUsage> for TokenUsageInfo {
    fn from(usage: &ThreadTokenUsage) -> Self {
        TokenUsageInfo {
            total_token_usage: (&usage.total).into(),
            last_token_usage: (&usage.last).into(),
            model_context_window: usage.model_context_window,
        }
    }
}

impl From<&TokenUsageInfo> for ThreadTokenUsage {
    fn from(info: &TokenUsageInfo) -> Self {
        ThreadTokenUsage {
            last: info.last_token_usage.into(),
            model_context_window: info.model_context_window,
            total: info.total_token_usage.into(),
        }
    }
}

/// A review began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnteredReviewMode {
    #[serde(default, deserialize_with = "source::lenient")]
    pub target: Option<ReviewTarget>,
    #[serde(default)]
    pub user_facing_hint: Option<String>,
}

/// A review ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExitedReviewMode {
    #[serde(default)]
    pub review_output: Option<serde_json::Value>,
}

/// The last turns were dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRolledBack {
    pub num_turns: u32,
}

/// A goal was set or changed; the objective may supply the preview.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GoalUpdated {
    #[serde(flatten)]
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// A turn failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorEvent {
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub codex_error_info: Option<serde_json::Value>,
}
