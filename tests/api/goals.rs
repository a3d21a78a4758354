//! Goals of threads: set, read, cleared, kept, counted, pursued.

use greenroom::protocol::methods::client::{ThreadGoalClear, ThreadGoalGet};
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

const ON: &[&str] = &["-c", "features.goals=true"];
const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

on_every_transport!(
    a_goal_is_set_changed_and_cleared,
    without_the_feature_there_are_no_goals
);

async fn server(transport: Transport) -> TestServer {
    TestServer::with(transport, "", ON).await
}

async fn set(client: &Client, thread: &str, what: Value) -> Result<Value, JSONRPCErrorError> {
    let mut params = what;
    params["threadId"] = json!(thread);
    let answer = client.call_raw("thread/goal/set", params).await?;
    Ok(answer["goal"].clone())
}

async fn get(client: &Client, thread: &str) -> Option<ThreadGoal> {
    let thread_id = thread.to_owned();
    let answer = client.call::<ThreadGoalGet>(ThreadGoalGetParams { thread_id });
    answer.await.expect("thread/goal/get").goal
}

async fn clear(client: &Client, thread: &str) -> bool {
    let thread_id = thread.to_owned();
    let answer = client.call::<ThreadGoalClear>(ThreadGoalClearParams { thread_id });
    answer.await.expect("thread/goal/clear").cleared
}

async fn refused(client: &Client, thread: &str, what: Value) -> String {
    let error = set(client, thread, what).await.unwrap_err();
    assert_eq!(error.code, -32600);
    error.message
}

