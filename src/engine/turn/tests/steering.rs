//! Input and interrupts while a turn runs.

use std::sync::Arc;

use tokio::sync::Notify;

use super::bench::{Bench, Reply, message};
use crate::model::ModelError;
use crate::protocol::TurnStatus;

#[tokio::test]
async fn steered_input_follows_the_answer() {
    let mut bench = Bench::new().await;
    let gate = Arc::new(Notify::new());
    let mut held = message("msg_1", &["thinking"]);
    held.insert(2, Reply::Hold(Arc::clone(&gate)));
    bench.reply(held);
    bench.reply(message("msg_2", &["both done"]));
    let running = bench.begin("start");
    bench.until("item/agentMessage/delta").await;
    bench.steer("also this");
    gate.notify_one();
    running.await.unwrap();
    assert_eq!(
        bench.heard()[5..9],
        [
            "thread/tokenUsage/updated 120",
            "account/rateLimits/updated",
            "item/started userMessage",
            "item/completed userMessage",
        ]
    );
    assert_eq!(bench.asked(1).last().unwrap()["content"][0]["text"], "also this");
}

#[tokio::test]
async fn a_turn_that_was_steered_goes_on_after_its_failure() {
    let mut bench = Bench::new().await;
    let gate = Arc::new(Notify::new());
    let mut held = message("msg_1", &["thinking"]);
    held.insert(2, Reply::Hold(Arc::clone(&gate)));
    held.insert(3, Reply::Break(ModelError::InvalidRequest("no".to_owned())));
    bench.reply(held);
    bench.reply(message("msg_2", &["heard"]));
    let running = bench.begin("start");
    bench.until("item/agentMessage/delta").await;
    bench.steer("also this");
    gate.notify_one();
    let end = running.await.unwrap();
    assert_eq!(bench.asked(1).last().unwrap()["content"][0]["text"], "also this");
    assert!(bench.heard().contains(&"item/completed agentMessage heard".to_owned()));
    assert_eq!(end.turn.status, TurnStatus::Failed);
    assert!(end.turn.error.unwrap().message.contains("no"));
}

#[tokio::test]
async fn an_interrupt_drops_the_partial_text_and_marks_the_history() {
    let mut bench = Bench::new().await;
    let gate = Arc::new(Notify::new());
    let mut held = message("msg_1", &["long ", "story"]);
    held.insert(2, Reply::Hold(gate));
    bench.reply(held);
    let running = bench.begin("tell");
    bench.until("item/agentMessage/delta").await;
    bench.cancel.cancel();
    let end = running.await.unwrap();
    assert_eq!(end.turn.status, TurnStatus::Interrupted);
    assert_eq!(
        bench.heard()[3..],
        ["item/agentMessage/delta long ", "account/rateLimits/updated"]
    );
    assert_eq!(bench.recorded()[bench.recorded().len() - 2..], ["user", "turn_aborted"]);
    bench.keep(&end);
    bench.reply(message("msg_2", &["next"]));
    bench.turn("go on").await;
    let asked = bench.asked(1);
    let text = |item: &serde_json::Value| item["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    assert!(text(&asked[3]).starts_with("<turn_aborted>"), "{asked:?}");
    assert_eq!(text(&asked[4]), "go on");
}

#[tokio::test]
async fn a_turn_interrupted_before_it_begins_asks_nobody() {
    let mut bench = Bench::new().await;
    bench.cancel.cancel();
    assert_eq!(bench.turn("go").await.turn.status, TurnStatus::Interrupted);
    assert_eq!(bench.asked_count(), 0);
}
