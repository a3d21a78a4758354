//! Threads: listing, reading, naming, resuming after a restart, subscriptions.

use greenroom::protocol::methods::client;
use greenroom::protocol::*;
use serde_json::json;

use crate::harness::{Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    a_thread_is_listed_once_it_has_a_message,
    a_stored_thread_reads_and_resumes_with_the_same_item_ids,
    names_are_trimmed_stored_and_announced,
    unsubscribed_clients_hear_nothing,
    pages_of_the_list_meet_without_gap_or_overlap,
    turns_and_items_page_the_same_before_and_after_a_restart,
);

async fn turns_and_items_page_the_same_before_and_after_a_restart(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer one");
    client.turn(&thread, "one").await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "echo kept", "login": false}),
        "c2",
    ));
    server.model.say("answer two");
    client.turn(&thread, "two").await;
    server
        .model
        .add(Reply::status(400, json!({"error": {"message": "this is refused"}})));
    client.turn(&thread, "three").await;
    let turns = json!({"threadId": thread, "itemsView": "full", "sortDirection": "asc"});
    let told = client.call_raw("thread/turns/list", turns.clone()).await.unwrap();
    assert_eq!(told["data"][2]["status"], "failed");
    assert!(
        told["data"][2]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("this is refused")
    );
    let kinds: Vec<_> = told["data"][1]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["userMessage", "commandExecution", "agentMessage"]);
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    assert_eq!(client.call_raw("thread/turns/list", turns).await.unwrap(), told);

    // All items one by one, by the cursors.
    let mut walked = Vec::new();
    let mut cursor = serde_json::Value::Null;
    loop {
        let asked = json!({"threadId": thread, "turnId": "", "limit": 1, "cursor": cursor});
        let page = client.call_raw("thread/turns/items/list", asked).await.unwrap();
        walked.extend(page["data"].as_array().unwrap().iter().cloned());
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let shown = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|turn| turn["items"].as_array().unwrap().clone());
    assert_eq!(walked, shown.collect::<Vec<_>>());
    let turn = &told["data"][1]["id"];
    let asked = json!({"threadId": thread, "turnId": turn, "sortDirection": "desc", "limit": 1});
    let page = client.call_raw("thread/turns/items/list", asked).await.unwrap();
    assert_eq!(page["data"][0]["type"], "agentMessage");
    let asked = json!({"threadId": thread, "turnId": "nothing"});
    let refused = client.call_raw("thread/turns/items/list", asked).await.unwrap_err();
    assert_eq!(refused.message, "turn not found: nothing");
}

async fn a_thread_is_listed_once_it_has_a_message(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let list = client
        .call::<client::ThreadList>(ThreadListParams::default())
        .await
        .unwrap();
    assert!(list.data.is_empty());
    server.model.say("answer");
    client.turn(&thread, "the question").await;
    let list = client
        .call::<client::ThreadList>(ThreadListParams::default())
        .await
        .unwrap();
    assert_eq!(list.data.len(), 1);
    assert_eq!(
        (list.data[0].id.as_str(), list.data[0].preview.as_str()),
        (thread.as_str(), "the question")
    );
}

async fn a_stored_thread_reads_and_resumes_with_the_same_item_ids(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(Reply::call(
        "exec_command",
        json!({"cmd": "echo kept", "login": false}),
        "c1",
    ));
    server.model.say("answer one");
    client.turn(&thread, "one").await;
    client
        .next_where(|n: &ItemCompletedNotification| matches!(n.item, ThreadItem::CommandExecution { .. }))
        .await;
    let told: Vec<String> = completed_items(&client);
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
        .await
        .unwrap();
    assert_eq!(read["thread"]["status"]["type"], "notLoaded");
    let stored: Vec<String> = read["thread"]["turns"][0]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_string())
        .collect();
    for id in &told {
        assert!(stored.contains(id), "{id} was told as completed; stored are {stored:?}");
    }
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    server.model.say("answer two");
    client.turn(&thread, "two").await;
    let input = server.model.requests().last().unwrap()["input"].to_string();
    assert!(input.contains("answer one") && input.contains("kept"), "{input}");
}

/// The ids of every item that was announced as completed.
fn completed_items(client: &crate::harness::Client) -> Vec<String> {
    client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/completed")
        .map(|m| m["params"]["item"]["id"].as_str().unwrap().to_string())
        .collect()
}

