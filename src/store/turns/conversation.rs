//! The model-visible history of a rollout: what the next request starts from.
//!
//! Items stay raw. A compaction replaces what came before it, and at the end every call has an output: one that never
//! came is written as `aborted`, one that was recorded as JSON is put into words. What was rolled back is not folded in
//! (`taken_back`).
//!
//! What no provider would take is not held: past [`LIMIT`] the oldest exchanges go, whole ones, as a request of that
//! size would only be refused. The last exchange always stays.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use crate::store::rollout::{CompactedLine, EventMsg, RolloutItem};
use crate::store::turns::landmarks::Span;
use crate::store::turns::structured_output::{in_words, may_be_structured};

/// How much a conversation that is read back may hold, in bytes of its items.
pub const LIMIT: usize = 32 * 1024 * 1024;

/// The members of a conversation item that matter here.
#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

fn peek(item: &RawValue) -> Option<Peek<'_>> {
    serde_json::from_str(item.get()).ok()
}

/// Folds lines into the conversation.
#[derive(Debug, Clone)]
pub struct Conversation {
    limit: usize,
    items: Vec<Arc<RawValue>>,
    /// Where the user's messages stand in `items`.
    user_messages: Vec<usize>,
    /// The last items with role `user`, for the event that says one was a message.
    last_user_item: Option<usize>,
    /// The settings of turns, each with the number of the user's messages that stand before it.
    contexts: Vec<(usize, Span)>,
    /// How many of the user's messages were let go.
    gone: usize,
    /// Of all items.
    bytes: usize,
    /// The oldest part is missing: it was let go, or never read.
    cut: bool,
    /// How many compactions there were, as far as is known.
    window: u32,
}

impl Default for Conversation {
    fn default() -> Self {
        Conversation::holding(LIMIT)
    }
}

impl Conversation {
    /// The fold of a rollout that is read from somewhere in its middle.
    pub fn from_middle() -> Self {
        Conversation {
            cut: true,
            ..Conversation::default()
        }
    }

    /// The fold with another limit.
    pub fn holding(limit: usize) -> Self {
        Conversation {
            limit,
            items: Vec::new(),
            user_messages: Vec::new(),
            last_user_item: None,
            contexts: Vec::new(),
            gone: 0,
            bytes: 0,
            cut: false,
            window: 0,
        }
    }

    /// How many compactions the conversation has seen.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Whether the oldest part is missing.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// Takes note of the line with a turn's settings.
    pub fn observe_context(&mut self, line: Span) {
        self.contexts.push((self.gone + self.user_messages.len(), line));
    }

    /// The line with the settings that the model was told last; `None` when it has to be told them anew.
    pub fn last_context(&self) -> Option<Span> {
        // What the model was told at the beginning went with the beginning.
        let told = self.contexts.last().filter(|_| !self.cut)?;
        Some(told.1)
    }

    /// Folds in the next line.
    pub fn observe(&mut self, item: &RolloutItem) {
        match item {
            RolloutItem::ResponseItem(raw) => self.item(raw),
            RolloutItem::Compacted(compacted) => self.compact(compacted),
            RolloutItem::Event(EventMsg::UserMessage(_)) => {
                if let Some(at) = self.last_user_item.take() {
                    self.user_messages.push(at);
                }
            }
            // A review counts as something the user said, though no message of theirs is in the conversation.
            RolloutItem::Event(EventMsg::EnteredReviewMode(_)) => {
                self.last_user_item = None;
                self.user_messages.push(self.items.len());
            }
            _ => {}
        }
    }

    fn item(&mut self, raw: &Arc<RawValue>) {
        let Some(seen) = peek(raw) else { return };
        match seen.kind.as_deref() {
            Some("ghost_snapshot" | "other" | "compaction_trigger") => return,
            // Old files leave the type of messages out.
            None | Some("message") if seen.role.is_none() => return,
            // Belongs to nothing, and no provider takes it.
            Some("function_call" | "function_call_output" | "custom_tool_call" | "custom_tool_call_output")
                if seen.call_id.is_none() =>
            {
                return;
            }
            _ => {}
        }
        if seen.role.as_deref() == Some("user") {
            self.last_user_item = Some(self.items.len());
        }
        self.items.push(Arc::clone(raw));
        self.bytes += raw.get().len();
        if self.bytes > self.limit {
            self.let_go();
        }
    }

    /// Lets the oldest exchanges go, more than is needed now, so that this is not done for every item.
    fn let_go(&mut self) {
        let mut left = self.bytes;
        let mut passed = 0;
        let mut end = 0;
        for &at in self.user_messages.iter().skip(1) {
            let bytes: usize = self
                .items
                .iter()
                .take(at)
                .skip(passed)
                .map(|item| item.get().len())
                .sum();
            left -= bytes;
            (passed, end) = (at, at);
            if left <= self.limit / 4 * 3 {
                break;
            }
        }
        if end == 0 {
            return;
        }
        self.items.drain(..end);
        let before = self.user_messages.len();
        self.user_messages.retain(|at| *at >= end);
        self.gone += before - self.user_messages.len();
        self.user_messages.iter_mut().for_each(|at| *at -= end);
        self.last_user_item = self.last_user_item.and_then(|at| at.checked_sub(end));
        self.bytes = left;
        self.cut = true;
    }