async fn a_goal_is_set_changed_and_cleared(transport: Transport) {
    let mut server = server(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    assert_eq!(
        refused(&client, &thread, json!({"objective": " "})).await,
        "goal objective must not be empty"
    );
    let long = json!({"objective": "x".repeat(4001)});
    assert_eq!(
        refused(&client, &thread, long).await,
        "goal objective must be at most 4000 characters"
    );
    for budget in [0, -1] {
        let error = refused(&client, &thread, json!({"tokenBudget": budget})).await;
        assert_eq!(error, "goal budgets must be positive when provided");
    }
    let missing = format!("cannot update goal for thread {thread}: no goal exists");
    assert_eq!(refused(&client, &thread, json!({"status": "paused"})).await, missing);
    assert_eq!(get(&client, &thread).await, None);
    assert!(!clear(&client, &thread).await);

    let wish = json!({"objective": " do it\nwell ", "status": "paused", "tokenBudget": 500});
    let goal = set(&client, &thread, wish).await.unwrap();
    assert_eq!(
        (&goal["objective"], &goal["status"]),
        (&json!("do it\nwell"), &json!("paused"))
    );
    assert_eq!((&goal["tokenBudget"], &goal["tokensUsed"]), (&json!(500), &json!(0)));
    let told = client.next::<ThreadGoalUpdatedNotification>().await;
    assert_eq!((serde_json::to_value(&told.goal).unwrap(), told.turn_id), (goal, None));
    let goal = set(&client, &thread, json!({"tokenBudget": null, "status": "complete"}))
        .await
        .unwrap();
    assert_eq!(
        (&goal["tokenBudget"], &goal["status"]),
        (&Value::Null, &json!("complete"))
    );
    assert_eq!(serde_json::to_value(get(&client, &thread).await).unwrap(), goal);
    client.next::<ThreadGoalUpdatedNotification>().await;

    assert!(clear(&client, &thread).await);
    assert_eq!(client.next::<ThreadGoalClearedNotification>().await.thread_id, thread);
    assert_eq!(get(&client, &thread).await, None);
    assert!(!clear(&client, &thread).await);
    assert!(server.model.requests().is_empty(), "nothing to work on");
}

async fn without_the_feature_there_are_no_goals(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    for (method, params) in [
        ("thread/goal/get", json!({"threadId": thread})),
        ("thread/goal/clear", json!({"threadId": thread})),
        ("thread/goal/set", json!({"threadId": thread, "objective": "x"})),
    ] {
        let error = client.call_raw(method, params).await.unwrap_err();
        assert_eq!((error.code, &*error.message), (-32600, "goals feature is disabled"));
    }
    client.turn(&thread, "hello").await;
    let tools = server.model.requests()[0]["tools"].to_string();
    assert!(!tools.contains("_goal"));
}

#[tokio::test]
async fn threads_that_are_gone_or_keep_nothing_have_no_goals() {
    let mut server = server(Transport::Ws).await;
    let client = server.client().await;
    let started = client
        .call_raw("thread/start", json!({"ephemeral": true}))
        .await
        .unwrap();
    let ephemeral = started["thread"]["id"].as_str().unwrap();
    let cases = [
        (NOBODY, format!("thread not found: {NOBODY}")),
        (
            ephemeral,
            format!("ephemeral thread does not support goals: {ephemeral}"),
        ),
    ];
    for (thread, message) in cases {
        assert_eq!(refused(&client, thread, json!({"objective": " "})).await, message);
        for method in ["thread/goal/get", "thread/goal/clear"] {
            let error = client.call_raw(method, json!({"threadId": thread})).await.unwrap_err();
            assert_eq!((error.code, error.message), (-32600, message.clone()));
        }
    }
}

#[tokio::test]
async fn a_goal_outlives_server_and_index_and_names_a_thread_without_messages() {
    let mut server = server(Transport::Ws).await;
    let client = server.client().await;
    let (thread, cleared) = (client.thread().await, client.thread().await);
    let goal = set(&client, &thread, json!({"objective": "obj text", "status": "paused"}))
        .await
        .unwrap();
    set(&client, &cleared, json!({"objective": "other", "status": "paused"}))
        .await
        .unwrap();
    assert!(clear(&client, &cleared).await);
    server.kill().await;
    for file in std::fs::read_dir(server.home()).unwrap().flatten() {
        if file.file_name().to_string_lossy().contains(".sqlite") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    server.launch().await;
    let client = server.client().await;
    assert_eq!(serde_json::to_value(get(&client, &thread).await).unwrap(), goal);
    assert_eq!(get(&client, &cleared).await, None);
    let list = client.call_raw("thread/list", json!({})).await.unwrap();
    let named = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shown| shown["id"] == *thread)
        .unwrap();
    assert_eq!(named["preview"], "obj text");

    // Changed without being loaded.
    let goal = set(&client, &thread, json!({"status": "complete"})).await.unwrap();
    let told = client.next::<ThreadGoalUpdatedNotification>().await.goal;
    assert_eq!(serde_json::to_value(told).unwrap(), goal);
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    let told = client.next::<ThreadGoalUpdatedNotification>().await.goal;
    assert_eq!(
        serde_json::to_value(told).unwrap(),
        goal,
        "a client that takes the thread up is told"
    );
    client
        .call_raw("thread/resume", json!({"threadId": cleared}))
        .await
        .unwrap();
    assert_eq!(client.next::<ThreadGoalClearedNotification>().await.thread_id, cleared);
    assert!(clear(&client, &thread).await);
    assert_eq!(get(&client, &thread).await, None);
}

/// A command that takes a while, so that the next request can come in between.
fn command(server: &TestServer, call: &str) {
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "true", "login": false}),
        call,
    ));
}

/// The next change of a goal made by a turn.
async fn counted(client: &Client) -> ThreadGoal {
    let by_turn = |n: &ThreadGoalUpdatedNotification| n.turn_id.is_some();
    client.next_where(by_turn).await.goal
}

