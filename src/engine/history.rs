//! The model-visible history of a thread: raw Responses items in order, shared with each request instead of re-encoded.
//!
//! Owned by the running turn, and by the thread between turns. Invariant kept for the provider: in what
//! [`History::request_input`] returns, each call has exactly one output after it and no output lacks its call, however
//! the history was cut (interrupt, crash, rollback). The stored items themselves are never changed by that.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::InputItem;

/// The output that stands in for one that was never recorded.
const ABORTED: &str = "aborted";
/// What a text-only model is told where an image stood.
const IMAGE_LEFT_OUT: &str = "[an image was left out: this model reads text only]";
/// What an inline image counts for in estimates, in bytes: about 1,800 tokens.
const IMAGE_WEIGHT: usize = 7_200;
/// What replaces an image that the provider could not read.
const INVALID_IMAGE: &str = "Invalid image";

/// Which kind of call an item is, which decides the form of its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallKind {
    Function,
    Custom,
    ToolSearch,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pairing {
    /// Neither a call nor an output.
    Alone,
    Call(CallKind, Box<str>),
    Output(Box<str>),
}

#[derive(Debug, Clone)]
struct Entry {
    raw: InputItem,
    pairing: Pairing,
    images: bool,
    user: bool,
    /// What it counts for in estimates, in bytes.
    weight: usize,
}

/// What tells how an item pairs with others.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Option<std::borrow::Cow<'a, str>>,
    #[serde(default, borrow)]
    role: Option<std::borrow::Cow<'a, str>>,
    #[serde(default)]
    call_id: Option<Box<str>>,
}

impl Entry {
    fn new(raw: InputItem) -> Self {
        let head = serde_json::from_str::<Head>(raw.get()).unwrap_or(Head {
            kind: None,
            role: None,
            call_id: None,
        });
        let kind = head.kind.as_deref().unwrap_or("message");
        let pairing = match (kind, head.call_id) {
            ("function_call" | "local_shell_call", Some(id)) => Pairing::Call(CallKind::Function, id),
            ("custom_tool_call", Some(id)) => Pairing::Call(CallKind::Custom, id),
            ("tool_search_call", Some(id)) => Pairing::Call(CallKind::ToolSearch, id),
            ("function_call_output" | "custom_tool_call_output" | "tool_search_output", Some(id)) => {
                Pairing::Output(id)
            }
            _ => Pairing::Alone,
        };
        let may_hold_images = kind == "message" || matches!(pairing, Pairing::Output(_));
        let images = may_hold_images && raw.get().contains("\"input_image\"");
        Entry {
            images,
            weight: if images {
                weight_of_images(raw.get())
            } else {
                raw.get().len()
            },
            user: kind == "message" && head.role.as_deref() == Some("user"),
            pairing,
            raw,
        }
    }
}

/// A thread's history.
#[derive(Debug, Clone, Default)]
pub struct History {
    entries: Vec<Entry>,
    /// Calls still without an output, by call id. A call id may come again in a later turn.
    open: HashMap<Box<str>, usize>,
    /// Outputs that had no call.
    orphans: usize,
    images: usize,
    weight: usize,
    /// How much of the weight the last count of the provider covers.
    counted: usize,
}

impl History {
    /// The history made of `items`, oldest first.
    pub fn from_items(items: impl IntoIterator<Item = InputItem>) -> Self {
        let mut history = History::default();
        items.into_iter().for_each(|item| history.push(item));
        history.mark_counted();
        history
    }

    /// Appends an item.
    pub fn push(&mut self, item: InputItem) {
        let entry = Entry::new(item);
        match &entry.pairing {
            Pairing::Alone => {}
            Pairing::Call(_, id) => *self.open.entry(id.clone()).or_default() += 1,
            Pairing::Output(id) => match self.open.get_mut(id) {
                Some(1) => {
                    self.open.remove(id);
                }
                Some(count) => *count -= 1,
                None => self.orphans += 1,
            },
        }
        self.images += usize::from(entry.images);
        self.weight += entry.weight;
        self.entries.push(entry);
    }

    /// The number of items.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The stored items, oldest first.
    pub fn items(&self) -> impl DoubleEndedIterator<Item = &InputItem> + ExactSizeIterator {
        self.entries.iter().map(|entry| &entry.raw)
    }

    /// A rough count of the tokens, a token for every four bytes.
    pub fn estimated_tokens(&self) -> i64 {
        tokens(self.weight)
    }

    /// The provider, or an estimate, has counted all that is there.
    pub fn mark_counted(&mut self) {
        self.counted = self.weight;
    }

    /// A rough count of the tokens that came since.
    pub fn uncounted_tokens(&self) -> i64 {
        tokens(self.weight.saturating_sub(self.counted))
    }

    /// Lets the oldest items go, outputs together with their calls. The last one always stays.
    pub fn drop_oldest(&mut self, count: usize) {
        let gone = count.min(self.entries.len().saturating_sub(1));
        let mut uncalled: Vec<Box<str>> = Vec::new();
        let mut left: Vec<InputItem> = Vec::with_capacity(self.entries.len() - gone);
        for (at, entry) in self.entries.drain(..).enumerate() {
            match entry.pairing {
                Pairing::Call(_, id) if at < gone => uncalled.push(id),
                Pairing::Output(id) if uncalled.contains(&id) => uncalled.retain(|call| *call != id),
                _ if at < gone => {}
                _ => left.push(entry.raw),
            }
        }
        *self = History::from_items(left);
    }

