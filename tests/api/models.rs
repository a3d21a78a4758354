//! What clients can ask about models, features and ways of working.

use serde_json::{Value, json};

use crate::harness::{Client, TestServer, Transport};

async fn features(client: &Client, params: Value) -> Result<Value, String> {
    let answer = client.call_raw("experimentalFeature/list", params).await;
    answer.map_err(|error| format!("{} {}", error.code, error.message))
}

async fn enabled(client: &Client, name: &str) -> bool {
    let listed = features(client, json!({})).await.unwrap();
    let features = listed["data"].as_array().unwrap();
    let feature = features.iter().find(|feature| feature["name"] == name).unwrap();
    feature["enabled"].as_bool().unwrap()
}

async fn set(client: &Client, enablement: Value) -> Result<Value, String> {
    let params = json!({"enablement": enablement});
    let answer = client.call_raw("experimentalFeature/enablement/set", params).await;
    answer.map_err(|error| error.message)
}

#[tokio::test]
async fn features_are_listed_in_pages() {
    let mut server = TestServer::with(Transport::Stdio, "", &["-c", "features.collab=false"]).await;
    let client = server.client().await;
    let all = features(&client, json!({})).await.unwrap();
    assert_eq!(all["data"].as_array().unwrap().len(), 76);
    assert_eq!(all["nextCursor"], Value::Null);
    let beta = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|feature| feature["name"] == "goals")
        .unwrap();
    assert_eq!(
        (&beta["stage"], beta["displayName"].is_string()),
        (&json!("beta"), true)
    );
    let page = features(&client, json!({"limit": 2})).await.unwrap();
    assert_eq!(
        (page["data"].as_array().unwrap().len(), &page["nextCursor"]),
        (2, &json!("2"))
    );
    let next = features(&client, json!({"limit": 0, "cursor": "2"})).await.unwrap();
    assert_eq!(next["data"], json!([all["data"][2]]));
    assert_eq!(
        features(&client, json!({"cursor": "76"})).await.unwrap()["data"],
        json!([])
    );
    assert_eq!(
        features(&client, json!({"cursor": "x"})).await.unwrap_err(),
        "-32600 invalid cursor: x"
    );
    assert_eq!(
        features(&client, json!({"cursor": "77"})).await.unwrap_err(),
        "-32600 cursor 77 exceeds total feature flags 76"
    );
    assert!(
        !enabled(&client, "multi_agent").await,
        "an older name counts for the present one"
    );
}

#[tokio::test]
async fn features_are_switched_while_the_server_runs() {
    let mut server = TestServer::with(Transport::Stdio, "[features]\ntool_search = false\n", &[]).await;
    let client = server.client().await;
    assert_eq!(
        set(&client, json!({"mentions_v2": true, "tool_search": true}))
            .await
            .unwrap(),
        json!({"enablement": {"mentions_v2": true, "tool_search": true}})
    );
    assert!(enabled(&client, "mentions_v2").await);
    assert!(
        !enabled(&client, "tool_search").await,
        "what the configuration says counts more"
    );
    let refusals = [
        (
            json!({"apps": false, "zz": true}),
            "invalid feature enablement `zz`".to_owned(),
        ),
        (
            json!({"collab": true}),
            "invalid feature enablement `collab`: use canonical feature key `multi_agent`".to_owned(),
        ),
    ];
    for (enablement, refusal) in refusals {
        assert_eq!(set(&client, enablement).await.unwrap_err(), refusal);
    }
    let refusal = set(&client, json!({"shell_tool": true})).await.unwrap_err();
    assert!(
        refusal.starts_with("unsupported feature enablement `shell_tool`: currently supported features are apps, ")
    );
    assert!(enabled(&client, "apps").await, "one bad key refuses them all");
}

#[tokio::test]
async fn modes_and_capabilities_are_told() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let modes = client.call_raw("collaborationMode/list", json!({})).await.unwrap();
    let names: Vec<_> = modes["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mode| mode["name"].clone())
        .collect();
    assert_eq!(names, ["Plan", "Default"]);
    assert_eq!(modes["data"][0]["reasoning_effort"], "medium");
    let capabilities = client
        .call_raw("modelProvider/capabilities/read", json!({}))
        .await
        .unwrap();
    assert_eq!(
        capabilities,
        json!({"imageGeneration": true, "namespaceTools": true, "webSearch": true})
    );
}

#[tokio::test]
async fn a_thread_warns_of_unfinished_features_and_old_policies() {
    let config = "[features]\ncode_mode = true\n";
    let mut server = TestServer::with(Transport::Stdio, config, &[]).await;
    let client = server.client().await;
    let params = json!({"approvalPolicy": "on-failure"});
    client.call_raw("thread/start", params).await.unwrap();
    let log = client
        .until("two warnings", |log| {
            log.iter().filter(|message| message["method"] == "warning").count() == 2
        })
        .await;
    let at = |method: &str| log.iter().position(|message| message["method"] == method).unwrap();
    assert!(at("thread/started") < at("warning"));
    let texts: Vec<_> = log
        .iter()
        .filter_map(|message| message["params"]["message"].as_str())
        .collect();
    assert!(
        texts[0].contains("code_mode") && texts[1].contains("on-failure"),
        "{texts:?}"
    );
}
