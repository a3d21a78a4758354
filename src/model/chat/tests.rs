//! Conversations to messages, chunks to events.

use std::collections::VecDeque;

use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::chunks::Chunks;
use super::messages;
use super::tools::{self, Called, Tools};
use crate::model::error::ModelError;
use crate::model::http::EventReader;
use crate::model::item::OutputItemKind;
use crate::model::provider::{InputItem, ModelEvent, json_text};

fn item(value: Value) -> InputItem {
    serde_json::value::to_raw_value(&value).unwrap().into()
}

fn said(role: &str, text: &str) -> InputItem {
    let kind = if role == "assistant" {
        "output_text"
    } else {
        "input_text"
    };
    item(json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]}))
}

fn called(id: &str) -> InputItem {
    item(json!({"type": "function_call", "name": "look", "namespace": "far", "arguments": "{}", "call_id": id}))
}

fn resulted(id: &str, output: Value) -> InputItem {
    item(json!({"type": "function_call_output", "call_id": id, "output": output}))
}

fn messages_of(input: &[InputItem]) -> Value {
    serde_json::to_value(messages::of(&json_text("Be good."), input)).unwrap()
}

#[test]
fn a_conversation_has_one_system_message_and_alternates() {
    let messages = messages_of(&[
        said("developer", "Rules."),
        said("user", "<context/>"),
        said("user", "Hello"),
        said("assistant", "Hi"),
        said("developer", "<note/>"),
        said("user", "Go on"),
    ]);
    assert_eq!(
        messages,
        json!([
            {"role": "system", "content": "Be good.\n\nRules."},
            {"role": "user", "content": "<context/>\n\nHello"},
            {"role": "assistant", "content": "Hi"},
            {"role": "user", "content": "<note/>\n\nGo on"},
        ])
    );
}

