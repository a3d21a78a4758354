//! Reasoning, plans, hosted tools, citations.

use serde_json::json;

use super::bench::{Bench, added, completed, done, message, reasoning};
use crate::protocol::ModeKind;

#[tokio::test]
async fn reasoning_streams_by_section() {
    let mut bench = Bench::new().await;
    let mut reply = reasoning("rs_1", &["**Look**", "second"]);
    reply.pop();
    reply.extend(message("msg_9", &["done"]));
    bench.reply(reply);
    bench.turn("go").await;
    assert_eq!(
        bench.heard()[2..8],
        [
            "item/started reasoning",
            "item/reasoning/summaryPartAdded",
            "item/reasoning/summaryTextDelta **Look**",
            "item/reasoning/summaryPartAdded",
            "item/reasoning/summaryTextDelta second",
            "item/completed reasoning",
        ]
    );
    let recorded = bench.recorded();
    let at = recorded.iter().position(|line| line == "agent_reasoning").unwrap();
    assert_eq!(
        recorded[at..at + 4],
        ["agent_reasoning", "agent_reasoning", "item_id reasoning", "reasoning"]
    );
}

#[tokio::test]
async fn a_plan_becomes_an_item_of_its_own() {
    let mut bench = Bench::with(|setup| setup.mode = ModeKind::Plan).await;
    bench.reply(message(
        "msg_1",
        &["Intro\n<proposed", "_plan>\n- one\n</proposed_plan>\nOutro"],
    ));
    bench.turn("plan it").await;
    assert_eq!(
        bench.heard()[2..9],
        [
            "item/started agentMessage",
            "item/agentMessage/delta Intro\n",
            "item/started plan",
            "item/plan/delta - one\n",
            "item/agentMessage/delta Outro",
            "item/completed plan - one\n",
            "item/completed agentMessage Intro\nOutro",
        ]
    );
    assert!(bench.recorded().contains(&"item_completed".to_owned()));
}

#[tokio::test]
async fn a_message_that_is_only_a_plan_is_not_shown() {
    let mut bench = Bench::with(|setup| setup.mode = ModeKind::Plan).await;
    bench.reply(message("msg_1", &["\n<proposed_plan>\n- one\n</proposed_plan>\n"]));
    bench.turn("plan it").await;
    assert!(
        !bench.heard().iter().any(|line| line.contains("agentMessage")),
        "{:?}",
        bench.heard()
    );
    assert!(bench.recorded().contains(&"assistant".to_owned()));
}

#[tokio::test]
async fn a_message_without_deltas_starts_whole() {
    let mut bench = Bench::new().await;
    let text = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "all"}]});
    bench.reply(vec![done(text), completed(None)]);
    bench.turn("go").await;
    let heard = bench.heard.lock().unwrap().clone();
    assert_eq!(heard[2]["params"]["item"]["text"], "all");
    assert_eq!(heard[3]["method"], "item/completed");
    assert_eq!(heard[2]["params"]["item"]["id"], heard[3]["params"]["item"]["id"]);
}

#[tokio::test]
async fn a_hosted_search_is_an_item() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed",
        "action": {"type": "search", "query": "weather"}});
    let mut bench = Bench::new().await;
    let mut reply = vec![added(search.clone()), done(search)];
    reply.extend(message("msg_2", &["sunny"]));
    bench.reply(reply);
    bench.turn("go").await;
    assert_eq!(
        bench.heard()[2..4],
        ["item/started webSearch", "item/completed webSearch"]
    );
    assert_eq!(bench.heard.lock().unwrap()[3]["params"]["item"]["query"], "weather");
    assert!(bench.recorded().contains(&"web_search_end".to_owned()));
}
