//! The user's own commands (`thread/shellCommand`): their turns and items, what the model is told, what is kept.

use greenroom::protocol::methods::client::ThreadShellCommand;
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    a_command_is_a_turn_of_its_own_and_the_model_is_told,
    interrupting_ends_the_command,
);

async fn run(client: &Client, thread: &str, command: &str) -> Result<ThreadShellCommandResponse, JSONRPCErrorError> {
    let params = ThreadShellCommandParams {
        command: command.to_owned(),
        thread_id: thread.to_owned(),
    };
    client.call::<ThreadShellCommand>(params).await
}

fn is_command(item: &ThreadItem) -> bool {
    matches!(item, ThreadItem::CommandExecution { .. })
}

/// The next finished command: its turn and its item as JSON.
async fn finished(client: &Client) -> (String, Value) {
    let done = client
        .next_where(|n: &ItemCompletedNotification| is_command(&n.item))
        .await;
    (done.turn_id, serde_json::to_value(done.item).unwrap())
}

/// Waits for a command to print `text`.
async fn printed(client: &Client, text: &str) {
    client
        .next_where(|n: &CommandExecutionOutputDeltaNotification| n.delta.contains(text))
        .await;
}

/// The texts of the input of the `n`th request to the model.
fn texts(server: &TestServer, n: usize) -> Vec<String> {
    let input = server.model.requests()[n]["input"].clone();
    let parts = input
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["content"].as_array());
    parts
        .flatten()
        .filter_map(|part| part["text"].as_str().map(str::to_owned))
        .collect()
}

fn position(texts: &[String], start: &str) -> usize {
    let found = texts.iter().position(|text| text.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {texts:?}"))
}

async fn a_command_is_a_turn_of_its_own_and_the_model_is_told(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let empty = run(&client, &thread, "  \n").await.unwrap_err();
    assert_eq!((empty.code, &*empty.message), (-32600, "command must not be empty"));
    run(&client, &thread, "  echo from-$((40+2)); exit 3 ").await.unwrap();
    let began = client
        .next_where(|n: &ItemStartedNotification| is_command(&n.item))
        .await;
    let began_item = serde_json::to_value(&began.item).unwrap();
    assert_eq!(began_item["source"], "userShell");
    assert_eq!(began_item["processId"], Value::Null);
    assert_eq!(began_item["command"], "/bin/bash -lc 'echo from-$((40+2)); exit 3'");
    let (turn, item) = finished(&client).await;
    assert_eq!(turn, began.turn_id);
    assert_eq!(item["id"], began_item["id"]);
    assert_eq!(item["aggregatedOutput"], "from-42\n");
    assert_eq!((&item["exitCode"], &item["status"]), (&json!(3), &json!("failed")));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.model.requests().is_empty(), "no model is asked");
    let deltas = client.next::<CommandExecutionOutputDeltaNotification>().await;
    assert_eq!((deltas.turn_id, &*deltas.delta), (turn, "from-42\n"));

    server.model.say("I see");
    client.turn(&thread, "hello").await;
    let texts = texts(&server, 0);
    let told = position(&texts, "<user_shell_command>");
    assert!(told < position(&texts, "<environment_context>"), "it came first");
    let (head, tail) = texts[told].split_once("\nDuration: ").unwrap();
    assert_eq!(
        head,
        "<user_shell_command>\n<command>\necho from-$((40+2)); exit 3\n</command>\n<result>\nExit code: 3"
    );
    assert_eq!(
        tail.split_once(' ').unwrap().1,
        "seconds\nOutput:\nfrom-42\n\n</result>\n</user_shell_command>"
    );
}

async fn interrupting_ends_the_command(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    run(&client, &thread, "echo $$; exec sleep 600").await.unwrap();
    let pid = client.next::<CommandExecutionOutputDeltaNotification>().await;
    let interrupt = client.call_raw("turn/interrupt", json!({"threadId": thread, "turnId": pid.turn_id}));
    interrupt.await.expect("the turn is interrupted");
    let (turn, item) = finished(&client).await;
    assert_eq!(item["aggregatedOutput"], "command aborted by user");
    assert_eq!((&item["exitCode"], &item["status"]), (&json!(-1), &json!("failed")));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    let process = std::path::PathBuf::from(format!("/proc/{}", pid.delta.trim()));
    crate::harness::within("the process is gone", async {
        while process.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_item_survives_a_restart_and_so_does_what_the_model_knows() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    run(&client, &thread, "echo kept").await.unwrap();
    let (turn, item) = finished(&client).await;
    client.done(&turn).await;
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let resumed = client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(resumed["thread"]["turns"][0]["id"], turn);
    assert_eq!(resumed["thread"]["turns"][0]["items"], json!([item]));
    client.turn(&thread, "hello").await;
    assert!(texts(&server, 0)[0].contains("kept"));
}

#[tokio::test]
async fn beside_a_running_turn_it_is_part_of_that_turn_and_told_with_the_next_step() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["done"]).held_before(1));
    server.model.say("and now I know");
    let turn = client.begin(&thread, "go").await;
    held.reached().await;
    run(&client, &thread, "echo beside").await.unwrap();
    let (of, item) = finished(&client).await;
    assert_eq!((&of, &item["source"]), (&turn, &json!("userShell")));
    held.release();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    let started = client
        .methods()
        .iter()
        .filter(|method| *method == "turn/started")
        .count();
    assert_eq!(started, 1);
    let texts = texts(&server, 1);
    assert!(position(&texts, "done") < position(&texts, "<user_shell_command>"));
}

