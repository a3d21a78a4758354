//! How an exec-server starts, and who may reach it.

use super::relay::answering;
use super::*;

/// How an exec-server with these flags ends, and what it says.
async fn run(flags: &[&str], token: Option<&str>) -> (i32, String) {
    let root = tempfile::tempdir().unwrap();
    let mut command = ExecServer::command(Path::new(binary()), root.path());
    command.args(flags).stdin(Stdio::null()).stderr(Stdio::piped());
    if let Some(token) = token {
        command.env("CODEX_EXEC_SERVER_REMOTE_BEARER_TOKEN", token);
    }
    let output = within("its end", command.output()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn only_this_machine_may_connect_unless_a_token_is_asked_for() {
    let (code, said) = run(&["--listen", "ws://0.0.0.0:0"], None).await;
    assert!(code == 1 && said.contains("without auth"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("token");
    std::fs::write(&secret, "open sesame").unwrap();
    let flags = [
        "--ws-auth",
        "capability-token",
        "--ws-token-file",
        secret.to_str().unwrap(),
    ];
    let server = ExecServer::of(Path::new(binary()), &flags).await;
    assert!(server.url().starts_with("ws://127.0.0.1:"));
    assert!(Client::over_ws(server.port(), None).await.is_err());
    assert!(Client::over_ws(server.port(), Some("sesame")).await.is_err());
    let client = Client::over_ws(server.port(), Some("open sesame")).await.unwrap();
    handshake(&client, json!({"clientName": "t"})).await;
    assert!(Client::from_page(server.port(), "http://example.com").await.is_err());
}

#[tokio::test]
async fn registering_says_what_is_missing_and_what_cannot_be_done() {
    let registry = answering("200 OK", r#"{"executor_id": "x", "url": "wss://relay.test"}"#).await;
    let flags = |url: &str| ["--remote", url, "--executor-id", "x"].map(str::to_owned);
    let register = async |url: &str, token| {
        let flags = flags(url);
        run(&flags.each_ref().map(String::as_str), token).await
    };
    let (code, said) = register(&registry.0, None).await;
    let missing = "Error: executor registry authentication error: executor registry bearer token environment variable \
                   `CODEX_EXEC_SERVER_REMOTE_BEARER_TOKEN` is not set\n";
    assert_eq!((code, said.as_str()), (1, missing));
    let (code, said) = register(&registry.0, Some("secret")).await;
    assert!(
        code == 1 && said.contains("registered as `x`") && said.contains("not supported"),
        "{said}"
    );
    let asked = registry.1.lock().unwrap().clone();
    assert!(
        asked.starts_with("POST /cloud/executor/x/register HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("authorization: Bearer secret") && asked.ends_with("\r\n\r\n"),
        "{asked}"
    );
    let refusing = answering("404 Not Found", r#"{"error": {"message": "no such id"}}"#).await;
    let (_, said) = register(&refusing.0, Some("secret")).await;
    assert_eq!(
        said,
        "Error: executor registry request failed (404 Not Found): no such id\n"
    );
}

#[tokio::test]
async fn over_stdio_the_session_ends_with_the_input() {
    let root = tempfile::tempdir().unwrap();
    let mut child = ExecServer::command(Path::new(binary()), root.path())
        .args(["--listen", "stdio"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let client = Client::over_stdio(child.stdin.take().unwrap(), child.stdout.take().unwrap());
    handshake(&client, json!({"clientName": "t"})).await;
    let start = script("p", "echo $$; exec sleep 600", root.path());
    client.call_raw("process/start", start).await.unwrap();
    let pid = printed(&client, "p", |text, _| text.ends_with('\n')).await;
    drop(client);
    assert!(within("its end", child.wait()).await.unwrap().success());
    within("the end of the child", async {
        while alive(&pid) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
