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
