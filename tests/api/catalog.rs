//! Which models are known: catalogs of files, and of providers who list their models.

use std::path::Path;

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, ScriptedModel, TestServer, Transport, home_with};

/// A model of a catalog, with some members changed.
fn model(slug: &str, changes: Value) -> Value {
    let mut model = json!({
        "slug": slug, "display_name": slug.to_uppercase(), "description": "d", "supported_reasoning_levels": [],
        "shell_type": "shell_command", "visibility": "list", "supported_in_api": true, "priority": 1,
        "base_instructions": format!("You are {slug}."), "supports_reasoning_summaries": false,
        "support_verbosity": false, "truncation_policy": {"mode": "tokens", "limit": 1000},
        "supports_parallel_tool_calls": true, "experimental_supported_tools": []
    });
    for (member, value) in changes.as_object().unwrap() {
        model[member] = value.clone();
    }
    model
}

/// A server with a catalog of its own.
async fn server_with(models: &[Value]) -> TestServer {
    let scripted = ScriptedModel::start().await;
    let root = home_with(&scripted, "model_catalog_json = \"catalog.json\"");
    let catalog = json!({"models": models}).to_string();
    std::fs::write(root.path().join("home/catalog.json"), catalog).unwrap();
    TestServer::on(root, scripted, Transport::Stdio, &[]).await
}

const TOKEN: &[&str] = &[
    "-c",
    "model_providers.scripted.auth={ command = \"echo\", args = [\"secret\"] }",
];

