//! Turns on executors, end to end: an app server, a scripted model, and an exec-server process beside them.

mod configured;
mod lost;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use greenroom::protocol::methods::server::ItemCommandExecutionRequestApproval;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::harness::{
    Client, ExecServer, Process, Reply, ScriptedModel, TestServer, Transport, binary, home_with, peer_binary,
};

const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn command(script: &str, call_id: &str, more: Value) -> Reply {
    let mut arguments = json!({"cmd": script, "login": false});
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    Reply::call("exec_command", arguments, call_id)
}

async fn add(client: &Client, id: &str, url: &str) {
    let params = json!({"environmentId": id, "execServerUrl": url});
    client
        .call_raw("environment/add", params)
        .await
        .expect("environment/add");
}

fn at(id: &str, cwd: &Path) -> Value {
    json!({"environmentId": id, "cwd": cwd})
}

/// Runs a turn with these environments to its end.
async fn turn(client: &Client, thread: &str, environments: Value) {
    let params = json!({"threadId": thread, "input": [{"type": "text", "text": "go"}], "environments": environments});
    let begun = client.call_raw("turn/start", params).await.expect("turn/start");
    client.done(begun["turn"]["id"].as_str().unwrap()).await;
}

fn output(server: &TestServer, call_id: &str) -> String {
    let output = server
        .model
        .output_of(call_id)
        .unwrap_or_else(|| panic!("no output of {call_id}"));
    match output {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// All texts of the latest request.
fn told(server: &TestServer) -> Vec<String> {
    let request = server.model.requests().pop().expect("a request");
    let input = request["input"].as_array().unwrap().clone();
    let parts = input.iter().filter_map(|item| item["content"].as_array()).flatten();
    parts
        .filter_map(|part| part["text"].as_str().map(str::to_owned))
        .collect()
}

/// The names of the tools of the latest request, and whether each takes the name of an environment.
fn tools(server: &TestServer) -> Vec<(String, bool)> {
    let request = server.model.requests().pop().expect("a request");
    let tools = request["tools"].as_array().unwrap().clone();
    let named = |tool: &Value| {
        let name = tool["name"].as_str().unwrap_or_default().to_owned();
        (name, tool.to_string().contains("environment_id"))
    };
    tools.iter().map(named).collect()
}

#[tokio::test]
async fn what_cannot_be_an_environment_is_refused() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    for (params, said) in [
        (
            json!({"environmentId": "", "execServerUrl": "ws://x"}),
            "environment id cannot be empty",
        ),
        (
            json!({"environmentId": "a", "execServerUrl": " "}),
            "remote environment requires an exec-server url",
        ),
        (
            json!({"environmentId": "a", "execServerUrl": "None"}),
            "remote environment cannot use disabled exec-server url",
        ),
    ] {
        let error = client.call_raw("environment/add", params).await.unwrap_err();
        assert_eq!(
            (error.code, error.message),
            (-32600, format!("exec-server protocol error: {said}"))
        );
    }
    add(&client, "a", "anything at all").await;
    for (named, said) in [
        (json!([at("zz", Path::new("/"))]), "unknown turn environment id `zz`"),
        (
            json!([at("a", Path::new("/")), at("a", Path::new("/tmp"))]),
            "duplicate turn environment id `a`",
        ),
    ] {
        let error = client
            .call_raw("thread/start", json!({"environments": named}))
            .await
            .unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (-32600, said));
    }
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([]));
}

