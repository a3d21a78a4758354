//! The configuration: read with its layers, changed value by value.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Client, TestServer, Transport};

async fn read(client: &Client, params: Value) -> Value {
    client.call_raw("config/read", params).await.unwrap()
}

async fn write(client: &Client, path: &str, value: Value, strategy: &str) -> Result<Value, (String, Value)> {
    let params = json!({"keyPath": path, "value": value, "mergeStrategy": strategy});
    let written = client.call_raw("config/value/write", params).await;
    written.map_err(|error| {
        (
            error.message,
            error.data.unwrap_or_default()["config_write_error_code"].clone(),
        )
    })
}

#[tokio::test]
async fn what_is_written_is_read_and_what_hides_it_is_named() {
    let mut server = TestServer::with(Transport::Stdio, "", &["-c", "model_verbosity=low"]).await;
    let file = server.home().join("config.toml");
    fs::write(&file, format!("# mine\n{}", fs::read_to_string(&file).unwrap())).unwrap();
    let client = server.client().await;
    let written = write(&client, "model", json!("other"), "replace").await.unwrap();
    assert_eq!((&written["status"], &written["filePath"]), (&json!("ok"), &json!(file)));
    write(
        &client,
        "sandbox_workspace_write",
        json!({"network_access": true}),
        "upsert",
    )
    .await
    .unwrap();
    let hidden = write(&client, "model_verbosity", json!("high"), "replace")
        .await
        .unwrap();
    assert_eq!(hidden["status"], "okOverridden");
    assert_eq!(hidden["overriddenMetadata"]["message"], "Overridden by session flags");
    assert_eq!(hidden["overriddenMetadata"]["effectiveValue"], "low");

    let config = read(&client, json!({"includeLayers": true})).await;
    assert_eq!(config["config"]["model"], "other");
    assert_eq!(
        config["config"]["sandbox_workspace_write"],
        json!({"exclude_slash_tmp": false, "exclude_tmpdir_env_var": false, "network_access": true, "writable_roots": []})
    );
    let sources: Vec<_> = config["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["name"]["type"])
        .collect();
    assert_eq!(sources, ["sessionFlags", "user", "system"]);
    assert_eq!(config["layers"][1]["version"], hidden["version"]);
    let origin = |path: &str| &config["origins"][path]["name"]["type"];
    assert_eq!(
        (origin("model"), origin("model_verbosity")),
        (&json!("user"), &json!("sessionFlags"))
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("# mine\nmodel = \"other\"\n"), "{text}");
}

#[tokio::test]
async fn nothing_is_written_unless_all_of_it_can_be() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let file = server.home().join("config.toml");
    let before = fs::read_to_string(&file).unwrap();
    let wrong = |message: &str| (message.to_owned(), json!("configValidationError"));
    assert_eq!(
        write(&client, "model", json!(5), "replace").await.unwrap_err(),
        wrong("Invalid configuration: invalid type: integer `5`, expected a string\nin `model`\n")
    );
    assert_eq!(
        write(&client, "model.name", json!(1), "replace").await.unwrap_err(),
        wrong("cannot set value on non-table parent")
    );
    let edit = |path: &str, value: Value| json!({"keyPath": path, "value": value, "mergeStrategy": "replace"});
    let edits = json!({"edits": [edit("review_model", json!("a")), edit("", json!("b"))]});
    let error = client.call_raw("config/batchWrite", edits).await.unwrap_err();
    assert_eq!(error.message, "keyPath must not be empty");
    for (extra, code) in [
        (json!({"expectedVersion": "sha256:0"}), "configVersionConflict"),
        (
            json!({"filePath": server.work().join("config.toml")}),
            "configLayerReadonly",
        ),
    ] {
        let mut params = edit("model", json!("x"));
        params
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let error = client.call_raw("config/value/write", params).await.unwrap_err();
        assert_eq!(
            (error.code, &error.data.unwrap()["config_write_error_code"]),
            (-32600, &json!(code))
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), before);

    // The version that was read is the one that is expected.
    let version = read(&client, json!({"includeLayers": true})).await["layers"][0]["version"].clone();
    let edits = json!({"edits": [edit("review_model", json!("a")), edit("review_model", json!(null))],
        "expectedVersion": version, "filePath": file});
    let written = client.call_raw("config/batchWrite", edits).await.unwrap();
    assert_eq!(written["version"], version);

    fs::write(&file, "model = \n").unwrap();
    let error = client.call_raw("config/read", json!({})).await.unwrap_err();
    assert_eq!(
        (error.code, error.message),
        (
            -32603,
            format!(
                "failed to read configuration layers: {}:1:9: string values must be quoted, expected literal string",
                file.display()
            )
        )
    );
}

#[tokio::test]
async fn a_projects_layer_counts_once_it_is_trusted() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let project = server.work();
    fs::create_dir_all(project.join(".codex")).unwrap();
    fs::create_dir_all(project.join(".git")).unwrap();
    fs::write(
        project.join(".codex/config.toml"),
        "review_model = \"theirs\"\nnotify = [\"rm\"]\n",
    )
    .unwrap();
    let params = json!({"includeLayers": true, "cwd": project});
    let untrusted = read(&client, params.clone()).await;
    assert_eq!(untrusted["config"]["review_model"], Value::Null);
    let layer = &untrusted["layers"][0];
    assert_eq!(
        layer["config"],
        json!({"review_model": "theirs"}),
        "a project runs no programs"
    );
    assert!(
        layer["disabledReason"]
            .as_str()
            .unwrap()
            .contains(&format!("add {} as", project.display()))
    );
    let trust = json!({project.to_str().unwrap(): {"trust_level": "trusted"}});
    write(&client, "projects", trust, "upsert").await.unwrap();
    assert_eq!(read(&client, params).await["config"]["review_model"], "theirs");
    assert_eq!(read(&client, json!({})).await["config"]["review_model"], Value::Null);
    let requirements = client.call_raw("configRequirements/read", Value::Null).await.unwrap();
    assert_eq!(requirements, json!({"requirements": null}));
}

#[tokio::test]
async fn loaded_threads_follow_a_reload_with_their_hooks() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let marker = server.work().join("ran");
    let hook = json!([{"hooks": [{"type": "command", "command": format!("touch {}", marker.display())}]}]);
    fs::write(
        server.home().join("hooks.json"),
        json!({"hooks": {"UserPromptSubmit": hook}}).to_string(),
    )
    .unwrap();
    let thread = client.thread().await;
    server.model.say("one");
    client.turn(&thread, "hello").await;
    assert!(!marker.exists(), "nobody trusts it yet");
    let listed = client.call_raw("hooks/list", json!({})).await.unwrap();
    let hook = &listed["data"][0]["hooks"][0];
    let trust = json!({hook["key"].as_str().unwrap(): {"trusted_hash": hook["currentHash"]}});
    let edits = json!({"edits": [{"keyPath": "hooks.state", "value": trust, "mergeStrategy": "upsert"}],
        "reloadUserConfig": true});
    client.call_raw("config/batchWrite", edits).await.unwrap();
    server.model.say("two");
    client.turn(&thread, "again").await;
    assert!(marker.exists());
}
