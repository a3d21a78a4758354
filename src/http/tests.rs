//! The HTTP edges over real sockets.

mod client;
mod sockets;

use std::time::Duration;

use client::{Raw, masked, serve, upgrade};

use crate::http::auth::AuthPolicy;
use crate::settings::Secret;

const TOKEN: &str = "a token for these tests";

fn capability() -> AuthPolicy {
    use sha2::Digest;
    AuthPolicy::Capability(sha2::Sha256::digest(TOKEN.as_bytes()).into())
}

#[actix_rt::test]
async fn probes_answer_and_the_rest_wants_an_upgrade() {
    let server = serve(|_| {}, AuthPolicy::Open).await;
    let table = [
        ("GET /readyz HTTP/1.1", "", "200 OK", ""),
        ("GET /healthz?x=1 HTTP/1.1", "", "200 OK", ""),
        ("POST /readyz HTTP/1.1", "", "405 Method Not Allowed", ""),
        (
            "GET /readyz/ HTTP/1.1",
            "",
            "400 Bad Request",
            "Connection header did not include 'upgrade'",
        ),
        (
            "GET / HTTP/1.1",
            "",
            "400 Bad Request",
            "Connection header did not include 'upgrade'",
        ),
        (
            "POST / HTTP/1.1",
            "Content-Length: 0\r\n",
            "405 Method Not Allowed",
            "Request method must be `GET`",
        ),
        (
            "GET / HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: h2c\r\n",
            "400 Bad Request",
            "`Upgrade` header did not include 'websocket'",
        ),
        (
            "GET / HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 8\r\n",
            "400 Bad Request",
            "`Sec-WebSocket-Version` header did not include '13'",
        ),
        (
            "GET / HTTP/1.1",
            "Connection: upgrade\r\nUpgrade: websocket\r\n",
            "400 Bad Request",
            "`Sec-WebSocket-Key` header missing",
        ),
    ];
    for (line, headers, status, body) in table {
        let answer = server.ask(line, headers).await;
        assert_eq!(
            (answer.status.as_str(), answer.body.as_str()),
            (status, body),
            "{line} {headers}"
        );
    }
}

#[actix_rt::test]
async fn an_origin_is_refused_everywhere_unless_it_is_allowed() {
    let server = serve(
        |settings| settings.allowed_origins = vec!["https://good".into()],
        AuthPolicy::Open,
    )
    .await;
    for line in [
        "GET /healthz HTTP/1.1",
        "GET / HTTP/1.1",
        "GET /metrics HTTP/1.1",
        "GET /admin/api/v1/status HTTP/1.1",
    ] {
        let answer = server.ask(line, "Origin: http://127.0.0.1\r\n").await;
        assert_eq!(
            (answer.status.as_str(), answer.body.as_str()),
            ("403 Forbidden", ""),
            "{line}"
        );
    }
    let bad = server.ask("GET / HTTP/1.1", &(upgrade() + "Origin: \r\n")).await;
    assert_eq!(bad.status, "403 Forbidden");
    let good = server
        .ask("GET / HTTP/1.1", &(upgrade() + "Origin: https://good\r\n"))
        .await;
    assert_eq!(good.status, "101 Switching Protocols");
}

#[actix_rt::test]
async fn authentication_guards_upgrades_but_not_probes() {
    let server = serve(|_| {}, capability()).await;
    let ask = async |headers: &str| server.ask("GET /any/path HTTP/1.1", &(upgrade() + headers)).await;
    let none = ask("").await;
    assert_eq!(
        (none.status.as_str(), none.body.as_str()),
        ("401 Unauthorized", "missing websocket bearer token")
    );
    assert_eq!(
        ask("Authorization: Bearer x\r\n").await.body,
        "invalid websocket bearer token"
    );
    assert_eq!(
        ask("Authorization: Basic x\r\n").await.body,
        "invalid authorization header"
    );
    let right = ask(&format!("Authorization: Bearer {TOKEN}\r\n")).await;
    assert_eq!(right.status, "101 Switching Protocols");
    assert_eq!(server.ask("GET /readyz HTTP/1.1", "").await.status, "200 OK");
    assert_eq!(ask("Origin: x\r\n").await.status, "403 Forbidden");
}

#[actix_rt::test]
async fn contradictory_framing_is_refused() {
    let server = serve(|_| {}, AuthPolicy::Open).await;
    let both = server
        .ask(
            "GET /readyz HTTP/1.1",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        )
        .await;
    assert_eq!(both.status, "400 Bad Request");
    let twice = server
        .ask("GET /readyz HTTP/1.1", "Content-Length: 3\r\nContent-Length: 4\r\n")
        .await;
    assert_eq!(twice.status, "400 Bad Request");
}

