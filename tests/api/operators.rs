//! HTTP for operators: metrics, admin, and who may see them.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{ScriptedModel, TestServer, Transport, binary, home_with, within};

async fn get(port: u16, path: &str, headers: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("the answer", stream.read_to_string(&mut answer)).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_string())
}

#[tokio::test]
async fn metrics_count_connections_and_turns() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "hello").await;
    let (status, text) = get(server.port(), "/metrics", "").await;
    assert_eq!(status, 200);
    for name in ["greenroom_connections", "greenroom_threads", "greenroom_turns"] {
        assert!(text.contains(name), "{name} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn admin_shows_connections_and_threads_without_secrets() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let (status, body) = get(server.port(), "/admin/api/v1/status", "").await;
    assert_eq!(status, 200, "{body}");
    let (_, body) = get(server.port(), "/admin/api/v1/connections", "").await;
    let connections: Value = serde_json::from_str(&body).unwrap();
    assert!(connections.to_string().contains("tests"), "{connections}");
    let (_, body) = get(server.port(), "/admin/api/v1/threads", "").await;
    assert!(body.contains(&thread), "{body}");
    let (status, body) = get(server.port(), "/admin/api/v1/openapi.json", "").await;
    assert!(status == 200 && body.contains("/admin/api/v1/threads"), "{body}");
}

#[tokio::test]
async fn a_configured_admin_token_is_required() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    std::fs::write(
        server.home().join("greenroom.toml"),
        "admin_token = \"let-me-in-please-0123456789\"\n",
    )
    .unwrap();
    server.launch().await;
    let (status, _) = get(server.port(), "/admin/api/v1/status", "").await;
    assert_eq!(status, 401);
    let header = "authorization: Bearer let-me-in-please-0123456789\r\n";
    let (status, body) = get(server.port(), "/admin/api/v1/status", header).await;
    assert_eq!(status, 200);
    assert!(!body.contains("let-me-in"), "{body}");
}

#[tokio::test]
async fn strict_config_refuses_unknown_keys_and_nothing_else_does() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "modell = \"typo\"");
    let home = root.path().join("home");
    let run = async |flags: &[&str]| {
        let mut command = tokio::process::Command::new(binary());
        command
            .arg("app-server")
            .args(flags)
            .env("GREENROOM_HOME", &home)
            .current_dir(root.path().join("work"))
            .stdin(std::process::Stdio::null());
        let output = within("the end", command.output()).await.unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run(&["--strict-config"]).await;
    let place = format!("{}:5:1", home.join("config.toml").display());
    assert_eq!(code, Some(1));
    assert!(
        told.contains(&format!("Error: {place}: unknown configuration field `modell`")),
        "{told}"
    );
    let (code, told) = run(&[]).await;
    assert_eq!(code, Some(0), "{told}");
    std::fs::write(home.join("config.toml"), "model = \"gpt-5.4\"\n").unwrap();
    let (code, told) = run(&["--strict-config"]).await;
    assert_eq!(code, Some(0), "{told}");
}
