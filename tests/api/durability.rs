//! What a client was told is done survives `kill -9`, damage and a lost index.

use std::time::Duration;

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

/// Rounds of the kill test; the full bar (200) is set by `GREENROOM_KILL_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("GREENROOM_KILL_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(12)
}

/// A scripted turn: a command, a patch, a message.
fn script(server: &TestServer, n: u64) {
    let command = format!("echo round {n}");
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": command, "login": false}),
        &format!("c{n}"),
    ));
    let patch = format!("*** Begin Patch\n*** Add File: f{n}.txt\n+{n}\n*** End Patch");
    server.model.add(Reply::custom("apply_patch", &patch, &format!("p{n}")));
    server.model.add(Reply::message(&["all ", "done ", "now"]));
}

/// `(turn, item)` of every item that was announced as completed.
fn told(client: &Client) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/completed")
        .map(|m| (text(&m["params"]["turnId"]), text(&m["params"]["item"]["id"])))
        .collect()
}

#[tokio::test]
async fn killing_the_server_at_any_moment_loses_nothing_that_was_told() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ready");
    client.turn(&thread, "make it real").await;
    let mut promised = told(&client);
    for n in 0..rounds() {
        let client = server.client().await;
        client
            .call_raw("thread/resume", json!({"threadId": thread}))
            .await
            .expect("the thread resumes");
        script(&server, n);
        let turn = client.begin(&thread, &format!("round {n}")).await;
        // A different moment each round: this is the one place where time itself is what is tested.
        tokio::time::sleep(Duration::from_micros((n * 7919) % 60_000)).await;
        server.kill().await;
        promised.extend(told(&client));
        let finished = client
            .log()
            .iter()
            .any(|m| m["method"] == "turn/completed" && m["params"]["turn"]["id"] == turn);
        server.launch().await;
        let client = server.client().await;
        let read = client
            .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
            .await
            .unwrap();
        let turns = read["thread"]["turns"].as_array().unwrap().clone();
        for (turn, item) in &promised {
            let kept = turns.iter().any(|t| {
                t["id"] == **turn
                    && t["items"]
                        .as_array()
                        .is_some_and(|items| items.iter().any(|i| i["id"] == **item))
            });
            assert!(
                kept,
                "round {n}: item {item} of turn {turn} was told as completed and is gone"
            );
        }
        if let Some(stored) = turns.iter().find(|t| t["id"] == *turn)
            && !finished
        {
            assert!(
                ["interrupted", "completed"].contains(&stored["status"].as_str().unwrap()),
                "{stored}"
            );
        }
        // What the killed turn left of its script must not leak into the next round.
        server.model.clear();
    }
}

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
