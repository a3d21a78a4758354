//! What a request is sent, for histories that were cut in all sorts of ways.

use serde_json::{Value, json};

use super::*;

fn history(items: &[Value]) -> History {
    History::from_items(items.iter().filter_map(encode_item))
}

fn sent(history: &History, images: bool) -> Vec<Value> {
    history
        .request_input(images)
        .iter()
        .map(|raw| serde_json::from_str(raw.get()).expect("stored items are JSON"))
        .collect()
}

fn call(id: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "t", "arguments": "{}"})
}

fn output(id: &str) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": "ok"})
}

#[test]
fn balanced_items_are_sent_as_they_are() {
    let items = [
        json!({"type": "message", "role": "user", "content": []}),
        call("a"),
        output("a"),
    ];
    assert_eq!(sent(&history(&items), true), items);
}

#[test]
fn a_call_without_output_gets_one() {
    let custom = json!({"type": "custom_tool_call", "call_id": "b", "name": "p", "input": "x"});
    let history = history(&[call("a"), custom.clone()]);
    assert_eq!(
        sent(&history, true),
        [
            call("a"),
            json!({"type": "function_call_output", "call_id": "a", "output": "aborted"}),
            custom,
            json!({"type": "custom_tool_call_output", "call_id": "b", "output": "aborted"}),
        ]
    );
    assert_eq!(history.open_calls(), ["a".into(), "b".into()]);
}

#[test]
fn an_output_without_call_is_left_out() {
    assert_eq!(
        sent(&history(&[output("x"), call("a"), output("a")]), true),
        [call("a"), output("a")]
    );
}

#[test]
fn a_call_id_may_come_again() {
    let items = [call("a"), output("a"), call("a"), output("a")];
    assert_eq!(sent(&history(&items), true), items);
    let cut = history(&[call("a"), output("a"), call("a")]);
    assert_eq!(sent(&cut, true).len(), 4);
    assert_eq!(sent(&cut, true)[1], output("a"));
}

#[test]
fn images_become_text_for_a_text_only_model() {
    let items = [json!({"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:,"}]})];
    let history = history(&items);
    assert_eq!(sent(&history, true), items);
    assert_eq!(sent(&history, false)[0]["content"][1]["type"], "input_text");
}

#[test]
fn unreadable_images_of_the_last_step_are_replaced() {
    let image = |id: &str| {
        json!({"type": "function_call_output", "call_id": id,
        "output": [{"type": "input_image", "image_url": "data:,"}]})
    };
    let user = json!({"type": "message", "role": "user", "content": []});
    let mut history = history(&[call("a"), image("a"), user, call("b"), image("b")]);
    assert!(history.drop_recent_tool_images());
    assert_eq!(sent(&history, true)[1], image("a"));
    assert_eq!(sent(&history, true)[4]["output"][0]["text"], INVALID_IMAGE);
    assert!(!history.drop_recent_tool_images());
}
