//! What a client was told is done survives `kill -9`, damage and a lost index.

mod killing;

use greenroom::protocol::*;
use serde_json::json;

use crate::harness::{TestServer, Transport};

#[tokio::test]
async fn damage_in_a_rollout_costs_that_line_only() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("first answer");
    client.turn(&thread, "first").await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread}))
        .await
        .unwrap();
    let path = read["thread"]["path"].as_str().unwrap().to_string();
    server.kill().await;
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(
        b"\0\0\0\0\n\xff\xfe broken\n{\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"type\":\"event_msg\",\"payl",
    );
    std::fs::write(&path, bytes).unwrap();
    server.launch().await;
    let client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    server.model.say("second answer");
    client.turn(&thread, "second").await;
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
        .await
        .unwrap();
    let text = read["thread"]["turns"].to_string();
    assert!(
        text.contains("first answer") && text.contains("second answer"),
        "{text}"
    );
}

#[tokio::test]
async fn a_broken_index_is_moved_aside_and_rebuilt() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "remember me").await;
    server.kill().await;
    for entry in std::fs::read_dir(server.home()).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("greenroom.sqlite") {
            std::fs::write(entry.path(), b"this is no database at all, not even nearly one").unwrap();
        }
    }
    server.launch().await;
    let client = server.client().await;
    let warning = client.next::<ConfigWarningNotification>().await;
    assert!(
        warning.summary.to_lowercase().contains("index") || warning.summary.contains("database"),
        "{warning:?}"
    );
    let list = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(list["data"][0]["id"], thread);
    let moved = std::fs::read_dir(server.home()).unwrap().flatten();
    assert!(
        moved
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .any(|name| name.contains("broken"))
    );
}
