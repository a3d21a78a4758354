//! The configuration: read with its layers, changed value by value.

use std::fs;

use greenroom::protocol::{ConfigWarningNotification, WarningNotification};
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
    for (path, value, complaint) in [
        (
            "projects",
            json!({"/p": {"trust_level": "x"}}),
            "unknown variant `x`, expected `trusted` or `untrusted`\nin `projects./p.trust_level`\n",
        ),
        (
            "mcp_servers",
            json!({"a": {"args": []}}),
            "invalid transport\nin `mcp_servers.a`\n",
        ),
        (
            "model_providers",
            json!({"p": {"base_url": "http://x"}}),
            "model_providers.p: provider name must not be empty\nin `model_providers`\n",
        ),
        (
            "sandbox_workspace_write.writable_roots",
            json!(["relative"]),
            "AbsolutePathBuf deserialized without a base path\nin `sandbox_workspace_write.writable_roots`\n",
        ),
    ] {
        let refused = write(&client, path, value, "replace").await.unwrap_err();
        assert_eq!(refused, wrong(&format!("Invalid configuration: {complaint}")));
    }
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

#[tokio::test]
async fn a_broken_file_starts_no_thread_and_takes_nothing_from_those_that_run() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("one");
    client.turn(&thread, "hello").await;
    let file = server.home().join("config.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, "broken = = 1\n").unwrap();
    let why = format!("{}:1:10: extra `=`, expected nothing", file.display());
    for (method, params, code, before) in [
        ("thread/start", json!({}), -32600, "failed to load configuration"),
        (
            "thread/fork",
            json!({"threadId": thread}),
            -32600,
            "failed to load configuration",
        ),
        ("skills/list", json!({}), -32603, "failed to reload config"),
        ("experimentalFeature/list", json!({}), -32603, "failed to reload config"),
        (
            "configRequirements/read",
            Value::Null,
            -32603,
            "failed to read configuration layers",
        ),
    ] {
        let error = client.call_raw(method, params).await.unwrap_err();
        assert_eq!(
            (error.code, error.message),
            (code, format!("{before}: {why}")),
            "{method}"
        );
    }
    let hooks = client.call_raw("hooks/list", json!({})).await.unwrap();
    assert_eq!(
        hooks["data"][0]["errors"],
        json!([{"path": server.work(), "message": why}])
    );
    // What does not depend on it, or depends on what it was, goes on.
    let listed = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(listed["data"][0]["id"], json!(thread));
    let touch = json!({"command": ["touch", server.home().join("touched")]});
    let touched = client.call_raw("command/exec", touch).await.unwrap();
    assert_eq!(touched["exitCode"], 0, "the sandbox is the one of before: {touched}");
    server.model.say("two");
    client.turn(&thread, "again").await;
    fs::write(&file, good).unwrap();
    client.call_raw("thread/start", json!({})).await.unwrap();
}

#[tokio::test]
async fn what_does_not_count_of_a_project_is_told() {
    let mut server = TestServer::start(Transport::Stdio).await;
    let project = server.work();
    fs::create_dir_all(project.join(".codex")).unwrap();
    fs::create_dir_all(project.join(".git")).unwrap();
    let file = project.join(".codex/config.toml");
    fs::write(&file, "notify = [\"rm\"]\nmodel_provider = \"theirs\"\n").unwrap();
    let client = server.client().await;
    let warned = client.next::<ConfigWarningNotification>().await;
    assert_eq!(
        warned.summary,
        format!(
            "Project-local config, hooks, and exec policies are disabled in the following folders until the project is \
             trusted, but skills still load.\n    1. {0}/.codex\n       To load project-local config, hooks, and exec \
             policies, add {0} as a trusted project in {1}/config.toml.\n",
            project.display(),
            server.home().display()
        )
    );
    let trust = json!({project.to_str().unwrap(): {"trust_level": "trusted"}});
    write(&client, "projects", trust, "upsert").await.unwrap();
    let thread = client.thread().await;
    let warned = client.next::<WarningNotification>().await;
    let ignored = format!(
        "Ignored unsupported project-local config keys in {}: model_provider, notify. If you want these settings to apply, \
         manually set them in your user-level config.toml.",
        file.display()
    );
    assert_eq!((warned.thread_id, warned.message), (Some(thread), ignored));
}
