//! The search that the provider runs: what the configuration says of it reaches the request.

use greenroom::protocol::DeprecationNoticeNotification;
use serde_json::{Value, json};

use crate::harness::{TestServer, Transport};

const OPTIONS: &str = r#"
[tools.web_search]
context_size = "high"
allowed_domains = ["docs.rs"]
location = { country = "CH", city = "Bern" }
"#;

/// The offer of the first request under a configuration and flags.
async fn offered(config: &str, flags: &[&str]) -> (TestServer, Value) {
    let mut server = TestServer::with(Transport::Ws, config, flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("done");
    client.turn(&thread, "go").await;
    let request = server.model.requests().remove(0);
    let mut tools = request["tools"].as_array().unwrap().clone();
    tools.retain(|tool| tool["type"] == "web_search");
    (server, tools.pop().unwrap_or_default())
}

#[tokio::test]
async fn options_reach_the_request_and_the_sandbox_decides_about_the_live_web() {
    let confined = ["-c", "sandbox_mode=\"read-only\"", "-c", "web_search=\"cached\""];
    let (_server, offer) = offered(OPTIONS, &confined).await;
    let expected = json!({
        "type": "web_search", "external_web_access": false, "filters": {"allowed_domains": ["docs.rs"]},
        "user_location": {"type": "approximate", "country": "CH", "city": "Bern"}, "search_context_size": "high",
        "search_content_types": ["text", "image"],
    });
    assert_eq!(offer, expected);

    let free = [
        "-c",
        "sandbox_mode=\"danger-full-access\"",
        "-c",
        "web_search=\"cached\"",
    ];
    let (_server, offer) = offered("", &free).await;
    assert_eq!(
        (&offer["external_web_access"], &offer["filters"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn an_old_switch_still_counts_and_is_said_to_be_old() {
    let config = "[features]\nweb_search_request = true\n[tools]\nweb_search = true\n";
    let mut server = TestServer::with(Transport::Ws, config, &["-c", "sandbox_mode=\"read-only\""]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let notice = client.next::<DeprecationNoticeNotification>().await;
    assert!(
        notice
            .summary
            .starts_with("`[features].web_search_request` is deprecated"),
        "{notice:?}"
    );
    server.model.say("done");
    client.turn(&thread, "go").await;
    let request = server.model.requests().remove(0);
    let tools = request["tools"].as_array().unwrap();
    let search = tools.iter().find(|tool| tool["type"] == "web_search").unwrap();
    assert_eq!(search["external_web_access"], true);
}
