//! Turns with a provider that speaks Chat Completions.

use greenroom::protocol::{ErrorNotification, ThreadItem, TurnStatus};
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

async fn server() -> (TestServer, Client) {
    let flags = [
        "-c",
        "model_providers.scripted.wire_api=chat",
        "-c",
        "model=local-model",
    ];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    (server, client)
}

/// A call in two fragments, as most servers send it.
fn call(index: u32, id: &str, name: &str, arguments: &str) -> [Value; 2] {
    let (head, tail) = arguments.split_at(arguments.len() / 2);
    [
        json!({"tool_calls": [{"index": index, "id": id, "type": "function",
            "function": {"name": name, "arguments": head}}]}),
        json!({"tool_calls": [{"index": index, "function": {"arguments": tail}}]}),
    ]
}

#[tokio::test]
async fn the_model_thinks_calls_and_answers() {
    let (server, client) = server().await;
    let mut deltas = vec![
        json!({"role": "assistant", "content": "", "reasoning_content": "Let me"}),
        json!({"reasoning_content": " look."}),
        json!({"content": "Looking"}),
    ];
    deltas.extend(call(0, "c1", "exec_command", &json!({"cmd": "echo one"}).to_string()));
    deltas.extend(call(1, "c2", "update_plan", &json!({"plan": []}).to_string()));
    server.model.add(Reply::chat(&deltas, "tool_calls"));
    server.model.add(Reply::chat(
        &[json!({"content": "It is "}), json!({"content": "one."})],
        "stop",
    ));
    let thread = client.thread().await;
    let turn = client.turn(&thread, "What is it?").await;
    assert_eq!(turn.status, TurnStatus::Completed);

    let asked = server.model.requests();
    let names: Vec<_> = asked[0]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["type"])
        .collect();
    assert!(names.iter().all(|kind| **kind == "function"), "{names:?}");
    assert_eq!(
        (&asked[0]["model"], &asked[0]["stream"]),
        (&json!("local-model"), &json!(true))
    );
    let first = asked[0]["messages"].as_array().unwrap();
    let roles = |messages: &[Value]| {
        messages
            .iter()
            .map(|m| m["role"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(roles(first), ["system", "user"]);
    assert!(first[1]["content"].as_str().unwrap().ends_with("What is it?"));
    let second = asked[1]["messages"].as_array().unwrap();
    assert_eq!(roles(second), ["system", "user", "assistant", "tool", "tool"]);
    assert_eq!(second[2]["content"], "Looking");
    assert_eq!(second[2]["tool_calls"][0]["function"]["name"], "exec_command");
    assert_eq!(second[3]["tool_call_id"], "c1");
    assert!(second[3]["content"].as_str().unwrap().contains("one"), "{}", second[3]);
    assert_eq!(second[4]["tool_call_id"], "c2");

    let log = client.log();
    let texts: String = log
        .iter()
        .filter(|message| message["method"] == "item/agentMessage/delta")
        .map(|message| message["params"]["delta"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, "LookingIt is one.");
    let usage = log
        .iter()
        .rfind(|message| message["method"] == "thread/tokenUsage/updated")
        .unwrap();
    assert_eq!(usage["params"]["tokenUsage"]["last"]["cachedInputTokens"], 40);
    let completed = log.iter().filter(|message| message["method"] == "item/completed");
    let kinds: Vec<_> = completed
        .map(|message| message["params"]["item"]["type"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["reasoning", "agentMessage", "commandExecution"] {
        assert!(kinds.iter().any(|known| known == kind), "{kind}: {kinds:?}");
    }
}

#[tokio::test]
async fn a_tool_of_free_text_is_a_function_with_one_string() {
    let flags = ["-c", "model_providers.scripted.wire_api=chat"];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    let patch = "*** Begin Patch\n*** Add File: made.txt\n+by chat\n*** End Patch\n";
    let arguments = json!({"input": patch}).to_string();
    server
        .model
        .add(Reply::chat(&call(0, "p1", "apply_patch", &arguments), "tool_calls"));
    server.model.add(Reply::chat(&[json!({"content": "Done."})], "stop"));
    let thread = client.thread().await;
    let turn = client.turn(&thread, "Make it").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert_eq!(
        std::fs::read_to_string(server.work().join("made.txt")).unwrap(),
        "by chat\n"
    );
    let asked = server.model.requests();
    let offered = asked[0]["tools"].as_array().unwrap();
    let tool = offered
        .iter()
        .find(|tool| tool["function"]["name"] == "apply_patch")
        .unwrap();
    assert_eq!(tool["function"]["parameters"]["required"], json!(["input"]));
    let messages = asked[1]["messages"].as_array().unwrap();
    let called = &messages[messages.len() - 2]["tool_calls"][0]["function"];
    assert_eq!(called["arguments"], arguments);
}

#[tokio::test]
async fn a_thread_goes_on_with_chat_after_a_restart() {
    let (mut server, client) = server().await;
    server.model.add(Reply::chat(
        &call(0, "c1", "exec_command", r#"{"cmd":"true"}"#),
        "tool_calls",
    ));
    server.model.add(Reply::chat(&[json!({"content": "First."})], "stop"));
    let thread = client.thread().await;
    client.turn(&thread, "one").await;
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    client
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    server.model.add(Reply::chat(&[json!({"content": "Second."})], "stop"));
    let turn = client.turn(&thread, "two").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let asked = server.model.requests();
    let messages = asked.last().unwrap()["messages"].as_array().unwrap();
    let roles: Vec<_> = messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "assistant", "user"]);
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let flags = [
        "-c",
        "model_providers.scripted.wire_api=chat",
        "-c",
        "model_providers.scripted.stream_max_retries=1",
    ];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let half = [json!({"content": "half"})];

    // A stream that breaks is tried again.
    let mut broken = Reply::chat(&half, "stop");
    for _ in 0..3 {
        broken = broken.truncated();
    }
    server.model.add(broken);
    server.model.add(Reply::chat(&[json!({"content": "whole"})], "stop"));
    let turn = client.begin(&thread, "go").await;
    let notice = client.next::<ErrorNotification>().await;
    assert!(notice.will_retry);
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);

    let refused = json!({"error": {"message": "too long", "code": "context_length_exceeded"}});
    let failures = [
        (Reply::chat(&half, "length"), "context window"),
        (Reply::status(400, refused), "context window"),
        (Reply::chat(&half, "content_filter"), "content filter"),
        (Reply::status(400, json!({"error": "no such model"})), "no such model"),
    ];
    for (reply, told) in failures {
        server.model.add(reply);
        // A thread that did not fit is compacted before its next turn.
        let thread = client.thread().await;
        let turn = client.turn(&thread, "go").await;
        assert_eq!(turn.status, TurnStatus::Failed, "{told}");
        let message = turn.error.unwrap().message;
        assert!(message.contains(told), "{told}: {message}");
    }
    server
        .model
        .add(Reply::chat(&[json!({"content": "still here"})], "stop"));
    let turn = client.turn(&thread, "go").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let said = client.log();
    let last = said
        .iter()
        .rfind(|message| message["method"] == "item/completed")
        .unwrap();
    let item: ThreadItem = serde_json::from_value(last["params"]["item"].clone()).unwrap();
    assert!(matches!(item, ThreadItem::AgentMessage { text, .. } if text == "still here"));
}
