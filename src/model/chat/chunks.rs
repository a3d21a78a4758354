//! The chunks of an answer as the engine's events.
//!
//! An answer is some reasoning, then a message, then calls; what begins ends what came before. Calls come in fragments
//! and are handed out when the provider says that the answer is finished. Servers differ in small things, and all of
//! these are understood: reasoning under several names, calls without an index or with the same one for all, without an
//! id, usage in the last chunk or behind it, no `[DONE]`.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tools::{self, Called, Tools};
use crate::model::error::ModelError;
use crate::model::http::{EventReader, failure};
use crate::model::item::OutputItem;
use crate::model::provider::{ModelEvent, TokenUsage};

/// The chunks read so far.
#[derive(Debug)]
pub(super) struct Chunks {
    tools: Tools,
    /// The answer's id; `None` before the first chunk.
    id: Option<String>,
    open: Option<Open>,
    calls: Vec<Call>,
    /// The provider said why it stopped.
    finished: bool,
    completed: bool,
    usage: Option<Usage>,
}

/// The item whose text is coming.
#[derive(Debug)]
struct Open {
    kind: Kind,
    id: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Message,
}

#[derive(Debug, Default)]
struct Call {
    index: Option<i64>,
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Delta>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    reasoning_content: Option<String>,
    reasoning: Option<Value>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    function: Option<FunctionDelta>,
}

#[derive(Deserialize)]
struct FunctionDelta {
    #[serde(default)]
    name: Option<String>,
    /// Text as a rule; some servers send the object itself.
    #[serde(default)]
    arguments: Option<Value>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<i64>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<i64>,
}

impl Chunks {
    pub(super) fn new(tools: Tools) -> Self {
        Chunks {
            tools,
            id: None,
            open: None,
            calls: Vec::new(),
            finished: false,
            completed: false,
            usage: None,
        }
    }

    fn chunk(&mut self, chunk: Chunk, events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        if let Some(error) = chunk.error {
            return Err(failure::of_fault(&error));
        }
        if self.id.is_none() {
            self.id = Some(chunk.id.unwrap_or_default());
            events.push_back(ModelEvent::Created);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(usage);
        }
        // Only one was asked for.
        let Some(choice) = chunk.choices.and_then(|choices| choices.into_iter().next()) else {
            return Ok(());
        };
        if let Some(delta) = choice.delta {
            self.delta(delta, events);
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => Ok(()),
            Some("length") => Err(ModelError::ContextWindow),
            Some("content_filter") => Err(ModelError::InvalidRequest(
                "The provider's content filter stopped the answer.".to_owned(),
            )),
            Some(_) => {
                self.finish(events);
                Ok(())
            }
        }
    }