/// Everything that a turn does, on an executor.
async fn a_turn_works_there(executor: &ExecServer) {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let there = executor.work();
    std::fs::write(there.join("old.txt"), "before\n").unwrap();
    let png = base64::engine::general_purpose::STANDARD.decode(PNG).unwrap();
    std::fs::write(there.join("dot.png"), png).unwrap();
    add(&client, "rem", &executor.url()).await;
    // The thread is older than its turn's environment, and works on this machine by itself.
    let thread = client
        .call_raw("thread/start", json!({"environments": [at("local", &server.work())]}))
        .await
        .unwrap();
    let thread = thread["thread"]["id"].as_str().unwrap().to_owned();
    let model = &server.model;
    model.add(command(
        "pwd; echo $EXECUTOR_SIDE $CODEX_THREAD_ID; exit 3",
        "run",
        json!({}),
    ));
    model.add(command(
        "tty >/dev/null && read x && echo got $x",
        "type",
        json!({"tty": true, "yield_time_ms": 250}),
    ));
    model.add(Reply::call("view_image", json!({"path": "dot.png"}), "see"));
    let patch = "*** Begin Patch\n*** Add File: sub/new.txt\n+one\n*** Update File: old.txt\n*** Move to: m/moved.txt\n\
                 @@\n-before\n+after\n*** End Patch";
    model.add(Reply::custom("apply_patch", patch, "patch"));
    model.add(Reply::custom(
        "apply_patch",
        "*** Begin Patch\n*** Delete File: none\n*** End Patch",
        "unfit",
    ));
    model.add(command("x", "nowhere", json!({"workdir": "no/where"})));
    model.say("done");
    turn(&client, &thread, json!([at("rem", &there)])).await;

    let ran = output(&server, "run");
    assert!(ran.contains("Process exited with code 3"), "{ran}");
    assert!(ran.contains(&format!("{}\nyes {thread}\n", there.display())), "{ran}");
    assert!(output(&server, "see").contains(PNG));
    let patched = output(&server, "patch");
    assert!(patched.contains("A sub/new.txt\nM m/moved.txt\n"), "{patched}");
    assert_eq!(std::fs::read_to_string(there.join("m/moved.txt")).unwrap(), "after\n");
    assert!(there.join("sub/new.txt").is_file() && !there.join("old.txt").exists());
    let unfit = format!(
        "Failed to read {}/none: No such file or directory (os error 2)",
        there.display()
    );
    assert_eq!(
        output(&server, "unfit"),
        format!("apply_patch verification failed: {unfit}")
    );
    assert_eq!(
        output(&server, "nowhere"),
        "exec_command failed for `/bin/bash -c x`: CreateProcess { message: \"Rejected(\\\"Failed to create unified exec \
         process: exec-server rejected request (-32603): No such file or directory (os error 2)\\\")\" }"
    );
    let context = format!(
        "<environment_context>\n  <cwd>{}</cwd>\n  <shell>bash</shell>\n",
        there.display()
    );
    assert!(
        told(&server).iter().any(|text| text.starts_with(&context)),
        "{:?}",
        told(&server)
    );
    assert!(tools(&server).iter().all(|(_, named)| !named));

    // The process runs on, and is typed to by a turn that works elsewhere.
    let running = output(&server, "type");
    let session = running
        .split("session ID ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("a session");
    let typed = json!({"session_id": session.parse::<u32>().unwrap(), "chars": "abc\n", "yield_time_ms": 5_000});
    server.model.add(Reply::call("write_stdin", typed, "typed"));
    server.model.say("done");
    client.turn(&thread, "type").await;
    let typed = output(&server, "typed");
    assert!(
        typed.contains("Process exited with code 0") && typed.contains("got abc\r\n"),
        "{typed}"
    );
}

#[tokio::test]
async fn a_turn_works_on_an_executor() {
    a_turn_works_there(&ExecServer::start().await).await;
}

#[tokio::test]
async fn a_turn_works_on_the_peers_executor() {
    match peer_binary() {
        Some(peer) => a_turn_works_there(&ExecServer::of(&peer, &[]).await).await,
        None => println!("skipped: the peer is not installed"),
    }
}

#[tokio::test]
async fn several_environments_are_told_apart_by_name() {
    let (one, two) = (ExecServer::start().await, ExecServer::start().await);
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    add(&client, "one", &one.url()).await;
    add(&client, "two", &two.url()).await;
    // Through the primary environment, at the thread's own folder.
    std::fs::write(server.work().join("AGENTS.md"), "be kind\n").unwrap();
    let named = json!([
        at("two", &two.work()),
        at("one", &one.work()),
        at("local", &server.work())
    ]);
    let params = json!({"cwd": server.work(), "environments": named});
    let started = client.call_raw("thread/start", params).await.unwrap();
    assert_eq!(started["instructionSources"], json!([server.work().join("AGENTS.md")]));
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let model = &server.model;
    model.add(command("pwd", "first", json!({})));
    model.add(command("pwd", "named", json!({"environment_id": "one"})));
    model.add(command("pwd", "here", json!({"environment_id": "local"})));
    model.add(command("pwd", "unknown", json!({"environment_id": "zz"})));
    let patch = |id: &str| format!("*** Begin Patch\n*** Environment ID: {id}\n*** Add File: a.txt\n+x\n*** End Patch");
    model.add(Reply::custom("apply_patch", &patch("one"), "patch"));
    model.add(Reply::custom("apply_patch", &patch("zz"), "lost"));
    model.add(Reply::call(
        "view_image",
        json!({"path": "x.png", "environment_id": "one"}),
        "see",
    ));
    let script = "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: b.txt\n+x\n*** End Patch\nEOF\n";
    model.add(command(script, "script", json!({"environment_id": "one"})));
    model.say("done");
    client.turn(&thread, "go").await;

    let printed = |call_id: &str, folder: PathBuf| {
        let text = output(&server, call_id);
        assert!(
            text.ends_with(&format!("Output:\n{}\n", folder.display())),
            "{call_id}: {text}"
        );
    };
    // The primary environment goes where the thread goes.
    printed("first", server.work());
    printed("named", one.work());
    printed("here", server.work());
    for call_id in ["unknown", "lost"] {
        assert_eq!(output(&server, call_id), "unknown turn environment id `zz`");
    }
    assert!(one.work().join("a.txt").is_file() && one.work().join("b.txt").is_file());
    assert!(output(&server, "see").contains(&format!("{}/x.png", one.work().display())));
    let environment = |id: &str, cwd: PathBuf| {
        let cwd = cwd.display();
        format!(
            "    <environment id=\"{id}\">\n      <cwd>{cwd}</cwd>\n      <shell>bash</shell>\n    </environment>\n"
        )
    };
    let context = format!(
        "<environment_context>\n  <environments>\n{}{}{}  </environments>\n  <current_date>",
        environment("two", server.work()),
        environment("one", one.work()),
        environment("local", server.work())
    );
    assert!(
        told(&server).iter().any(|text| text.starts_with(&context)),
        "{:?}",
        told(&server)
    );
    assert!(told(&server).iter().any(|text| text.contains("be kind")));
    for tool in ["exec_command", "view_image"] {
        assert!(tools(&server).contains(&(tool.to_owned(), true)), "{tool}");
    }
}

#[tokio::test]
async fn without_environments_nothing_can_be_done() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    std::fs::write(server.work().join("AGENTS.md"), "be kind\n").unwrap();
    let started = client
        .call_raw("thread/start", json!({"cwd": server.work(), "environments": []}))
        .await
        .unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    server.model.add(command("pwd", "run", json!({})));
    server
        .model
        .add(Reply::custom("apply_patch", "*** Begin Patch\n*** End Patch", "patch"));
    server.model.say("done");
    client.turn(&thread, "go").await;
    assert_eq!(output(&server, "run"), "unsupported call: exec_command");
    assert_eq!(output(&server, "patch"), "unsupported custom tool call: apply_patch");
    let names: Vec<String> = tools(&server).into_iter().map(|(name, _)| name).collect();
    for gone in ["exec_command", "write_stdin", "apply_patch", "view_image"] {
        assert!(!names.iter().any(|name| name == gone), "{names:?}");
    }
    let told = told(&server);
    assert!(
        told.iter()
            .any(|text| text.starts_with("<environment_context>\n  <current_date>")),
        "{told:?}"
    );
    assert!(!told.iter().any(|text| text.contains("be kind")));
    // For one turn.
    server.model.add(command("echo back", "back", json!({})));
    server.model.say("done");
    turn(&client, &thread, json!([at("local", &server.work())])).await;
    assert!(output(&server, "back").contains("back\n"));
}