async fn names_are_trimmed_stored_and_announced(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("ok");
    client.turn(&thread, "hello").await;
    let blank = client
        .call_raw("thread/name/set", json!({"threadId": thread, "name": "  "}))
        .await
        .unwrap_err();
    assert_eq!(blank.message, "thread name must not be empty");
    client
        .call_raw("thread/name/set", json!({"threadId": thread, "name": " My name "}))
        .await
        .unwrap();
    let updated = client.next::<ThreadNameUpdatedNotification>().await;
    assert_eq!(updated.thread_name.as_deref(), Some("My name"));
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(read["thread"]["name"], "My name");
}

async fn unsubscribed_clients_hear_nothing(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let first = client
        .call_raw("thread/unsubscribe", json!({"threadId": thread}))
        .await
        .unwrap();
    let second = client
        .call_raw("thread/unsubscribe", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(
        (&first["status"], &second["status"]),
        (&json!("unsubscribed"), &json!("notSubscribed"))
    );
    server.model.say("unheard");
    client.begin(&thread, "hello").await;
    client
        .next_where(|n: &ThreadStatusChangedNotification| matches!(n.status, ThreadStatus::Active { .. }))
        .await;
    client
        .next_where(|n: &ThreadStatusChangedNotification| matches!(n.status, ThreadStatus::Idle))
        .await;
    assert!(
        !client
            .methods()
            .iter()
            .any(|m| m.starts_with("item/") || m.starts_with("turn/"))
    );
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([thread]));
}

async fn pages_of_the_list_meet_without_gap_or_overlap(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let mut threads = Vec::new();
    for n in 0..7 {
        let thread = client.thread().await;
        server.model.say("ok");
        client.turn(&thread, &format!("message {n}")).await;
        threads.push(thread);
    }
    threads.reverse();
    let mut seen = Vec::new();
    let mut cursor = serde_json::Value::Null;
    loop {
        let page = client
            .call_raw("thread/list", json!({"limit": 3, "cursor": cursor}))
            .await
            .unwrap();
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|t| t["id"].as_str().unwrap().to_string()),
        );
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, threads);
}

#[tokio::test]
async fn a_thread_that_nobody_needs_is_unloaded_and_taken_up_again() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    std::fs::write(server.home().join("greenroom.toml"), "idle_unload_minutes = 0\n").unwrap();
    server.launch().await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("answer");
    client.turn(&thread, "question").await;
    client
        .call_raw("thread/unsubscribe", json!({"threadId": thread}))
        .await
        .unwrap();
    client
        .next_where(|n: &ThreadStatusChangedNotification| matches!(n.status, ThreadStatus::NotLoaded))
        .await;
    assert_eq!(client.next::<ThreadClosedNotification>().await.thread_id, thread);
    let loaded = client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert_eq!(loaded["data"], json!([]));
    let resumed = client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(resumed["thread"]["turns"].as_array().unwrap().len(), 1);
    server.model.say("another");
    assert_eq!(client.turn(&thread, "more").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn a_model_that_knew_of_other_roots_is_told_of_these_after_a_restart() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let other = server.home().join("other-root");
    std::fs::create_dir(&other).unwrap();
    let start = json!({
        "cwd": server.work(), "sandbox": "workspace-write", "runtimeWorkspaceRoots": [server.work(), other],
    });
    let started = client.call_raw("thread/start", start).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap();
    server.model.say("one");
    client.turn(thread, "first").await;
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let mut told = Vec::new();
    // Without the other root, then with it again.
    for roots in [json!(null), json!([server.work(), other])] {
        let mut resume = json!({"threadId": thread, "sandbox": "workspace-write"});
        if !roots.is_null() {
            client
                .call_raw("thread/unsubscribe", json!({"threadId": thread}))
                .await
                .unwrap();
            server.kill().await;
            server.launch().await;
            resume["runtimeWorkspaceRoots"] = roots;
        }
        let client = server.client().await;
        client.call_raw("thread/resume", resume).await.unwrap();
        server.model.say("more");
        client.turn(thread, "again").await;
        let request = server.model.requests().pop().unwrap();
        let items = request["input"].as_array().unwrap().iter();
        let sections = items.filter(|item| item.to_string().contains("<permissions instructions>"));
        told.push(
            sections
                .map(|item| item.to_string().contains("other-root"))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(told, [vec![true, false], vec![true, false, true]]);
}
