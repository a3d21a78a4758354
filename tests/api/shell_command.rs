//! `shell_command`, which models run commands with where `unified_exec` is off.

use greenroom::protocol::{CommandExecutionSource, CommandExecutionStatus, ItemCompletedNotification, ThreadItem};
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

const ONCE: &str = "[features]\nunified_exec = false\n";

fn run(command: &str, call_id: &str) -> Reply {
    Reply::call(
        "shell_command",
        json!({"command": command, "timeout_ms": 5000}),
        call_id,
    )
}

/// What the model is told of a call with these arguments.
async fn told(server: &TestServer, client: &Client, thread: &str, call_id: &str, arguments: Value) -> String {
    server.model.add(Reply::call("shell_command", arguments, call_id));
    client.turn(thread, "go").await;
    server.model.output_of(call_id).unwrap().as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_command_is_waited_for() {
    let mut server = TestServer::with(Transport::Stdio, ONCE, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let text = told(&server, &client, &thread, "c", json!({"command": "echo out; exit 3"})).await;
    let (head, output) = text.split_once("\nOutput:\n").unwrap();
    assert!(head.starts_with("Exit code: 3\nWall time: 0."), "{text}");
    assert_eq!(output, "out\n");
    let item = |message: &ItemCompletedNotification| matches!(message.item, ThreadItem::CommandExecution { .. });
    let ThreadItem::CommandExecution {
        source,
        process_id,
        status,
        exit_code,
        aggregated_output,
        ..
    } = client.next_where::<ItemCompletedNotification>(item).await.item
    else {
        panic!()
    };
    assert_eq!((source, process_id), (CommandExecutionSource::Agent, None));
    assert_eq!((status, exit_code), (CommandExecutionStatus::Failed, Some(3)));
    assert_eq!(aggregated_output.as_deref(), Some("out\n"));
    let offered = server.model.requests()[0]["tools"].as_array().unwrap().clone();
    let names: Vec<_> = offered.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names[0], "shell_command");
    assert!(!names.contains(&"exec_command") && !names.contains(&"write_stdin"));

    let cases = [
        (
            json!({"command": "echo x; sleep 60", "timeout_ms": 300}),
            "Exit code: 124",
            "command timed out after 3",
        ),
        (
            json!({"command": "seq 1 20000"}),
            "Total output lines: 20000\nOutput:\n1\n",
            "truncated",
        ),
        (
            json!({"command": "true", "workdir": "missing"}),
            "execution error: ",
            "No such file",
        ),
        (
            json!({}),
            "failed to parse function arguments: missing field `command`",
            "",
        ),
        (
            json!({"command": "apply_patch <<'E'\n*** Begin Patch\n*** Add File: made\n+x\n*** End Patch\nE"}),
            "{\"output\":\"Success. Updated the following files:\\nA made\\n\"",
            "\"exit_code\":0",
        ),
    ];
    for (number, (arguments, first, second)) in cases.into_iter().enumerate() {
        let text = told(&server, &client, &thread, &format!("c{number}"), arguments).await;
        assert!(text.contains(first) && text.contains(second), "{text}");
    }
}

#[tokio::test]
async fn an_interrupt_kills_it() {
    let mut server = TestServer::with(Transport::Stdio, ONCE, &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let pid = server.work().join("pid");
    server.model.add(run(
        &format!("echo $$ > {}; echo begun; exec sleep 60", pid.display()),
        "c",
    ));
    let turn = client.begin(&thread, "go").await;
    let begun = |message: &Value| message["method"] == "item/commandExecution/outputDelta";
    client.find_or_end("the command's output", begun).await.unwrap();
    client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": turn}))
        .await
        .unwrap();
    client.done(&turn).await;
    let ended = |message: &ItemCompletedNotification| matches!(message.item, ThreadItem::CommandExecution { .. });
    client.next_where::<ItemCompletedNotification>(ended).await;
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    assert!(
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None).is_err(),
        "it is gone"
    );
    client.turn(&thread, "and now?").await;
    let told = server.model.output_of("c").unwrap();
    let told = told.as_str().unwrap();
    assert!(
        told.starts_with("Wall time: ") && told.ends_with("\naborted by user"),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_runs_what_the_user_declines() {
    let flags = ["-c", "approval_policy=untrusted"];
    let mut server = TestServer::with(Transport::Stdio, ONCE, &flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(run("touch made", "c"));
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client
        .asked::<greenroom::protocol::methods::server::ItemCommandExecutionRequestApproval>()
        .await;
    client.reply(&id, json!({"decision": "decline"}));
    client.done(&turn).await;
    assert_eq!(
        server.model.output_of("c"),
        Some(json!("exec command rejected by user"))
    );
    assert!(!server.work().join("made").exists());
    // The other tool is not there.
    server
        .model
        .add(Reply::call("exec_command", json!({"cmd": "true"}), "e"));
    client.turn(&thread, "go").await;
    assert_eq!(
        server.model.output_of("e"),
        Some(json!("unsupported call: exec_command"))
    );
}