    fn delta(&mut self, delta: Delta, events: &mut VecDeque<ModelEvent>) {
        let reasoning = delta.reasoning_content.or_else(|| reasoning_text(delta.reasoning));
        if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
            self.text(Kind::Reasoning, text, events);
        }
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            if !text.is_empty() {
                self.text(Kind::Message, text, events);
            }
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call);
        }
    }

    fn text(&mut self, kind: Kind, text: String, events: &mut VecDeque<ModelEvent>) {
        if self.open.as_ref().is_some_and(|open| open.kind != kind) {
            self.end_open(events);
        }
        let open = self.open.get_or_insert_with(|| {
            let open = Open::new(kind);
            events.extend(open.item(kind == Kind::Reasoning).map(ModelEvent::ItemAdded));
            open
        });
        open.text.push_str(&text);
        events.push_back(match kind {
            Kind::Message => ModelEvent::TextDelta(text),
            Kind::Reasoning => ModelEvent::ReasoningTextDelta {
                content_index: 0,
                delta: text,
            },
        });
    }

    fn call(&mut self, delta: CallDelta) {
        let CallDelta { index, id, function } = delta;
        let id = id.unwrap_or_default();
        let (name, arguments) = match function {
            Some(function) => (function.name.unwrap_or_default(), function.arguments),
            None => (String::new(), None),
        };
        let goes_on = |call: &Call| {
            let same_place = index.is_none() || call.index == index;
            // A fragment that names another call begins it, whatever its index says.
            same_place && (id.is_empty() || call.id == id) && (name.is_empty() || call.name == name && !id.is_empty())
        };
        let at = self.calls.iter().rposition(goes_on);
        let at = at.unwrap_or_else(|| {
            self.calls.push(Call {
                index,
                id,
                name,
                arguments: String::new(),
            });
            self.calls.len() - 1
        });
        match arguments {
            Some(Value::String(text)) => self.calls[at].arguments.push_str(&text),
            Some(Value::Null) | None => {}
            Some(object) => self.calls[at].arguments.push_str(&object.to_string()),
        }
    }

    fn end_open(&mut self, events: &mut VecDeque<ModelEvent>) {
        if let Some(open) = self.open.take() {
            events.extend(open.item(false).map(ModelEvent::ItemDone));
        }
    }

    /// Hands out what is whole now. May be told twice.
    fn finish(&mut self, events: &mut VecDeque<ModelEvent>) {
        self.finished = true;
        self.end_open(events);
        for call in std::mem::take(&mut self.calls) {
            events.extend(self.called(call).map(ModelEvent::ItemDone));
        }
    }

    fn called(&self, call: Call) -> Option<OutputItem> {
        let call_id = match call.id {
            id if id.is_empty() => format!("call_{}", Uuid::new_v4().simple()),
            id => id,
        };
        let item = match self.tools.called(&call.name) {
            Called::Function { namespace, name } => {
                let mut item = json!({"type": "function_call", "id": format!("fc_{call_id}"), "name": name,
                    "arguments": call.arguments, "call_id": call_id});
                if let Some(namespace) = namespace {
                    item["namespace"] = Value::String(namespace);
                }
                item
            }
            Called::Freeform(name) => json!({"type": "custom_tool_call", "id": format!("ctc_{call_id}"),
                "status": "completed", "name": name, "input": tools::freeform_input(&call.arguments),
                "call_id": call_id}),
        };
        OutputItem::parse(&tools::raw(&item)?)
    }

    fn complete(&mut self, events: &mut VecDeque<ModelEvent>) {
        if std::mem::replace(&mut self.completed, true) {
            return;
        }
        self.finish(events);
        events.push_back(ModelEvent::Completed {
            response_id: self.id.clone().unwrap_or_default(),
            usage: self.usage.map(TokenUsage::from),
            end_turn: None,
        });
    }
}

impl EventReader for Chunks {
    fn read(&mut self, payload: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        if payload == b"[DONE]" {
            // A server that stops without a reason has said all the same that it is done.
            self.complete(events);
            return Ok(());
        }
        // What is no chunk is passed over, as unknown events are elsewhere.
        match serde_json::from_slice::<Chunk>(payload) {
            Ok(chunk) if !self.completed => self.chunk(chunk, events),
            _ => Ok(()),
        }
    }

    fn close(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        if !self.finished {
            return Err(ModelError::disconnected("stream closed before the answer was finished"));
        }
        self.complete(events);
        Ok(())
    }
}

impl Open {
    fn new(kind: Kind) -> Self {
        let prefix = match kind {
            Kind::Reasoning => "rs",
            Kind::Message => "msg",
        };
        Open {
            kind,
            id: format!("{prefix}_{}", Uuid::new_v4().simple()),
            text: String::new(),
        }
    }

    /// The item as it is now; `bare` leaves the text out.
    fn item(&self, bare: bool) -> Option<OutputItem> {
        let item = match self.kind {
            Kind::Message => {
                let content = json!([{"type": "output_text", "text": self.text}]);
                json!({"type": "message", "id": self.id, "role": "assistant", "content": content})
            }
            Kind::Reasoning => {
                let content = match bare {
                    true => json!([]),
                    false => json!([{"type": "reasoning_text", "text": self.text}]),
                };
                json!({"type": "reasoning", "id": self.id, "summary": [], "content": content})
            }
        };
        OutputItem::parse(&tools::raw(&item)?)
    }
}

/// OpenRouter and newer vLLM say `reasoning`; elsewhere that name may hold something that is no text.
fn reasoning_text(reasoning: Option<Value>) -> Option<String> {
    match reasoning {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let count = TokenUsage::plausible;
        let (input, output) = (count(usage.prompt_tokens), count(usage.completion_tokens));
        let cached = usage.prompt_tokens_details.and_then(|details| details.cached_tokens);
        let reasoning = usage
            .completion_tokens_details
            .and_then(|details| details.reasoning_tokens);
        TokenUsage {
            input_tokens: input,
            cached_input_tokens: count(cached.unwrap_or(0)),
            output_tokens: output,
            reasoning_output_tokens: count(reasoning.unwrap_or(0)),
            total_tokens: match count(usage.total_tokens) {
                0 => count(input + output),
                total => total,
            },
        }
    }
}
