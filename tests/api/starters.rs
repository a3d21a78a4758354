//! Many servers that start at one instant on one home: none fails, none waits for another, and the work of filling the
//! index is done once.
//!
//! `GREENROOM_STARTER_ROUNDS` sets how often each is tried.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::harness::{Client, ScriptedModel, banner_port, binary, counted, fill, home_with, indexed, scrape};

/// How many servers start at once.
const SERVERS: usize = 8;
/// How many rollouts the filled home has.
const ROLLOUTS: usize = 1000;

fn rounds() -> usize {
    std::env::var("GREENROOM_STARTER_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(3)
}

/// A server on a home that others start on too.
struct Starter {
    port: u16,
    _child: Child,
}

async fn start(root: &Path) -> Starter {
    let mut child = tokio::process::Command::new(binary())
        .args(["app-server", "--listen", "ws://127.0.0.1:0"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", root)
        .env("GREENROOM_HOME", root.join("home"))
        .current_dir(root.join("work"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let port = banner_port(&mut lines).await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Starter { port, _child: child }
}

/// All servers at once, each with a client that was answered. Returns how long the slowest took to answer it.
async fn start_all(root: &Path) -> (Vec<(Starter, Client)>, Duration) {
    let began = Instant::now();
    let starts = (0..SERVERS).map(|_| async {
        let starter = start(root).await;
        let client = Client::over_ws(starter.port, None).await.expect("a connection");
        client.initialize().await;
        (starter, client, began.elapsed())
    });
    let started = futures_util::future::join_all(starts).await;
    let slowest = started.iter().map(|(_, _, took)| *took).max().unwrap_or_default();
    let servers = started
        .into_iter()
        .map(|(starter, client, _)| (starter, client))
        .collect();
    (servers, slowest)
}

/// Waits until the index of each server is as good as the files, and says how many files they read for it together.
async fn files_read(servers: &[(Starter, Client)]) -> f64 {
    for (starter, _) in servers {
        indexed(starter.port).await;
    }
    let mut read = 0.0;
    for (starter, _) in servers {
        let text = scrape(starter.port).await;
        // Waiting for long is counted as a failure of the phase, too.
        let failed = ["status=\"failed\""];
        assert_eq!(counted(&text, "codex_sqlite_init_count", &failed), 0.0, "{text}");
        assert_eq!(counted(&text, "codex_db_error", &[]), 0.0, "{text}");
        read += counted(&text, "codex_db_backfill", &["status=\"upserted\""]);
    }
    read
}

fn no_broken_index(root: &Path) {
    let home = std::fs::read_dir(root.join("home")).expect("the home");
    for entry in home.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("broken"), "a good index was moved aside: {name}");
    }
}

#[tokio::test]
async fn eight_servers_start_at_once_on_one_fresh_home() {
    let model = ScriptedModel::start().await;
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds() {
        let root = home_with(&model, "");
        let (servers, took) = start_all(root.path()).await;
        slowest = slowest.max(took);
        for (_, client) in &servers {
            let thread = client.thread().await;
            let turn = client.turn(&thread, "hello").await;
            assert_eq!(turn.error, None);
            let list = client.call_raw("thread/list", json!({})).await.expect("a list");
            let data = list["data"].as_array().expect("threads");
            assert!(data.iter().any(|t| t["id"] == *thread), "{list}");
        }
        // What one server recorded the others show.
        for (_, client) in &servers {
            let list = client.call_raw("thread/list", json!({})).await.expect("a list");
            assert_eq!(list["data"].as_array().map(Vec::len), Some(SERVERS), "{list}");
        }
        files_read(&servers).await;
        no_broken_index(root.path());
    }
    println!("fresh home: slowest first answer {slowest:?}");
}

#[tokio::test]
async fn eight_servers_start_at_once_on_a_thousand_rollouts_and_read_them_once() {
    let model = ScriptedModel::start().await;
    let full = home_with(&model, "");
    fill(&full.path().join("home"), ROLLOUTS);
    let mut slowest = Duration::ZERO;
    for _ in 0..rounds() {
        let (servers, took) = start_all(full.path()).await;
        slowest = slowest.max(took);
        // Whoever asks early is answered from the files, and misses nothing.
        for (_, client) in &servers {
            let list = client
                .call_raw("thread/list", json!({"limit": 50}))
                .await
                .expect("a list");
            assert_eq!(list["data"].as_array().map(Vec::len), Some(50), "{list}");
        }
        assert_eq!(files_read(&servers).await, ROLLOUTS as f64, "each rollout is read once");
        no_broken_index(full.path());
        drop(servers);
        for entry in std::fs::read_dir(full.path().join("home")).expect("the home").flatten() {
            if entry.file_name().to_string_lossy().starts_with("greenroom.") {
                std::fs::remove_file(entry.path()).expect("the index is removed");
            }
        }
    }
    println!("{ROLLOUTS} rollouts: slowest first answer {slowest:?}");
}
