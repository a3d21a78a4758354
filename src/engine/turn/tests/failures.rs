//! Broken streams: what is tried again, what ends the turn, and what stays.

use super::bench::{Bench, Reply, message};
use crate::model::ModelError;
use crate::protocol::{CodexErrorInfo, TurnStatus};

#[tokio::test]
async fn a_broken_stream_is_tried_again_and_told() {
    let mut bench = Bench::with(|setup| setup.retries = 1).await;
    let mut half = message("msg_1", &["ha"]);
    half.truncate(2);
    half.push(Reply::Break(ModelError::disconnected("gone")));
    bench.reply(half);
    bench.reply(message("msg_2", &["whole"]));
    let end = bench.turn("go").await;
    assert_eq!(end.turn.status, TurnStatus::Completed);
    assert_eq!(
        bench.heard()[2..9],
        [
            "item/started agentMessage",
            "item/agentMessage/delta ha",
            "account/rateLimits/updated",
            "error Reconnecting... 1/1",
            "item/started agentMessage",
            "item/agentMessage/delta whole",
            "item/completed agentMessage whole",
        ]
    );
    assert_eq!(bench.last("error")["willRetry"], true);
    assert_eq!(bench.asked(0), bench.asked(1));
}

#[tokio::test]
async fn what_was_complete_before_the_fault_stays() {
    let mut bench = Bench::with(|setup| setup.retries = 1).await;
    let mut reply = message("msg_1", &["kept"]);
    reply.pop();
    reply.push(Reply::Break(ModelError::disconnected("gone")));
    bench.reply(reply);
    bench.reply(message("msg_2", &["more"]));
    bench.turn("go").await;
    assert_eq!(bench.asked(1).len(), bench.asked(0).len() + 1);
    assert_eq!(bench.asked(1).last().unwrap()["content"][0]["text"], "kept");
}

#[tokio::test]
async fn a_failed_turn_carries_its_error() {
    let mut bench = Bench::new().await;
    bench.reply(vec![Reply::Break(ModelError::InvalidRequest("no".to_owned()))]);
    let end = bench.turn("go").await;
    assert_eq!(end.turn.status, TurnStatus::Failed);
    let error = end.turn.error.clone().unwrap();
    assert_eq!(
        (error.message.as_str(), error.codex_error_info),
        ("no", Some(CodexErrorInfo::Other))
    );
    assert_eq!(
        bench.heard(),
        ["item/started userMessage", "item/completed userMessage"],
        "a request that did not get through tells nothing of usage"
    );
    assert_eq!(bench.recorded().last().unwrap(), "task_complete");
    bench.keep(&end);
    bench.reply(message("msg_1", &["better"]));
    assert_eq!(bench.turn("again").await.turn.status, TurnStatus::Completed);
    assert_eq!(bench.asked(1).len(), 4, "the failed turn's message stays");
}

#[tokio::test]
async fn a_full_window_fills_the_usage() {
    let mut bench = Bench::new().await;
    bench.reply(vec![Reply::Break(ModelError::ContextWindow)]);
    let end = bench.turn("go").await;
    assert_eq!(
        end.turn.error.unwrap().codex_error_info,
        Some(CodexErrorInfo::ContextWindowExceeded)
    );
    assert_eq!(bench.heard()[2], "thread/tokenUsage/updated 258400");
}
