//! A fresh machine: no key, no provider, and still a working agent that says what it is.

use std::process::Stdio;

use greenroom::protocol::*;

use crate::harness::{Client, binary};

async fn exec(arguments: &[&str], folder: &std::path::Path) -> std::process::Output {
    tokio::process::Command::new(binary())
        .arg("exec")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("GREENROOM_HOME", folder.join("home"))
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn without_any_configuration_the_rehearsal_model_answers_and_names_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = tokio::process::Command::new(binary())
        .args(["app-server", "--listen", "stdio://"])
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .env("HOME", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let client = Client::over_stdio(child.stdin.take().unwrap(), child.stdout.take().unwrap());
    client.initialize().await;
    let account = client.call_raw("account/read", serde_json::json!({})).await.unwrap();
    assert_eq!(
        account,
        serde_json::json!({"account": null, "requiresOpenaiAuth": false})
    );
    let thread = client.thread().await;
    let turn = client.turn(&thread, "say hello world").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let said: String = client
        .log()
        .iter()
        .filter(|m| m["method"] == "item/agentMessage/delta")
        .map(|m| m["params"]["delta"].as_str().unwrap())
        .collect();
    assert!(
        said.contains("hello world") && said.to_lowercase().contains("rehearsal"),
        "{said}"
    );
}

#[tokio::test]
async fn exec_prints_the_answer_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let output = exec(&["say good morning"], folder.path()).await;
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(stdout.contains("good morning"), "{stdout}");
}

#[tokio::test]
async fn exec_creates_a_file_when_told_yes_and_prints_events_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let output = exec(&["--yes", "--json", "create hello.txt with hi there"], folder.path()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(
        std::fs::read_to_string(folder.path().join("hello.txt")).unwrap().trim(),
        "hi there"
    );
    let stdout = String::from_utf8_lossy(&output.stdout);
    let events: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["method"] == "turn/completed"));
}

#[tokio::test]
async fn exec_refuses_what_nobody_may_approve() {
    let folder = tempfile::tempdir().unwrap();
    let output = exec(&["run `touch made`"], folder.path()).await;
    assert!(!folder.path().join("made").exists(), "{output:?}");
}
