//! The Unix socket, clients that do not read, and the end of the server.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::client::{Raw, masked, serve, upgrade};
use crate::http::auth::AuthPolicy;

async fn unix_answer(path: &std::path::Path, request: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("to send");
    let mut answer = Vec::new();
    let read = stream.read_buf(&mut answer);
    let _ = timeout(Duration::from_secs(5), read)
        .await
        .expect("an answer or the end");
    answer
}

#[actix_rt::test]
async fn the_unix_socket_upgrades_without_token_or_origin_and_serves_nothing_else() {
    let server = serve(|_| {}, super::capability()).await;
    let path = server.home.path().join("control").join("c.sock");
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nOrigin: x\r\n{}\r\n", upgrade());
    assert!(unix_answer(&path, &request).await.starts_with(b"HTTP/1.1 101"));
    for probe in ["/readyz", "/metrics", "/admin/api/v1/status", "/"] {
        let request = format!("GET {probe} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(unix_answer(&path, &request).await, b"", "{probe}");
    }
}

#[actix_rt::test]
async fn a_client_that_writes_without_reading_is_read_all_the_same() {
    let server = serve(|_| {}, AuthPolicy::Open).await;
    let mut raw = Raw::upgraded(&server).await;
    let requests: Vec<u8> = (0..10_000)
        .flat_map(|id| {
            masked(
                1,
                true,
                format!(r#"{{"id":{id},"method":"thread/loaded/list","params":{{}}}}"#).as_bytes(),
            )
        })
        .collect();
    timeout(Duration::from_secs(20), raw.send(&requests))
        .await
        .expect("the server to read");
    for id in 0..10_000 {
        let (_, answer) = raw.frame().await;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(answer["id"], id);
    }
}

#[actix_rt::test]
async fn the_end_says_goodbye_and_removes_the_socket() {
    let server = serve(|_| {}, AuthPolicy::Open).await;
    let mut raw = Raw::upgraded(&server).await;
    raw.send(&masked(9, true, b"x")).await;
    assert_eq!(raw.frame().await.0, 10);
    let path = server.home.path().join("control").join("c.sock");
    assert!(path.exists());
    let stop = (server._listener.stop)();
    let ended = actix_rt::spawn(async move {
        server.server.stop().await;
        stop.await;
        drop(server.home);
    });
    let (opcode, payload) = raw.frame().await;
    assert_eq!((opcode, &payload[..2]), (8, &1001_u16.to_be_bytes()[..]));
    raw.until_closed().await;
    timeout(Duration::from_secs(5), ended)
        .await
        .expect("the end")
        .expect("no panic");
    assert!(!path.exists());
}

#[actix_rt::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let server = serve(
        |settings| {
            settings.outbox_limit = 1 << 20;
            settings.outbox_grace = Duration::from_millis(100);
        },
        AuthPolicy::Open,
    )
    .await;
    let mut raw = Raw::upgraded(&server).await;
    raw.send(&masked(9, true, b"x")).await;
    assert_eq!(raw.frame().await.0, 10);
    let clients = server.server.kernel().services().clients.clone();
    let client = clients.all().pop().expect("a client");
    let message = bytes::Bytes::from(format!("\"{}\"", "x".repeat(1 << 20)));
    for _ in 0..64 {
        client.send_raw(message.clone());
        tokio::task::yield_now().await;
    }
    // The socket is cut behind what the kernel holds already, long before 64 MiB.
    let gone = async {
        while !clients.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(8), gone)
        .await
        .expect("the client to be given up");
    timeout(Duration::from_secs(5), raw.until_closed())
        .await
        .expect("the socket to be cut");
}

#[actix_rt::test]
async fn a_silent_client_is_pinged_and_then_closed() {
    let server = serve(
        |settings| {
            settings.heartbeat_interval = Duration::from_millis(100);
            settings.heartbeat_timeout = Duration::from_millis(350);
        },
        AuthPolicy::Open,
    )
    .await;
    let mut raw = Raw::upgraded(&server).await;
    // As long as it answers, it stays.
    for _ in 0..6 {
        let (opcode, payload) = raw.frame().await;
        assert_eq!(opcode, 9);
        raw.send(&masked(10, true, &payload)).await;
    }
    let last = loop {
        let (opcode, payload) = raw.frame().await;
        if opcode != 9 {
            break (opcode, payload);
        }
    };
    assert_eq!(last.0, 8, "a goodbye, not {last:?}");
    raw.until_closed().await;
}