    fn compact(&mut self, compacted: &CompactedLine) {
        self.window = compacted.window.unwrap_or(self.window.saturating_add(1));
        self.items = match &compacted.replacement_history {
            Some(history) => history.iter().map(|item| Arc::from(item.clone())).collect(),
            None => {
                let mut kept: Vec<_> = self
                    .user_messages
                    .iter()
                    .filter_map(|at| self.items.get(*at).cloned())
                    .collect();
                let summary = json!({
                    "type": "message", "role": "user", "content": [{"type": "input_text", "text": compacted.message}],
                });
                kept.extend(to_raw_value(&summary).ok().map(Arc::from));
                kept
            }
        };
        self.user_messages.clear();
        self.last_user_item = None;
        // After a compaction the model is told its situation anew.
        self.contexts.clear();
        self.bytes = self.items.iter().map(|item| item.get().len()).sum();
        self.cut &= compacted.replacement_history.is_none();
    }

    /// Takes back the last item of the user, which the next line would say is a message, and what the model was told
    /// just before it.
    pub fn take_back_said(&mut self) {
        let Some(mut end) = self.last_user_item.take() else {
            return;
        };
        while !self.user_messages.is_empty() && end > 0 && self.items.get(end - 1).is_some_and(|item| is_context(item))
        {
            end -= 1;
        }
        self.items.truncate(end);
        self.bytes = self.items.iter().map(|item| item.get().len()).sum();
    }

    /// Folds in a line that was taken back with the thread's first turn: what the model is told at the beginning stays.
    pub fn observe_beginning(&mut self, item: &RolloutItem) {
        if let RolloutItem::ResponseItem(raw) = item
            && is_context(raw)
        {
            self.item(raw);
            self.last_user_item = None;
        }
    }

    /// The conversation, every call paired with an output and every output with a call.
    pub fn into_items(mut self) -> Vec<Arc<RawValue>> {
        // An exchange that lost its beginning is no exchange.
        if self.cut
            && let Some(&first) = self.user_messages.first()
        {
            self.items.drain(..first);
        }
        let mut called = HashSet::new();
        let mut answered = HashSet::new();
        let mut structured = HashSet::new();
        for item in &self.items {
            let Some(seen) = peek(item) else { continue };
            let (Some(kind), Some(call_id)) = (seen.kind.as_deref(), seen.call_id) else {
                continue;
            };
            if output_kind(kind).is_some() {
                if may_be_structured(kind, seen.name.as_deref()) {
                    structured.insert(call_id.to_string());
                }
                called.insert(call_id.into_owned());
            } else if kind.ends_with("_output") {
                answered.insert(call_id.into_owned());
            }
        }
        let mut items = Vec::with_capacity(self.items.len());
        for item in self.items {
            let outcome = peek(&item).and_then(|seen| {
                let (kind, call_id) = (seen.kind?, seen.call_id?);
                if kind.ends_with("_output") {
                    if !called.contains(call_id.as_ref()) {
                        return Some(Pairing::Uncalled);
                    }
                    let known = structured.contains(call_id.as_ref());
                    return known.then(|| in_words(&item)).flatten().map(Pairing::Worded);
                }
                let output = output_kind(&kind)?;
                let missing = !answered.contains(call_id.as_ref());
                missing
                    .then(|| aborted(output, &call_id))
                    .flatten()
                    .map(Pairing::Unanswered)
            });
            match outcome {
                Some(Pairing::Uncalled) => {}
                Some(Pairing::Unanswered(output)) => items.extend([item, output]),
                Some(Pairing::Worded(worded)) => items.push(worded),
                None => items.push(item),
            }
        }
        items
    }
}

/// What is not right yet with a call or an output.
enum Pairing {
    /// An output that nothing called.
    Uncalled,
    /// A call without an output, which this one answers.
    Unanswered(Arc<RawValue>),
    /// An output that this one says in words.
    Worded(Arc<RawValue>),
}

/// The kind of the output that answers a call of this kind.
fn output_kind(kind: &str) -> Option<&'static str> {
    match kind {
        "function_call" | "local_shell_call" => Some("function_call_output"),
        "custom_tool_call" => Some("custom_tool_call_output"),
        "tool_search_call" => Some("tool_search_output"),
        _ => None,
    }
}

fn aborted(kind: &str, call_id: &str) -> Option<Arc<RawValue>> {
    let output = if kind == "tool_search_output" {
        json!({"type": kind, "call_id": call_id, "status": "completed", "execution": "client", "tools": []})
    } else {
        json!({"type": kind, "call_id": call_id, "output": "aborted"})
    };
    to_raw_value(&output).ok().map(Arc::from)
}

fn is_context(item: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Message<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(borrow, default)]
        content: Vec<Part<'a>>,
    }
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow, default)]
        text: Option<Cow<'a, str>>,
    }
    let Ok(message) = serde_json::from_str::<Message<'_>>(item.get()) else {
        return false;
    };
    match message.role.as_ref() {
        "developer" => true,
        "user" => message
            .content
            .first()
            .and_then(|part| part.text.as_deref())
            .is_some_and(|text| text.trim_start().starts_with("<environment_context>")),
        _ => false,
    }
}
