//! The exec-server, spoken to directly: handshake, processes, resuming; in files of their own files, relayed requests,
//! and what it takes to start one.
//!
//! The expected texts are those that clients of the protocol know; `the_other_exec_server_says_the_same` asks the
//! peer's own for them where it is installed.

mod files;
mod relay;
mod starting;

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
