//! Whole turns as clients see them: streaming, tools, patches, plans, steering, interruption, failures.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    text_streams_and_the_turn_completes,
    a_command_runs_and_the_model_is_told,
    a_patch_changes_files_and_shows_a_diff,
    a_plan_is_announced,
    steering_reaches_the_model_before_the_turn_ends,
    interrupting_ends_the_turn_and_leaves_a_marker,
    a_failing_provider_fails_the_turn_with_a_reason,
);

async fn text_streams_and_the_turn_completes(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(Reply::message(&["Hel", "lo"]));
    let turn = client.turn(&thread, "hi").await;
    assert_eq!((turn.status, turn.error), (TurnStatus::Completed, None));
    let deltas: Vec<String> = client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/agentMessage/delta")
        .map(|m| m["params"]["delta"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(deltas.concat(), "Hello");
    let order: Vec<String> = client
        .methods()
        .into_iter()
        .skip_while(|m| m != "turn/started")
        .collect();
    let place = |method: &str| {
        order
            .iter()
            .position(|m| m == method)
            .unwrap_or_else(|| panic!("no {method}"))
    };
    assert!(place("item/agentMessage/delta") < place("thread/tokenUsage/updated"));
    assert!(place("thread/tokenUsage/updated") < place("turn/completed"));
    let idle = client
        .log()
        .iter()
        .rposition(|m| m["params"]["status"]["type"] == "idle")
        .unwrap();
    let completed = client
        .log()
        .iter()
        .rposition(|m| m["method"] == "turn/completed")
        .unwrap();
    assert!(idle < completed, "the status changes before the turn completes");
}

async fn a_command_runs_and_the_model_is_told(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "echo from-$((40+2)); exit 3", "login": false}),
        "c1",
    ));
    server.model.say("done");
    client.turn(&thread, "run it").await;
    let item = client
        .next_where(|n: &ItemCompletedNotification| matches!(n.item, ThreadItem::CommandExecution { .. }))
        .await
        .item;
    let ThreadItem::CommandExecution {
        status,
        exit_code,
        aggregated_output,
        ..
    } = item
    else {
        unreachable!()
    };
    assert_eq!((status, exit_code), (CommandExecutionStatus::Failed, Some(3)));
    assert_eq!(aggregated_output.as_deref(), Some("from-42\n"));
    let told = server.model.output_of("c1").unwrap();
    assert!(
        told.as_str().unwrap().contains("Process exited with code 3\n"),
        "{told}"
    );
    assert!(told.as_str().unwrap().ends_with("Output:\nfrom-42\n"), "{told}");
}

async fn a_patch_changes_files_and_shows_a_diff(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    std::fs::write(server.work().join("old.txt"), "one\ntwo\n").unwrap();
    let client = server.client().await;
    let thread = client.thread().await;
    let patch =
        "*** Begin Patch\n*** Add File: new.txt\n+fresh\n*** Update File: old.txt\n@@\n one\n-two\n+2\n*** End Patch";
    server.model.add(Reply::custom("apply_patch", patch, "p1"));
    server.model.say("done");
    client.turn(&thread, "patch it").await;
    assert_eq!(
        std::fs::read_to_string(server.work().join("new.txt")).unwrap(),
        "fresh\n"
    );
    assert_eq!(
        std::fs::read_to_string(server.work().join("old.txt")).unwrap(),
        "one\n2\n"
    );
    let diff = client.next::<TurnDiffUpdatedNotification>().await.diff;
    assert!(
        diff.contains("+fresh") && diff.contains("-two") && diff.contains("new file mode 100644"),
        "{diff}"
    );
    let told = server.model.output_of("p1").unwrap();
    assert!(
        told.to_string().contains("Success. Updated the following files:"),
        "{told}"
    );
}

async fn a_plan_is_announced(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let plan = json!({"plan": [{"step": "look", "status": "completed"}, {"step": "leap", "status": "in_progress"}]});
    server.model.add(Reply::call("update_plan", plan, "u1"));
    server.model.say("planned");
    client.turn(&thread, "plan").await;
    let update = client.next::<TurnPlanUpdatedNotification>().await;
    let steps: Vec<Value> = update
        .plan
        .iter()
        .map(|step| serde_json::to_value(step).unwrap())
        .collect();
    assert_eq!(steps[1], json!({"step": "leap", "status": "inProgress"}));
}

async fn steering_reaches_the_model_before_the_turn_ends(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["thin", "king"]).held_before(3));
    let turn = client.begin(&thread, "start").await;
    held.reached().await;
    let steered = client
        .call_raw(
            "turn/steer",
            json!({"threadId": thread, "expectedTurnId": turn, "input": [{"type": "text", "text": "and this"}]}),
        )
        .await;
    assert_eq!(steered.unwrap(), json!({"turnId": turn}));
    server.model.say("both");
    held.release();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    let requests = server.model.requests();
    assert_eq!(requests.len(), 2);
    assert!(requests[1]["input"].to_string().contains("and this"));
}

async fn interrupting_ends_the_turn_and_leaves_a_marker(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["long ", "story"]).held_before(3));
    let turn = client.begin(&thread, "tell").await;
    held.reached().await;
    let wrong = client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": "other"}))
        .await
        .unwrap_err();
    assert_eq!(wrong.message, format!("expected active turn id other but found {turn}"));
    client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": turn}))
        .await
        .unwrap();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    held.release();
    server.model.say("next");
    client.turn(&thread, "go on").await;
    let input = server.model.requests().last().unwrap()["input"].to_string();
    assert!(input.contains("<turn_aborted>") && !input.contains("long "), "{input}");
}

async fn a_failing_provider_fails_the_turn_with_a_reason(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server
        .model
        .add(Reply::status(400, json!({"error": {"message": "bad thing"}})));
    let turn = client.turn(&thread, "hi").await;
    assert_eq!(turn.status, TurnStatus::Failed);
    assert!(turn.error.unwrap().message.contains("bad thing"));
    server.model.say("fine again");
    assert_eq!(client.turn(&thread, "again").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn the_users_program_is_told_of_turns_that_came_to_their_end() {
    let mut server = TestServer::with(
        Transport::Ws,
        "notify = ['/bin/sh', '-c', 'printf %s \"$1\" > part; mv part told', 'sh']\n",
        &[],
    )
    .await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "hello").await;
    let told = server.work().join("told");
    crate::harness::within("the program", async {
        while !told.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    let told: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&told).unwrap()).unwrap();
    assert_eq!(told["type"], "agent-turn-complete");
    assert_eq!(
        (&told["thread-id"], &told["cwd"]),
        (&json!(thread), &json!(server.work()))
    );
    assert_eq!(
        (&told["input-messages"], &told["last-assistant-message"]),
        (&json!(["hello"]), &json!("answer"))
    );
}
