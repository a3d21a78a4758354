//! What is done to threads between turns: rollbacks, items put in, metadata, archiving with agents.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport, within};

/// The texts that the model was last sent, in order.
fn told(server: &TestServer) -> Vec<String> {
    let requests = server.model.requests();
    let input = requests.last().unwrap()["input"].as_array().unwrap().clone();
    input
        .iter()
        .flat_map(|item| item["content"].as_array().cloned().unwrap_or_default())
        .filter_map(|part| part["text"].as_str().map(str::to_owned))
        .collect()
}

fn count(texts: &[String], what: &str) -> usize {
    texts.iter().filter(|text| text.contains(what)).count()
}

async fn talk(server: &TestServer, client: &Client, turns: usize) -> String {
    let thread = client.thread().await;
    for n in 1..=turns {
        server.model.say(&format!("answer {n}"));
        client.turn(&thread, &format!("question {n}")).await;
    }
    thread
}

/// The lines of a thread's rollout.
fn lines(client_path: &Value) -> Vec<Value> {
    let text = std::fs::read_to_string(client_path.as_str().unwrap()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn item(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})
}

#[tokio::test]
async fn a_rollback_drops_turns_from_the_answer_the_requests_and_the_file() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = talk(&server, &client, 3).await;
    let before = client.log().len();
    let params = json!({"threadId": thread, "numTurns": 2});
    let answer = client.call_raw("thread/rollback", params).await.unwrap();
    assert_eq!(answer["thread"]["turns"].as_array().unwrap().len(), 1);
    let seen: Vec<Value> = client.log()[before..].to_vec();
    let order: Vec<&str> = seen.iter().map(|m| m["method"].as_str().unwrap_or("answer")).collect();
    assert_eq!(
        order,
        ["thread/tokenUsage/updated", "account/rateLimits/updated", "answer"]
    );
    let usage = &seen[0]["params"]["tokenUsage"];
    assert_eq!(usage["total"]["totalTokens"], 360);
    assert!(usage["last"]["totalTokens"].as_i64().unwrap() > 0 && usage["last"]["inputTokens"] == 0);
    server.model.say("fresh");
    client.turn(&thread, "after the rollback").await;
    let texts = told(&server);
    assert_eq!((count(&texts, "question 1"), count(&texts, "question 2")), (1, 0));
    assert_eq!(count(&texts, "<environment_context>"), 1, "nothing has to be told anew");
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let params = json!({"threadId": thread});
    let resumed = client.call_raw("thread/resume", params).await.unwrap();
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 2);
    server.model.say("again");
    client.turn(&thread, "after the restart").await;
    let texts = told(&server);
    assert_eq!(
        (count(&texts, "question 3"), count(&texts, "after the rollback")),
        (0, 1)
    );
    assert_eq!(count(&texts, "<environment_context>"), 1);
}

