//! Forks: what they take from their parent, what they do not, and that nothing of them is written where nothing is kept.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    a_fork_has_the_turns_of_its_parent_and_goes_its_own_way,
    a_fork_of_a_running_thread_ends_its_turn_as_interrupted,
);

async fn parent(server: &TestServer, client: &Client, start: Value) -> String {
    let started = client.call_raw("thread/start", start).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    server.model.say("answer");
    client.turn(&thread, "question").await;
    thread
}

async fn fork(client: &Client, params: Value) -> Value {
    client.call_raw("thread/fork", params).await.unwrap()
}

fn id(answer: &Value) -> String {
    answer["thread"]["id"].as_str().unwrap().to_owned()
}

async fn a_fork_has_the_turns_of_its_parent_and_goes_its_own_way(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = parent(&server, &client, json!({"threadSource": "user"})).await;
    let name = json!({"threadId": thread, "name": "mine"});
    client.call_raw("thread/name/set", name).await.unwrap();
    client.next::<ThreadNameUpdatedNotification>().await;
    let read = json!({"threadId": thread, "includeTurns": true});
    let before = client.call_raw("thread/read", read.clone()).await.unwrap();
    assert_eq!(before["thread"]["threadSource"], "user");
    let mark = client.log().len();
    let answer = fork(&client, json!({"threadId": thread})).await;
    let forked = id(&answer);
    let shown = &answer["thread"];
    assert_eq!(
        (&shown["forkedFromId"], &shown["preview"]),
        (&json!(thread), &json!("question"))
    );
    assert_eq!(
        (&shown["name"], &shown["threadSource"], &shown["sessionId"]),
        (&Value::Null, &Value::Null, &json!(forked))
    );
    assert_eq!(shown["turns"], before["thread"]["turns"], "items keep their ids");
    let started = client
        .next_where(|n: &ThreadStartedNotification| n.thread.id == forked)
        .await;
    assert!(started.thread.turns.is_empty());
    let mut log = client.log()[mark..].to_vec();
    // What every client is told once may come at any time.
    log.retain(|message| message["method"] != "remoteControl/status/changed");
    let order: Vec<&str> = log.iter().map(|m| m["method"].as_str().unwrap_or("answer")).collect();
    assert_eq!(order, ["answer", "thread/tokenUsage/updated", "thread/started"]);
    assert_eq!(log[1]["params"]["threadId"], json!(forked));
    let listed = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(
        listed["data"].as_array().unwrap().len(),
        2,
        "it is listed before it said anything"
    );
    server.model.say("in the fork");
    client.turn(&forked, "only here").await;
    let input = server.model.requests().last().unwrap()["input"].to_string();
    assert!(input.contains("question") && input.contains("only here"));
    assert_eq!(
        client.call_raw("thread/read", read).await.unwrap()["thread"]["turns"],
        before["thread"]["turns"]
    );
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = json!({"threadId": forked, "includeTurns": true});
    let stored = client.call_raw("thread/read", read).await.unwrap();
    assert_eq!(stored["thread"]["turns"].as_array().unwrap().len(), 2);
    assert_eq!(stored["thread"]["forkedFromId"], json!(thread));
    // Nothing has to be loaded, and where the file lies is enough.
    let path = shown["path"].clone();
    let again = fork(&client, json!({"threadId": "", "path": path, "excludeTurns": true})).await;
    assert_eq!(
        (&again["thread"]["forkedFromId"], &again["thread"]["turns"]),
        (&json!(forked), &json!([]))
    );
}

async fn a_fork_of_a_running_thread_ends_its_turn_as_interrupted(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = parent(&server, &client, json!({})).await;
    let held = server.model.add(Reply::message(&["slow"]).held_before(3));
    let turn = client.begin(&thread, "held").await;
    held.reached().await;
    let statuses = |answer: &Value| -> Vec<String> {
        let turns = answer["thread"]["turns"].as_array().unwrap().clone();
        turns
            .iter()
            .map(|turn| turn["status"].as_str().unwrap().to_owned())
            .collect()
    };
    let kept = fork(&client, json!({"threadId": thread})).await;
    let passing = fork(&client, json!({"threadId": thread, "ephemeral": true})).await;
    assert_eq!(statuses(&kept), ["completed", "interrupted"]);
    assert_eq!(statuses(&passing), ["completed", "interrupted"]);
    for forked in [id(&kept), id(&passing)] {
        server.model.say("in the fork");
        client.turn(&forked, "go on").await;
        let input = server.model.requests().last().unwrap()["input"].to_string();
        assert!(
            input.contains("held") && input.contains("<turn_aborted>") && !input.contains("slow"),
            "{input}"
        );
    }
    held.release();
    let ended = client
        .next_where(|n: &TurnCompletedNotification| n.turn.id == turn)
        .await;
    assert_eq!(ended.turn.status, TurnStatus::Completed, "the parent's turn went on");
    let read = json!({"threadId": id(&kept), "includeTurns": true});
    let stored = client.call_raw("thread/read", read).await.unwrap();
    assert_eq!(statuses(&stored), ["completed", "interrupted", "completed"]);
}

