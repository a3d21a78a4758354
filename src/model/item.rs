//! Items that a model puts out, read from its JSON, and written for the history.
//!
//! [`OutputItem::parse`] is lenient: what it does not know becomes [`OutputItemKind::Other`]. [`OutputItem::history`] is
//! the item as later requests and rollout lines carry it: in the order of members that other programs write, without
//! the ids that a provider refuses to see again.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::provider::InputItem;
use crate::protocol::MessagePhase;

/// An item of an answer.
#[derive(Debug, Clone)]
pub struct OutputItem {
    /// The provider's id for the item (`msg_…`, `rs_…`).
    pub id: Option<String>,
    /// What it is.
    pub kind: OutputItemKind,
}

/// The kinds of items that the engine acts on.
#[derive(Debug, Clone)]
pub enum OutputItemKind {
    /// Text for the user.
    Message {
        /// `assistant`, as a rule.
        role: String,
        /// The parts' texts joined.
        text: String,
        /// Whether it is a remark on the way or the final answer.
        phase: Option<MessagePhase>,
    },
    /// Reasoning.
    Reasoning {
        /// Sections of the summary.
        summary: Vec<String>,
        /// The reasoning text, from providers that show it.
        content: Option<Vec<ReasoningContent>>,
        /// The sealed reasoning, to be sent back.
        encrypted_content: Option<String>,
    },
    /// A call of a function tool.
    FunctionCall {
        /// Names the call in its output.
        call_id: String,
        /// The tool.
        name: String,
        /// The tool's namespace (an MCP server).
        namespace: Option<String>,
        /// JSON text, as the model wrote it: it may not parse.
        arguments: String,
    },
    /// A call of a tool that takes free text.
    CustomToolCall {
        /// Names the call in its output.
        call_id: String,
        /// The tool.
        name: String,
        /// The text.
        input: String,
        /// The provider's status of the call.
        status: Option<String>,
    },
    /// The old shell tool of some providers.
    LocalShellCall {
        /// Names the call in its output.
        call_id: Option<String>,
        /// The provider's status of the call.
        status: String,
        /// What to run, as JSON.
        action: InputItem,
    },
    /// A web search that the provider did.
    WebSearchCall {
        /// The provider's status of the call.
        status: Option<String>,
        /// What was searched or opened, as JSON.
        action: Option<InputItem>,
    },
    /// An image that the provider made.
    ImageGenerationCall {
        /// The provider's status of the call.
        status: String,
        /// The prompt as the provider changed it.
        revised_prompt: Option<String>,
        /// The image, in base64.
        result: String,
    },
    /// Anything else, as it came; later requests carry it unchanged.
    Other {
        /// Its `type`.
        kind: String,
        /// Its JSON.
        raw: InputItem,
    },
}

/// A part of shown reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasoningContent {
    /// `reasoning_text` or `text`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    pub text: String,
}

impl OutputItem {
    /// Reads an item. `None` when it is not an object with a `type`.
    pub fn parse(raw: &RawValue) -> Option<Self> {
        let _ = raw;
        None
    }

    /// The item as the history keeps it: what later requests and the rollout line carry.
    pub fn history(&self) -> InputItem {
        RawValue::NULL.to_owned().into()
    }

    /// Whether the engine must run a tool for it.
    pub fn is_tool_call(&self) -> bool {
        matches!(
            self.kind,
            OutputItemKind::FunctionCall { .. }
                | OutputItemKind::CustomToolCall { .. }
                | OutputItemKind::LocalShellCall { .. }
        )
    }
}