async fn listed(client: &Client) -> Vec<String> {
    let list = client
        .call_raw("model/list", json!({"includeHidden": true}))
        .await
        .unwrap();
    let models = list["data"].as_array().unwrap();
    models
        .iter()
        .map(|model| model["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn thread(client: &Client, params: Value) -> String {
    let started = client.call_raw("thread/start", params).await.unwrap();
    started["thread"]["id"].as_str().unwrap().to_owned()
}

/// What the provider is asked for in the first turn of a thread, and the window that clients are told.
async fn asked(server: &TestServer, client: &Client, params: Value) -> (Value, Option<i64>) {
    let thread = thread(client, params).await;
    client.turn(&thread, "hello").await;
    let told = |told: &ThreadTokenUsageUpdatedNotification| told.thread_id == thread;
    let usage = client.next_where::<ThreadTokenUsageUpdatedNotification>(told).await;
    let request = server.model.requests().pop().unwrap();
    (request, usage.token_usage.model_context_window)
}

fn tools(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().unwrap().iter();
    tools
        .filter_map(|tool| tool["name"].as_str().or(tool["type"].as_str()))
        .collect()
}

#[tokio::test]
async fn a_file_says_which_models_there_are_and_what_they_can_do() {
    let efforts = json!([{"effort": "low", "description": "L"}, {"effort": "high", "description": "H"}]);
    let able = json!({
        "priority": 0, "supports_reasoning_summaries": true, "default_reasoning_level": "high",
        "supported_reasoning_levels": efforts, "default_reasoning_summary": "detailed", "support_verbosity": true,
        "default_verbosity": "high", "apply_patch_tool_type": "freeform", "web_search_tool_type": "text_and_image",
        "context_window": 4000, "max_context_window": 8000, "effective_context_window_percent": 50,
        "supports_parallel_tool_calls": false, "input_modalities": ["text"],
        "service_tiers": [{"id": "t1", "name": "T", "description": "td"}], "additional_speed_tiers": ["fast"],
        "availability_nux": {"message": "new"}, "upgrade": {"model": "plain", "migration_markdown": "go"},
        "model_messages": {"instructions_template": "<{{ personality }}>", "instructions_variables":
            {"personality_default": "D", "personality_friendly": "F", "personality_pragmatic": "P"}}
    });
    let hidden = json!({"visibility": "none", "shell_type": "disabled", "model_messages": {}});
    let models = [
        model("plain", json!({})),
        model("able", able),
        model("hidden", hidden),
        model("of-an-account", json!({"supported_in_api": false})),
    ];
    let mut server = server_with(&models).await;
    let client = server.client().await;
    assert_eq!(listed(&client).await, ["able", "plain", "hidden"]);
    let list = client.call_raw("model/list", json!({})).await.unwrap();
    let shown = json!({
        "id": "able", "model": "able", "displayName": "ABLE", "description": "d", "hidden": false, "isDefault": true,
        "defaultReasoningEffort": "high", "inputModalities": ["text"], "supportsPersonality": true,
        "supportedReasoningEfforts": [{"reasoningEffort": "low", "description": "L"},
            {"reasoningEffort": "high", "description": "H"}],
        "additionalSpeedTiers": ["fast"], "serviceTiers": [{"id": "t1", "name": "T", "description": "td"}],
        "availabilityNux": {"message": "new"}, "upgrade": "plain",
        "upgradeInfo": {"model": "plain", "migrationMarkdown": "go", "modelLink": null, "upgradeCopy": null}
    });
    assert_eq!(list["data"][0], shown);

    let (plain, window) = asked(&server, &client, json!({"model": "plain"})).await;
    assert_eq!((&plain["instructions"], window), (&json!("You are plain."), None));
    assert_eq!(
        (&plain["reasoning"], &plain["parallel_tool_calls"]),
        (&Value::Null, &json!(true))
    );
    assert!(!tools(&plain).contains(&"apply_patch") && plain["text"].is_null());
    let search = |request: &Value| {
        let tools = request["tools"].as_array().unwrap();
        tools.iter().find(|tool| tool["type"] == "web_search").unwrap()["search_content_types"].clone()
    };
    assert_eq!(search(&plain), Value::Null);

    let able = json!({"model": "ns/able-2", "personality": "friendly", "serviceTier": "t1"});
    let (able, window) = asked(&server, &client, able).await;
    assert_eq!((&able["instructions"], window), (&json!("<F>"), Some(2000)));
    assert_eq!(able["reasoning"], json!({"effort": "high", "summary": "detailed"}));
    assert_eq!(
        (&able["text"], &able["service_tier"]),
        (&json!({"verbosity": "high"}), &json!("t1"))
    );
    assert_eq!(able["parallel_tool_calls"], json!(false));
    assert!(tools(&able).contains(&"apply_patch"));
    assert_eq!(search(&able), json!(["text", "image"]));

    let wide = json!({"model": "able", "config": {"model_context_window": 9000}});
    assert_eq!(asked(&server, &client, wide).await.1, Some(4000));
    let once = |model: &str| json!({"model": model, "config": {"features.unified_exec": false}});
    let (with, _) = asked(&server, &client, once("plain")).await;
    let (without, _) = asked(&server, &client, once("hidden")).await;
    assert_eq!(without["instructions"], "You are hidden.");
    assert!(tools(&with).contains(&"shell_command"));
    assert!(
        !tools(&without)
            .iter()
            .any(|tool| tool.contains("shell") || tool.contains("exec"))
    );

    // A name that the catalog does not have is an unknown one, bundled or not.
    let unknown = thread(&client, json!({"model": "gpt-5.4"})).await;
    client.turn(&unknown, "hello").await;
    let warning = client.next::<WarningNotification>().await;
    assert!(warning.message.starts_with("Model metadata for `gpt-5.4` not found."));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_and_nothing_starts() {
    let mut server = TestServer::with(Transport::Ws, "model_catalog_json = \"catalog.json\"", &[]).await;
    let refused = |client: Client| async move {
        let warning = client.next::<ConfigWarningNotification>().await;
        assert_eq!(warning.summary, "Invalid configuration; using defaults.");
        assert_eq!((warning.path, warning.range), (None, None));
        assert_eq!(listed(&client).await[0], "gpt-5.5");
        let started = client.call_raw("thread/start", json!({})).await.unwrap_err();
        let details = warning.details.unwrap();
        assert_eq!(started.message, format!("failed to load configuration: {details}"));
        let read = client.call_raw("config/read", json!({})).await.unwrap_err();
        assert_eq!(
            read.message,
            format!("failed to resolve feature override precedence: {details}")
        );
        details
    };
    let details = refused(server.client().await).await;
    assert_eq!(details, "No such file or directory (os error 2)");
    let file = server.home().join("catalog.json");
    std::fs::write(&file, r#"{"models":[{}]}"#).unwrap();
    server.kill().await;
    server.launch().await;
    let details = refused(server.client().await).await;
    let why = "as JSON: missing field `slug` at line 1 column 13";
    assert_eq!(
        details,
        format!("failed to parse model_catalog_json path `{}` {why}", file.display())
    );

    // The catalog is the process's own: it stays until the next start.
    std::fs::write(&file, json!({"models": [model("own", json!({}))]}).to_string()).unwrap();
    let client = server.client().await;
    assert_eq!(listed(&client).await[0], "gpt-5.5");
    server.kill().await;
    server.launch().await;
    assert_eq!(listed(&server.client().await).await, ["own"]);
}

fn cached(home: &Path) -> Value {
    let text = std::fs::read_to_string(home.join("models_cache.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn a_provider_lists_its_models_and_says_when_they_change() {
    let remote = |instructions: &str| model("remote", json!({"priority": -1, "base_instructions": instructions}));
    let mut server = TestServer::with(Transport::Ws, "", TOKEN).await;
    let changed = model("gpt-5.4", json!({"priority": 50, "visibility": "hide"}));
    server.model.list(json!([remote("one"), changed]), "e1");
    let client = server.client().await;
    assert_eq!(server.model.listings().len(), 0);
    let models = listed(&client).await;
    assert_eq!(
        (models[0].as_str(), models[6].as_str(), models.len()),
        ("remote", "gpt-5.4", 8)
    );
    let (request, _) = asked(&server, &client, json!({"model": "remote"})).await;
    assert_eq!(request["instructions"], "one");
    let asked_for = server.model.listings();
    assert_eq!(asked_for.len(), 1, "a list counts for minutes");
    assert!(asked_for[0].starts_with("get /v1/models?client_version=0.131.0 "));
    assert!(asked_for[0].contains("\r\nauthorization: bearer secret\r\n"));
    assert!(asked_for[0].contains("\r\noriginator: ") && asked_for[0].contains("\r\nuser-agent: "));
    let kept = cached(&server.home());
    assert_eq!(
        (&kept["etag"], &kept["client_version"]),
        (&json!("e1"), &json!("0.131.0"))
    );
    assert_eq!(
        (kept["models"].as_array().unwrap().len(), &kept["models"][0]["slug"]),
        (2, &json!("remote"))
    );
    assert!(kept["fetched_at"].is_string());

    // An answer that tells the version known changes nothing, one that tells another does.
    let thread = thread(&client, json!({"model": "remote"})).await;
    server.model.list(json!([remote("two")]), "e2");
    server.model.add(Reply::message(&["hi"]).knowing_models("e1"));
    client.turn(&thread, "hello").await;
    listed(&client).await;
    assert_eq!(server.model.listings().len(), 1);
    server.model.add(Reply::message(&["hi"]).knowing_models("e2"));
    client.turn(&thread, "hello").await;
    assert_eq!(
        listed(&client).await[2],
        "gpt-5.4",
        "what is listed no more is as it was"
    );
    assert_eq!(
        (server.model.listings().len(), &cached(&server.home())["etag"]),
        (2, &json!("e2"))
    );

    // The next process begins with what the home has.
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let (request, _) = asked(&server, &client, json!({"model": "remote"})).await;
    assert_eq!(
        (&request["instructions"], server.model.listings().len()),
        (&json!("two"), 2)
    );
}

#[tokio::test]
async fn a_provider_that_lists_nothing_is_no_obstacle() {
    let mut server = TestServer::with(Transport::Stdio, "", TOKEN).await;
    let client = server.client().await;
    assert_eq!(listed(&client).await.len(), 7);
    client.thread().await;
    assert_eq!(server.model.listings().len(), 2, "it is asked again");
    assert!(!server.home().join("models_cache.json").exists());
    server.model.list(json!([{"slug": "of a later time"}]), "e1");
    assert_eq!(listed(&client).await.len(), 7);
    server.model.list(json!([model("remote", json!({}))]), "e2");
    assert_eq!(listed(&client).await.len(), 8);
}

#[tokio::test]
async fn a_cache_counts_while_it_is_fresh_and_of_this_version() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let file = server.home().join("models_cache.json");
    let long_ago = "2020-01-01T00:00:00Z";
    let now = chrono::Utc::now().to_rfc3339();
    for (fetched_at, version, slug, counts) in [
        (long_ago, "0.131.0", "too-old", false),
        (&now, "0.130.0", "of-another", false),
        ("rubbish", "0.131.0", "rubbish", false),
        (&now, "0.131.0", "fresh-one", true),
    ] {
        let cache = json!({"fetched_at": fetched_at, "client_version": version, "models": [model(slug, json!({}))]});
        std::fs::write(&file, cache.to_string()).unwrap();
        assert_eq!(listed(&client).await.contains(&slug.to_owned()), counts, "{slug}");
    }
    assert_eq!(
        server.model.listings().len(),
        0,
        "a provider without a token command is not asked"
    );
}

#[tokio::test]
async fn a_conversation_too_long_for_its_new_model_is_compacted_by_the_old_one() {
    let models = [
        model("large", json!({"context_window": 100_000})),
        model("small", json!({"context_window": 1000})),
        model("boundless", json!({})),
    ];
    let mut server = server_with(&models).await;
    let client = server.client().await;
    let thread = thread(&client, json!({"model": "large"})).await;
    server.model.add(Reply::message(&["hi"]).of_tokens(2000));
    client.turn(&thread, "first").await;
    let next = async |text: &str, model: &str| {
        let input = json!([{"type": "text", "text": text}]);
        let params = json!({"threadId": thread, "input": input, "model": model});
        let started = client.call_raw("turn/start", params).await.unwrap();
        client.done(started["turn"]["id"].as_str().unwrap()).await
    };
    server.model.add(Reply::message(&["hi"]).of_tokens(2000));
    next("any length", "boundless").await;
    assert_eq!(server.model.requests().len(), 2);
    next("back", "large").await;
    server.model.add(Reply::message(&["hi"]).of_tokens(2000));
    next("once more", "large").await;
    server.model.say("THE SUMMARY");
    server.model.say("done");
    assert_eq!(next("second", "small").await.status, TurnStatus::Completed);
    let requests = server.model.requests();
    let models: Vec<&str> = requests[4..]
        .iter()
        .map(|request| request["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["large", "small"]);
    assert_eq!(requests[4]["tools"], json!([]));
    let last = requests[5]["input"].to_string();
    assert!(last.contains("THE SUMMARY") && last.contains("second"));
    assert!(last.contains("<model_switch>") && last.contains("You are small."));
    // Nothing is left to compact.
    next("third", "small").await;
    assert_eq!(server.model.requests().len(), 7);
}