#[tokio::test]
async fn an_ephemeral_fork_writes_nothing() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = parent(&server, &client, json!({})).await;
    let answer = fork(&client, json!({"threadId": thread, "ephemeral": true})).await;
    let shown = &answer["thread"];
    assert_eq!(
        (&shown["path"], &shown["ephemeral"], &shown["gitInfo"]),
        (&Value::Null, &json!(true), &Value::Null)
    );
    assert_eq!(
        (&shown["preview"], shown["turns"].as_array().unwrap().len()),
        (&json!("question"), 1)
    );
    server.model.say("ok");
    client.turn(&id(&answer), "between us").await;
    let input = server.model.requests().last().unwrap()["input"].to_string();
    assert!(input.contains("question") && input.contains("between us"));
    let mut files = Vec::new();
    let mut folders = vec![server.home().join("sessions")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    assert_eq!(files.len(), 1, "{files:?}");
    let again = client
        .call_raw("thread/fork", json!({"threadId": id(&answer)}))
        .await
        .unwrap_err();
    assert_eq!(again.message, format!("no rollout found for thread id {}", id(&answer)));
}

#[tokio::test]
async fn a_fork_keeps_folder_instructions_and_tools_and_takes_the_rest_anew() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let tool = json!({"name": "my_tool", "description": "d", "inputSchema": {"type": "object", "properties": {}}});
    let start = json!({"cwd": server.home(), "baseInstructions": "BASE", "model": "another-model",
        "dynamicTools": [tool], "sandbox": "read-only"});
    let thread = parent(&server, &client, start).await;
    let memory = json!({"threadId": thread, "mode": "disabled"});
    client.call_raw("thread/memoryMode/set", memory).await.unwrap();
    let answer = fork(&client, json!({"threadId": thread, "threadSource": "subagent"})).await;
    assert_eq!(answer["cwd"], json!(server.home()));
    assert_ne!(answer["model"], "another-model");
    assert_ne!(answer["sandbox"]["type"], "readOnly");
    assert_eq!(answer["thread"]["threadSource"], "subagent");
    let path = answer["thread"]["path"].as_str().unwrap();
    let first = std::fs::read_to_string(path).unwrap();
    assert!(first.lines().next().unwrap().contains("\"memory_mode\":\"disabled\""));
    server.model.say("ok");
    client.turn(&id(&answer), "hello").await;
    let request = server.model.requests().last().unwrap().clone();
    assert_eq!(request["instructions"], "BASE");
    assert!(request["tools"].to_string().contains("my_tool"));
    let other = fork(
        &client,
        json!({"threadId": thread, "baseInstructions": "NEW", "model": "third", "excludeTurns": true}),
    )
    .await;
    assert_eq!(other["model"], "third");
    server.model.say("ok");
    client.turn(&id(&other), "hello").await;
    assert_eq!(server.model.requests().last().unwrap()["instructions"], "NEW");
}

#[tokio::test]
async fn what_cannot_be_forked_is_told_apart() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let refused = async |params: Value| client.call_raw("thread/fork", params).await.unwrap_err().message;
    assert!(
        refused(json!({"threadId": ""}))
            .await
            .starts_with("invalid thread id: ")
    );
    let unknown = "019a0000-0000-7000-8000-000000000000";
    assert_eq!(
        refused(json!({"threadId": unknown})).await,
        format!("no rollout found for thread id {unknown}")
    );
    let bare = client.thread().await;
    assert_eq!(
        refused(json!({"threadId": bare})).await,
        format!("no rollout found for thread id {bare}")
    );
    let home = server.home().display().to_string();
    let nowhere = refused(json!({"threadId": "x", "path": "no.jsonl"})).await;
    assert_eq!(
        nowhere,
        format!("failed to resolve rollout path `{home}/no.jsonl`: No such file or directory (os error 2)")
    );
    let file = server.home().join("empty.jsonl");
    std::fs::write(&file, "").unwrap();
    assert!(
        refused(json!({"threadId": "x", "path": file}))
            .await
            .ends_with("empty.jsonl is empty")
    );
    let both = json!({"threadId": bare, "sandbox": "read-only", "permissions": ":read-only"});
    assert_eq!(refused(both).await, "`permissions` cannot be combined with `sandbox`");
    let thread = parent(&server, &client, json!({})).await;
    let provider = refused(json!({"threadId": thread, "modelProvider": "zzz"})).await;
    assert_eq!(provider, "failed to load configuration: Model provider `zzz` not found");
}
