//! Clients and providers that misbehave: slow readers, vanished clients, dead providers, floods, an index that
//! breaks under the server's hands.

use std::path::Path;
use std::time::Duration;

use greenroom::protocol::methods::server;
use greenroom::protocol::*;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::harness::{Client, Reply, TestServer, Transport, within};

/// A client that finishes the handshake and then never reads.
async fn slow_reader(port: u16, thread: &str) -> tokio::net::TcpStream {
    use tokio::io::AsyncWriteExt;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(([127, 0, 0, 1], port).into()).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 64];
    let _ = within("the handshake", stream.read(&mut head)).await;
    let messages = [
        json!({"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "slow", "version": "1"}}}),
        json!({"id": 2, "method": "thread/resume", "params": {"threadId": thread}}),
    ];
    for message in messages {
        let text = message.to_string();
        let mut frame = vec![0x81, 0x80 | 126, (text.len() >> 8) as u8, text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_slow_reader_neither_stalls_the_turn_nor_other_clients() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    // The stream is twice what may wait for a client.
    std::fs::write(server.home().join("greenroom.toml"), "outbox_limit_bytes = 2097152\n").unwrap();
    server.launch().await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "make it real").await;
    let _slow = slow_reader(server.port(), &thread).await;
    let chunk = "0123456789abcdef".repeat(640);
    let deltas: Vec<&str> = (0..400).map(|_| chunk.as_str()).collect();
    server.model.add(Reply::message(&deltas));
    let turn = client.turn(&thread, "a lot").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let received: usize = client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/agentMessage/delta" && m["params"]["turnId"] == turn.id)
        .map(|m| m["params"]["delta"].as_str().unwrap().len())
        .sum();
    assert_eq!(received, chunk.len() * 400);
}

#[tokio::test]
async fn a_truncated_stream_is_retried_and_says_so() {
    let mut server = TestServer::start(Transport::Ws).await;
    let config = std::fs::read_to_string(server.home().join("config.toml")).unwrap();
    let config = config.replace("stream_max_retries = 0", "stream_max_retries = 2");
    std::fs::write(server.home().join("config.toml"), config).unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(Reply::message(&["half"]).truncated());
    server.model.add(Reply::message(&["whole"]));
    let turn = client.turn(&thread, "go").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let notice = client.next::<ErrorNotification>().await;
    assert!(
        notice.will_retry && notice.error.message.starts_with("Reconnecting"),
        "{notice:?}"
    );
}

#[tokio::test]
async fn a_dead_provider_fails_the_turn_and_the_server_goes_on() {
    let mut server = TestServer::start(Transport::Ws).await;
    let config = std::fs::read_to_string(server.home().join("config.toml")).unwrap();
    let config = config.replace(&server.model.base_url(), "http://127.0.0.1:1/v1");
    std::fs::write(server.home().join("config.toml"), config).unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.turn(&thread, "anyone there?").await;
    assert_eq!(turn.status, TurnStatus::Failed);
    client.call_raw("thread/loaded/list", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_flood_of_requests_and_vanishing_clients_leave_the_server_whole() {
    let mut server = TestServer::start(Transport::Ws).await;
    for _ in 0..20 {
        let client = server.client().await;
        for _ in 0..200 {
            client.start("thread/start", json!({}));
        }
        drop(client);
    }
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("still here");
    assert_eq!(client.turn(&thread, "hello").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn two_hundred_clients_connect_and_hear_a_broadcast() {
    let mut server = TestServer::start(Transport::Ws).await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(server.client().await);
    }
    let thread = clients[0].thread().await;
    for client in &clients {
        let started = client.next::<ThreadStartedNotification>().await;
        assert_eq!(started.thread.id, thread);
    }
}

#[tokio::test]
async fn a_peer_that_stops_answering_pings_is_let_go() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    std::fs::write(
        server.home().join("greenroom.toml"),
        "heartbeat_interval_seconds = 1\nheartbeat_timeout_seconds = 2\n",
    )
    .unwrap();
    server.launch().await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "real").await;
    let mut silent = slow_reader(server.port(), &thread).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "a dead peer is found by heartbeats");
    let alive: Client = client;
    alive.call_raw("thread/loaded/list", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_client_that_vanishes_before_it_approves_leaves_the_question_to_others() {
    let mut server = TestServer::with(Transport::Ws, "", &["-c", "approval_policy=\"untrusted\""]).await;
    let arguments = json!({"cmd": "touch made", "login": false});
    server.model.add(Reply::call("exec_command", arguments, "c1"));
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    drop(client);
    // Nobody is there. Nothing runs, and the question waits for whoever comes.
    let client = server.client().await;
    let resumed = client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(resumed["thread"]["status"]["type"], "active", "{resumed}");
    assert!(!server.work().join("made").exists());
    let (id, params) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert_eq!(params.turn_id, turn);
    client.reply(&id, json!({"decision": "accept"}));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.work().join("made").exists());
}

#[tokio::test]
async fn a_provider_that_dies_in_the_middle_fails_the_turn_and_what_it_said_is_not_believed() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server
        .model
        .add(Reply::message(&["half of ", "a sentence"]).truncated());
    let turn = client.turn(&thread, "go").await;
    assert_eq!(turn.status, TurnStatus::Failed);
    assert!(turn.error.is_some_and(|error| !error.message.is_empty()));
    server.model.say("whole");
    assert_eq!(client.turn(&thread, "again").await.status, TurnStatus::Completed);
    let sent = server.model.requests().pop().unwrap().to_string();
    assert!(sent.contains("again"));
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let params = json!({"threadId": thread, "includeTurns": true});
    let read = client.call_raw("thread/read", params).await.unwrap();
    let statuses: Vec<_> = read["thread"]["turns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| &turn["status"])
        .collect();
    assert_eq!(statuses, ["failed", "completed"]);
}

/// Writes over the index while the server has it open.
fn ruin_index(home: &Path) {
    use std::os::unix::fs::FileExt;
    for name in ["greenroom.sqlite", "greenroom.sqlite-wal"] {
        let file = std::fs::File::options().write(true).open(home.join(name)).unwrap();
        let noise = vec![0xa5; usize::try_from(file.metadata().unwrap().len()).unwrap().max(8192)];
        file.write_all_at(&noise, 0).unwrap();
    }
}

fn remove_index(home: &Path) {
    for entry in std::fs::read_dir(home).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("greenroom.sqlite") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
}

#[tokio::test]
async fn an_index_that_breaks_while_the_server_runs_costs_nothing_and_is_made_anew() {
    for break_it in [ruin_index, remove_index] {
        let mut server = TestServer::start(Transport::Ws).await;
        let client = server.client().await;
        let thread = client.thread().await;
        client.turn(&thread, "first").await;
        server.indexed().await;
        client.call_raw("thread/list", json!({})).await.unwrap();
        break_it(&server.home());
        // Everything that is asked meanwhile is answered, and right.
        for n in 0..5 {
            let list = client.call_raw("thread/list", json!({})).await.unwrap();
            let data = list["data"].as_array().unwrap();
            assert!(data.iter().any(|t| t["id"] == *thread), "{list}");
            let other = client.thread().await;
            assert_eq!(
                client.turn(&other, &format!("other {n}")).await.status,
                TurnStatus::Completed
            );
            let params = json!({"threadId": thread, "includeTurns": true});
            let read = client.call_raw("thread/read", params).await.unwrap();
            assert_eq!(read["thread"]["turns"].as_array().map(Vec::len), Some(1), "{read}");
            let list = client.call_raw("thread/list", json!({})).await.unwrap();
            assert_eq!(list["data"].as_array().map(Vec::len), Some(n + 2), "{list}");
        }
        // The index is there again without a restart, and knows all of it.
        within("the new index", async {
            loop {
                let list = client
                    .call_raw("thread/list", json!({"useStateDbOnly": true}))
                    .await
                    .unwrap();
                if list["data"].as_array().map(Vec::len) == Some(6) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let header = std::fs::read(server.home().join("greenroom.sqlite")).unwrap();
        assert!(header.starts_with(b"SQLite format 3"));
    }
}

#[tokio::test]
async fn a_flood_from_one_client_is_refused_in_part_and_other_clients_are_served() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (flooding, other) = (server.client().await, server.client().await);
    let thread = other.thread().await;
    other.turn(&thread, "real").await;
    let ids: Vec<_> = (0..1_000)
        .map(|_| flooding.start("thread/read", json!({"threadId": thread, "includeTurns": true})))
        .collect();
    // The flooded thread answers in turn; others do not wait for it.
    let quiet = other.thread().await;
    for n in 0..3 {
        assert_eq!(other.turn(&quiet, &format!("{n}")).await.status, TurnStatus::Completed);
    }
    // Each request of the flood has its answer: the thread, or that there is too much to do.
    for id in ids {
        if let Err(error) = flooding.answer_to(id).await {
            assert_eq!(error.code, -32001, "{error:?}");
        }
    }
}
