//! A compaction and what clients put into the conversation meanwhile.

use super::bench::{Bench, message};
use crate::engine::history::encode_item;
use crate::store::RolloutItem;
use serde_json::json;

#[tokio::test]
async fn items_that_are_recorded_before_a_compaction_are_in_it() {
    let mut bench = Bench::new().await;
    bench.reply(message("msg_1", &["one"]));
    let end = bench.turn("first").await;
    bench.keep(&end);
    bench.reply(message("msg_2", &["summary"]));
    let running = bench.compact();
    // Somebody is about to put an item in: it is recorded, but the turn does not know of it yet.
    let injected = bench.injected.clone();
    let held = injected.hold().await;
    let item = encode_item(&json!({
        "type": "message", "role": "user", "content": [{"type": "input_text", "text": "put in"}],
    }))
    .unwrap();
    bench.until("thread/tokenUsage/updated").await;
    while bench.asked_count() < 2 {
        tokio::task::yield_now().await;
    }
    let line = RolloutItem::ResponseItem(item.clone());
    bench.recorder.append(vec![line]).await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!running.is_finished());
    injected.add(vec![item]);
    drop(held);
    let end = running.await.unwrap();
    let last = end.conversation.history.items().last().unwrap().to_string();
    assert!(last.contains("put in"), "{last}");
    let text = std::fs::read_to_string(bench.recorder.path().unwrap()).unwrap();
    let compacted = text
        .lines()
        .find(|line| line.contains("\"type\":\"compacted\""))
        .unwrap();
    assert!(compacted.contains("put in"), "{compacted}");
}
