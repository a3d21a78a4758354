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