#[tokio::test]
async fn a_restricted_command_is_confined_there() {
    // Not below /tmp, which the policy leaves writable.
    let outside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let inside = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::os::unix::fs::symlink(outside.path(), inside.path().join("way-out")).unwrap();
    let executor = ExecServer::start().await;
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    add(&client, "rem", &executor.url()).await;
    let params =
        json!({"environments": [at("rem", inside.path())], "sandbox": "workspace-write", "cwd": inside.path()});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let script = format!(
        "echo x > in && echo in; echo x > {}/out && echo out",
        outside.path().display()
    );
    server.model.add(command(&script, "run", json!({})));
    let patch = |name: &str| format!("*** Begin Patch\n*** Add File: {name}\n+x\n*** End Patch");
    server.model.add(Reply::custom("apply_patch", &patch("a.txt"), "patch"));
    server
        .model
        .add(Reply::custom("apply_patch", &patch("way-out/a.txt"), "link"));
    server
        .model
        .add(Reply::custom("apply_patch", &patch("../b.txt"), "above"));
    server.model.say("done");
    client.turn(&thread, "go").await;
    let ran = output(&server, "run");
    assert!(ran.contains("\nin\n") && !ran.contains("\nout\n"), "{ran}");
    assert!(
        output(&server, "patch").contains("Success"),
        "{}",
        output(&server, "patch")
    );
    // The link cannot be seen from here; the executor refuses what goes through it.
    assert!(
        output(&server, "link").contains("Failed to write file"),
        "{}",
        output(&server, "link")
    );
    assert!(!outside.path().join("a.txt").exists());
    let above = output(&server, "above");
    assert!(above.contains("writing outside of the project"), "{above}");
}

#[tokio::test]
async fn where_nothing_confines_it_a_restricted_command_does_not_run_unasked() {
    let Some(peer) = peer_binary() else {
        println!("skipped: the peer, whose executor cannot confine processes, is not installed");
        return;
    };
    let executor = ExecServer::of(&peer, &[]).await;
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    add(&client, "rem", &executor.url()).await;
    for (policy, asked) in [("never", false), ("on-request", true)] {
        let environments = json!([at("rem", &executor.work())]);
        let params = json!({"environments": environments, "cwd": executor.work(), "sandbox": "workspace-write",
            "approvalPolicy": policy});
        let started = client.call_raw("thread/start", params).await.unwrap();
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        server.model.add(command("touch x", policy, json!({})));
        server.model.say("done");
        let begun = client.begin(&thread, "go").await;
        if asked {
            let (id, question) = client.asked::<ItemCommandExecutionRequestApproval>().await;
            let reason = question.reason.unwrap_or_default();
            assert!(
                reason.contains("the environment that it is for has no sandbox"),
                "{reason}"
            );
            client.reply(&id, json!({"decision": "accept"}));
        }
        client.done(&begun).await;
        let text = output(&server, policy);
        assert_eq!(text.contains("has no sandbox to enforce it"), !asked, "{text}");
        assert_eq!(executor.work().join("x").exists(), asked);
    }
}
