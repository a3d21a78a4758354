//! Turns against a scripted model: what is published, in which order, and what is recorded.

mod bench;
mod compaction;
mod failures;
mod items;
mod steering;
mod tools;

use bench::{Bench, Reply, completed, message, reasoning};
use serde_json::json;

#[tokio::test]
async fn a_text_streams_and_the_turn_completes() {
    let mut bench = Bench::new().await;
    bench.reply(message("msg_1", &["Hel", "lo ", "there."]));
    let end = bench.turn("Say hello").await;
    assert_eq!(end.turn.status, crate::protocol::TurnStatus::Completed);
    assert_eq!(
        bench.heard(),
        [
            "item/started userMessage",
            "item/completed userMessage",
            "item/started agentMessage",
            "item/agentMessage/delta Hel",
            "item/agentMessage/delta lo ",
            "item/agentMessage/delta there.",
            "item/completed agentMessage Hello there.",
            "thread/tokenUsage/updated 120",
            "account/rateLimits/updated",
        ]
    );
    assert_eq!(
        bench.recorded(),
        [
            "session_meta",
            "task_started",
            "developer",
            "user",
            "turn_context",
            "user",
            "user_message",
            "item_id user_message",
            "agent_message",
            "item_id agent_message",
            "assistant",
            "token_count",
            "task_complete",
        ]
    );
}

#[tokio::test]
async fn the_second_turn_carries_the_first_and_counts_on() {
    let mut bench = Bench::new().await;
    bench.reply(message("msg_1", &["one"]));
    let end = bench.turn("first").await;
    bench.keep(&end);
    bench.reply(message("msg_2", &["two"]));
    bench.turn("second").await;
    let input = bench.asked(1);
    assert_eq!(input.len(), 5, "context is told once: {input:?}");
    assert_eq!(input[3]["content"][0], json!({"type": "output_text", "text": "one"}));
    assert_eq!(input[3].get("id"), None);
    let usage = bench.last("thread/tokenUsage/updated");
    assert_eq!(usage["tokenUsage"]["total"]["totalTokens"], 240);
    assert_eq!(usage["tokenUsage"]["last"]["totalTokens"], 120);
}

#[tokio::test]
async fn raw_items_follow_what_they_belong_to() {
    let mut bench = Bench::with(|setup| setup.raw_events = true).await;
    bench.reply(message("msg_1", &["raw"]));
    bench.turn("hello").await;
    let raw = "rawResponseItem/completed message";
    assert_eq!(
        bench.heard()[..8],
        [
            raw,
            raw,
            raw,
            "item/started userMessage",
            "item/completed userMessage",
            "item/started agentMessage",
            "item/agentMessage/delta raw",
            "item/completed agentMessage raw",
        ]
    );
    assert_eq!(bench.heard()[8], raw);
}

#[tokio::test]
async fn a_model_that_wants_to_go_on_is_asked_again() {
    let mut bench = Bench::new().await;
    let mut first = message("msg_1", &["thinking"]);
    first.pop();
    first.push(completed(Some(false)));
    bench.reply(first);
    bench.reply(message("msg_2", &["done"]));
    bench.turn("go").await;
    assert_eq!(bench.asked_count(), 2);
}

#[tokio::test]
async fn another_model_than_asked_is_told_once() {
    let mut bench = Bench::new().await;
    let mut reply = reasoning("rs_1", &["r"]);
    reply.insert(0, Reply::ServerModel("gpt-9"));
    reply.insert(0, Reply::ServerModel("gpt-9"));
    bench.reply(reply);
    bench.turn("go").await;
    let heard = bench.heard();
    assert_eq!(heard[2..4], ["model/rerouted", "warning"]);
    assert_eq!(heard.iter().filter(|line| *line == "model/rerouted").count(), 1);
}

#[tokio::test]
async fn an_unknown_model_is_warned_of_once() {
    let mut bench = Bench::with(|setup| setup.model = "no-such-model".to_owned()).await;
    for text in ["one", "two"] {
        bench.reply(message("msg", &[text]));
        let end = bench.turn(text).await;
        bench.keep(&end);
    }
    assert_eq!(bench.heard().iter().filter(|line| *line == "warning").count(), 1);
}
