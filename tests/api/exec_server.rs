//! The exec-server, spoken to directly: handshake, processes, resuming, files, relayed requests, registering.
//!
//! The expected texts are those that clients of the protocol know; `the_other_exec_server_says_the_same` asks the
//! peer's own for them where it is installed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::{Client, ExecServer, binary, handshake, peer_binary, within};

fn encoded(text: &str) -> String {
    STANDARD.encode(text)
}

fn command(id: &str, argv: &[&str], cwd: &Path) -> Value {
    json!({"processId": id, "argv": argv, "cwd": cwd, "env": {"PATH": std::env::var("PATH").unwrap()}, "tty": false})
}

fn script(id: &str, script: &str, cwd: &Path) -> Value {
    command(id, &["sh", "-c", script], cwd)
}

fn with(mut params: Value, more: Value) -> Value {
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    params
}

/// What a process printed, once it has printed that much; from what can be read, not from what was told.
async fn printed(client: &Client, id: &str, enough: impl Fn(&str, &Value) -> bool) -> String {
    within("the output of a process", async {
        loop {
            let read = client
                .call_raw("process/read", json!({"processId": id}))
                .await
                .expect("process/read");
            let text = text_of(&read);
            if enough(&text, &read) {
                return text;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

fn text_of(read: &Value) -> String {
    read["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chunk| String::from_utf8(STANDARD.decode(chunk["chunk"].as_str().unwrap()).unwrap()).unwrap())
        .collect()
}

/// The code and message of a refusal.
async fn refused(client: &Client, method: &str, params: Value) -> (i64, String) {
    let error = client.call_raw(method, params).await.expect_err("a refusal");
    (error.code, error.message)
}

/// The requests whose refusals have to be told in known words.
fn refusals(work: &Path) -> Vec<(&'static str, Value)> {
    let here = work.display().to_string();
    let request = |more: Value| {
        with(
            json!({"method": "GET", "url": "http://127.0.0.1:1/", "requestId": "r"}),
            more,
        )
    };
    vec![
        ("nope/x", json!({})),
        ("initialize", json!({})),
        ("initialize", json!({"clientName": "again"})),
        ("process/read", json!({"processId": "none"})),
        ("process/read", json!({})),
        ("process/start", command("a", &[], work)),
        ("process/start", command("a", &[""], work)),
        ("process/start", command("a", &["/nonexistent/x"], work)),
        (
            "process/start",
            with(command("a", &["/nonexistent/x"], work), json!({"tty": true})),
        ),
        (
            "process/start",
            json!({"processId": "a", "argv": ["true"], "cwd": here, "tty": false}),
        ),
        (
            "process/start",
            with(command("a", &["true"], work), json!({"envPolicy": {"inherit": "core"}})),
        ),
        ("process/write", json!({"processId": "none", "chunk": "!!"})),
        ("fs/readFile", json!({"path": "a"})),
        ("fs/readFile", json!({"path": format!("{here}/none")})),
        ("fs/readFile", json!({"path": here})),
        ("fs/readFile", json!({"path": here, "sandbox": {}})),
        ("fs/writeFile", json!({"path": format!("{here}/a"), "dataBase64": "!!"})),
        (
            "fs/copy",
            json!({"sourcePath": here, "destinationPath": format!("{here}/b"), "recursive": false}),
        ),
        (
            "fs/copy",
            json!({"sourcePath": here, "destinationPath": format!("{here}/b"), "recursive": true}),
        ),
        ("fs/remove", json!({"path": format!("{here}/none"), "force": false})),
        ("http/request", request(json!({"method": "B AD"}))),
        ("http/request", request(json!({"url": "file:///etc/passwd"}))),
        (
            "http/request",
            request(json!({"headers": [{"name": "bad name", "value": "x"}]})),
        ),
        ("http/request", request(json!({}))),
    ]
}

#[tokio::test]
async fn the_other_exec_server_says_the_same() {
    let Some(peer) = peer_binary() else {
        println!("skipped: the peer is not installed");
        return;
    };
    let (ours, theirs) = (ExecServer::start().await, ExecServer::of(&peer, &[]).await);
    let ((own, _), (other, _)) = (ours.client().await, theirs.client().await);
    let folder = tempfile::tempdir().unwrap();
    for (method, params) in refusals(folder.path()) {
        let said = refused(&own, method, params.clone()).await;
        assert_eq!(said, refused(&other, method, params.clone()).await, "{method} {params}");
    }
}

#[tokio::test]
async fn nothing_works_before_the_handshake() {
    let server = ExecServer::start().await;
    let client = Client::over_ws(server.port(), None).await.unwrap();
    let path = json!({"path": "/etc/hostname"});
    let said = |text: &str| (-32600, text.to_owned());
    let first = refused(&client, "fs/readFile", path.clone()).await;
    assert_eq!(
        first,
        said("client must call initialize before using filesystem methods")
    );
    let unknown = json!({"clientName": "t", "resumeSessionId": "x"});
    assert_eq!(
        refused(&client, "initialize", unknown).await,
        said("unknown session id x")
    );
    let session = client.call_raw("initialize", json!({"clientName": "t"})).await.unwrap();
    assert_eq!(session.as_object().unwrap().len(), 1, "{session}");
    let second = refused(&client, "process/read", json!({"processId": "x"})).await;
    assert_eq!(second, said("client must send initialized before using exec methods"));
    client.send_text("{nope".to_owned());
    let told = client
        .until("the answer to what is no message", |log| {
            log.iter().any(|m| m["id"] == -1)
        })
        .await;
    let text = told.last().unwrap()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        text.starts_with("failed to parse websocket JSON-RPC message from exec-server websocket"),
        "{text}"
    );
    client.send(json!({"method": "other"}));
    client.closed().await;
}

#[tokio::test]
async fn a_process_tells_its_output_in_order_then_its_end() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let start = script("p", "echo out; sleep 0.1; echo err >&2; exit 3", &server.work());
    client.call_raw("process/start", start.clone()).await.unwrap();
    let told = client
        .until("the end", |log| log.iter().any(|m| m["method"] == "process/closed"))
        .await;
    let told: Vec<Value> = told
        .into_iter()
        .filter(|m| m["method"].is_string())
        .map(|m| {
            json!([
                m["method"],
                m["params"]["seq"],
                m["params"]["stream"],
                m["params"]["exitCode"]
            ])
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["process/output", 1, "stdout", null],
            ["process/output", 2, "stderr", null],
            ["process/exited", 3, null, 3],
            ["process/closed", 4, null, null]
        ])
    );
    let read = client
        .call_raw("process/read", json!({"processId": "p", "afterSeq": 1}))
        .await;
    let expected = json!({
        "chunks": [{"seq": 2, "stream": "stderr", "chunk": encoded("err\n")}],
        "nextSeq": 3, "exited": true, "exitCode": 3, "closed": true, "failure": null
    });
    assert_eq!(read.unwrap(), expected);
    let again = refused(&client, "process/start", start).await;
    assert_eq!(again, (-32600, "process p already exists".to_owned()));
    let write = json!({"processId": "p", "chunk": ""});
    assert_eq!(
        client.call_raw("process/write", write).await.unwrap(),
        json!({"status": "stdinClosed"})
    );
    let ended = client.call_raw("process/terminate", json!({"processId": "p"})).await;
    assert_eq!(ended.unwrap(), json!({"running": false}));
}

#[tokio::test]
async fn processes_are_typed_to_under_a_terminal_and_through_a_pipe() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let terminal = script("t", "stty size; read x; echo got $x; exit 7", &server.work());
    let pipe = command("c", &["cat"], &server.work());
    client
        .call_raw("process/start", with(terminal, json!({"tty": true})))
        .await
        .unwrap();
    client
        .call_raw("process/start", with(pipe, json!({"pipeStdin": true})))
        .await
        .unwrap();
    for id in ["t", "c"] {
        let write = json!({"processId": id, "chunk": encoded("abc\n")});
        assert_eq!(
            client.call_raw("process/write", write).await.unwrap(),
            json!({"status": "accepted"})
        );
    }
    let text = printed(&client, "t", |_, read| read["closed"] == true).await;
    assert!(text.contains("24 80\r\n") && text.ends_with("got abc\r\n"), "{text:?}");
    assert_eq!(printed(&client, "c", |text, _| !text.is_empty()).await, "abc\n");
    // A read that waits does not hold up the rest.
    let waiting = client.start(
        "process/read",
        json!({"processId": "c", "afterSeq": 1, "waitMs": 60_000}),
    );
    let ended = client.call_raw("process/terminate", json!({"processId": "c"})).await;
    assert_eq!(ended.unwrap(), json!({"running": true}));
    let read = client.answer_to(waiting).await.unwrap();
    assert_eq!((&read["exited"], &read["exitCode"]), (&json!(true), &json!(-1)));
}

#[tokio::test]
async fn a_client_that_was_cut_off_comes_back_and_has_lost_nothing() {
    let server = ExecServer::start().await;
    let (client, session) = server.client().await;
    let rival = Client::over_ws(server.port(), None).await.unwrap();
    let resume = json!({"clientName": "t", "resumeSessionId": session});
    let said = refused(&rival, "initialize", resume).await;
    let attached = format!("session {session} is already attached to another connection");
    assert_eq!(said, (-32600, attached));

    let counting = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done";
    client
        .call_raw("process/start", script("p", counting, &server.work()))
        .await
        .unwrap();
    printed(&client, "p", |text, _| text.contains('2')).await;
    client.close();
    client.closed().await;
    let back = server.resumed(&session).await;
    let text = printed(&back, "p", |_, read| read["closed"] == true).await;
    assert_eq!(text, "1\n2\n3\n4\n5\n6\n");
    assert!(
        back.methods().iter().any(|method| method == "process/closed"),
        "the new connection is told"
    );
    let (other, _) = server.client().await;
    let foreign = refused(&other, "process/read", json!({"processId": "p"})).await;
    assert_eq!(foreign, (-32600, "unknown process id p".to_owned()));
}

/// Whether a process is there.
fn alive(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

#[tokio::test]
async fn processes_and_their_children_end_with_their_server() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let start = script("p", "sleep 600 & echo $!; wait", &server.work());
    client.call_raw("process/start", start).await.unwrap();
    let child = printed(&client, "p", |text, _| text.ends_with('\n')).await;
    assert!(alive(&child));
    server.stop().await;
    within("the end of the child", async {
        while alive(&child) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_terminated_process_takes_its_children_with_it() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let start = script("p", "sleep 600 & echo $!; wait", &server.work());
    client.call_raw("process/start", start).await.unwrap();
    let child = printed(&client, "p", |text, _| text.ends_with('\n')).await;
    client
        .call_raw("process/terminate", json!({"processId": "p"}))
        .await
        .unwrap();
    printed(&client, "p", |_, read| read["closed"] == true).await;
    within("the end of the child", async {
        while alive(&child) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_environment_is_what_the_client_says() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let policy = |inherit: &str| json!({"inherit": inherit, "ignoreDefaultExcludes": true, "exclude": [], "set": {"A": "1"}, "includeOnly": []});
    let mut seen = Vec::new();
    for (id, policy) in [("none", Value::Null), ("core", policy("core")), ("all", policy("all"))] {
        let start = with(
            command(id, &["/usr/bin/env"], &server.work()),
            json!({"envPolicy": policy, "env": {"X": "y"}}),
        );
        client.call_raw("process/start", start).await.unwrap();
        let text = printed(&client, id, |_, read| read["closed"] == true).await;
        let mut names: Vec<String> = text
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0.to_owned()))
            .collect();
        names.sort();
        seen.push(names.join(" "));
    }
    assert_eq!(seen[0], "X");
    assert_eq!(seen[1], "A HOME PATH SHELL X");
    assert!(
        seen[2].contains("EXECUTOR_SIDE") && !seen[2].contains("GREENROOM_SECRET"),
        "{}",
        seen[2]
    );
}

#[tokio::test]
async fn files_are_read_written_listed_copied_and_removed() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let at = |name: &str| server.work().join(name).display().to_string();
    let ok = |method: &'static str, params: Value| {
        let client = client.clone();
        async move {
            client
                .call_raw(method, params)
                .await
                .unwrap_or_else(|e| panic!("{method}: {e:?}"))
        }
    };
    ok("fs/createDirectory", json!({"path": at("d/e")})).await;
    ok(
        "fs/writeFile",
        json!({"path": at("d/e/a"), "dataBase64": encoded("hi")}),
    )
    .await;
    let read = ok("fs/readFile", json!({"path": at("d/./x/../e/a"), "sandbox": null})).await;
    assert_eq!(read, json!({"dataBase64": encoded("hi")}));
    ok(
        "fs/copy",
        json!({"sourcePath": at("d"), "destinationPath": at("f"), "recursive": true}),
    )
    .await;
    // Onto itself: nothing is lost.
    ok(
        "fs/copy",
        json!({"sourcePath": at("f/e/a"), "destinationPath": at("f/e/a"), "recursive": false}),
    )
    .await;
    assert_eq!(std::fs::read_to_string(at("f/e/a")).unwrap(), "hi");
    std::os::unix::fs::symlink(at("d"), at("link")).unwrap();
    let found = ok("fs/getMetadata", json!({"path": at("link")})).await;
    assert_eq!(
        (&found["isDirectory"], &found["isSymlink"]),
        (&json!(true), &json!(true))
    );
    let listed = ok("fs/readDirectory", json!({"path": at("d/e")})).await;
    assert_eq!(
        listed,
        json!({"entries": [{"fileName": "a", "isDirectory": false, "isFile": true}]})
    );
    ok("fs/remove", json!({"path": at("link")})).await;
    assert!(Path::new(&at("d/e/a")).exists());
    ok("fs/remove", json!({"path": at("d")})).await;
    ok("fs/remove", json!({"path": at("d")})).await;
    nix::unistd::mkfifo(Path::new(&at("pipe")), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(
        ok("fs/readFile", json!({"path": at("pipe")})).await,
        json!({"dataBase64": ""})
    );
}

#[tokio::test]
async fn an_operation_on_files_keeps_to_its_sandbox_or_is_not_done() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    // Not below /tmp, which the context leaves writable.
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let inside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("way-out")).unwrap();
    std::fs::create_dir(inside.path().join(".git")).unwrap();
    let context = |entries: Value| {
        json!({"permissions": {"type": "managed", "file_system": {"type": "restricted", "entries": entries},
            "network": "restricted"}, "windowsSandboxLevel": "disabled"})
    };
    let root = json!({"path": {"type": "special", "value": {"kind": "root"}}, "access": "read"});
    let entry = |path: &Path, access: &str| json!({"path": {"type": "path", "path": path}, "access": access});
    let workspace = context(json!([
        root,
        entry(inside.path(), "write"),
        entry(&inside.path().join(".git"), "read")
    ]));
    let write = |path: &Path, sandbox: &Value| json!({"path": path, "dataBase64": encoded("x"), "sandbox": sandbox});
    let done = client
        .call_raw("fs/writeFile", write(&inside.path().join("a"), &workspace))
        .await;
    assert_eq!(done.unwrap(), json!({}));
    for kept in ["way-out/a", ".git/config"] {
        let said = refused(&client, "fs/writeFile", write(&inside.path().join(kept), &workspace)).await;
        assert_eq!(said, (-32603, "Permission denied (os error 13)".to_owned()), "{kept}");
    }
    assert!(!outside.path().join("a").exists());
    let read = json!({"path": inside.path().join("a"), "sandbox": workspace});
    assert_eq!(
        client.call_raw("fs/readFile", read).await.unwrap(),
        json!({"dataBase64": encoded("x")})
    );
    // Where the sandbox cannot hide anything, nothing is done at all.
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    let hidden = context(json!([root, entry(outside.path(), "none")]));
    let peek = json!({"path": outside.path().join("secret"), "sandbox": hidden});
    assert!(client.call_raw("fs/readFile", peek).await.is_err());
    // Only one folder may be read: not even what the operation's own program needs.
    std::fs::write(inside.path().join("a.env"), "s").unwrap();
    let closed = json!({"path": {"type": "glob_pattern", "pattern": "/**/*.env"}, "access": "none"});
    let narrow = [
        context(json!([entry(inside.path(), "read")])),
        context(json!([entry(inside.path(), "read"), closed])),
    ];
    let secret = outside.path().join("secret");
    let library = Path::new("/etc/ld.so.cache");
    for (path, context, readable) in [
        (&*inside.path().join("a"), &narrow[0], true),
        (&*inside.path().join("a.env"), &narrow[0], true),
        (&secret, &narrow[0], false),
        (&inside.path().join("way-out/secret"), &narrow[0], false),
        (library, &narrow[0], false),
        (&inside.path().join("a.env"), &narrow[1], false),
    ] {
        let read = json!({"path": path, "sandbox": context});
        let read = client.call_raw("fs/readFile", read).await;
        assert_eq!(read.is_ok(), readable, "{}: {read:?}", path.display());
    }
}

#[tokio::test]
async fn a_confined_process_is_confined() {
    let server = ExecServer::start().await;
    let client = Client::over_ws(server.port(), None).await.unwrap();
    let session = handshake(&client, json!({"clientName": "t", "capabilities": {"confine": true}})).await;
    assert_eq!(session["capabilities"], json!({"confine": true}));
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let inside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let line = format!(
        "echo x > in && echo in; echo x > {}/out && echo out",
        outside.path().display()
    );
    let confine = json!({"policy": {"type": "workspaceWrite"}, "workspaceRoots": [inside.path()]});
    let start = with(script("p", &line, inside.path()), json!({"confine": confine}));
    client.call_raw("process/start", start).await.unwrap();
    let text = printed(&client, "p", |_, read| read["closed"] == true).await;
    assert!(text.starts_with("in\n") && !text.contains("out\n"), "{text}");
}

#[tokio::test]
async fn requests_are_relayed_whole_or_in_pieces() {
    let server = ExecServer::start().await;
    let (client, _) = server.client().await;
    let site = answering("201 Created", "hello").await;
    let request = json!({"method": "POST", "url": site.0, "requestId": "r", "headers": [{"name": "x-q", "value": "1"}],
        "bodyBase64": encoded("body")});
    let answer = client.call_raw("http/request", request.clone()).await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["bodyBase64"]),
        (&json!(201), &json!(encoded("hello")))
    );
    assert_eq!(answer["headers"][0], json!({"name": "x-a", "value": "1"}));
    let asked = site.1.lock().unwrap().clone();
    assert!(asked.contains("x-q: 1") && asked.ends_with("body"), "{asked}");
    let streamed = client
        .call_raw("http/request", with(request, json!({"streamResponse": true})))
        .await
        .unwrap();
    assert_eq!(streamed["bodyBase64"], "");
    let log = client
        .until("the end of the body", |log| {
            log.iter().any(|m| m["params"]["done"] == true)
        })
        .await;
    let deltas: Vec<&Value> = log.iter().filter(|m| m["method"] == "http/request/bodyDelta").collect();
    assert_eq!(deltas[0]["params"]["deltaBase64"], encoded("hello"));
    assert_eq!(
        (&deltas[1]["params"]["seq"], &deltas[1]["params"]["done"]),
        (&json!(2), &json!(true))
    );
}

/// A site that gives one answer to everything, and what it was asked last.
async fn answering(status: &str, body: &str) -> (String, std::sync::Arc<std::sync::Mutex<String>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let heard = asked.clone();
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nx-a: 1\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 4096];
            let mut text = String::new();
            while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                text += &String::from_utf8_lossy(&bytes[..count]);
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                    break;
                }
            }
            *heard.lock().unwrap() = text;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

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
