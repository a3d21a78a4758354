//! Compaction: asked for and automatic, by the model and by the provider, and what is left of a conversation.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(a_compaction_leaves_the_users_words_and_a_summary);

/// The text of each input item of a request, by role.
fn said(request: &Value) -> Vec<(String, String)> {
    let items = request["input"].as_array().expect("input");
    items
        .iter()
        .map(|item| {
            let text = item["content"][0]["text"].as_str().unwrap_or_default();
            (item["role"].as_str().unwrap_or_default().to_owned(), text.to_owned())
        })
        .collect()
}

async fn compact(client: &Client, thread: &str) -> Turn {
    let answer = client
        .call_raw("thread/compact/start", json!({"threadId": thread}))
        .await;
    assert_eq!(answer, Ok(json!({})));
    let started = client.next::<TurnStartedNotification>().await;
    client.done(&started.turn.id).await
}

async fn a_compaction_leaves_the_users_words_and_a_summary(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "question").await;
    client.next::<TurnStartedNotification>().await;
    server.model.say("THE SUMMARY");
    let turn = compact(&client, &thread).await;
    assert_eq!(turn.status, TurnStatus::Completed);
    client.turn(&thread, "next").await;

    let requests = server.model.requests();
    assert_eq!(requests[1]["tools"], json!([]));
    assert_eq!(said(&requests[1]).last().unwrap().0, "user");
    let after = said(&requests[2]);
    let roles: Vec<&str> = after.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["user", "user", "developer", "user", "user"]);
    assert_eq!(after[0].1, "question");
    assert!(after[1].1.ends_with("\nTHE SUMMARY"));
    assert_eq!(after[4].1, "next");

    // A server that is started anew goes on from the summary.
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    client.turn(&thread, "last").await;
    let again = said(server.model.requests().last().unwrap());
    assert_eq!(again[..5], after[..5]);
    assert_eq!(again.last().unwrap().1, "last");
}

#[tokio::test]
async fn a_long_conversation_is_compacted_in_the_middle_of_a_turn() {
    let mut server = TestServer::with(Transport::Ws, "model_auto_compact_token_limit = 100", &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server
        .model
        .add(Reply::call("exec_command", json!({"cmd": "echo hi"}), "call_1"));
    server.model.say("SUMMARY");
    server.model.say("done");
    let turn = client.turn(&thread, "work").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let after = said(&server.model.requests()[2]);
    let roles: Vec<&str> = after.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["developer", "user", "user", "user"]);
    assert_eq!(after[2].1, "work");
    assert!(after[3].1.ends_with("\nSUMMARY"));
}

#[tokio::test]
async fn a_compaction_ends_the_running_turn_and_takes_no_input() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["par", "tial"]).held_before(2));
    let first = client.begin(&thread, "long").await;
    held.reached().await;
    let summary = server.model.add(Reply::message(&["S"]).held_before(1));
    client
        .call_raw("thread/compact/start", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(client.done(&first).await.status, TurnStatus::Interrupted);
    summary.reached().await;
    let input = json!([{"type": "text", "text": "more"}]);
    let error = client
        .call_raw("turn/start", json!({"threadId": thread, "input": input}))
        .await
        .unwrap_err();
    assert_eq!(error.message, "cannot steer a compact turn");
    let info = &error.data.unwrap()["codexErrorInfo"];
    assert_eq!(info, &json!({"activeTurnNotSteerable": {"turnKind": "compact"}}));
    summary.release();
    let compaction = client
        .next_where(|n: &TurnCompletedNotification| n.turn.id != first)
        .await;
    assert_eq!(compaction.turn.status, TurnStatus::Completed);
    let asked = said(&server.model.requests()[1]);
    assert!(asked.iter().all(|(_, text)| !text.starts_with("<turn_aborted>")));
    held.release();
}

