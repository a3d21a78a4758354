//! Commands from the call to the end of their item: what is published, what the model is told, what is kept.

mod bench;

use std::time::Duration;

use serde_json::{Value, json};

use bench::{Answering, Bench};

use crate::protocol::{AskForApproval, SandboxPolicy};

fn command(cmd: &str) -> Value {
    json!({"cmd": cmd, "login": false})
}

/// The output without the parts that differ from run to run.
fn steady(output: &str) -> String {
    output
        .lines()
        .map(|line| match line.split_once(": ") {
            Some(("Chunk ID", id)) if id.len() == 6 => "Chunk ID".to_owned(),
            Some(("Wall time", _)) => "Wall time".to_owned(),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn session_of(output: &str) -> u32 {
    let at = output.find("session ID ").expect("a session id") + "session ID ".len();
    output[at..].lines().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_quick_command_starts_and_ends_with_its_output() {
    let bench = Bench::new();
    let output = bench.exec("c1", command("echo hello; exit 3")).await;
    assert_eq!(
        steady(&output),
        "Chunk ID\nWall time\nProcess exited with code 3\nOriginal token count: 2\nOutput:\nhello"
    );
    let completed = bench.until("item/completed").await;
    let item = &completed["item"];
    assert_eq!(item["aggregatedOutput"], "hello\n");
    assert_eq!(item["status"], "failed");
    assert_eq!(item["exitCode"], 3);
    assert_eq!(item["command"], "/bin/bash -c 'echo hello; exit 3'");
    assert_eq!(item["source"], "unifiedExecStartup");
    assert!(item["durationMs"].is_number() && item["processId"].is_string());
    assert_eq!(bench.methods(), ["item/started", "item/completed"]);
    let started = bench.heard("item/started");
    assert_eq!(started["item"]["status"], "inProgress");
    assert_eq!(started["item"]["aggregatedOutput"], Value::Null);
    assert_eq!(started["item"]["processId"], item["processId"]);
    assert!(bench.commands().sessions.is_empty());
    assert_eq!(bench.recorded_items(), std::slice::from_ref(item));
}

#[tokio::test]
async fn arguments_that_do_not_fit_start_nothing() {
    let bench = Bench::new();
    for (arguments, told) in [
        (
            "{not json",
            "failed to parse function arguments: key must be a string at line 1 column 2",
        ),
        (
            "{}",
            "failed to parse function arguments: missing field `cmd` at line 1 column 2",
        ),
        (
            r#"{"cmd": "ls", "yield_time_ms": -1}"#,
            "failed to parse function arguments: invalid value: integer `-1`, expected u64 at line 1 column 33",
        ),
        (
            r#"{"cmd": "ls", "environment_id": "x"}"#,
            "unknown turn environment id `x`",
        ),
    ] {
        assert_eq!(bench.exec_text("c1", arguments).await, told);
    }
    let escalated = json!({"cmd": "ls", "sandbox_permissions": "require_escalated"});
    assert!(
        bench
            .exec("c1", escalated)
            .await
            .starts_with("approval policy is Never; reject command")
    );
    let missing = json!({"cmd": "pwd", "login": false, "workdir": "nowhere"});
    assert_eq!(
        bench.exec("c1", missing).await,
        "exec_command failed for `/bin/bash -c pwd`: CreateProcess { message: \"Rejected(\\\"Failed to create unified exec \
         process: No such file or directory (os error 2)\\\")\" }"
    );
    assert_eq!(
        bench.exec("c1", command("rm -f x")).await,
        "exec_command failed for `/bin/bash -c 'rm -f x'`: CreateProcess { message: \"Rejected(\\\"`/bin/bash -c 'rm -f x'` \
         rejected: blocked by policy\\\")\" }"
    );
    assert!(bench.methods().is_empty());
}

#[tokio::test]
async fn long_output_is_cut_for_the_model_alone() {
    let bench = Bench::new();
    let output = bench
        .exec(
            "c1",
            json!({"cmd": "seq 1 300", "login": false, "max_output_tokens": 5}),
        )
        .await;
    assert!(output.ends_with(
        "Original token count: 273\nOutput:\nTotal output lines: 300\n\n1\n2\n3\n4\n5\n…268 tokens truncated…8\n299\n300\n"
    ));
    let item = bench.until("item/completed").await;
    assert_eq!(item["item"]["aggregatedOutput"].as_str().unwrap().lines().count(), 300);
}

#[tokio::test]
async fn a_running_command_is_typed_to_and_ends() {
    let bench = Bench::new();
    let arguments = json!({"cmd": "read x; echo got:$x; exit 4", "login": false, "tty": true, "yield_time_ms": 250});
    let output = bench.exec("c1", arguments).await;
    let session = session_of(&output);
    assert_eq!(
        steady(&output),
        format!("Chunk ID\nWall time\nProcess running with session ID {session}\nOriginal token count: 0\nOutput:")
    );
    bench.next_turn();
    let output = bench
        .write(
            "c2",
            json!({"session_id": session, "chars": "ping\n", "yield_time_ms": 20000}),
        )
        .await;
    assert_eq!(
        steady(&output),
        "Chunk ID\nWall time\nProcess exited with code 4\nOriginal token count: 4\nOutput:\nping\ngot:ping"
    );
    let item = bench.until("item/completed").await;
    assert_eq!(item["item"]["aggregatedOutput"], "ping\r\ngot:ping\r\n");
    assert_eq!((&item["turnId"], &item["item"]["id"]), (&json!("turn-1"), &json!("c1")));
    let typed = bench.heard("item/commandExecution/terminalInteraction");
    assert_eq!(
        typed,
        json!({"itemId": "c1", "processId": session.to_string(), "stdin": "ping\n", "threadId": bench.thread_id(),
            "turnId": "turn-2"})
    );
    assert_eq!(bench.deltas(), "ping\r\ngot:ping\r\n");
    let methods = bench.methods();
    assert_eq!(methods.first().map(String::as_str), Some("item/started"));
    assert_eq!(
        methods[methods.len() - 2..],
        ["item/commandExecution/terminalInteraction", "item/completed"]
    );
    assert_eq!(
        bench.write("c3", json!({"session_id": session})).await,
        format!("write_stdin failed: Unknown process id {session}")
    );
    assert_eq!(
        bench.write("c4", json!({"session_id": -4})).await,
        "write_stdin failed: Unknown process id -4"
    );
}

#[tokio::test]
async fn early_output_is_in_the_item_but_not_streamed() {
    let bench = Bench::new();
    bench.exec("c1", command("echo up; sleep 0.4; echo more")).await;
    let item = bench.until("item/completed").await;
    assert_eq!(item["item"]["aggregatedOutput"], "up\nmore\n");
    assert_eq!(bench.deltas(), "more\n");
}

#[tokio::test]
async fn a_command_without_terminal_takes_no_input() {
    let bench = Bench::new();
    let output = bench
        .exec("c1", json!({"cmd": "sleep 60", "login": false, "yield_time_ms": 1}))
        .await;
    let session = session_of(&output);
    assert_eq!(
        bench.write("c2", json!({"session_id": session, "chars": "x"})).await,
        "write_stdin failed: stdin is closed for this session; rerun exec_command with tty=true to keep stdin open"
    );
    bench.commands().sessions.close();
    let item = bench.until("item/completed").await;
    assert_eq!(item["item"]["exitCode"], -1);
    assert_eq!(item["item"]["status"], "failed");
    assert_eq!(item["item"]["aggregatedOutput"], Value::Null);
}

#[tokio::test]
async fn the_user_may_agree() {
    let bench = Bench::asking(json!({"decision": "accept"}));
    let output = bench.exec("c1", command("touch made")).await;
    assert!(output.contains("exited with code 0"), "{output}");
    let item = bench.until("item/completed").await;
    assert_eq!(
        bench.methods(),
        [
            "item/started",
            "item/commandExecution/requestApproval",
            "item/completed"
        ]
    );
    assert_eq!(item["item"]["source"], "unifiedExecStartup");
    let started = bench.heard("item/started");
    assert_eq!(started["item"]["source"], "agent");
    assert_eq!(started["item"]["processId"], Value::Null);
    let asked = bench.heard("item/commandExecution/requestApproval");
    assert_eq!(
        asked["availableDecisions"],
        json!(["accept", {"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch", "made"]}}, "cancel"])
    );
    assert_eq!(asked["proposedExecpolicyAmendment"], json!(["touch", "made"]));
    assert_eq!(asked["command"], "/bin/bash -c 'touch made'");
    assert!(asked.get("reason").is_none());
    assert!(bench.cwd().join("made").exists());
}

#[tokio::test]
async fn the_user_may_refuse() {
    let refused = "exec_command failed for `/bin/bash -c 'touch made'`: CreateProcess { message: \"Rejected(\\\"rejected by \
                   user\\\")\" }";
    for (answer, status) in [
        (Answering::Result(json!({"decision": "decline"})), "declined"),
        (Answering::Result(json!({"decision": "sure"})), "declined"),
        (Answering::Error, "failed"),
    ] {
        let bench = Bench::with_policy(AskForApproval::Untrusted, SandboxPolicy::DangerFullAccess, answer);
        assert_eq!(bench.exec("c1", command("touch made")).await, refused);
        let item = bench.until("item/completed").await;
        assert_eq!(item["item"]["status"], status);
        assert_eq!(item["item"]["source"], "agent");
        assert_eq!(item["item"]["exitCode"], Value::Null);
        assert!(!bench.cwd().join("made").exists());
    }
}

#[tokio::test]
async fn cancelling_ends_the_turn() {
    let bench = Bench::asking(json!({"decision": "cancel"}));
    let call = bench.exec("c1", command("touch made"));
    tokio::select! {
        output = call => panic!("the call goes on: {output}"),
        () = bench.cancelled() => {}
    }
    assert_eq!(bench.until("item/completed").await["item"]["status"], "declined");
}

#[tokio::test]
async fn a_turn_that_ends_while_asking_says_nothing_more() {
    let bench = Bench::with_policy(
        AskForApproval::Untrusted,
        SandboxPolicy::DangerFullAccess,
        Answering::EndOfTurn,
    );
    let call = bench.exec("c1", command("touch made"));
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(
        bench.methods(),
        ["item/started", "item/commandExecution/requestApproval"]
    );
}

#[tokio::test]
async fn approval_for_the_session_is_remembered() {
    let bench = Bench::asking(json!({"decision": "acceptForSession"}));
    for _ in 0..2 {
        bench.exec("c1", command("touch made")).await;
    }
    // The answer to another question comes after all that was published before it.
    bench.exec("c2", command("touch other")).await;
    assert_eq!(bench.count("item/commandExecution/requestApproval"), 2);
    assert_eq!(bench.count("item/started"), 3);
}

#[tokio::test]
async fn an_amendment_is_kept_in_the_rules() {
    let decision = json!({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}});
    let bench = Bench::asking(json!({"decision": decision}));
    bench.exec("c1", command("touch made")).await;
    bench.exec("c2", command("touch other")).await;
    assert_eq!(bench.count("item/commandExecution/requestApproval"), 1);
    let rules = std::fs::read_to_string(bench.home().join("rules/default.rules")).unwrap();
    assert_eq!(rules, "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\n");
    assert_eq!(
        bench.commands().take_notes(),
        ["Approved command prefix saved:\n- [\"touch\"]"]
    );
}

#[tokio::test]
async fn without_a_sandbox_restricted_commands_are_asked_about() {
    let read_only = SandboxPolicy::ReadOnly { network_access: false };
    let accept = Answering::Result(json!({"decision": "accept"}));
    let bench = Bench::with_policy(AskForApproval::OnRequest, read_only.clone(), accept);
    bench.exec("c1", command("touch made")).await;
    let asked = bench.heard("item/commandExecution/requestApproval");
    assert!(asked["reason"].as_str().unwrap().starts_with("no sandbox is available"));
    assert!(bench.cwd().join("made").exists());
    assert!(bench.exec("c2", command("ls")).await.ends_with("made\n"));
    assert_eq!(bench.count("item/commandExecution/requestApproval"), 1);

    let bench = Bench::with_policy(AskForApproval::Never, read_only, Answering::Error);
    let output = bench.exec("c1", command("touch made")).await;
    assert!(output.contains("no sandbox is available"), "{output}");
    assert!(bench.methods().is_empty() && !bench.cwd().join("made").exists());
}

#[tokio::test]
async fn a_call_that_goes_away_early_leaves_nothing_behind() {
    let bench = Bench::new();
    let call = bench.exec("c1", command("sleep 60"));
    let started = async {
        while bench.commands().sessions.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        _ = call => panic!("it sleeps"),
        () = started => {}
    }
    assert!(bench.commands().sessions.is_empty());
    assert!(bench.methods().is_empty());
}

#[tokio::test]
async fn a_patch_in_a_command_becomes_a_patch() {
    let bench = Bench::new();
    let patch = "*** Begin Patch\n*** Add File: new.txt\n+one\n*** End Patch";
    let output = bench
        .exec("c1", command(&format!("apply_patch <<'EOF'\n{patch}\nEOF")))
        .await;
    assert!(
        output.starts_with("Wall time: 0.0000 seconds\nOutput:\n{\"output\":\"Success."),
        "{output}"
    );
    assert_eq!(bench.heard("item/started")["item"]["type"], "fileChange");
    assert!(bench.cwd().join("new.txt").exists());
    let output = bench.exec("c2", command(patch)).await;
    assert!(output.starts_with("apply_patch verification failed: patch detected without explicit call"));
}

#[tokio::test]
async fn the_environment_names_the_thread() {
    let bench = Bench::new();
    let output = bench.exec("c1", command("echo $CODEX_THREAD_ID $TERM")).await;
    assert!(output.ends_with(&format!("{} dumb\n", bench.thread_id())), "{output}");
}