#[actix_rt::test]
async fn a_half_finished_handshake_times_out() {
    let server = serve(
        |settings| settings.handshake_timeout = Duration::from_millis(200),
        AuthPolicy::Open,
    )
    .await;
    for beginning in ["", "GET / HT", "GET / HTTP/1.1\r\nHost: x\r\nConnection: upg"] {
        let mut raw = Raw::connect(&server).await;
        raw.send(beginning.as_bytes()).await;
        raw.until_closed().await;
    }
}

#[actix_rt::test]
async fn metrics_and_admin_answer_on_loopback_or_to_the_token() {
    let open = serve(|_| {}, AuthPolicy::Open).await;
    let metrics = open.ask("GET /metrics HTTP/1.1", "").await;
    assert!(
        metrics.status == "200 OK" && metrics.body.contains("greenroom_threads 0"),
        "{}",
        metrics.body
    );
    let status = open.ask("GET /admin/api/v1/status HTTP/1.1", "").await;
    let status: serde_json::Value = serde_json::from_str(&status.body).expect("JSON");
    assert_eq!(status["turnsRunning"], 0);
    assert_eq!(
        open.ask("GET /admin/api/v1/nothing HTTP/1.1", "").await.status,
        "404 Not Found"
    );
    assert_eq!(
        open.ask("DELETE /admin/api/v1/status HTTP/1.1", "").await.status,
        "405 Method Not Allowed"
    );
    let named = "X: y\r\nHost: evil.example\r\n";
    assert_eq!(
        open.ask_as("GET /admin/api/v1/status HTTP/1.1", named).await.status,
        "403 Forbidden"
    );
    let document = open.ask("GET /admin/api/v1/openapi.json HTTP/1.1", "").await;
    let document: serde_json::Value = serde_json::from_str(&document.body).expect("JSON");
    for path in ["status", "connections", "threads"] {
        assert!(
            document["paths"].get(format!("/admin/api/v1/{path}")).is_some(),
            "{path}"
        );
    }

    let secret = "the admin's own token";
    let closed = serve(
        move |settings| settings.admin_token = Some(Secret::new(secret)),
        AuthPolicy::Open,
    )
    .await;
    let ask = async |headers: &str| {
        closed
            .ask("GET /admin/api/v1/connections HTTP/1.1", headers)
            .await
            .status
    };
    assert_eq!(ask("").await, "401 Unauthorized");
    assert_eq!(ask("Authorization: Bearer wrong\r\n").await, "401 Unauthorized");
    assert_eq!(ask(&format!("Authorization: Bearer {secret}\r\n")).await, "200 OK");
}

#[actix_rt::test]
async fn text_frames_reach_the_connection_in_any_form() {
    let server = serve(|_| {}, AuthPolicy::Open).await;
    let mut raw = Raw::upgraded(&server).await;
    let request = br#"{"id":7,"method":"thread/loaded/list","params":{}}"#;
    let expected = r#"{"error":{"code":-32600,"message":"Not initialized"},"id":7}"#;
    raw.send(&masked(1, true, request)).await;
    assert_eq!(raw.frame().await, (1, expected.as_bytes().to_vec()));
    let pieces = [
        masked(1, false, &request[..9]),
        masked(9, true, b"hi"),
        masked(0, false, &request[9..20]),
        masked(0, true, &request[20..]),
    ];
    raw.send(&pieces.concat()).await;
    assert_eq!(raw.frame().await, (10, b"hi".to_vec()));
    assert_eq!(raw.frame().await, (1, expected.as_bytes().to_vec()));
    // Nonsense of every kind is passed over.
    let nonsense = [
        masked(2, true, request),
        masked(1, true, b"{no json"),
        masked(1, true, b"\"\xff\""),
        masked(1, true, b""),
        masked(10, true, b""),
    ];
    raw.send(&nonsense.concat()).await;
    raw.send(&masked(1, true, request)).await;
    assert_eq!(raw.frame().await, (1, expected.as_bytes().to_vec()));
}

#[actix_rt::test]
async fn a_goodbye_is_answered_and_violations_are_told() {
    let server = serve(
        |settings| {
            settings.frame_limit = 1000;
            settings.message_limit = 1500;
        },
        AuthPolicy::Open,
    )
    .await;
    let code = |number: u16| number.to_be_bytes().to_vec();
    let long = vec![b' '; 1001];
    let table = [
        (masked(8, true, &code(1000)), 1000),
        (masked(8, true, b""), 0),
        (masked(3, true, b"x"), 1002),
        (b"\x81\x01x".to_vec(), 1002),
        (masked(0, true, b"x"), 1002),
        (masked(1, true, &long), 1009),
        (
            [masked(1, false, &long[..900]), masked(0, true, &long[..900])].concat(),
            1009,
        ),
    ];
    for (bytes, expected) in table {
        let mut raw = Raw::upgraded(&server).await;
        raw.send(&bytes).await;
        let (opcode, payload) = raw.frame().await;
        assert_eq!(opcode, 8);
        let told = payload
            .get(..2)
            .map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
        assert_eq!(told, expected);
        raw.until_closed().await;
    }
}
