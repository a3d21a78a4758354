//! Tools that the model has to search for.

use greenroom::protocol::TurnStatus;
use greenroom::protocol::methods::server::ItemToolCall;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

fn tools() -> Value {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}});
    let tool = |name: &str, description: &str| {
        json!({"namespace": "cal", "name": name, "description": description, "deferLoading": true,
            "inputSchema": schema})
    };
    json!([
        tool("create_event", "Create a calendar event"),
        tool("archive", "Archive a message")
    ])
}

async fn thread(client: &Client, server: &TestServer) -> String {
    let params = json!({"cwd": server.work(), "dynamicTools": tools()});
    let started = client.call_raw("thread/start", params).await.unwrap();
    started["thread"]["id"].as_str().unwrap().to_owned()
}

fn search(call_id: &str, execution: &str) -> Reply {
    let item = json!({"type": "tool_search_call", "call_id": call_id, "status": "completed", "execution": execution,
        "arguments": {"query": "calendar"}});
    Reply::events(vec![json!({"type": "response.output_item.done", "item": item})])
}

fn names(tools: &Value) -> Vec<String> {
    let name = |tool: &Value| {
        tool["name"]
            .as_str()
            .or(tool["function"]["name"].as_str())
            .map(str::to_owned)
    };
    tools.as_array().unwrap().iter().filter_map(name).collect()
}

#[tokio::test]
async fn a_deferred_tool_is_found_and_called() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = thread(&client, &server).await;
    server.model.add(search("s1", "client"));
    let item = json!({"type": "function_call", "call_id": "c1", "namespace": "cal", "name": "create_event",
        "arguments": "{\"title\":\"x\"}"});
    server.model.add(Reply::events(vec![
        json!({"type": "response.output_item.done", "item": item}),
    ]));
    // The provider's own search is the provider's to answer: the turn ends with it.
    server.model.add(search("s2", "server"));
    let turn = client.begin(&thread, "plan it").await;
    let (id, asked) = client.asked::<ItemToolCall>().await;
    assert_eq!(
        (asked.tool.as_str(), asked.namespace.as_deref()),
        ("create_event", Some("cal"))
    );
    client.reply(
        &id,
        json!({"contentItems": [{"type": "inputText", "text": "made"}], "success": true}),
    );
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);

    let requests = server.model.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert!(!names(&request["tools"]).contains(&"cal".to_owned()));
        let kinds: Vec<_> = request["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| &tool["type"])
            .collect();
        assert!(kinds.contains(&&json!("tool_search")));
    }
    let input = requests[2]["input"].as_array().unwrap();
    let found = input.iter().find(|item| item["type"] == "tool_search_output").unwrap();
    assert_eq!(
        (&found["call_id"], &found["execution"]),
        (&json!("s1"), &json!("client"))
    );
    assert_eq!(names(&found["tools"]), ["cal"]);
    assert_eq!(names(&found["tools"][0]["tools"]), ["create_event"]);
    assert_eq!(found["tools"][0]["tools"][0]["defer_loading"], true);
    assert_eq!(server.model.output_of("c1"), Some(json!("made")));
}

#[tokio::test]
async fn without_the_feature_nothing_is_found() {
    let mut server = TestServer::with(Transport::Stdio, "[features]\ntool_search = false\n", &[]).await;
    let client = server.client().await;
    let thread = thread(&client, &server).await;
    server.model.add(search("s1", "client"));
    client.turn(&thread, "plan it").await;
    let request = server.model.requests().pop().unwrap();
    let input = request["input"].as_array().unwrap();
    assert_eq!(input.last().unwrap()["tools"], json!([]));
    assert!(
        request["tools"]
            .as_array()
            .unwrap()
            .iter()
            .all(|tool| tool["type"] != "tool_search")
    );
}

#[tokio::test]
async fn where_there_is_no_search_all_tools_are_shown() {
    let flags = ["-c", "model_providers.scripted.wire_api=chat"];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    let thread = thread(&client, &server).await;
    server.model.add(Reply::chat(&[json!({"content": "ok"})], "stop"));
    client.turn(&thread, "plan it").await;
    let offered = names(&server.model.requests()[0]["tools"]);
    assert!(offered.contains(&"cal__archive".to_owned()), "{offered:?}");
}