#[test]
fn results_follow_their_calls_at_once() {
    let picture = json!([{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:x", "detail": "original"}]);
    let messages = messages_of(&[
        called("a"),
        called("b"),
        said("user", "hurry"),
        resulted("b", picture),
        resulted("lost", json!("x")),
    ]);
    let call = |id| json!({"id": id, "type": "function", "function": {"name": "far__look", "arguments": "{}"}});
    assert_eq!(
        messages,
        json!([
            {"role": "system", "content": "Be good."},
            {"role": "assistant", "content": null, "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "tool_call_id": "a", "content": "aborted"},
            {"role": "tool", "tool_call_id": "b", "content": "see"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:x"}},
                {"type": "text", "text": "hurry"},
            ]},
        ])
    );
}

#[test]
fn names_of_namespaces_fit_and_lead_back() {
    let long = "n".repeat(70);
    let specs = json!([
        {"type": "namespace", "name": "far", "description": "", "tools": [
            {"type": "function", "name": "look", "description": "d", "strict": false, "parameters": {"type": "object"}},
            {"type": "function", "name": long, "parameters": {"type": "object"}}]},
        {"type": "custom", "name": "apply_patch", "description": "Patch.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "web_search"},
    ]);
    let tools = Tools::read(&item(specs));
    let functions = serde_json::to_value(tools.functions()).unwrap();
    assert_eq!(functions.as_array().unwrap().len(), 3);
    assert_eq!(functions[0]["function"]["name"], "far__look");
    assert!(
        functions[2]["function"]["description"]
            .as_str()
            .unwrap()
            .ends_with("start: x")
    );
    let name = functions[1]["function"]["name"].as_str().unwrap();
    assert_eq!((name.len(), name), (64, tools::flat(Some("far"), &long).as_str()));
    let behind = Called::Function {
        namespace: Some("far".into()),
        name: long,
    };
    assert_eq!(tools.called(name), behind);
    assert_eq!(tools.called("apply_patch"), Called::Freeform("apply_patch".into()));
}

/// What a list of payloads means, and whether the stream ended well.
fn read(payloads: &[Value]) -> (Vec<ModelEvent>, Result<(), ModelError>) {
    let mut chunks = Chunks::new(Tools::default());
    let mut events = VecDeque::new();
    for payload in payloads {
        let text = payload.as_str().map_or_else(|| payload.to_string(), str::to_owned);
        if let Err(error) = chunks.read(text.as_bytes(), &mut events) {
            return (events.into(), Err(error));
        }
    }
    let closed = chunks.close(&mut events);
    (events.into(), closed)
}

fn delta(delta: Value) -> Value {
    json!({"id": "r", "choices": [{"delta": delta}]})
}

fn end(reason: &str) -> Value {
    json!({"id": "r", "choices": [{"delta": {}, "finish_reason": reason}]})
}

/// `(call id, arguments)` of each call.
fn calls(events: &[ModelEvent]) -> Vec<(String, String)> {
    let call = |event: &ModelEvent| match event {
        ModelEvent::ItemDone(item) => match &item.kind {
            OutputItemKind::FunctionCall { call_id, arguments, .. } => Some((call_id.clone(), arguments.clone())),
            _ => None,
        },
        _ => None,
    };
    events.iter().filter_map(call).collect()
}

fn completions(events: &[ModelEvent]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, ModelEvent::Completed { .. }))
        .count()
}

#[test]
fn servers_send_calls_in_many_ways() {
    let call = |index: Value, id: Value, name: Value, arguments: Value| {
        delta(json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}))
    };
    let ways = [
        // By the book: fragments by their index, interleaved.
        vec![
            call(json!(0), json!("a"), json!("f"), json!("{")),
            call(json!(1), json!("b"), json!("f"), json!("[")),
            call(json!(0), Value::Null, Value::Null, json!("}")),
            call(json!(1), Value::Null, Value::Null, json!("]")),
        ],
        // Every call at index 0, whole.
        vec![
            call(json!(0), json!("a"), json!("f"), json!("{}")),
            call(json!(0), json!("b"), json!("f"), json!("[]")),
        ],
        // No index; objects for arguments.
        vec![
            call(Value::Null, json!("a"), json!("f"), json!({})),
            call(Value::Null, json!("b"), json!("f"), json!([])),
        ],
        // Id and name again with every fragment.
        vec![
            call(json!(0), json!("a"), json!("f"), json!("{")),
            call(json!(0), json!("a"), json!("f"), json!("}")),
            call(json!(1), json!("b"), json!("f"), json!("[]")),
        ],
    ];
    for (way, mut payloads) in ways.into_iter().enumerate() {
        payloads.push(end("tool_calls"));
        payloads.push(json!("[DONE]"));
        let (events, ended) = read(&payloads);
        ended.unwrap();
        let expected = [("a", "{}"), ("b", "[]")].map(|(id, arguments)| (id.to_owned(), arguments.to_owned()));
        assert_eq!(calls(&events), expected, "way {way}");
    }
    // Without any id each whole call is one of its own.
    let anonymous = call(json!(0), Value::Null, json!("f"), json!("{}"));
    let (events, _) = read(&[anonymous.clone(), anonymous, end("stop")]);
    let ids: std::collections::HashSet<_> = calls(&events).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn an_answer_ends_once_with_its_usage_wherever_that_stands() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 2});
    let text = delta(json!({"content": "x"}));
    let behind = json!({"choices": [], "usage": usage});
    let within = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage});
    let ways = [
        vec![text.clone(), end("stop"), behind, json!("[DONE]")],
        vec![text.clone(), within],
    ];
    for payloads in ways {
        let (events, ended) = read(&payloads);
        ended.unwrap();
        let Some(ModelEvent::Completed { usage: Some(usage), .. }) = events.last() else {
            panic!("{events:?}")
        };
        assert_eq!(
            (usage.input_tokens, usage.total_tokens, completions(&events)),
            (7, 9, 1)
        );
    }
    assert!(matches!(
        read(std::slice::from_ref(&text)).1,
        Err(ModelError::Disconnected { .. })
    ));
    let failed = json!({"error": {"message": "no capacity", "code": 503}});
    assert!(
        matches!(read(&[text, failed]).1, Err(ModelError::Disconnected { message, .. }) if message == "no capacity")
    );
}

proptest! {
    #[test]
    fn nothing_that_a_server_sends_breaks_the_reader(payloads in proptest::collection::vec(".{0,80}", 0..8)) {
        let payloads: Vec<Value> = payloads.into_iter().map(Value::String).collect();
        let (events, _) = read(&payloads);
        prop_assert!(completions(&events) <= 1);
    }

    #[test]
    fn any_history_gives_messages(texts in proptest::collection::vec(".{0,40}", 0..8)) {
        let input: Vec<InputItem> = texts
            .iter()
            .filter_map(|text| RawValue::from_string(json!({"type": text, "role": text, "call_id": text}).to_string()).ok())
            .map(InputItem::from)
            .collect();
        messages_of(&input);
    }
}
