//! Clients and providers that misbehave: slow readers, vanished clients, dead providers, full disks, floods.

use std::time::Duration;

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
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "make it real").await;
    let _slow = slow_reader(server.port(), &thread).await;
    let chunk = "0123456789abcdef".repeat(64);
    let deltas: Vec<&str> = (0..20_000).map(|_| chunk.as_str()).collect();
    server.model.add(Reply::message(&deltas));
    let turn = client.turn(&thread, "a lot").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let received: usize = client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/agentMessage/delta" && m["params"]["turnId"] == turn.id)
        .map(|m| m["params"]["delta"].as_str().unwrap().len())
        .sum();
    assert_eq!(received, chunk.len() * 20_000);
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

/// A full disk, made with a small tmpfs where this test may mount one; elsewhere it says so and ends.
#[tokio::test]
async fn a_full_disk_answers_an_error_and_room_lets_work_go_on() {
    use std::process::Command;
    let mut server = TestServer::start(Transport::Ws).await;
    let sessions = server.home().join("sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    #[allow(clippy::disallowed_methods, reason = "the test itself mounts and unmounts")]
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .status()
            .is_ok_and(|status| status.success())
    };
    let folder = sessions.to_str().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]) {
        eprintln!("skipped: mounting a tmpfs is not allowed here");
        return;
    }
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "first").await;
    let filler = sessions.join("filler");
    let mut size = 256 * 1024;
    while size > 0 {
        let old = std::fs::read(&filler).unwrap_or_default();
        if std::fs::write(&filler, [old, vec![0; size]].concat()).is_err() {
            size /= 2;
        }
    }
    server.model.say("unheard");
    let params = json!({"threadId": thread, "input": [{"type": "text", "text": "x".repeat(8000)}]});
    match client.call_raw("turn/start", params).await {
        Err(error) => assert!(!error.message.is_empty()),
        Ok(started) => {
            let turn = client.done(started["turn"]["id"].as_str().unwrap()).await;
            assert_eq!(
                turn.status,
                TurnStatus::Failed,
                "a turn that cannot be written down does not claim success"
            );
        }
    }
    std::fs::remove_file(&filler).unwrap();
    server.model.clear();
    server.model.say("room again");
    let turn = client.turn(&thread, "second").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
        .await
        .unwrap();
    let text = read["thread"]["turns"].to_string();
    server.kill().await;
    run("umount", &["-l", folder]);
    assert!(text.contains("room again"), "{text}");
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