#[tokio::test]
async fn a_compaction_that_fails_before_a_turn_loses_nothing_that_was_said() {
    let mut server = TestServer::with(Transport::Ws, "model_auto_compact_token_limit = 100", &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "first").await;
    server
        .model
        .add(Reply::status(400, json!({"error": {"message": "no"}})));
    assert_eq!(client.turn(&thread, "second").await.status, TurnStatus::Failed);
    server.model.say("SUMMARY");
    server.model.say("answer");
    assert_eq!(client.turn(&thread, "third").await.status, TurnStatus::Completed);
    let after = said(server.model.requests().last().unwrap());
    let texts: Vec<&str> = after.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts[..2], ["first", "second"]);
    assert_eq!(texts.last(), Some(&"third"));
}

/// A compaction that is cut off leaves all of the old conversation, one that was told all of the new one.
#[tokio::test]
async fn a_server_killed_while_it_compacts_keeps_one_conversation_whole() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "question").await;
    for told in [false, true] {
        let client = server.client().await;
        let resume = json!({"threadId": thread});
        client.call_raw("thread/resume", resume.clone()).await.unwrap();
        let summary = server.model.add(Reply::message(&["THE ", "SUMMARY"]).held_before(3));
        client
            .call_raw("thread/compact/start", json!({"threadId": thread}))
            .await
            .unwrap();
        summary.reached().await;
        if told {
            summary.release();
            let compacted = |n: &ItemCompletedNotification| matches!(n.item, ThreadItem::ContextCompaction { .. });
            client.next_where(compacted).await;
        }
        server.kill().await;
        server.launch().await;
        let client = server.client().await;
        let shown = client.call_raw("thread/resume", resume).await.unwrap();
        let turns = shown["thread"]["turns"].as_array().unwrap();
        assert!(turns.iter().all(|turn| turn["status"] != "inProgress"), "{turns:?}");
        server.model.clear();
        server.model.say("fine");
        client.turn(&thread, "and now").await;
        let texts: Vec<String> = said(server.model.requests().last().unwrap())
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert!(texts.contains(&"question".to_owned()), "{texts:?}");
        assert_eq!(texts.contains(&"answer".to_owned()), !told, "{texts:?}");
        assert_eq!(
            texts.iter().any(|text| text.ends_with("\nTHE SUMMARY")),
            told,
            "{texts:?}"
        );
        assert_eq!(texts.last().map(String::as_str), Some("and now"));
    }
}

/// A provider that compacts by itself is asked to, and what it hands back is the conversation from then on, as it is.
#[tokio::test]
async fn a_provider_that_compacts_hands_back_the_conversation() {
    let mut server = TestServer::start(Transport::Ws).await;
    let file = server.home().join("config.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("name = \"Scripted\"", "name = \"OpenAI\"")).unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "question").await;
    client.next::<TurnStartedNotification>().await;
    let sealed = json!({"type": "compaction", "encrypted_content": "SEALED"});
    let kept = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "question"}]});
    server.model.add(Reply::status(200, json!({"output": [kept, sealed]})));
    assert_eq!(compact(&client, &thread).await.status, TurnStatus::Completed);
    let asked = server.model.requests().pop().unwrap();
    assert_eq!(said(&asked).iter().filter(|(_, text)| text == "question").count(), 1);
    assert_eq!(asked.get("stream"), None, "{asked}");
    for restarted in [false, true] {
        let mut client = client.clone();
        if restarted {
            server.kill().await;
            server.launch().await;
            client = server.client().await;
            client
                .call_raw("thread/resume", json!({"threadId": thread}))
                .await
                .unwrap();
        }
        client.turn(&thread, "next").await;
        let request = server.model.requests().pop().unwrap();
        let items = request["input"].as_array().unwrap();
        let found = items.iter().any(|item| item["encrypted_content"] == "SEALED");
        assert!(found, "restarted: {restarted}: {items:?}");
        assert!(!request.to_string().contains("\"answer\""), "{request}");
    }
    // A refusal of the provider leaves the conversation as it was.
    server
        .model
        .add(Reply::status(400, json!({"error": {"message": "no"}})));
    let client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(compact(&client, &thread).await.status, TurnStatus::Failed);
    client.turn(&thread, "last").await;
    let request = server.model.requests().pop().unwrap();
    assert!(request.to_string().contains("SEALED"), "{request}");
}
