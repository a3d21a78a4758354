//! Items that a model puts out, read from its JSON, and written for the history.
//!
//! [`OutputItem::parse`] is lenient: what it does not know becomes [`OutputItemKind::Other`].
//! [`OutputItem::history`] is the item as later requests and rollout lines carry it: in the order of members that other programs write, without
//! the ids that a provider refuses to see again, and without members that no request may carry (annotations …).

use std::borrow::Cow;

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
    history: Option<InputItem>,
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
    /// Anything else, as it came.
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

/// Kinds that are not acted on, but sent back as they came.
const KEPT: &[&str] = &[
    "compaction",
    "compaction_summary",
    "context_compaction",
    "tool_search_call",
    "tool_search_output",
];

impl OutputItem {
    /// Reads an item. `None` when it is not an object with a `type`, or lacks what its type needs.
    pub fn parse(raw: &RawValue) -> Option<Self> {
        let tag: Tag = serde_json::from_str(raw.get()).ok()?;
        let id = tag.id.map(Cow::into_owned).filter(|id| !id.is_empty());
        let (kind, history) = match &*tag.kind {
            "message" => from::<Message>(raw)?.split(),
            "reasoning" => from::<ReasoningItem>(raw)?.split(),
            "function_call" => from::<FunctionCall>(raw)?.split(),
            "custom_tool_call" => from::<CustomToolCall>(raw)?.split(),
            "local_shell_call" => from::<LocalShellCall>(raw)?.split(),
            "web_search_call" => from::<WebSearchCall>(raw)?.split(),
            "image_generation_call" => from::<ImageGenerationCall>(raw)?.split(),
            other => {
                let raw: InputItem = raw.to_owned().into();
                let history = KEPT.contains(&other).then(|| raw.clone());
                let kind = OutputItemKind::Other {
                    kind: other.to_owned(),
                    raw,
                };
                (kind, history)
            }
        };
        Some(OutputItem { id, kind, history })
    }

    /// The item as the history keeps it: what later requests and the rollout line carry. `None` for kinds that no
    /// provider takes back.
    pub fn history(&self) -> Option<InputItem> {
        self.history.clone()
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

fn from<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn encode(item: &impl Serialize) -> Option<InputItem> {
    serde_json::value::to_raw_value(item).ok().map(Into::into)
}

type Split = (OutputItemKind, Option<InputItem>);

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    #[serde(rename = "type")]
    tag: String,
    role: String,
    #[serde(default)]
    content: Vec<MessagePart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<MessagePhase>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum MessagePart {
    #[serde(alias = "input_text")]
    OutputText { text: String },
    /// Shown and kept as text: a request may not carry it.
    #[serde(skip_serializing)]
    Refusal { refusal: String },
    #[serde(other, skip_serializing)]
    Unknown,
}

impl Message {
    fn split(mut self) -> Split {
        let parts = self.content.into_iter().filter_map(|part| match part {
            MessagePart::OutputText { text } | MessagePart::Refusal { refusal: text } => Some(text),
            MessagePart::Unknown => None,
        });
        self.content = parts.map(|text| MessagePart::OutputText { text }).collect();
        let history = encode(&self);
        let texts = self.content.iter_mut().map(|part| match part {
            MessagePart::OutputText { text } => std::mem::take(text),
            MessagePart::Refusal { .. } | MessagePart::Unknown => String::new(),
        });
        let kind = OutputItemKind::Message {
            text: texts.reduce(|all, text| all + &text).unwrap_or_default(),
            role: self.role,
            phase: self.phase,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct ReasoningItem {
    #[serde(rename = "type")]
    tag: String,
    #[serde(default)]
    summary: Vec<ReasoningContent>,
    #[serde(default)]
    content: Option<Vec<ReasoningContent>>,
    #[serde(default)]
    encrypted_content: Option<String>,
}

impl ReasoningItem {
    fn split(mut self) -> Split {
        self.content = self.content.filter(|content| !content.is_empty());
        let history = encode(&self);
        let kind = OutputItemKind::Reasoning {
            summary: self.summary.into_iter().map(|part| part.text).collect(),
            content: self.content,
            encrypted_content: self.encrypted_content,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct FunctionCall {
    #[serde(rename = "type")]
    tag: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(default)]
    arguments: String,
    call_id: String,
}

impl FunctionCall {
    fn split(self) -> Split {
        let history = encode(&self);
        let kind = OutputItemKind::FunctionCall {
            call_id: self.call_id,
            name: self.name,
            namespace: self.namespace,
            arguments: self.arguments,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct CustomToolCall {
    #[serde(rename = "type")]
    tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    call_id: String,
    name: String,
    #[serde(default)]
    input: String,
}

impl CustomToolCall {
    fn split(self) -> Split {
        let history = encode(&self);
        let kind = OutputItemKind::CustomToolCall {
            call_id: self.call_id,
            name: self.name,
            input: self.input,
            status: self.status,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct LocalShellCall {
    #[serde(rename = "type")]
    tag: String,
    #[serde(default)]
    call_id: Option<String>,
    #[serde(default)]
    status: String,
    action: InputItem,
}

impl LocalShellCall {
    fn split(self) -> Split {
        let history = encode(&self);
        let kind = OutputItemKind::LocalShellCall {
            call_id: self.call_id,
            status: self.status,
            action: self.action,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct WebSearchCall {
    #[serde(rename = "type")]
    tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<InputItem>,
}

impl WebSearchCall {
    fn split(self) -> Split {
        let history = encode(&self);
        let kind = OutputItemKind::WebSearchCall {
            status: self.status,
            action: self.action,
        };
        (kind, history)
    }
}

#[derive(Serialize, Deserialize)]
struct ImageGenerationCall {
    #[serde(rename = "type")]
    tag: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revised_prompt: Option<String>,
    #[serde(default)]
    result: String,
}

impl ImageGenerationCall {
    fn split(self) -> Split {
        let history = encode(&self);
        let kind = OutputItemKind::ImageGenerationCall {
            status: self.status,
            revised_prompt: self.revised_prompt,
            result: self.result,
        };
        (kind, history)
    }
}

#[cfg(test)]
mod tests;
