//! Turns and conversations from lines as the field's programs write them.

use serde_json::{Value, json};

use super::builder::{Detail, TurnBuilder};
use super::conversation::Conversation;
use super::outline::Outline;
use crate::protocol::{ThreadItem, Turn, TurnStatus};
use crate::store::rollout::{Decoded, ItemIdOf, RolloutItem, decode_line};

fn line(kind: &str, payload: Value) -> RolloutItem {
    let text = json!({"timestamp": "2026-01-01T00:00:00.000Z", "type": kind, "payload": payload}).to_string();
    match decode_line(text.as_bytes()) {
        Decoded::Line(line) => line.item,
        other => panic!("{text}: {other:?}"),
    }
}

fn event(payload: Value) -> RolloutItem {
    line("event_msg", payload)
}

fn started(turn: &str) -> RolloutItem {
    event(json!({"type": "task_started", "turn_id": turn, "started_at": 10}))
}

fn complete(turn: &str) -> RolloutItem {
    event(json!({"type": "task_complete", "turn_id": turn, "completed_at": 12, "duration_ms": 2000}))
}

fn said(text: &str) -> RolloutItem {
    event(json!({"type": "user_message", "message": text, "images": []}))
}

fn answered(text: &str) -> RolloutItem {
    event(json!({"type": "agent_message", "message": text}))
}

fn item(payload: Value) -> RolloutItem {
    line("response_item", payload)
}

fn user_item(text: &str) -> RolloutItem {
    item(json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}))
}

fn turns(lines: &[RolloutItem], live: Option<&str>) -> Vec<Turn> {
    let mut builder = TurnBuilder::new(Detail::Full);
    for (at, line) in lines.iter().enumerate() {
        builder.observe(line, at as u64 * 10, 10);
    }
    builder.into_turns(live)
}

fn kinds(turn: &Turn) -> Vec<(&'static str, String)> {
    turn.items
        .iter()
        .map(|item| (super::items::kind(item), super::items::id(item).to_owned()))
        .collect()
}

#[test]
fn a_turn_without_its_end_is_interrupted_unless_it_runs() {
    let lines = [started("a"), said("hi"), started("b"), said("ho")];
    let found = turns(&lines, Some("b"));
    assert_eq!(found[0].status, TurnStatus::Interrupted);
    assert_eq!(found[1].status, TurnStatus::InProgress);
    assert_eq!(turns(&lines, None)[1].status, TurnStatus::Interrupted);
}

#[test]
fn ids_given_by_lines_of_ours_are_kept() {
    let command: ThreadItem = serde_json::from_value(json!({
        "type": "commandExecution", "id": "call_1", "command": "ls", "commandActions": [], "cwd": "/", "status": "completed",
        "aggregatedOutput": "x",
    }))
    .unwrap();
    let lines = [
        started("t"),
        said("hi"),
        RolloutItem::item_id("t", "user-id", ItemIdOf::UserMessage),
        event(json!({"type": "agent_reasoning", "text": "why"})),
        event(json!({"type": "agent_reasoning", "text": "how"})),
        RolloutItem::item_id("t", "rs_1", ItemIdOf::Reasoning),
        event(json!({"type": "agent_reasoning", "text": "again"})),
        RolloutItem::item_id("t", "rs_2", ItemIdOf::Reasoning),
        RolloutItem::item("t", command.clone()),
        answered("done"),
        RolloutItem::item_id("t", "msg_1", ItemIdOf::AgentMessage),
        complete("t"),
        RolloutItem::item("t", command),
    ];
    let found = turns(&lines, None);
    assert_eq!(
        kinds(&found[0]),
        [
            ("userMessage", "user-id".to_owned()),
            ("reasoning", "rs_1".to_owned()),
            ("reasoning", "rs_2".to_owned()),
            ("commandExecution", "call_1".to_owned()),
            ("agentMessage", "msg_1".to_owned()),
        ]
    );
    let ThreadItem::Reasoning { summary, .. } = &found[0].items[1] else {
        panic!()
    };
    assert_eq!(summary, &["why", "how"]);
    assert_eq!(found[0].duration_ms, Some(2000));
}

#[test]
fn an_item_that_ends_after_its_turn_belongs_to_it() {
    let command: ThreadItem = serde_json::from_value(json!({
        "type": "commandExecution", "id": "call_1", "command": "sleep", "commandActions": [], "cwd": "/", "status": "failed",
    }))
    .unwrap();
    let lines = [
        started("a"),
        said("hi"),
        event(json!({"type": "turn_aborted", "turn_id": "a", "reason": "interrupted"})),
        started("b"),
        RolloutItem::item("a", command),
        complete("b"),
    ];
    let found = turns(&lines, None);
    assert_eq!(kinds(&found[0])[1].0, "commandExecution");
    assert!(found[1].items.is_empty());
}

#[test]
fn files_without_turn_lines_get_turns_of_their_own() {
    let lines = [
        user_item("one"),
        said("one"),
        answered("1"),
        user_item("two"),
        said("two"),
    ];
    let found = turns(&lines, None);
    assert_eq!(
        found.iter().map(|turn| turn.id.as_str()).collect::<Vec<_>>(),
        ["rollout-1", "rollout-4"]
    );
    assert!(found.iter().all(|turn| turn.status == TurnStatus::Completed));
    assert_eq!(kinds(&found[1]), [("userMessage", "item-3".to_owned())]);
}

