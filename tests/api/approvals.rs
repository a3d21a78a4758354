//! Approvals: asked of every subscriber, first answer wins, survive a disconnect, fail closed.

use greenroom::protocol::methods::server;
use greenroom::protocol::*;
use serde_json::json;

use crate::harness::{Reply, TestServer, Transport};
use crate::on_every_transport;

const ASKS: &str = "";

on_every_transport!(
    accept_runs_the_command,
    decline_tells_the_model_and_goes_on,
    cancel_interrupts_the_turn,
    without_a_sandbox_a_restricted_policy_never_runs_unasked,
);

async fn asking(transport: Transport) -> TestServer {
    let mut server = TestServer::with(transport, ASKS, &["-c", "approval_policy=\"untrusted\""]).await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "touch made", "login": false}),
        "c1",
    ));
    let _ = &mut server;
    server
}

async fn accept_runs_the_command(transport: Transport) {
    let mut server = asking(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    let (id, params) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert!(params.command.unwrap_or_default().contains("touch made"));
    client.reply(&id, json!({"decision": "accept"}));
    let resolved = client.next::<ServerRequestResolvedNotification>().await;
    assert_eq!(serde_json::to_value(resolved.request_id).unwrap(), id);
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.work().join("made").exists());
}

async fn decline_tells_the_model_and_goes_on(transport: Transport) {
    let mut server = asking(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    client.reply(&id, json!({"decision": "decline"}));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(!server.work().join("made").exists());
    assert!(
        server
            .model
            .output_of("c1")
            .unwrap()
            .to_string()
            .contains("rejected by user")
    );
}

async fn cancel_interrupts_the_turn(transport: Transport) {
    let mut server = asking(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    client.reply(&id, json!({"decision": "cancel"}));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    assert!(!server.work().join("made").exists());
}

#[tokio::test]
async fn a_prefix_that_is_allowed_for_good_is_kept_and_the_model_is_told() {
    let mut server = asking(Transport::Ws).await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "touch other", "login": false}),
        "c2",
    ));
    let client = server.client().await;
    let thread = client.thread().await;
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    let amendment = json!({"acceptWithExecpolicyAmendment": {"execpolicy_amendment": ["touch"]}});
    client.reply(&id, json!({"decision": amendment}));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.work().join("other").exists(), "nobody was asked again");
    let rules = std::fs::read_to_string(server.home().join("rules/default.rules")).unwrap();
    assert_eq!(rules, "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\n");
    let input = &server.model.requests()[1]["input"];
    let items = input.as_array().unwrap().iter();
    let last: Vec<_> = items.rev().take(2).map(|item| item["role"].as_str()).collect();
    assert_eq!(
        last,
        [None, Some("developer")],
        "the model is told right before the output: {input}"
    );
    let note = "Approved command prefix saved:\n- [\"touch\"]";
    assert_eq!(
        input.as_array().unwrap().iter().rev().nth(1).unwrap()["content"][0]["text"],
        note
    );
}

async fn without_a_sandbox_a_restricted_policy_never_runs_unasked(transport: Transport) {
    let flags = ["-c", "approval_policy=\"never\"", "-c", "sandbox_mode=\"read-only\""];
    let mut server = TestServer::with(transport, "", &flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "touch made", "login": false}),
        "c1",
    ));
    assert_eq!(client.turn(&thread, "go").await.status, TurnStatus::Completed);
    assert!(!server.work().join("made").exists());
}

#[tokio::test]
async fn every_subscriber_is_asked_and_strangers_answers_count_for_nothing() {
    let mut server = asking(Transport::Ws).await;
    let (a, b, stranger) = (server.client().await, server.client().await, server.client().await);
    let thread = a.thread().await;
    server.model.add(Reply::message(&["ok"]));
    b.call_raw("thread/resume", json!({"threadId": thread})).await.ok();
    let turn = a.begin(&thread, "go").await;
    let (id, _) = a.asked::<server::ItemCommandExecutionRequestApproval>().await;
    stranger.reply(&id, json!({"decision": "accept"}));
    stranger.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert!(!server.work().join("made").exists());
    a.reply(&id, json!({"decision": "decline"}));
    a.done(&turn).await;
    assert!(!server.work().join("made").exists());
}

