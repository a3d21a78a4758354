//! Where a conversation stands: the last thing the user asked, and what the tools have answered since.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::provider::SamplingRequest;

/// What the rehearsal model needs to know of a request.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The last user message.
    pub(super) prompt: String,
    /// The tools' answers behind it, oldest first.
    pub(super) outputs: Vec<String>,
    /// Whether the model has spoken in this thread before.
    pub(super) spoken: bool,
    /// The tools that it may call.
    pub(super) tools: Vec<String>,
    /// The number of items so far; makes ids unique within a thread.
    pub(super) length: usize,
}

impl Conversation {
    pub(super) fn has_tool(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| tool == name)
    }
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    role: Option<String>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool {
    #[serde(default)]
    name: String,
}

/// Reads a request.
pub(super) fn read(request: &SamplingRequest) -> Conversation {
    let tools: Vec<Tool> = serde_json::from_str(request.tools.get()).unwrap_or_default();
    let mut conversation = Conversation {
        tools: tools.into_iter().map(|tool| tool.name).collect(),
        length: request.input.len(),
        ..Conversation::default()
    };
    for raw in &request.input {
        let Ok(item) = serde_json::from_str::<Item<'_>>(raw.get()) else {
            continue;
        };
        match (item.kind.as_str(), item.role.as_deref()) {
            ("message", Some("assistant")) => conversation.spoken = true,
            ("message", Some("user")) => {
                if let Some(prompt) = prompt(&texts(item.content)) {
                    conversation.prompt = prompt;
                    conversation.outputs.clear();
                }
            }
            ("function_call_output" | "custom_tool_call_output", _) => {
                conversation.outputs.push(texts(item.output).join("\n"));
            }
            _ => {}
        }
    }
    conversation
}

/// The words of a user; `None` for a message that Greenroom wrote in the user's place (context, markers).
fn prompt(parts: &[String]) -> Option<String> {
    let own: Vec<&str> = parts
        .iter()
        .map(|part| part.trim())
        .filter(|part| !is_context(part))
        .collect();
    let text = own.join("\n");
    (!text.trim().is_empty()).then_some(text)
}

/// `<environment_context>…</environment_context>` and its kind, and project documents.
fn is_context(text: &str) -> bool {
    if text.starts_with("# AGENTS.md instructions") {
        return true;
    }
    let Some(name) = text.strip_prefix('<') else {
        return false;
    };
    let end = name
        .find(|c: char| !c.is_ascii_lowercase() && c != '_')
        .unwrap_or(name.len());
    end > 0 && (text.ends_with(&format!("</{}>", &name[..end])) || text == "</image>" || text.starts_with("<image"))
}

/// A text, or the texts of an array of parts.
fn texts(raw: Option<&RawValue>) -> Vec<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Body {
        Text(String),
        Parts(Vec<Part>),
    }
    #[derive(Deserialize)]
    struct Part {
        text: Option<String>,
    }
    match raw.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
        Some(Body::Text(text)) => vec![text],
        Some(Body::Parts(parts)) => parts.into_iter().filter_map(|part| part.text).collect(),
        None => Vec::new(),
    }
}
