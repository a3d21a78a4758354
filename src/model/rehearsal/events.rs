//! An answer's parts as the events that any model streams.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::answer::Part;
use super::conversation::Conversation;
use crate::model::item::OutputItem;
use crate::model::provider::{ModelEvent, SamplingRequest, TokenUsage};

/// The events of an answer, the last of them `Completed`.
pub(super) fn of(parts: &[Part], conversation: &Conversation, request: &SamplingRequest) -> VecDeque<ModelEvent> {
    let stamp = format!("{}_{}", request.window, conversation.length);
    let mut events = VecDeque::from([ModelEvent::Created]);
    let (mut written, mut reasoned) = (0, 0);
    for (index, part) in parts.iter().enumerate() {
        let id = format!("{stamp}_{index}");
        let last = index + 1 == parts.len();
        match part {
            Part::Message(text) => {
                message(&mut events, &id, text, last);
                written += tokens(text.len());
            }
            Part::Reasoning(text) => {
                reasoning(&mut events, &id, text);
                reasoned += tokens(text.len());
            }
            Part::Call { name, arguments } => {
                done(
                    &mut events,
                    &json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": format!("call_{id}"),
                        "name": name, "arguments": arguments}),
                );
                written += tokens(arguments.len());
            }
            Part::Patch(patch) => {
                done(
                    &mut events,
                    &json!({"type": "custom_tool_call", "id": format!("ct_{id}"), "call_id": format!("call_{id}"),
                        "name": "apply_patch", "input": patch, "status": "completed"}),
                );
                written += tokens(patch.len());
            }
        }
    }
    events.push_back(ModelEvent::Completed {
        response_id: format!("resp_{stamp}"),
        usage: Some(usage(request, written, reasoned)),
        end_turn: None,
    });
    events
}

fn message(events: &mut VecDeque<ModelEvent>, id: &str, text: &str, last: bool) {
    let phase = if last { "final_answer" } else { "commentary" };
    let item = |content: Value| {
        let id = format!("msg_{id}");
        json!({"type": "message", "id": id, "role": "assistant", "phase": phase, "content": content})
    };
    events.extend(parsed(&item(json!([]))).map(ModelEvent::ItemAdded));
    events.extend(words(text).map(|word| ModelEvent::TextDelta(word.to_owned())));
    done(events, &item(json!([{"type": "output_text", "text": text}])));
}

fn reasoning(events: &mut VecDeque<ModelEvent>, id: &str, text: &str) {
    let item = |summary: Value| json!({"type": "reasoning", "id": format!("rs_{id}"), "summary": summary});
    events.extend(parsed(&item(json!([]))).map(ModelEvent::ItemAdded));
    events.push_back(ModelEvent::ReasoningSummaryPartAdded { summary_index: 0 });
    events.extend(words(text).map(|word| ModelEvent::ReasoningSummaryDelta {
        summary_index: 0,
        delta: word.to_owned(),
    }));
    done(events, &item(json!([{"type": "summary_text", "text": text}])));
}

fn done(events: &mut VecDeque<ModelEvent>, item: &Value) {
    events.extend(parsed(item).map(ModelEvent::ItemDone));
}

fn parsed(item: &Value) -> Option<OutputItem> {
    let raw = serde_json::value::to_raw_value(item).ok()?;
    OutputItem::parse(&raw)
}

/// Words with the space behind them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '\n'])
}

fn usage(request: &SamplingRequest, written: i64, reasoned: i64) -> TokenUsage {
    let history: usize = request.input.iter().map(|item| item.get().len()).sum();
    let input = tokens(history + request.instructions.get().len() + request.tools.get().len());
    TokenUsage {
        input_tokens: input,
        cached_input_tokens: 0,
        output_tokens: written + reasoned,
        reasoning_output_tokens: reasoned,
        total_tokens: input + written + reasoned,
    }
}

/// The usual estimate: four bytes make a token.
fn tokens(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(4)).unwrap_or(i64::MAX)
}
