//! What the system may take from a server process: the reader of its log, the reader of its output, its descriptors.

use std::process::Stdio;

use greenroom::protocol::*;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::harness::{Client, ScriptedModel, banner_port, binary, home_with, within};

/// Starts a server under a limit of open files, with its log at its most talkative.
fn spawn(root: &TempDir, listen: &str, descriptors: u32) -> Child {
    let script = format!("ulimit -n {descriptors} && exec \"$0\" app-server --listen {listen}");
    Command::new("/bin/bash")
        .args(["-c", &script, binary()])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", root.path())
        .env("GREENROOM_HOME", root.path().join("home"))
        .env("RUST_LOG", "trace")
        .current_dir(root.path().join("work"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts")
}

async fn listening(child: &mut Child) -> (u16, tokio::io::Lines<BufReader<ChildStderr>>) {
    let mut log = BufReader::new(child.stderr.take().expect("stderr")).lines();
    let port = banner_port(&mut log).await;
    (port, log)
}

async fn connect(port: u16) -> Client {
    let client = Client::over_ws(port, None).await.expect("a connection");
    client.initialize().await;
    client
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more_costs_nothing_but_itself() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let mut child = spawn(&root, "ws://127.0.0.1:0", 1024);
    let (port, log) = listening(&mut child).await;
    drop(log);
    for n in 0..3 {
        let client = connect(port).await;
        let thread = client.thread().await;
        assert_eq!(client.turn(&thread, &n.to_string()).await.status, TurnStatus::Completed);
    }
    assert!(child.try_wait().unwrap().is_none());
}

#[tokio::test]
async fn a_parent_that_stops_listening_ends_its_server() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let mut child = spawn(&root, "stdio://", 1024);
    let mut stdin = child.stdin.take().expect("stdin");
    drop((child.stdout.take(), child.stderr.take()));
    let initialize = json!({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "t", "version": "1"}}});
    let _ = stdin.write_all(format!("{initialize}\n").as_bytes()).await;
    // Standard input stays open: it is the answer that finds nobody.
    let status = within("the server's end", child.wait()).await.unwrap();
    drop(stdin);
    assert!(status.code().is_some(), "an end, not a crash: {status}");
}

#[tokio::test]
async fn when_descriptors_run_out_requests_fail_and_work_when_there_are_some() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let mut child = spawn(&root, "ws://127.0.0.1:0", 64);
    let (port, mut log) = listening(&mut child).await;
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    let client = connect(port).await;
    let thread = client.thread().await;
    assert_eq!(client.turn(&thread, "first").await.status, TurnStatus::Completed);
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    // Now and then there is nothing left for a file or a connection to the model. Each request is answered all the same.
    for n in 0..5 {
        let params = json!({"threadId": thread, "input": [{"type": "text", "text": format!("meanwhile {n}")}]});
        if let Ok(started) = client.call_raw("turn/start", params).await {
            client.done(started["turn"]["id"].as_str().unwrap()).await;
        }
        let _ = client.call_raw("thread/list", json!({})).await;
        let _ = client.call_raw("thread/start", json!({})).await;
    }
    drop(crowd);
    within("descriptors", async {
        while client.turn(&thread, "after").await.status != TurnStatus::Completed {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let other = connect(port).await;
    let params = json!({"threadId": thread, "includeTurns": true});
    let read = other.call_raw("thread/read", params).await.unwrap();
    let turns = read["thread"]["turns"].as_array().unwrap();
    assert!(turns[0].to_string().contains("first"), "{read}");
    assert!(turns.last().unwrap().to_string().contains("after"), "{read}");
    let list = other.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(list["data"][0]["id"], *thread);
    let names = std::fs::read_dir(root.path().join("home")).unwrap().flatten();
    let broken: Vec<_> = names
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().contains("broken"))
        .collect();
    assert!(broken.is_empty(), "want of descriptors is no damage: {broken:?}");
}
