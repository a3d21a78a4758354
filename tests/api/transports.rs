//! What only sockets have: probes, origins, credentials, frame limits, several clients, draining.

use std::time::Duration;

use greenroom::protocol::*;
use nix::sys::signal::Signal;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, coding};

use crate::harness::{Client, Reply, TestServer, Transport, binary, within};

/// Sends raw HTTP and returns everything up to the end of the connection.
async fn http(port: u16, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = within("the end of the answer", stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn probes_answer_and_foreign_origins_are_refused() {
    let server = TestServer::start(Transport::Ws).await;
    for path in ["/readyz", "/healthz"] {
        assert!(http(server.port(), &get(path, "")).await.starts_with("HTTP/1.1 200"));
        let refused = http(server.port(), &get(path, "origin: https://example.com\r\n")).await;
        assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    }
    let plain = http(server.port(), &get("/other", "")).await;
    assert!(
        plain.starts_with("HTTP/1.1 400") && plain.contains("Connection header did not include 'upgrade'"),
        "{plain}"
    );
}

#[tokio::test]
async fn contradictory_framing_is_refused() {
    let server = TestServer::start(Transport::Ws).await;
    let request = "POST /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let answer = http(server.port(), request).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_capability_token_is_asked_for_and_compared() {
    let token_file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token_file.path(), "super-secret\n").unwrap();
    let path = token_file.path().to_str().unwrap();
    let flags = ["--ws-auth", "capability-token", "--ws-token-file", path];
    let server = TestServer::with(Transport::Ws, "", &flags).await;
    assert!(Client::over_ws(server.port(), None).await.is_err());
    assert!(Client::over_ws(server.port(), Some("wrong")).await.is_err());
    let client = Client::over_ws(server.port(), Some("super-secret")).await.unwrap();
    client.initialize().await;
    assert!(
        http(server.port(), &get("/readyz", ""))
            .await
            .starts_with("HTTP/1.1 200")
    );
    assert!(http(server.port(), &get("/metrics", "")).await.starts_with("HTTP/1.1"));
}

#[tokio::test]
async fn an_open_listener_without_credentials_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let output = tokio::process::Command::new(binary())
        .args(["app-server", "--listen", "ws://0.0.0.0:0"])
        .env("GREENROOM_HOME", home.path())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("refusing to start non-loopback websocket listener 0.0.0.0:0 without auth"),
        "{stderr}"
    );
}

#[tokio::test]
async fn fragments_are_joined_and_binary_frames_ignored() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    client.send_message(Message::binary(vec![0, 1, 2]));
    let text = json!({"id": "pieces", "method": "thread/loaded/list", "params": {}}).to_string();
    let (a, b) = text.split_at(20);
    let piece = |text: &str, code, last| {
        Message::Frame(Frame::message(
            text.as_bytes().to_vec(),
            coding::OpCode::Data(code),
            last,
        ))
    };
    client.send_message(piece(a, coding::Data::Text, false));
    client.send_message(Message::Ping(b"between".to_vec().into()));
    client.send_message(piece(b, coding::Data::Continue, true));
    client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert!(client.log().iter().any(|m| m["id"] == "pieces"));
}

#[tokio::test]
async fn a_large_message_passes_and_an_oversized_frame_ends_the_connection() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let padding = "x".repeat(12 << 20);
    client
        .call_raw("thread/loaded/list", json!({"padding": padding}))
        .await
        .unwrap();
    client
        .send_text(json!({"id": 1, "method": "thread/loaded/list", "params": {"p": "x".repeat(17 << 20)}}).to_string());
    client.closed().await;
    server
        .client()
        .await
        .call_raw("thread/loaded/list", json!({}))
        .await
        .unwrap();
}

#[tokio::test]
async fn two_subscribers_hear_the_same_turn_and_a_turn_outlives_its_client() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (a, b) = (server.client().await, server.client().await);
    let thread = a.thread().await;
    server.model.say("first");
    a.turn(&thread, "one").await;
    b.call_raw("thread/resume", json!({"threadId": thread})).await.unwrap();
    let held = server.model.add(Reply::message(&["late ", "answer"]).held_before(3));
    let turn = a.begin(&thread, "two").await;
    held.reached().await;
    b.next_where(|n: &AgentMessageDeltaNotification| n.delta == "late ")
        .await;
    a.close();
    a.closed().await;
    held.release();
    assert_eq!(b.done(&turn).await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn a_signal_drains_running_turns_before_the_server_ends() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["almost ", "done"]).held_before(3));
    let turn = client.begin(&thread, "go").await;
    held.reached().await;
    server.signal(Signal::SIGTERM);
    let other = server.client().await;
    other.call_raw("thread/loaded/list", json!({})).await.unwrap();
    held.release();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.exit().await.success());
    client.closed().await;
}

#[tokio::test]
async fn a_second_signal_ends_the_server_at_once() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["never ", "done"]).held_before(3));
    client.begin(&thread, "go").await;
    held.reached().await;
    server.signal(Signal::SIGTERM);
    server.client().await;
    server.signal(Signal::SIGTERM);
    assert!(server.exit().await.success());
}

#[tokio::test]
async fn the_end_of_stdin_ends_a_stdio_server() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    client.thread().await;
    drop(client);
    assert!(server.exit().await.success());
}

#[tokio::test]
async fn the_control_socket_is_private_and_taken_only_once() {
    use std::os::unix::fs::PermissionsExt;
    let mut server = TestServer::start(Transport::Unix).await;
    server.client().await;
    let mode = std::fs::metadata(server.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = tokio::process::Command::new(binary())
        .args([
            "app-server",
            "--listen",
            &format!("unix://{}", server.socket().display()),
        ])
        .env("GREENROOM_HOME", server.home())
        .output()
        .await
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("app-server control socket is already in use at"));
    server.signal(Signal::SIGINT);
    assert!(server.exit().await.success());
    assert!(!server.socket().exists());
}

#[tokio::test]
async fn the_proxy_carries_bytes_between_stdio_and_the_socket() {
    let server = TestServer::start(Transport::Unix).await;
    let mut proxy = tokio::process::Command::new(binary())
        .args(["app-server", "proxy", "--sock"])
        .arg(server.socket())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = proxy.stdin.take().unwrap();
    let mut stdout = proxy.stdout.take().unwrap();
    stdin
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        .await
        .unwrap();
    let mut answer = vec![0; 12];
    within("the handshake", stdout.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 101");
}

#[tokio::test]
async fn a_half_finished_handshake_times_out() {
    let server = TestServer::with(Transport::Ws, "", &[]).await;
    std::fs::write(server.home().join("greenroom.toml"), "").unwrap();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the server gives up on a handshake that never ends");
}