#[tokio::test]
async fn one_that_outlives_its_turn_is_told_with_the_next_even_if_the_thread_keeps_nothing() {
    for ephemeral in [false, true] {
        let mut server = TestServer::start(Transport::Ws).await;
        let client = server.client().await;
        let started = client
            .call_raw("thread/start", json!({"ephemeral": ephemeral}))
            .await
            .unwrap();
        let thread = started["thread"]["id"].as_str().unwrap().to_owned();
        let held = server.model.add(Reply::message(&["done"]).held_before(1));
        let turn = client.begin(&thread, "go").await;
        held.reached().await;
        let gate = server.work().join("gate");
        let script = format!(
            "echo begun; until [ -e {} ]; do sleep 0.01; done; echo late",
            gate.display()
        );
        run(&client, &thread, &script).await.unwrap();
        printed(&client, "begun").await;
        held.release();
        client.done(&turn).await;
        std::fs::write(&gate, "").unwrap();
        let (of, item) = finished(&client).await;
        assert_eq!((&of, &item["aggregatedOutput"]), (&turn, &json!("begun\nlate\n")));
        client.turn(&thread, "next").await;
        let texts = texts(&server, 1);
        assert!(position(&texts, "<user_shell_command>") < position(&texts, "next"));
    }
}

#[tokio::test]
async fn what_is_said_while_a_command_runs_is_answered_in_its_turn() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let gate = server.work().join("gate");
    let script = format!("echo begun; until [ -e {} ]; do sleep 0.01; done", gate.display());
    run(&client, &thread, &script).await.unwrap();
    printed(&client, "begun").await;
    server.model.say("answered");
    client.begin(&thread, "what is it?").await;
    run(&client, &thread, "echo second").await.unwrap();
    printed(&client, "second").await;
    std::fs::write(&gate, "").unwrap();
    let answer = client
        .next_where(|n: &ItemCompletedNotification| matches!(n.item, ThreadItem::AgentMessage { .. }))
        .await;
    client.done(&answer.turn_id).await;
    let started = client
        .methods()
        .iter()
        .filter(|method| *method == "turn/started")
        .count();
    assert_eq!(started, 1);
    let texts = texts(&server, 0);
    assert!(position(&texts, "<user_shell_command>") < position(&texts, "what is it?"));
}

#[tokio::test]
async fn a_flood_is_cut_for_the_model_and_a_command_that_cannot_start_says_so() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    run(&client, &thread, "yes | head -c 2000000").await.unwrap();
    let (turn, item) = finished(&client).await;
    client.done(&turn).await;
    let shown = item["aggregatedOutput"].as_str().unwrap().len();
    assert!((1_000_000..1_100_000).contains(&shown), "{shown}");
    std::fs::remove_dir_all(server.work()).unwrap();
    run(&client, &thread, "echo x").await.unwrap();
    let (turn, item) = finished(&client).await;
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert_eq!((&item["exitCode"], &item["status"]), (&json!(-1), &json!("failed")));
    let output = item["aggregatedOutput"].as_str().unwrap();
    assert!(output.starts_with("execution error: "), "{output}");
    std::fs::create_dir_all(server.work()).unwrap();
    client.turn(&thread, "hello").await;
    let texts = texts(&server, 0);
    assert!(
        texts[0].len() < 41_000 && texts[0].contains(" truncated…"),
        "{}",
        texts[0].len()
    );
    assert!(texts[1].contains("Exit code: -1"));
}

#[tokio::test]
async fn unloading_the_thread_ends_a_command_that_outlived_its_turn() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["done"]).held_before(1));
    let turn = client.begin(&thread, "go").await;
    held.reached().await;
    run(&client, &thread, "echo $$; exec sleep 600").await.unwrap();
    let pid = client.next::<CommandExecutionOutputDeltaNotification>().await.delta;
    held.release();
    client.done(&turn).await;
    let archived = client.call_raw("thread/archive", json!({"threadId": thread})).await;
    archived.expect("the thread is archived");
    let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
    crate::harness::within("the process is gone", async {
        while process.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn threads_that_are_not_loaded_run_nothing() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let nobody = "00000000-0000-7000-8000-000000000000";
    let error = run(&client, nobody, "echo x").await.unwrap_err();
    assert_eq!(
        (error.code, error.message),
        (-32600, format!("thread not found: {nobody}"))
    );
    let error = run(&client, "zz", "echo x").await.unwrap_err();
    assert!(error.message.starts_with("invalid thread id: "), "{}", error.message);
    assert_eq!(
        run(&client, "zz", " ").await.unwrap_err().message,
        "command must not be empty"
    );
}