#[tokio::test]
async fn turns_count_until_the_budget_is_spent() {
    let mut server = server(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    set(&client, &thread, json!({"objective": "obj", "status": "paused"}))
        .await
        .unwrap();
    client.turn(&thread, "not for the goal").await;
    assert_eq!(get(&client, &thread).await.unwrap().tokens_used, 0);
    // Each answer costs 120 tokens. The goal becomes active while the first answer of the turn is awaited.
    let held = server.model.add(Reply::message(&["x"]).held_before(1));
    let turn = client.begin(&thread, "go").await;
    held.reached().await;
    set(&client, &thread, json!({"status": "active", "tokenBudget": 200}))
        .await
        .unwrap();
    server.model.clear();
    command(&server, "c1");
    command(&server, "c2");
    server.model.say("that was it");
    held.release();
    let goal = counted(&client).await;
    assert_eq!((goal.tokens_used, goal.status), (120, ThreadGoalStatus::Active));
    client.done(&turn).await;
    // It goes on by itself.
    let began = client.next_where(|n: &TurnStartedNotification| n.turn.id != turn).await;
    let goal = counted(&client).await;
    assert_eq!((goal.tokens_used, goal.status), (240, ThreadGoalStatus::BudgetLimited));
    client
        .next_where(|n: &TurnCompletedNotification| n.turn.id != turn && n.turn.status == TurnStatus::Completed)
        .await;
    let goal = get(&client, &thread).await.unwrap();
    assert_eq!((goal.tokens_used, goal.status), (480, ThreadGoalStatus::BudgetLimited));
    let requests = server.model.requests();
    let asked = requests[2]["input"].to_string();
    assert!(asked.contains("<goal_context>") && asked.contains("obj"), "{asked}");
    assert!(
        requests[3]["input"].to_string().contains("budget is spent"),
        "the model is told to wrap up"
    );
    assert_ne!(began.turn.id, turn);
    let more = set(&client, &thread, json!({"status": "active"})).await.unwrap();
    assert_eq!(more["status"], "budgetLimited", "nothing is left to spend");
}

#[tokio::test]
async fn an_interrupt_pauses_and_a_turn_that_does_nothing_is_the_last() {
    let mut server = server(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let held = server.model.add(Reply::message(&["x"]).held_before(1));
    set(&client, &thread, json!({"objective": "obj"})).await.unwrap();
    held.reached().await;
    client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": ""}))
        .await
        .unwrap();
    client
        .next_where(|n: &ThreadGoalUpdatedNotification| n.goal.status == ThreadGoalStatus::Paused)
        .await;
    client.next::<TurnCompletedNotification>().await;
    let asked = server.model.requests().len();
    server.model.clear();
    server.model.say("I have nothing to do");
    set(&client, &thread, json!({"status": "active"})).await.unwrap();
    client.next::<TurnCompletedNotification>().await;
    client.turn(&thread, "hello").await;
    // The user's turn counts as news: the goal is looked at once more, and again nothing is done.
    client.next::<TurnCompletedNotification>().await;
    client
        .call_raw("thread/read", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(server.model.requests().len(), asked + 3);
    assert_eq!(get(&client, &thread).await.unwrap().status, ThreadGoalStatus::Active);
}

#[tokio::test]
async fn the_model_can_set_read_and_complete_a_goal() {
    let mut server = server(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let calls = [
        ("create_goal", json!({"objective": "obj", "token_budget": 1000}), "g1"),
        ("create_goal", json!({"objective": "another"}), "g2"),
        ("get_goal", json!({}), "g3"),
        ("update_goal", json!({"status": "paused"}), "g4"),
        ("update_goal", json!({"status": "complete"}), "g5"),
    ];
    for (tool, arguments, call) in calls {
        server.model.add(Reply::call(tool, arguments, call));
    }
    server.model.say("done");
    client.turn(&thread, "go").await;
    let told = |call: &str| server.model.output_of(call).unwrap().to_string();
    assert!(told("g1").contains("remainingTokens"));
    assert!(told("g2").contains("there is a goal already"));
    assert!(told("g3").contains("obj"));
    assert!(told("g4").contains("can only call the goal complete"));
    assert!(told("g5").contains(" of 1000 tokens"), "{}", told("g5"));
    let goal = get(&client, &thread).await.unwrap();
    assert_eq!((goal.status, goal.tokens_used), (ThreadGoalStatus::Complete, 480));
    assert_eq!(server.model.requests().len(), 6, "a complete goal is not pursued");
}