#[tokio::test]
async fn settings_that_a_rollback_took_back_are_told_again() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = talk(&server, &client, 1).await;
    let moved = json!({"threadId": thread, "cwd": server.home(), "input": [{"type": "text", "text": "elsewhere"}]});
    server.model.say("there");
    client.call_raw("turn/start", moved).await.unwrap();
    client.next::<TurnCompletedNotification>().await;
    let params = json!({"threadId": thread, "numTurns": 1});
    client.call_raw("thread/rollback", params).await.unwrap();
    server.model.say("ok");
    client.turn(&thread, "where are we").await;
    let texts = told(&server);
    assert_eq!(count(&texts, "elsewhere"), 0);
    let home = server.home().display().to_string();
    assert_eq!(count(&texts, &format!("<cwd>{home}</cwd>")), 1, "{texts:?}");
    // Everything goes: the thread is told its situation as at its beginning.
    let params = json!({"threadId": thread, "numTurns": 9});
    let answer = client.call_raw("thread/rollback", params).await.unwrap();
    assert_eq!(answer["thread"]["turns"], json!([]));
    server.model.say("ok");
    client.turn(&thread, "anew").await;
    let texts = told(&server);
    assert_eq!(
        (
            count(&texts, "question 1"),
            count(&texts, &format!("<cwd>{home}</cwd>"))
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn a_rollback_is_refused_where_it_cannot_be() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = talk(&server, &client, 2).await;
    let refused = async |thread: &str, turns: u32| {
        let params = json!({"threadId": thread, "numTurns": turns});
        client.call_raw("thread/rollback", params).await.unwrap_err().message
    };
    assert_eq!(refused("x", 0).await, "numTurns must be >= 1");
    assert!(refused("x", 1).await.starts_with("invalid thread id: "));
    let unknown = "019a0000-0000-7000-8000-000000000000";
    assert_eq!(refused(unknown, 1).await, format!("thread not found: {unknown}"));
    let held = server.model.add(Reply::message(&["slow"]).held_before(3));
    client.begin(&thread, "held").await;
    held.reached().await;
    assert_eq!(
        refused(&thread, 1).await,
        "Cannot rollback while a turn is in progress."
    );
    held.release();
    client
        .next_where(|n: &TurnCompletedNotification| n.turn.status == TurnStatus::Completed)
        .await;
    let ephemeral = client
        .call_raw("thread/start", json!({"ephemeral": true}))
        .await
        .unwrap();
    let ephemeral = ephemeral["thread"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        refused(&ephemeral, 1).await,
        "thread rollback requires persisted thread history"
    );
    let bare = client.thread().await;
    assert!(
        refused(&bare, 1)
            .await
            .starts_with("failed to load thread history for rollback replay: ")
    );
}

#[tokio::test]
async fn the_second_of_two_rollbacks_at_once_is_refused_and_a_turn_waits_for_the_first() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    // Enough of a conversation that reading it back takes a moment.
    let thread = talk(&server, &client, 2).await;
    let long = json!([item(&"word ".repeat(400_000))]);
    let inject = json!({"threadId": thread, "items": long});
    client.call_raw("thread/inject_items", inject).await.unwrap();
    let params = json!({"threadId": thread, "numTurns": 1});
    let first = client.start("thread/rollback", params.clone());
    let second = client.start("thread/rollback", params);
    server.model.say("ok");
    let input = json!([{"type": "text", "text": "and now"}]);
    let turn = client.start("turn/start", json!({"threadId": thread, "input": input}));
    let refused = client.answer_to(second).await.unwrap_err();
    assert_eq!(refused.message, "rollback already in progress for this thread");
    let left = client.answer_to(first).await.unwrap();
    assert_eq!(left["thread"]["turns"].as_array().unwrap().len(), 1);
    let turn = client.answer_to(turn).await.unwrap()["turn"]["id"].clone();
    client
        .next_where(|n: &TurnCompletedNotification| json!(n.turn.id) == turn)
        .await;
    let texts = told(&server);
    assert_eq!((count(&texts, "question 1"), count(&texts, "question 2")), (1, 0));
}

#[tokio::test]
async fn items_put_into_a_thread_follow_its_context_and_outlive_a_restart() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let started = client.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    client.next::<ThreadStartedNotification>().await;
    let inject = async |items: Value| {
        let params = json!({"threadId": thread, "items": items});
        client.call_raw("thread/inject_items", params).await
    };
    for (items, message) in [
        (json!([]), "items must not be empty"),
        (
            json!([{}]),
            "items[0] is not a valid response item: missing field `type`",
        ),
        (
            json!([item("a"), {"type": "message", "role": "user"}]),
            "items[1] is not a valid response item: missing field `content`",
        ),
    ] {
        assert_eq!(inject(items).await.unwrap_err().message, message);
    }
    let mut put_in = item("put in");
    put_in["id"] = json!("msg_of_somebody");
    let before = client.log().len();
    assert_eq!(
        inject(json!([put_in, {"type": "of_a_later_time"}])).await.unwrap(),
        json!({})
    );
    let log = client.log();
    let heard: Vec<_> = log[before..]
        .iter()
        .filter(|message| message["params"]["threadId"] == *thread)
        .collect();
    assert!(heard.is_empty(), "nobody is told: {heard:?}");
    let last = lines(&started["thread"]["path"]).pop().unwrap();
    assert_eq!(last["payload"], item("put in"), "ids are not kept");
    let kinds: Vec<Value> = lines(&started["thread"]["path"])
        .iter()
        .map(|line| line["type"].clone())
        .collect();
    let expected = [
        "session_meta",
        "response_item",
        "response_item",
        "turn_context",
        "response_item",
    ];
    assert_eq!(kinds, expected);
    let held = server.model.add(Reply::message(&["slow"]).held_before(3));
    client.begin(&thread, "held question").await;
    held.reached().await;
    inject(json!([item("in the middle")])).await.unwrap();
    held.release();
    client.next::<TurnCompletedNotification>().await;
    let texts = |server: &TestServer| {
        let mut texts = told(server);
        texts.retain(|text| !text.starts_with('<'));
        texts
    };
    server.model.say("ok");
    client.turn(&thread, "next").await;
    let expected = ["put in", "held question", "in the middle", "slow", "next"];
    assert_eq!(texts(&server), expected);
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let params = json!({"threadId": thread, "items": [item("too late")]});
    let gone = client.call_raw("thread/inject_items", params).await.unwrap_err();
    assert_eq!(gone.message, format!("thread not found: {thread}"));
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    let params = json!({"threadId": thread, "items": [item("after the restart")]});
    client.call_raw("thread/inject_items", params).await.unwrap();
    server.model.say("ok");
    client.turn(&thread, "last").await;
    let expected = [
        "put in",
        "held question",
        "in the middle",
        "slow",
        "next",
        "ok",
        "after the restart",
        "last",
    ];
    assert_eq!(texts(&server), expected);
    assert_eq!(count(&told(&server), "<environment_context>"), 1);
}

