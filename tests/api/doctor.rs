//! `greenroom doctor` says what holds and what would fail, and shows no secret; a server that confines less well than it
//! could says so to its clients.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Process, ScriptedModel, TestServer, Transport, home_with};

/// Mounting, and Landlock.
const MOUNTS: [i64; 2] = [165, 442];
const LANDLOCK: [i64; 3] = [444, 445, 446];

async fn doctor(process: &Process, root: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = process.command();
    command
        .arg("doctor")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", root)
        .env("GREENROOM_HOME", root.join("home"))
        .envs(process.env.iter().cloned())
        .current_dir(root.join("work"));
    let output = command.output().await.expect("the doctor runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(!text.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

/// The findings of a level, as `area/name`.
fn of_level(report: &Value, level: &str) -> Vec<String> {
    let findings = report["findings"].as_array().expect("findings").iter();
    findings
        .filter(|finding| finding["level"] == level)
        .map(|finding| {
            format!(
                "{}/{}",
                finding["area"].as_str().unwrap(),
                finding["name"].as_str().unwrap()
            )
        })
        .collect()
}

#[tokio::test]
async fn a_home_that_works_is_healthy() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "hello").await;
    server.indexed().await;
    let address = format!("ws://127.0.0.1:{}", server.port());
    let asked = ["--json", "--listen", &address];
    let (healthy, text) = doctor(&Process::default(), server.root.path(), &asked).await;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let failures = of_level(&report, "failure");
    // A machine without any sandbox fails for that alone.
    assert!(failures.iter().all(|name| name == "sandbox/way"), "{text}");
    assert_eq!(healthy, failures.is_empty());
    assert_eq!(report["healthy"], healthy);
    for (name, part) in [
        ("index", "knows all 1 threads"),
        ("address", "a healthy server listens there already"),
        ("provider", "`scripted`"),
    ] {
        let finding = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|f| f["name"] == name);
        let found = finding.unwrap_or_else(|| panic!("no finding about {name}"));
        assert!(found["text"].as_str().unwrap().contains(part), "{found}");
    }
}

#[tokio::test]
async fn what_would_fail_is_named_and_no_secret_is() {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let config = "model = \"m\"\nmodel_provider = \"p\"\nunheard_of = 1\n[model_providers.p]\nname = \"P\"\n\
                  base_url = \"http://user:SECRET-1@127.0.0.1:1/v1?key=SECRET-2\"\n\
                  experimental_bearer_token = \"SECRET-3\"\nhttp_headers = { \"x-key\" = \"SECRET-4\" }\n";
    std::fs::write(root.path().join("home/config.toml"), config).unwrap();
    let process = Process {
        env: vec![("GREENROOM_ADMIN_TOKEN".into(), "SECRET-5-SECRET-5-SECRET-5".into())],
        ..Process::default()
    };
    let asked = ["--listen", "ws://0.0.0.0:0"];
    let (healthy, text) = doctor(&process, root.path(), &asked).await;
    assert!(!healthy);
    assert!(!text.contains("SECRET"), "{text}");
    for part in [
        "http://127.0.0.1:1/v1",
        "Connection refused",
        "unheard_of",
        "refusing to start non-loopback websocket listener",
        "take a token",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (healthy, text) = doctor(&process, root.path(), &["--offline", "-c", "model_provider=\"none\""]).await;
    assert!(!healthy && text.contains("Model provider `none` not found"), "{text}");
    std::fs::write(root.path().join("home/config.toml"), "model = \n").unwrap();
    std::fs::write(root.path().join("home/greenroom.toml"), "no_such_key = 1\n").unwrap();
    let (healthy, text) = doctor(&process, root.path(), &["--json", "--offline"]).await;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!healthy);
    let failures = of_level(&report, "failure");
    for name in ["settings/settings", "configuration/config.toml"] {
        assert!(failures.iter().any(|failure| failure == name), "{name}: {text}");
    }
}

/// What a client is told about the sandbox.
async fn warning_of(process: Process) -> Option<(String, String)> {
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let mut server = TestServer::started(root, model, Transport::Ws, &[], process).await;
    let client = server.client().await;
    // The last of the notices.
    let log = client
        .until("the notices", |log| {
            log.iter().any(|m| m["method"] == "remoteControl/status/changed")
        })
        .await;
    let warning = log.iter().find(|m| m["method"] == "configWarning")?;
    let text = |name: &str| warning["params"][name].as_str().unwrap_or_default().to_owned();
    Some((text("summary"), text("details")))
}

#[tokio::test]
async fn a_weak_sandbox_is_no_secret() {
    let lacking = |calls: &[i64]| Process {
        lacking: calls.to_vec(),
        ..Process::default()
    };
    let without_mounts = warning_of(lacking(&MOUNTS)).await.expect("a warning");
    assert!(without_mounts.0.contains("install bubblewrap"), "{without_mounts:?}");
    assert!(without_mounts.1.contains("mounts: "), "{without_mounts:?}");
    let nothing = lacking(&[&MOUNTS[..], &LANDLOCK].concat());
    let without_all = warning_of(nothing.clone()).await.expect("a warning");
    assert!(without_all.0.contains("cannot be confined"), "{without_all:?}");
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let asked = ["--json", "-c", "sandbox_mode=\"read-only\""];
    let (healthy, text) = doctor(&nothing, root.path(), &asked).await;
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert!(!healthy && of_level(&report, "failure") == ["sandbox/way"], "{text}");
}