#[test]
fn a_rollback_drops_the_turns_that_clients_count() {
    let mut lines = Vec::new();
    for turn in ["a", "b", "c"] {
        lines.extend([started(turn), said(turn), answered(turn), complete(turn)]);
    }
    lines.extend([started("shell"), complete("shell")]);
    lines.push(event(json!({"type": "thread_rolled_back", "num_turns": 3})));
    assert_eq!(turns(&lines, None).len(), 1);
    lines.extend([started("d"), said("d"), complete("d")]);
    let found = turns(&lines, None);
    assert_eq!(
        found.iter().map(|turn| turn.id.as_str()).collect::<Vec<_>>(),
        ["a", "d"]
    );
    assert_eq!(kinds(&found[1]), [("userMessage", "item-3".to_owned())]);
    lines.push(event(json!({"type": "thread_rolled_back", "num_turns": 9})));
    assert!(turns(&lines, None).is_empty());
}

#[test]
fn an_outline_tells_where_things_stand_and_forgets_contents() {
    let mut outline = Outline::default();
    let mut at = 0;
    let mut fold = |outline: &mut Outline, line: &RolloutItem| {
        outline.observe(line, at, 10);
        at += 10;
    };
    for turn in 0..20 {
        for line in [started(&format!("t{turn}")), said("x"), complete(&format!("t{turn}"))] {
            fold(&mut outline, &line);
        }
        let change = outline.take_change();
        assert_eq!(change.turns.len(), 1);
        let found = &change.turns[0];
        assert_eq!(
            (found.position, found.start, found.end),
            (turn, turn as u64 * 30, turn as u64 * 30 + 30)
        );
        assert_eq!((found.items[0].offset, found.items[0].len), (turn as u64 * 30 + 10, 10));
    }
    fold(
        &mut outline,
        &event(json!({"type": "thread_rolled_back", "num_turns": 15})),
    );
    assert_eq!(outline.take_change().truncate_from, Some(5));
    fold(&mut outline, &started("new"));
    assert_eq!(outline.take_change().turns[0].position, 5);
}

fn conversation(lines: &[RolloutItem]) -> Vec<Value> {
    let mut conversation = Conversation::default();
    for line in lines {
        conversation.observe(line);
    }
    conversation
        .into_items()
        .iter()
        .map(|item| serde_json::from_str(item.get()).unwrap())
        .collect()
}

#[test]
fn every_call_of_a_conversation_has_an_output() {
    let lines = [
        user_item("go"),
        item(json!({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"})),
        item(json!({"type": "function_call_output", "call_id": "1", "output": "ok"})),
        item(json!({"type": "custom_tool_call", "name": "p", "input": "", "call_id": "2"})),
        item(json!({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "3"})),
        item(json!({"type": "function_call_output", "call_id": "lost", "output": "?"})),
    ];
    let found = conversation(&lines);
    let outline: Vec<_> = found
        .iter()
        .map(|item| (item["type"].as_str().unwrap(), item["call_id"].as_str()))
        .collect();
    assert_eq!(
        outline,
        [
            ("message", None),
            ("function_call", Some("1")),
            ("function_call_output", Some("1")),
            ("custom_tool_call", Some("2")),
            ("custom_tool_call_output", Some("2")),
            ("function_call", Some("3")),
            ("function_call_output", Some("3")),
        ]
    );
    assert_eq!(found[6]["output"], "aborted");
}

#[test]
fn a_compaction_replaces_the_conversation() {
    let mut lines = vec![user_item("one"), said("one")];
    lines.push(line(
        "compacted",
        json!({"message": "all", "replacement_history": [{"type": "message", "role": "user"}]}),
    ));
    assert_eq!(conversation(&lines), [json!({"type": "message", "role": "user"})]);
    lines.pop();
    lines.push(line("compacted", json!({"message": "all"})));
    let found = conversation(&lines);
    assert_eq!(found[0]["content"][0]["text"], "one");
    assert_eq!(found[1]["content"][0]["text"], "all");
}

#[test]
fn items_that_belong_to_nothing_are_left_out() {
    let mut conversation = Conversation::default();
    for item in [
        json!({"type": "function_call", "name": "shell", "arguments": "{}"}),
        json!({"type": "custom_tool_call_output", "output": "x"}),
        json!({"type": "message", "content": []}),
        json!({"type": "message", "role": "user", "content": []}),
    ] {
        conversation.observe(&RolloutItem::response_item(&item).unwrap());
    }
    assert_eq!(conversation.into_items().len(), 1);
}

#[test]
fn a_conversation_that_no_provider_would_take_loses_its_oldest_exchanges() {
    const LIMIT: usize = 10_000;
    let big = "x".repeat(LIMIT / 5);
    let mut conversation = Conversation::holding(LIMIT);
    for number in 0..12 {
        conversation.observe(&user_item(&format!("{number} {big}")));
        conversation.observe(&said("asked"));
        conversation.observe(&item(json!({"type": "message", "role": "assistant", "content": []})));
    }
    assert!(conversation.is_cut());
    let items = conversation.into_items();
    assert!(
        items[0].get().contains("\"role\":\"user\""),
        "begins with a message of the user"
    );
    assert!(items.len() >= 6 && items.len().is_multiple_of(2), "{}", items.len());
    assert!(items.iter().map(|item| item.get().len()).sum::<usize>() <= LIMIT);
    assert!(items[items.len() - 2].get().contains("11 x"), "the last exchange stays");
}