#[tokio::test]
async fn a_request_outlives_its_client_and_is_asked_again_of_the_next() {
    let mut server = asking(Transport::Ws).await;
    let first = server.client().await;
    let thread = first.thread().await;
    let turn = first.begin(&thread, "go").await;
    let (id, _) = first.asked::<server::ItemCommandExecutionRequestApproval>().await;
    first.close();
    first.closed().await;
    let second = server.client().await;
    let resumed = second
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(
        resumed["thread"]["status"],
        json!({"type": "active", "activeFlags": ["waitingOnApproval"]})
    );
    let (again, _) = second.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert_eq!(again, id, "the same request keeps its id");
    second.reply(&again, json!({"decision": "accept"}));
    assert_eq!(second.done(&turn).await.status, TurnStatus::Completed);
    assert!(server.work().join("made").exists());
}

#[tokio::test]
async fn experimental_parts_reach_only_those_who_asked_for_them() {
    let mut server = TestServer::with(Transport::Ws, "", &["-c", "approval_policy=\"untrusted\""]).await;
    let (open, plain) = (server.client().await, server.raw().await);
    plain.initialize_with(json!({})).await;
    let started = open
        .call_raw(
            "thread/start",
            json!({"cwd": server.work(), "experimentalRawEvents": true}),
        )
        .await
        .unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    // Only a thread that has something on disk can be joined.
    server.model.say("hello");
    open.turn(&thread, "hello").await;
    plain
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "touch made", "login": false}),
        "c1",
    ));
    let turn = open.begin(&thread, "go").await;
    let (id, asked) = open.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert!(asked.available_decisions.is_some());
    let (_, asked) = plain.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert!(
        asked.available_decisions.is_some() && asked.command.is_some(),
        "it is asked as fully"
    );

    let late = server.raw().await;
    late.initialize_with(json!({"experimentalApi": false})).await;
    late.call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    let (again, _) = late.asked::<server::ItemCommandExecutionRequestApproval>().await;
    assert_eq!(again, id);
    late.reply(&id, json!({"decision": "accept"}));
    for client in [&open, &plain, &late] {
        assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    }
    let raw = "rawResponseItem/completed".to_owned();
    assert!(open.methods().contains(&raw));
    for client in [&plain, &late] {
        assert!(!client.methods().contains(&raw));
    }
}

#[tokio::test]
async fn rules_with_a_mistake_do_not_count_and_clients_are_told() {
    let mut server = TestServer::with(Transport::Ws, ASKS, &["-c", "approval_policy=\"untrusted\""]).await;
    let folder = server.home().join("rules");
    std::fs::create_dir_all(&folder).unwrap();
    let rules =
        "prefix_rule(pattern=[\"touch\"], decision=\"allow\")\nprefix_rule(pattern=[\"ls\"], decision=\"maybe\")\n";
    std::fs::write(folder.join("a.rules"), rules).unwrap();
    let client = server.client().await;
    let warning = client.next::<ConfigWarningNotification>().await;
    assert_eq!(warning.summary, "Error parsing rules; custom rules not applied.");
    assert!(warning.details.unwrap().contains("error: invalid decision: maybe"));
    assert_eq!(warning.path, Some(folder.join("a.rules").display().to_string()));
    assert_eq!(
        warning.range.map(|range| (range.start.line, range.end.column)),
        Some((2, 46))
    );
    let thread = client.thread().await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "touch made", "login": false}),
        "c1",
    ));
    let turn = client.begin(&thread, "go").await;
    let (id, _) = client.asked::<server::ItemCommandExecutionRequestApproval>().await;
    client.reply(&id, json!({"decision": "decline"}));
    client.done(&turn).await;
    assert!(!server.work().join("made").exists());
}
