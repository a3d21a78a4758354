//! `process/*`: processes that a client runs for itself, and what becomes of them.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use greenroom::protocol::methods::client;
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, ScriptedModel, TestServer, Transport, counted, home_with, within};
use crate::on_every_transport;

on_every_transport!(
    output_and_exit_follow_the_answer,
    caps_count_to_the_byte,
    a_terminal_is_typed_into_and_resized
);

fn spawn(server: &TestServer, handle: &str, command: &[&str], more: Value) -> Value {
    let mut params = json!({"command": command, "processHandle": handle, "cwd": server.work()});
    let members = params.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    params
}

async fn run(client: &Client, params: Value) -> ProcessExitedNotification {
    let handle = params["processHandle"].as_str().expect("a handle").to_owned();
    client.call_raw("process/spawn", params).await.expect("process/spawn");
    exited(client, &handle).await
}

async fn exited(client: &Client, handle: &str) -> ProcessExitedNotification {
    client
        .next_where(|n: &ProcessExitedNotification| n.process_handle == handle)
        .await
}

fn deltas(log: &[Value], handle: &str) -> Vec<(String, bool)> {
    log.iter()
        .filter(|m| m["method"] == "process/outputDelta" && m["params"]["processHandle"] == handle)
        .map(|m| {
            let bytes = STANDARD.decode(m["params"]["deltaBase64"].as_str().unwrap()).unwrap();
            let reached = m["params"]["capReached"].as_bool().unwrap();
            (String::from_utf8_lossy(&bytes).into_owned(), reached)
        })
        .collect()
}

fn streamed(log: &[Value], handle: &str) -> String {
    deltas(log, handle).into_iter().map(|(text, _)| text).collect()
}

async fn refusal(client: &Client, method: &str, params: Value) -> (i64, String) {
    let error = client.call_raw(method, params).await.expect_err("a refusal");
    (error.code, error.message)
}

