//! A home that is copied while its server works: the copy opens, and holds everything that was told before.
//!
//! `GREENROOM_COPY_ROUNDS` sets how often it is tried.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Client, Reply, TestServer, Transport, fill};

fn rounds() -> u64 {
    std::env::var("GREENROOM_COPY_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(6)
}

/// `(thread, turn, item)` of every item that was announced as completed.
fn told(client: &Client) -> Vec<(String, String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let log = client.log();
    let completed = log
        .iter()
        .filter(|m| m["method"] == "item/completed")
        .map(|m| &m["params"]);
    completed
        .map(|p| (text(&p["threadId"]), text(&p["turnId"]), text(&p["item"]["id"])))
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "the copy is made");
}

#[tokio::test]
async fn a_copy_made_in_the_middle_of_turns_has_everything_that_was_told() {
    let mut server = TestServer::start(Transport::Ws).await;
    fill(&server.home(), 50);
    let client = server.client().await;
    server.indexed().await;
    let mut threads = Vec::new();
    for _ in 0..4 {
        threads.push(client.thread().await);
    }
    for round in 0..rounds() {
        let mut turns = Vec::new();
        for thread in &threads {
            let arguments = json!({"cmd": format!("echo {round}"), "login": false});
            server
                .model
                .add(Reply::call("exec_command", arguments, &format!("c{round}-{thread}")));
            turns.push(client.begin(thread, &format!("round {round}")).await);
        }
        // Another moment each round: this is what is tested.
        tokio::time::sleep(Duration::from_micros(round * 7_919 % 40_000)).await;
        let promised = told(&client);
        let mut other = TestServer::start(Transport::Ws).await;
        other.kill().await;
        std::fs::remove_dir_all(other.home()).expect("an empty place");
        let (from, to) = (server.home(), other.home());
        tokio::task::spawn_blocking(move || copy(&from, &to))
            .await
            .expect("the copy");
        other.launch().await;
        let reader = other.client().await;
        let home = other.home().display().to_string();
        for indexed in [false, true] {
            if indexed {
                other.indexed().await;
            }
            let list = reader
                .call_raw("thread/list", json!({"limit": 100}))
                .await
                .expect("a list");
            for thread in list["data"].as_array().expect("threads") {
                let path = thread["path"].as_str().expect("a path");
                assert!(path.starts_with(&home), "the copy shows the original's file {path}");
            }
            let listed = list["data"].to_string();
            for (thread, ..) in &promised {
                assert!(
                    listed.contains(thread.as_str()),
                    "round {round}: {thread} is not listed"
                );
            }
            for thread in &threads {
                let mine: Vec<_> = promised.iter().filter(|(of, ..)| of == thread).collect();
                if mine.is_empty() {
                    continue;
                }
                let params = json!({"threadId": thread, "includeTurns": true});
                let read = reader.call_raw("thread/read", params).await.expect("thread/read");
                for (_, turn, item) in mine {
                    let turns = read["thread"]["turns"].as_array().expect("turns");
                    let kept = turns.iter().any(|t| {
                        t["id"] == **turn
                            && t["items"]
                                .as_array()
                                .is_some_and(|items| items.iter().any(|i| i["id"] == **item))
                    });
                    assert!(
                        kept,
                        "round {round}: item {item} of turn {turn} was told and is not in the copy"
                    );
                }
            }
        }
        // The copy goes on by itself, and the original is left alone.
        if promised.iter().any(|(of, ..)| *of == threads[0]) {
            let params = json!({"threadId": threads[0]});
            let resumed = reader.call_raw("thread/resume", params).await.expect("thread/resume");
            let path = resumed["thread"]["path"].as_str().expect("a path").to_string();
            assert!(path.starts_with(&home));
            reader.turn(&threads[0], "only in the copy").await;
            assert!(
                std::fs::read_to_string(path)
                    .expect("the copy")
                    .contains("only in the copy")
            );
        }
        let ended = |log: &[serde_json::Value], turn: &String| {
            log.iter()
                .any(|m| m["method"] == "turn/completed" && m["params"]["turn"]["id"] == **turn)
        };
        client
            .until("the end of all turns", |log| turns.iter().all(|turn| ended(log, turn)))
            .await;
        for thread in &threads {
            let params = json!({"threadId": thread, "includeTurns": true});
            let read = client.call_raw("thread/read", params).await.expect("thread/read");
            assert!(!read.to_string().contains("only in the copy"));
        }
        server.model.clear();
    }
}