#[tokio::test]
async fn metadata_of_loaded_stored_and_archived_threads_can_be_changed() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let mut client = server.client().await;
    let thread = talk(&server, &client, 1).await;
    let update = async |client: &Client, git: Value| {
        let params = json!({"threadId": thread, "gitInfo": git});
        client
            .call_raw("thread/metadata/update", params)
            .await
            .map(|answer| answer["thread"]["gitInfo"].clone())
    };
    let listed = async |client: &Client| {
        let list = client.call_raw("thread/list", json!({})).await.unwrap();
        list["data"][0]["gitInfo"].clone()
    };
    let empty = update(&client, json!({"sha": " "})).await.unwrap_err();
    assert_eq!(empty.message, "gitInfo.sha must not be empty");
    let nothing = update(&client, json!({})).await.unwrap_err();
    assert_eq!(nothing.message, "gitInfo must include at least one field");
    update(&client, json!({"sha": "s", "branch": " b "})).await.unwrap();
    let kept = json!({"sha": "s", "branch": "b", "originUrl": null});
    let memory = json!({"threadId": thread, "mode": "disabled"});
    client.call_raw("thread/memoryMode/set", memory).await.unwrap();
    assert_eq!(listed(&client).await, kept);
    server.kill().await;
    server.launch().await;
    client = server.client().await;
    assert_eq!(listed(&client).await, kept);
    assert_eq!(
        update(&client, json!({"branch": null, "sha": null})).await.unwrap(),
        Value::Null
    );
    assert_eq!(listed(&client).await, Value::Null);
    client
        .call_raw("thread/archive", json!({"threadId": thread}))
        .await
        .unwrap();
    let archived = update(&client, json!({"branch": "late"})).await.unwrap();
    assert_eq!(archived["branch"], "late");
    server.kill().await;
    server.launch().await;
    client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(
        read["thread"]["gitInfo"],
        json!({"sha": null, "branch": "late", "originUrl": null})
    );
    // A thread taken up from the archive is followed when it comes back.
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    let back = client
        .call_raw("thread/unarchive", json!({"threadId": thread}))
        .await
        .unwrap();
    update(&client, json!({"branch": "back"})).await.unwrap();
    let last = lines(&back["thread"]["path"]).pop().unwrap();
    assert_eq!(last["payload"]["git"]["branch"], "back");
    assert_eq!(last["payload"]["memory_mode"], "disabled");
}

