//! Providers that answer with anything but an answer: each fails its turn with a reason, in bounded time and memory,
//! and the server goes on.

use std::time::Duration;

use greenroom::protocol::*;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Client, TestServer, Transport};

/// What a provider says to everybody who connects.
#[derive(Clone)]
struct Says {
    first: String,
    /// What follows without an end, and the pause after each piece.
    forever: Option<(String, Duration)>,
}

impl Says {
    fn once(text: &str) -> Self {
        Says {
            first: text.to_owned(),
            forever: None,
        }
    }

    fn forever(first: &str, piece: String, pause: Duration) -> Self {
        Says {
            first: first.to_owned(),
            forever: Some((piece, pause)),
        }
    }

    /// The port of a provider that says this.
    async fn listen(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let says = self.clone();
                tokio::spawn(async move {
                    let mut request = vec![0; 1 << 20];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(says.first.as_bytes()).await;
                    if let Some((piece, pause)) = says.forever {
                        while stream.write_all(piece.as_bytes()).await.is_ok() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    let _ = stream.shutdown().await;
                });
            }
        });
        port
    }
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";

/// Threads that start from now on have this provider.
async fn provide(server: &TestServer, says: Says, more: &str) {
    let config = format!(
        "model = \"gpt-5.4\"\nmodel_provider = \"bad\"\napproval_policy = \"never\"\n[model_providers.bad]\nname = \"Bad\"\n\
         base_url = \"http://127.0.0.1:{}/v1\"\nrequest_max_retries = 0\nstream_max_retries = 0\n{more}\n",
        says.listen().await
    );
    std::fs::write(server.home().join("config.toml"), config).unwrap();
}

/// The failure of a turn on a new thread with this provider.
async fn failure(server: &TestServer, client: &Client, says: Says, more: &str) -> String {
    provide(server, says, more).await;
    let thread = client.thread().await;
    let turn = client.turn(&thread, "hello").await;
    assert_eq!(turn.status, TurnStatus::Failed, "{turn:?}");
    turn.error.expect("a reason").message
}

#[tokio::test]
async fn what_is_no_answer_fails_the_turn_with_a_reason() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let answers = [
        ("nothing", String::new()),
        ("another protocol", "SSH-2.0-OpenSSH_9.2\r\n".to_owned()),
        ("half a head", "HTTP/1.1 200 OK\r\ncontent-".to_owned()),
        (
            "a circle",
            "HTTP/1.1 307 Over There\r\nlocation: /v1/responses\r\ncontent-length: 0\r\n\r\n".to_owned(),
        ),
        (
            "a page",
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>".to_owned(),
        ),
        ("no content", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        (
            "less than announced",
            "HTTP/1.1 500 Oops\r\ncontent-length: 1000\r\n\r\nshort".to_owned(),
        ),
        ("no events", STREAM.to_owned()),
        ("broken JSON", format!("{STREAM}data: {{\"type\":\n\ndata: [[[[[[\n\n")),
        ("deep JSON", format!("{STREAM}data: {}\n\n", "[".repeat(200_000))),
        (
            "events that make no sense",
            format!(
                "{STREAM}data: {{\"type\": \"response.output_item.done\", \"item\": 7}}\n\ndata: {{}}\n\ndata: null\n\n"
            ),
        ),
        (
            "a completion without a response",
            format!("{STREAM}data: {{\"type\": \"response.completed\"}}\n\n"),
        ),
        (
            "a failure without a reason",
            format!("{STREAM}data: {{\"type\": \"response.failed\", \"response\": {{\"error\": null}}}}\n\n"),
        ),
    ];
    for (what, text) in answers {
        let message = failure(&server, &client, Says::once(&text), "").await;
        assert!(!message.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_line_that_never_ends_does_not_fill_the_memory() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let endless = Says::forever(&format!("{STREAM}data: "), "a".repeat(1 << 20), Duration::ZERO);
    let message = failure(&server, &client, endless, "").await;
    assert!(message.contains("longer than 64 MiB"), "{message}");
    let head = Says::forever(
        "HTTP/1.1 200 OK\r\n",
        "x-more: of this\r\n".repeat(1000),
        Duration::ZERO,
    );
    assert!(!failure(&server, &client, head, "").await.is_empty());
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400 << 10, "{peak} KiB");
}

#[tokio::test]
async fn comments_do_not_keep_a_silent_provider_alive() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let comments = Says::forever(STREAM, ": still here\n\n".to_owned(), Duration::from_millis(10));
    let message = failure(&server, &client, comments, "stream_idle_timeout_ms = 400").await;
    assert!(message.contains("idle timeout waiting for SSE"), "{message}");
    let client = server.client().await;
    client.call_raw("thread/list", json!({})).await.unwrap();
}

#[tokio::test]
async fn token_counts_beyond_reason_are_no_fault() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    for count in [i64::MAX, i64::MIN] {
        let usage = json!({"input_tokens": count, "input_tokens_details": {"cached_tokens": count}, "output_tokens": count,
            "output_tokens_details": {"reasoning_tokens": count}, "total_tokens": count});
        let completed = json!({"type": "response.completed", "response": {"id": "r", "usage": usage}});
        provide(&server, Says::once(&format!("{STREAM}data: {completed}\n\n")), "").await;
        let thread = client.thread().await;
        for _ in 0..3 {
            let turn = client.turn(&thread, "hello").await;
            assert_eq!(turn.status, TurnStatus::Completed, "{count}: {:?}", turn.error);
        }
    }
}