    /// The `input` of a request: paired calls and outputs, images as text when the model reads text only.
    pub fn request_input(&self, images: bool) -> Vec<InputItem> {
        let balanced = self.open.is_empty() && self.orphans == 0;
        let picture_free = images || self.images == 0;
        if balanced && picture_free {
            return self.items().cloned().collect();
        }
        let mut outputs_left: HashMap<&str, usize> = HashMap::new();
        for entry in &self.entries {
            if let Pairing::Output(id) = &entry.pairing {
                *outputs_left.entry(id).or_default() += 1;
            }
        }
        let mut answerable: HashMap<&str, usize> = HashMap::new();
        let mut input = Vec::with_capacity(self.entries.len() + self.open.len());
        for entry in &self.entries {
            match &entry.pairing {
                Pairing::Output(id) => {
                    if let Some(left) = outputs_left.get_mut(&**id) {
                        *left = left.saturating_sub(1);
                    }
                    match answerable.get_mut(&**id) {
                        Some(calls) if *calls > 0 => *calls -= 1,
                        _ => continue,
                    }
                }
                Pairing::Call(kind, id) => {
                    let left = outputs_left.get(&**id).copied().unwrap_or(0);
                    let waiting = answerable.entry(id).or_default();
                    input.push(Arc::clone(&entry.raw));
                    if left > *waiting {
                        *waiting += 1;
                    } else {
                        input.extend(synthetic_output(*kind, id));
                    }
                    continue;
                }
                Pairing::Alone => {}
            }
            if entry.images && !images {
                input.push(without_images(&entry.raw, IMAGE_LEFT_OUT).unwrap_or_else(|| Arc::clone(&entry.raw)));
            } else {
                input.push(Arc::clone(&entry.raw));
            }
        }
        input
    }

    /// Replaces the images in tool outputs since the last user message by a text. Returns whether there were any.
    pub fn drop_recent_tool_images(&mut self) -> bool {
        let mut found = false;
        for entry in self.entries.iter_mut().rev() {
            if entry.user {
                break;
            }
            if !entry.images || !matches!(entry.pairing, Pairing::Output(_)) {
                continue;
            }
            if let Some(raw) = without_images(&entry.raw, INVALID_IMAGE) {
                let weight = raw.get().len();
                self.weight = self.weight + weight - entry.weight;
                self.images -= 1;
                entry.raw = raw;
                entry.weight = weight;
                entry.images = false;
                found = true;
            }
        }
        found
    }

    /// The calls that have no output yet, oldest first, with the kind of output they need.
    pub fn open_calls(&self) -> Vec<Box<str>> {
        let mut left = self.open.clone();
        let mut calls = Vec::new();
        for entry in self.entries.iter().rev() {
            if let Pairing::Call(_, id) = &entry.pairing
                && let Some(count) = left.get_mut(id)
                && *count > 0
            {
                *count -= 1;
                calls.push(id.clone());
            }
        }
        calls.reverse();
        calls
    }
}

fn tokens(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}

/// What an item with images counts for: providers count pictures by their size on the screen, not by their bytes.
fn weight_of_images(raw: &str) -> usize {
    let mut weight = raw.len();
    let mut rest = raw;
    while let Some(at) = rest.find("\"data:image/") {
        let url = &rest[at + 1..];
        let end = url.find('"').unwrap_or(url.len());
        weight = weight - end + end.min(IMAGE_WEIGHT);
        rest = &url[end..];
    }
    weight
}

/// Encodes an item for the history.
pub fn encode_item<T: Serialize>(item: &T) -> Option<InputItem> {
    serde_json::value::to_raw_value(item).ok().map(Arc::from)
}

fn synthetic_output(kind: CallKind, call_id: &str) -> Option<InputItem> {
    encode_item(&match kind {
        CallKind::Function => {
            serde_json::json!({"type": "function_call_output", "call_id": call_id, "output": ABORTED})
        }
        CallKind::Custom => {
            serde_json::json!({"type": "custom_tool_call_output", "call_id": call_id, "output": ABORTED})
        }
        CallKind::ToolSearch => serde_json::json!({
            "type": "tool_search_output", "call_id": call_id, "status": "completed", "execution": "client", "tools": [],
        }),
    })
}

/// The item with each image part replaced by `text`.
fn without_images(raw: &RawValue, text: &str) -> Option<InputItem> {
    let mut item: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
    for member in ["content", "output"] {
        let Some(parts) = item.get_mut(member).and_then(|parts| parts.as_array_mut()) else {
            continue;
        };
        for part in parts {
            if part.get("type").and_then(|kind| kind.as_str()) == Some("input_image") {
                *part = serde_json::json!({"type": "input_text", "text": text});
            }
        }
    }
    encode_item(&item)
}

#[cfg(test)]
mod tests;