/// A stored thread that `parent` spawned.
fn agent(server: &TestServer, id: &str, parent: &str) {
    let folder = server.home().join("sessions/2026/01/01");
    std::fs::create_dir_all(&folder).unwrap();
    let source = json!({"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}});
    let meta = json!({"id": id, "timestamp": "2026-01-01T00:00:00.000Z", "cwd": "/", "originator": "t",
        "cli_version": "0.131.0", "source": source, "model_provider": "scripted"});
    let line =
        |kind: &str, payload: Value| json!({"timestamp": "2026-01-01T00:00:00.000Z", "type": kind, "payload": payload});
    let text = format!(
        "{}\n{}\n",
        line("session_meta", meta),
        line("event_msg", json!({"type": "user_message", "message": "do it"}))
    );
    std::fs::write(folder.join(format!("rollout-2026-01-01T00-00-00-{id}.jsonl")), text).unwrap();
}

#[tokio::test]
async fn archiving_takes_the_agents_along_and_unarchiving_does_not_bring_them_back() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let root = talk(&server, &client, 1).await;
    let (child, grandchild) = (
        "019a0000-0000-7000-8000-00000000000c",
        "019a0000-0000-7000-8000-00000000000d",
    );
    server.kill().await;
    agent(&server, child, &root);
    agent(&server, grandchild, child);
    server.launch().await;
    let client = server.client().await;
    // Who spawned whom is known from the index, which reads the new files in the background.
    let list = json!({"sourceKinds": ["subAgentThreadSpawn"], "modelProviders": [], "useStateDbOnly": true});
    within("the agents in the index", async {
        while client.call_raw("thread/list", list.clone()).await.unwrap()["data"]
            .as_array()
            .unwrap()
            .len()
            < 2
        {}
    })
    .await;
    client
        .call_raw("thread/resume", json!({"threadId": child}))
        .await
        .unwrap();
    client
        .call_raw("thread/archive", json!({"threadId": root}))
        .await
        .unwrap();
    let mut gone = Vec::new();
    while gone.len() < 3 {
        gone.push(client.next::<ThreadArchivedNotification>().await.thread_id);
    }
    assert_eq!(gone, [root.as_str(), grandchild, child]);
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([]));
    let log = client.log();
    let at = |method: &str| log.iter().position(|m| m["method"] == method).unwrap();
    assert!(
        at("thread/archived")
            > log
                .iter()
                .position(|m| m["params"]["status"]["type"] == "notLoaded")
                .unwrap()
    );
    client
        .call_raw("thread/unarchive", json!({"threadId": root}))
        .await
        .unwrap();
    let back = client
        .call_raw(
            "thread/list",
            json!({"archived": true, "modelProviders": [],
        "sourceKinds": ["subAgentThreadSpawn"]}),
        )
        .await
        .unwrap();
    assert_eq!(back["data"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn items_put_into_a_thread_are_told_in_one_form_and_some_not_at_all() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let reasoning = |content: Value| json!({"type": "reasoning", "id": "r", "summary": [], "content": content});
    let items = json!([
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "not for it"}]},
        {"type": "compaction_trigger"},
        {"type": "message", "role": "user", "id": "m", "more": 1, "content": [{"type": "input_text", "text": "x", "y": 1}]},
        reasoning(Value::Null),
        reasoning(json!([{"type": "text", "text": "t"}])),
        reasoning(json!([{"type": "reasoning_text", "text": "t"}])),
        {"type": "web_search_call", "action": {"type": "of tomorrow"}},
    ]);
    client
        .call_raw("thread/inject_items", json!({"threadId": thread, "items": items}))
        .await
        .unwrap();
    server.model.say("ok");
    client.turn(&thread, "next").await;
    let requests = server.model.requests();
    let told = requests[0]["input"].as_array().unwrap();
    let told: Vec<_> = told
        .iter()
        .skip_while(|item| item["content"][0]["text"] != "x")
        .collect();
    let bare =
        |content: Value| json!({"type": "reasoning", "summary": [], "encrypted_content": null, "content": content});
    let mut without = bare(Value::Null);
    without.as_object_mut().unwrap().remove("content");
    assert_eq!(
        told[..5],
        [
            &json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}),
            &bare(Value::Null),
            &without,
            &bare(json!([{"type": "reasoning_text", "text": "t"}])),
            &json!({"type": "web_search_call", "action": {"type": "other"}}),
        ]
    );
    assert!(!requests[0].to_string().contains("not for it"));
}

#[tokio::test]
async fn a_rollback_that_was_accepted_is_done_before_the_thread_is_archived() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = talk(&server, &client, 2).await;
    let inject = json!({"threadId": thread, "items": [item(&"word ".repeat(400_000))]});
    client.call_raw("thread/inject_items", inject).await.unwrap();
    let rollback = client.start("thread/rollback", json!({"threadId": thread, "numTurns": 1}));
    let archive = client.start("thread/archive", json!({"threadId": thread}));
    let left = client.answer_to(rollback).await.unwrap();
    assert_eq!(left["thread"]["turns"].as_array().unwrap().len(), 1);
    client.answer_to(archive).await.unwrap();
    let read = json!({"threadId": thread, "includeTurns": true});
    let read = client.call_raw("thread/read", read).await.unwrap();
    assert_eq!(read["thread"]["turns"].as_array().unwrap().len(), 1);
}
