//! `initialize`, bad input, gating, and the promise of one answer for each request.

use serde_json::json;

use crate::harness::{TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(
    initialize_names_the_home_and_the_platform,
    requests_before_initialize_are_refused,
    a_second_initialize_is_refused,
    junk_does_not_end_the_connection,
    experimental_methods_need_the_capability,
    ten_thousand_pipelined_requests_get_one_answer_each,
    methods_of_later_versions_say_so_by_name,
);

async fn initialize_names_the_home_and_the_platform(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let answer = server.raw().await.initialize().await;
    assert_eq!(answer.codex_home.as_path(), server.home().canonicalize().unwrap());
    assert_eq!(
        (answer.platform_family.as_str(), answer.platform_os.as_str()),
        ("unix", "linux")
    );
    assert!(answer.user_agent.starts_with("tests/"), "{}", answer.user_agent);
}

async fn requests_before_initialize_are_refused(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.raw().await;
    let error = client.call_raw("thread/loaded/list", json!({})).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32600, "Not initialized"));
    let error = client.call_raw("no/such", json!({})).await.unwrap_err();
    assert!(
        error
            .message
            .starts_with("Invalid request: unknown variant `no/such`, expected one of `initialize`")
    );
    client.initialize().await;
    assert_eq!(
        client.call_raw("thread/loaded/list", json!({})).await.unwrap()["data"],
        json!([])
    );
}

async fn a_second_initialize_is_refused(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let params = json!({"clientInfo": {"name": "again", "version": "1"}});
    let error = client.call_raw("initialize", params).await.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (-32600, "Already initialized"));
}

async fn junk_does_not_end_the_connection(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let deep = "[".repeat(100_000);
    for text in [
        "{not json",
        "[]",
        "42",
        "\"text\"",
        "{}",
        r#"{"id": 77}"#,
        r#"{"method": 5, "id": 78}"#,
        &deep,
    ] {
        client.send_text(text.to_string());
    }
    let nested = format!(
        r#"{{"id": "nested", "method": "thread/list", "params": {}1{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    client.send_text(nested);
    client.send(json!({"id": "after", "method": "thread/loaded/list", "params": {}, "jsonrpc": "2.0", "more": 1}));
    client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    assert!(
        client
            .log()
            .iter()
            .any(|m| m["id"] == "after" && m.get("result").is_some())
    );
    assert!(!client.log().iter().any(|m| m["id"] == 77 || m["id"] == 78));
}

async fn experimental_methods_need_the_capability(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.raw().await;
    client
        .call_raw("initialize", json!({"clientInfo": {"name": "plain", "version": "1"}}))
        .await
        .unwrap();
    let error = client
        .call_raw("mock/experimentalMethod", json!({"value": "x"}))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "mock/experimentalMethod requires experimentalApi capability"
    );
    let error = client
        .call_raw("thread/start", json!({"dynamicTools": []}))
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "thread/start.dynamicTools requires experimentalApi capability"
    );
    let error = client.call_raw(
        "thread/start",
        json!({"approvalPolicy": {"granular": {
        "sandbox_approval": true, "rules": true, "mcp_elicitations": true}}}),
    );
    assert_eq!(
        error.await.unwrap_err().message,
        "askForApproval.granular requires experimentalApi capability"
    );
}

async fn ten_thousand_pipelined_requests_get_one_answer_each(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let first = client.start("thread/loaded/list", json!({}));
    let mut last = first;
    for _ in 1..10_000 {
        last = client.start("thread/loaded/list", json!({}));
    }
    for id in [first, last] {
        let _ = client.answer_to(id).await;
    }
    client.call_raw("thread/loaded/list", json!({})).await.unwrap();
    let mut answers = std::collections::HashMap::new();
    for message in client.log() {
        if let Some(id) = message["id"].as_i64().filter(|id| (first..=last).contains(id)) {
            let overloaded = message["error"]["code"] == -32001;
            assert!(overloaded || message.get("result").is_some(), "{message}");
            *answers.entry(id).or_insert(0) += 1;
        }
    }
    assert_eq!(answers.len(), 10_000);
    assert!(answers.values().all(|count| *count == 1));
}

async fn methods_of_later_versions_say_so_by_name(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let error = client.call_raw("plugin/list", json!({})).await.unwrap_err();
    assert!(
        error.code == -32601 && error.message.contains("plugin/list"),
        "{error:?}"
    );
}
