//! Questions outside of this server: their count, and that the waiting of tools stands still meanwhile.

use greenroom::protocol::methods::client::{ThreadDecrementElicitation, ThreadIncrementElicitation};
use greenroom::protocol::*;
use serde_json::json;

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(the_count_goes_up_and_down_and_not_below_zero);

async fn open(client: &Client, thread: &str) -> Result<(u64, bool), JSONRPCErrorError> {
    let thread_id = thread.to_owned();
    let answer = client.call::<ThreadIncrementElicitation>(ThreadIncrementElicitationParams { thread_id });
    answer.await.map(|answer| (answer.count, answer.paused))
}

async fn close(client: &Client, thread: &str) -> Result<(u64, bool), JSONRPCErrorError> {
    let thread_id = thread.to_owned();
    let answer = client.call::<ThreadDecrementElicitation>(ThreadDecrementElicitationParams { thread_id });
    answer.await.map(|answer| (answer.count, answer.paused))
}

async fn the_count_goes_up_and_down_and_not_below_zero(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    assert_eq!(open(&client, &thread).await.unwrap(), (1, true));
    assert_eq!(open(&client, &thread).await.unwrap(), (2, true));
    assert_eq!(close(&client, &thread).await.unwrap(), (1, true));
    assert_eq!(close(&client, &thread).await.unwrap(), (0, false));
    let error = close(&client, &thread).await.unwrap_err();
    assert_eq!(
        (error.code, &*error.message),
        (-32600, "out-of-band elicitation count is already zero")
    );
    let nobody = "00000000-0000-7000-8000-000000000000";
    for error in [open(&client, nobody).await, close(&client, nobody).await] {
        let error = error.unwrap_err();
        assert_eq!(
            (error.code, error.message),
            (-32600, format!("thread not found: {nobody}"))
        );
    }
}

#[tokio::test]
async fn another_connection_can_close_what_one_that_left_has_opened() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let helper = server.client().await;
    assert_eq!(open(&helper, &thread).await.unwrap(), (1, true));
    helper.close();
    helper.closed().await;
    assert_eq!(open(&client, &thread).await.unwrap(), (2, true));
    assert_eq!(close(&client, &thread).await.unwrap(), (1, true));
    assert_eq!(close(&client, &thread).await.unwrap(), (0, false));
}

fn slow_command(server: &TestServer, command: &str) {
    let arguments = json!({"cmd": command, "yield_time_ms": 250, "login": false});
    server.model.add(Reply::call("exec_command", arguments, "c1"));
}

#[tokio::test]
async fn a_call_waits_for_its_command_while_a_question_is_open() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    open(&client, &thread).await.unwrap();
    slow_command(&server, "sleep 1; echo at last");
    client.turn(&thread, "go").await;
    let told = server.model.output_of("c1").unwrap().to_string();
    assert!(
        told.contains("exited with code 0") && told.contains("at last"),
        "{told}"
    );
}

#[tokio::test]
async fn when_the_question_is_answered_time_counts_again() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    open(&client, &thread).await.unwrap();
    slow_command(&server, "echo begun; exec sleep 600");
    let turn = client.begin(&thread, "go").await;
    client
        .next_where(|n: &ItemStartedNotification| matches!(n.item, ThreadItem::CommandExecution { .. }))
        .await;
    assert_eq!(server.model.requests().len(), 1, "the call still waits");
    close(&client, &thread).await.unwrap();
    client.done(&turn).await;
    let told = server.model.output_of("c1").unwrap().to_string();
    assert!(told.contains("running with session ID"), "{told}");
}