/// The processes whose parent is `pid`, zombies among them.
fn children(pid: u32) -> Vec<String> {
    let parent = pid.to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            let fields = stat.rsplit(')').next().unwrap_or_default();
            fields.split_whitespace().nth(1) == Some(&parent)
        })
        .collect()
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    within(what, async {
        while !holds().await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn output_and_exit_follow_the_answer(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let script = ["sh", "-c", "echo out; echo err >&2; exit 3"];
    let done = run(&client, spawn(&server, "kept", &script, json!({}))).await;
    assert_eq!((done.exit_code, &*done.stdout, &*done.stderr), (3, "out\n", "err\n"));
    for n in 0..20 {
        let handle = format!("p{n}");
        let more = json!({"streamStdoutStderr": true, "streamStdin": true});
        let id = client.start("process/spawn", spawn(&server, &handle, &["cat"], more));
        // Sent right behind: the answers and the input keep their order.
        for (text, close) in [("one\n", false), ("two\n", true)] {
            let params = json!({"processHandle": handle, "deltaBase64": STANDARD.encode(text), "closeStdin": close});
            client.start("process/writeStdin", params);
        }
        let done = exited(&client, &handle).await;
        assert_eq!((done.exit_code, &*done.stdout), (0, ""));
        let log = client.log();
        assert_eq!(streamed(&log, &handle), "one\ntwo\n");
        let place = |matches: &dyn Fn(&Value) -> bool| log.iter().position(matches).unwrap();
        let answer = place(&|m| m["id"] == id);
        let first = place(&|m| m["method"] == "process/outputDelta" && m["params"]["processHandle"] == *handle);
        assert!(answer < first, "output came before the answer");
    }
    // What is missing, and what is free again afterwards.
    let missing = spawn(&server, "m", &["/no/such/program"], json!({}));
    let told = "failed to spawn process: No such file or directory (os error 2)";
    for _ in 0..2 {
        assert_eq!(
            refusal(&client, "process/spawn", missing.clone()).await,
            (-32603, told.into())
        );
    }
    let done = run(&client, spawn(&server, "m", &["sh", "-c", "kill -9 $$"], json!({}))).await;
    assert_eq!(done.exit_code, -1);
    let done = run(&client, spawn(&server, "m", &["sleep", "60"], json!({"timeoutMs": 0}))).await;
    assert_eq!(done.exit_code, 124);
}

async fn caps_count_to_the_byte(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    for (cap, text, reached) in [
        (0, "", true),
        (5, "12345", true),
        (10, "1234567890", true),
        (11, "1234567890", false),
    ] {
        let more = json!({"outputBytesCap": cap});
        let done = run(&client, spawn(&server, "k", &["printf", "1234567890"], more)).await;
        assert_eq!(
            (&*done.stdout, done.stdout_cap_reached),
            (text, reached),
            "kept, cap {cap}"
        );
        assert!(!done.stderr_cap_reached);
        let handle = format!("s{cap}");
        let more = json!({"outputBytesCap": cap, "streamStdoutStderr": true});
        let done = run(&client, spawn(&server, &handle, &["printf", "1234567890"], more)).await;
        assert_eq!(
            (&*done.stdout, done.stdout_cap_reached),
            ("", reached),
            "streamed, cap {cap}"
        );
        assert_eq!(deltas(&client.log(), &handle), [(text.to_owned(), reached)]);
    }
    // A process that prints far more than its cap still ends by itself.
    let script = ["sh", "-c", "yes | head -c 5000000; exit 4"];
    let done = run(&client, spawn(&server, "y", &script, json!({"outputBytesCap": 3}))).await;
    assert_eq!((done.exit_code, &*done.stdout), (4, "y\ny"));
    let long = run(
        &client,
        spawn(&server, "d", &["head", "-c", "3000000", "/dev/zero"], json!({})),
    )
    .await;
    assert_eq!((long.stdout.len(), long.stdout_cap_reached), (1 << 20, true));
    let all = json!({"outputBytesCap": null});
    let whole = run(
        &client,
        spawn(&server, "a", &["head", "-c", "3000000", "/dev/zero"], all),
    )
    .await;
    assert_eq!((whole.stdout.len(), whole.stdout_cap_reached), (3_000_000, false));
}

async fn a_terminal_is_typed_into_and_resized(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let script = ["sh", "-c", "stty size; read x; stty size; echo \"<$x>\"; cat"];
    let more = json!({"tty": true, "size": {"rows": 30, "cols": 90}});
    client
        .call_raw("process/spawn", spawn(&server, "t", &script, more))
        .await
        .unwrap();
    client
        .until("the first size", |log| streamed(log, "t").contains("30 90"))
        .await;
    let size = json!({"processHandle": "t", "size": {"rows": 41, "cols": 101}});
    client.call_raw("process/resizePty", size).await.unwrap();
    let go = json!({"processHandle": "t", "deltaBase64": STANDARD.encode("go\n")});
    client.call_raw("process/writeStdin", go).await.unwrap();
    client
        .until("the second size", |log| streamed(log, "t").contains("<go>"))
        .await;
    // The end of input reaches the program that reads the terminal, whose line was not finished.
    let end = json!({"processHandle": "t", "deltaBase64": STANDARD.encode("partial"), "closeStdin": true});
    client.call_raw("process/writeStdin", end).await.unwrap();
    let done = exited(&client, "t").await;
    let text = streamed(&client.log(), "t");
    assert!(
        text.contains("41 101") && text.contains("partial\r\npartial\r\n"),
        "{text:?}"
    );
    assert_eq!((done.exit_code, &*done.stdout), (0, ""));
    client
        .call_raw(
            "process/spawn",
            spawn(&server, "k", &["sleep", "60"], json!({"tty": true})),
        )
        .await
        .unwrap();
    client
        .call_raw("process/kill", json!({"processHandle": "k"}))
        .await
        .unwrap();
    assert_eq!(exited(&client, "k").await.exit_code, 1);
}

#[tokio::test]
async fn killing_takes_the_whole_group_and_so_does_the_end_of_the_connection() {
    let mut server = TestServer::start(Transport::Ws).await;
    let (client, other) = (server.client().await, server.client().await);
    let script = ["sh", "-c", "trap '' TERM HUP; sleep 60 & echo $!; wait"];
    let start = async |client: &Client| {
        let more = json!({"streamStdoutStderr": true, "timeoutMs": null});
        client
            .call_raw("process/spawn", spawn(&server, "g", &script, more))
            .await
            .unwrap();
        let log = client.until("a pid", |log| streamed(log, "g").contains('\n')).await;
        streamed(&log, "g")
    };
    let (first, second) = (start(&client).await, start(&other).await);
    assert!(alive(&first) && alive(&second));
    client
        .call_raw("process/kill", json!({"processHandle": "g"}))
        .await
        .unwrap();
    assert_eq!(exited(&client, "g").await.exit_code, -1);
    until("the group's end", async || !alive(&first)).await;
    // The other connection has a handle of the same name, which nobody else reaches.
    let unknown = "no active process for process handle \"g\"".to_owned();
    assert_eq!(
        refusal(&client, "process/kill", json!({"processHandle": "g"})).await,
        (-32600, unknown)
    );
    assert!(alive(&second));
    other.close();
    until("the end with the connection", async || !alive(&second)).await;
    until("no child", async || children(server.pid()).is_empty()).await;
    // Nor does one outlive the server.
    let last = start(&client).await;
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.exit().await;
    until("the end with the server", async || !alive(&last)).await;
}

/// Waits until the process `b` has ended, though its end is not told yet.
async fn shell_ended(client: &Client) {
    until("the end of the shell", async || {
        let params = json!({"processHandle": "b", "deltaBase64": ""});
        client.call_raw("process/writeStdin", params).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn what_a_process_left_running_holds_its_end_up_for_two_seconds_at_most() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let script = ["sh", "-c", "sleep 60 & echo hi"];
    let started = std::time::Instant::now();
    let more = json!({"streamStdin": true});
    client
        .call_raw("process/spawn", spawn(&server, "b", &script, more.clone()))
        .await
        .unwrap();
    shell_ended(&client).await;
    let told = "process \"b\" is no longer running".to_owned();
    let params = json!({"processHandle": "b", "closeStdin": true});
    assert_eq!(
        refusal(&client, "process/writeStdin", params).await,
        (-32600, told.clone())
    );
    let taken = "duplicate active process handle: \"b\"".to_owned();
    let again = spawn(&server, "b", &["true"], json!({}));
    assert_eq!(refusal(&client, "process/spawn", again).await, (-32600, taken));
    assert_eq!(exited(&client, "b").await.stdout, "hi\n");
    assert!(started.elapsed().as_secs_f64() > 1.9);
    // A kill ends what is left, although the process is gone.
    client
        .call_raw("process/spawn", spawn(&server, "b", &script, more))
        .await
        .unwrap();
    shell_ended(&client).await;
    let killed = refusal(&client, "process/kill", json!({"processHandle": "b"})).await;
    assert_eq!(killed, (-32600, told));
    exited(&client, "b").await;
    until("no child", async || children(server.pid()).is_empty()).await;
}

#[tokio::test]
async fn a_process_that_does_not_read_keeps_its_writers_waiting_and_can_be_killed() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let more = json!({"streamStdin": true, "timeoutMs": null});
    client
        .call_raw("process/spawn", spawn(&server, "w", &["sleep", "60"], more))
        .await
        .unwrap();
    let write = |bytes: usize| json!({"processHandle": "w", "deltaBase64": STANDARD.encode(vec![b'x'; bytes])});
    for _ in 0..8 {
        client.call_raw("process/writeStdin", write(100_000)).await.unwrap();
    }
    let waiting = [
        client.start("process/writeStdin", write(2_000_000)),
        client.start("process/writeStdin", write(1)),
    ];
    client
        .call_raw("process/kill", json!({"processHandle": "w"}))
        .await
        .unwrap();
    assert_eq!(exited(&client, "w").await.exit_code, -1);
    for id in waiting {
        // Answered all the same: as written to nobody, or as too late.
        let _ = client.answer_to(id).await;
    }
    // One that reads slowly gets all of it, in order.
    let more = json!({"streamStdin": true, "timeoutMs": null});
    client
        .call_raw(
            "process/spawn",
            spawn(&server, "w", &["sh", "-c", "sleep 0.2; md5sum"], more),
        )
        .await
        .unwrap();
    let text: Vec<String> = (0..40).map(|n| n.to_string().repeat(50_000)).collect();
    for (n, text) in text.iter().enumerate() {
        let end = n + 1 == 40;
        let params = json!({"processHandle": "w", "deltaBase64": STANDARD.encode(text), "closeStdin": end});
        client.start("process/writeStdin", params);
    }
    let sum = exited(&client, "w").await.stdout;
    std::fs::write(server.work().join("whole"), text.concat()).unwrap();
    let again = run(
        &client,
        spawn(&server, "again", &["sh", "-c", "md5sum < whole"], json!({})),
    )
    .await;
    assert_eq!(sum, again.stdout);
}

#[tokio::test]
async fn beyond_the_limits_a_client_is_told_so_and_others_go_on() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let limits = "max_processes_per_connection = 2\nmax_processes = 3\n";
    std::fs::write(root.path().join("home/greenroom.toml"), limits).unwrap();
    let mut server = TestServer::on(root, model, Transport::Ws, &[]).await;
    let (one, two) = (server.client().await, server.client().await);
    let sleep = |handle: &str| spawn(&server, handle, &["sleep", "60"], json!({}));
    one.call_raw("process/spawn", sleep("a")).await.unwrap();
    one.call_raw("process/spawn", sleep("b")).await.unwrap();
    let (code, told) = refusal(&one, "process/spawn", sleep("c")).await;
    assert!(
        code == -32001 && told.contains("this connection runs 2 processes"),
        "{told}"
    );
    two.call_raw("process/spawn", sleep("a")).await.unwrap();
    let (code, told) = refusal(&two, "command/exec", json!({"command": ["true"]})).await;
    assert!(code == -32001 && told.contains("the server runs 3 processes"), "{told}");
    let metrics = server.metrics().await;
    assert_eq!(counted(&metrics, "greenroom_processes", &[]), 3.0);
    assert!(counted(&metrics, "greenroom_open_descriptors", &[]) > 10.0);
    one.call_raw("process/kill", json!({"processHandle": "a"}))
        .await
        .unwrap();
    exited(&one, "a").await;
    one.call_raw("process/spawn", sleep("a")).await.unwrap();
    assert!(counted(&server.metrics().await, "greenroom_processes_started_total", &[]) >= 4.0);
}

#[tokio::test]
async fn two_hundred_at_once_all_run() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let ids: Vec<i64> = (0..200)
        .map(|n| client.start("process/spawn", spawn(&server, &n.to_string(), &["true"], json!({}))))
        .collect();
    for id in ids {
        client.answer_to(id).await.expect("process/spawn");
    }
    let ends = |log: &[Value]| log.iter().filter(|m| m["method"] == "process/exited").count();
    client.until("all exits", |log| ends(log) == 200).await;
    until("no child", async || children(server.pid()).is_empty()).await;
}

#[tokio::test]
async fn validation_comes_in_order() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let size = json!({"rows": 0, "cols": 1});
    for (params, code, told) in [
        (
            json!({"command": [], "processHandle": ""}),
            -32600,
            "command must not be empty",
        ),
        (
            json!({"processHandle": "", "timeoutMs": -1}),
            -32600,
            "processHandle must not be empty",
        ),
        (
            json!({"timeoutMs": -1, "size": size}),
            -32602,
            "process/spawn size requires tty: true",
        ),
        (
            json!({"timeoutMs": -1, "size": size, "tty": true}),
            -32602,
            "process/spawn timeoutMs must be non-negative, got -1",
        ),
        (
            json!({"size": size, "tty": true}),
            -32602,
            "process size rows and cols must be greater than 0",
        ),
        (
            json!({"command": [""]}),
            -32603,
            "failed to spawn process: missing program for pipe spawn",
        ),
        (
            json!({"command": ["true", "a\u{0}b"]}),
            -32603,
            "failed to spawn process: nul byte found in provided data",
        ),
        (
            json!({"cwd": "/no/such/folder"}),
            -32603,
            "failed to spawn process: No such file or directory (os error 2)",
        ),
    ] {
        let params = spawn(&server, "v", &["true"], params);
        assert_eq!(refusal(&client, "process/spawn", params).await, (code, told.to_owned()));
    }
    let write = |delta: Value, close: bool| json!({"processHandle": "zz", "deltaBase64": delta, "closeStdin": close});
    for (delta, told) in [
        (Value::Null, "process/writeStdin requires deltaBase64 or closeStdin"),
        (json!("***"), "invalid deltaBase64: Invalid symbol 42, offset 0."),
        (json!("YQ"), "invalid deltaBase64: Invalid padding"),
        (json!("YWJjZ"), "invalid deltaBase64: Invalid input length: 5"),
        (json!("YR=="), "invalid deltaBase64: Invalid last symbol 82, offset 1."),
    ] {
        assert_eq!(
            refusal(&client, "process/writeStdin", write(delta, false)).await,
            (-32602, told.to_owned())
        );
    }
    let unknown = "no active process for process handle \"zz\"".to_owned();
    assert_eq!(
        refusal(&client, "process/writeStdin", write(Value::Null, true)).await,
        (-32600, unknown)
    );
    client
        .call_raw("process/spawn", spawn(&server, "s", &["sleep", "60"], json!({})))
        .await
        .unwrap();
    let resize = json!({"processHandle": "s", "size": {"rows": 1, "cols": 1}});
    let told = "failed to resize PTY: process is not attached to a PTY".to_owned();
    assert_eq!(refusal(&client, "process/resizePty", resize).await, (-32600, told));
    let close = json!({"processHandle": "s", "closeStdin": true});
    let told = "stdin streaming is not enabled for this process".to_owned();
    assert_eq!(refusal(&client, "process/writeStdin", close).await, (-32600, told));
    let wrong = ProcessKillParams {
        process_handle: "zz".into(),
    };
    assert!(client.call::<client::ProcessKill>(wrong).await.is_err());
}

#[tokio::test]
async fn the_environment_is_the_servers_own_but_for_what_the_client_changes() {
    let mut server = TestServer::with(
        Transport::Ws,
        "shell_environment_policy = { exclude = [\"TZ\"], set = { SET = \"by policy\" } }\n",
        &[],
    )
    .await;
    let client = server.client().await;
    let more = json!({"env": {"ADDED": "yes", "HOME": null, "SET": "by client"}});
    let done = run(&client, spawn(&server, "e", &["env"], more)).await;
    let variables: BTreeMap<&str, &str> = done.stdout.lines().filter_map(|line| line.split_once('=')).collect();
    assert_eq!(variables.get("ADDED"), Some(&"yes"));
    assert_eq!(variables.get("SET"), Some(&"by client"));
    assert_eq!(variables.get("SHELL"), Some(&"/bin/bash"));
    for absent in ["HOME", "TZ", "CODEX_THREAD_ID", "CODEX_SANDBOX_NETWORK_DISABLED"] {
        assert!(!variables.contains_key(absent), "{absent}");
    }
}
