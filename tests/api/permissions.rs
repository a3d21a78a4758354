//! Permissions beyond the sandbox policy: asked for ahead or with a command, granted in part, for a turn or a session.

use greenroom::protocol::methods::server::{
    ItemCommandExecutionRequestApproval, ItemFileChangeRequestApproval, ItemPermissionsRequestApproval,
};
use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

const FEATURES: &str = "[features]\nrequest_permissions_tool = true\nexec_permission_approvals = true\n";

on_every_transport!(
    a_grant_for_the_turn_holds_for_its_commands_and_patches,
    a_grant_for_the_session_outlives_the_turn,
    a_command_asks_for_more_inside_the_sandbox,
);

async fn reading(transport: Transport, policy: &str) -> TestServer {
    let policy = format!("approval_policy=\"{policy}\"");
    let flags = ["-c", "sandbox_mode=\"read-only\"", "-c", &policy];
    TestServer::with(transport, FEATURES, &flags).await
}

fn run(cmd: &str, id: &str) -> Reply {
    Reply::call("exec_command", json!({"cmd": cmd, "login": false}), id)
}

fn wish(permissions: Value, id: &str) -> Reply {
    Reply::call(
        "request_permissions",
        json!({"permissions": permissions, "reason": "why"}),
        id,
    )
}

fn add(name: &str, id: &str) -> Reply {
    let patch = format!("*** Begin Patch\n*** Add File: {name}\n+one\n*** End Patch");
    Reply::custom("apply_patch", &patch, id)
}

/// Answers the next request for permissions.
async fn grant(client: &Client, answer: impl FnOnce(&PermissionsRequestApprovalParams) -> Value) {
    let (id, asked) = client.asked::<ItemPermissionsRequestApproval>().await;
    client.reply(&id, answer(&asked));
}

fn told(server: &TestServer, call: &str) -> Value {
    let output = server.model.output_of(call).expect("an output");
    serde_json::from_str(output.as_str().expect("a text")).expect("JSON")
}

async fn a_grant_for_the_turn_holds_for_its_commands_and_patches(transport: Transport) {
    let mut server = reading(transport, "on-request").await;
    let client = server.client().await;
    let thread = client.thread().await;
    let work = server.work();
    server
        .model
        .add(wish(json!({"file_system": {"write": [work, "/opt"]}}), "c1"));
    server.model.add(run("touch made; mkdir -p elsewhere", "c2"));
    server.model.add(add("patched", "c3"));
    server.model.add(add(".codex/config.toml", "c4"));
    let turn = client.begin(&thread, "go").await;
    let writes = json!({"permissions": {"fileSystem": {"write": [work, "/etc"]}}});
    grant(&client, |asked| {
        let files = asked.permissions.file_system.clone().expect("files");
        assert_eq!((files.write.map(|write| write.len()), files.read), (Some(2), None));
        assert_eq!(
            (asked.reason.as_deref(), asked.permissions.network.is_some()),
            (Some("why"), false)
        );
        writes
    })
    .await;
    let (id, _) = client.asked::<ItemFileChangeRequestApproval>().await;
    client.reply(&id, json!({"decision": "decline"}));
    client.done(&turn).await;
    assert_eq!(
        told(&server, "c1"),
        json!({"permissions": {"network": null, "file_system": {"write": [work]}}, "scope": "turn"})
    );
    assert!(work.join("made").exists() && work.join("patched").exists());
    assert!(
        !work.join(".codex").exists(),
        "what steers the agent is still asked about"
    );

    server.model.add(run("touch late", "c5"));
    client.turn(&thread, "again").await;
    assert!(!work.join("late").exists(), "the grant went with its turn");
}

async fn a_grant_for_the_session_outlives_the_turn(transport: Transport) {
    let mut server = reading(transport, "on-request").await;
    let client = server.client().await;
    let thread = client.thread().await;
    let work = server.work();
    let both = json!({"network": {"enabled": true}, "file_system": {"write": [work]}});
    server.model.add(wish(both, "c1"));
    let turn = client.begin(&thread, "go").await;
    grant(
        &client,
        |asked| json!({"permissions": asked.permissions, "scope": "session"}),
    )
    .await;
    client.done(&turn).await;
    server
        .model
        .add(run("touch late; echo network:$CODEX_SANDBOX_NETWORK_DISABLED:", "c2"));
    client.turn(&thread, "again").await;
    assert!(work.join("late").exists());
    assert!(server.model.output_of("c2").unwrap().to_string().contains("network::"));
}

async fn a_command_asks_for_more_inside_the_sandbox(transport: Transport) {
    let mut server = reading(transport, "on-request").await;
    let client = server.client().await;
    let thread = client.thread().await;
    let outside = server.root.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let ask = |cmd: &str, permissions: Value, id: &str| {
        let arguments = json!({"cmd": cmd, "login": false, "sandbox_permissions": "with_additional_permissions",
            "additional_permissions": permissions, "justification": "May I?"});
        Reply::call("exec_command", arguments, id)
    };
    server.model.add(ask(
        "touch made ../outside/made",
        json!({"file_system": {"write": [server.work()]}}),
        "c1",
    ));
    server.model.add(ask("true", json!({}), "c2"));
    let turn = client.begin(&thread, "go").await;
    let (id, asked) = client.asked::<ItemCommandExecutionRequestApproval>().await;
    let permissions = asked.additional_permissions.expect("what it asks for");
    assert_eq!(
        permissions
            .file_system
            .and_then(|files| files.write)
            .map(|write| write.len()),
        Some(1)
    );
    assert_eq!(asked.reason.as_deref(), Some("May I?"));
    assert_eq!(
        asked.available_decisions,
        Some(vec![
            CommandExecutionApprovalDecision::Accept,
            CommandExecutionApprovalDecision::Cancel
        ])
    );
    client.reply(&id, json!({"decision": "accept"}));
    client.done(&turn).await;
    assert!(server.work().join("made").exists());
    assert!(!outside.join("made").exists(), "it stays in the sandbox");
    assert_eq!(
        server.model.output_of("c2").unwrap(),
        "`additional_permissions` must include at least one requested permission in `network` or `file_system`"
    );
}

#[tokio::test]
async fn an_answer_that_is_none_grants_nothing() {
    let mut server = reading(Transport::Ws, "on-request").await;
    let client = server.client().await;
    let thread = client.thread().await;
    let network = json!({"network": {"enabled": true}});
    let answers = [
        json!({"bogus": 1}),
        json!({"permissions": {}}),
        json!({"permissions": network, "scope": "forever"}),
        json!({"permissions": {"fileSystem": {"write": ["relative"]}}}),
        json!({"permissions": network, "scope": "session", "strictAutoReview": true}),
    ];
    for index in 0..answers.len() {
        server.model.add(wish(network.clone(), &format!("c{index}")));
    }
    server.model.add(wish(network.clone(), "error"));
    let turn = client.begin(&thread, "go").await;
    for answer in answers.clone() {
        grant(&client, |_| answer).await;
    }
    let (id, _) = client.asked::<ItemPermissionsRequestApproval>().await;
    client.send(json!({"id": id, "error": {"code": -1, "message": "no"}}));
    assert_eq!(client.done(&turn).await.status, TurnStatus::Completed);
    let nothing = json!({"permissions": {"network": null, "file_system": null}, "scope": "turn"});
    for call in ["c0", "c1", "c2", "c3", "c4", "error"] {
        assert_eq!(told(&server, call), nothing, "{call}");
    }
}

#[tokio::test]
async fn a_request_for_permissions_outlives_its_client() {
    let mut server = reading(Transport::Ws, "on-request").await;
    let first = server.client().await;
    let thread = first.thread().await;
    server.model.add(wish(json!({"network": {"enabled": true}}), "c1"));
    let turn = first.begin(&thread, "go").await;
    let (id, _) = first.asked::<ItemPermissionsRequestApproval>().await;
    first.close();
    first.closed().await;
    let second = server.client().await;
    let resumed = second
        .call_raw("thread/resume", json!({"threadId": thread}))
        .await
        .unwrap();
    assert_eq!(resumed["thread"]["status"]["activeFlags"], json!(["waitingOnApproval"]));
    let (again, asked) = second.asked::<ItemPermissionsRequestApproval>().await;
    assert_eq!(again, id);
    second.reply(&again, json!({"permissions": asked.permissions}));
    second.done(&turn).await;
    assert_eq!(told(&server, "c1")["permissions"]["network"], json!({"enabled": true}));
}

#[tokio::test]
async fn where_nobody_may_be_asked_nothing_is_granted() {
    let mut server = reading(Transport::Ws, "never").await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(wish(json!({"network": {"enabled": true}}), "c1"));
    client.turn(&thread, "go").await;
    assert_eq!(told(&server, "c1")["permissions"]["network"], Value::Null);
    assert!(
        !client
            .methods()
            .contains(&"item/permissions/requestApproval".to_owned())
    );
}

#[tokio::test]
async fn what_follows_a_strict_grant_is_judged() {
    let mut server = reading(Transport::Ws, "on-request").await;
    let client = server.client().await;
    let thread = client.thread().await;
    server
        .model
        .add(wish(json!({"file_system": {"write": [server.work()]}}), "c1"));
    server.model.add(run("touch made", "c2"));
    server.model.say(r#"{"outcome":"deny","rationale":"not that"}"#);
    server.model.add(wish(json!({"network": {"enabled": true}}), "c4"));
    let turn = client.begin(&thread, "go").await;
    grant(
        &client,
        |asked| json!({"permissions": asked.permissions, "strictAutoReview": true}),
    )
    .await;
    // Who grants more is still the user.
    grant(&client, |_| json!({"permissions": {}})).await;
    client.done(&turn).await;
    let judge = server.model.requests()[2].to_string();
    assert!(
        judge.contains("with_additional_permissions") && judge.contains("touch made"),
        "{judge}"
    );
    assert_eq!(told(&server, "c1")["strict_auto_review"], true);
    assert!(!server.work().join("made").exists());
    // The condition went with the turn.
    server.model.add(run("echo hi", "c3"));
    client.turn(&thread, "again").await;
    assert!(
        !client
            .methods()
            .iter()
            .any(|method| method.contains("commandExecution/requestApproval"))
    );
}

#[tokio::test]
async fn a_judge_grants_permissions_for_the_turn_or_none() {
    let mut server = reading(Transport::Ws, "on-request").await;
    let client = server.client().await;
    let params = json!({"approvalsReviewer": "auto_review"});
    let started = client.call_raw("thread/start", params).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_owned();
    let network = json!({"network": {"enabled": true}});
    server.model.add(wish(network.clone(), "c1"));
    server.model.say(r#"{"outcome":"allow"}"#);
    server.model.add(wish(network, "c2"));
    server.model.say(r#"{"outcome":"deny","rationale":"no"}"#);
    client.turn(&thread, "go").await;
    assert_eq!(told(&server, "c1")["permissions"]["network"], json!({"enabled": true}));
    assert_eq!(told(&server, "c1")["scope"], "turn");
    assert_eq!(told(&server, "c2")["permissions"]["network"], Value::Null);
    assert!(
        !client
            .methods()
            .iter()
            .any(|method| method.contains("permissions/requestApproval"))
    );
}

#[tokio::test]
async fn what_the_sandbox_stops_is_asked_about_where_the_policy_says_so() {
    for (policy, decision, made) in [("on-failure", "accept", true), ("on-failure", "decline", false)] {
        let mut server = reading(Transport::Ws, policy).await;
        let client = server.client().await;
        let thread = client.thread().await;
        server.model.add(run("touch made", "c1"));
        let turn = client.begin(&thread, "go").await;
        let (id, asked) = client.asked::<ItemCommandExecutionRequestApproval>().await;
        assert_eq!(asked.reason.as_deref(), Some("command failed; retry without sandbox?"));
        client.reply(&id, json!({"decision": decision}));
        client.done(&turn).await;
        assert_eq!(server.work().join("made").exists(), made, "{decision}");
        let started = client
            .methods()
            .into_iter()
            .filter(|method| method == "item/started")
            .count();
        assert_eq!(started, 3, "the message of the user, the command once, the answer");
    }
}

#[tokio::test]
async fn a_command_that_was_accepted_under_untrusted_is_not_asked_about_twice() {
    let mut server = reading(Transport::Ws, "untrusted").await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.add(run("touch made", "c1"));
    server.model.say("done");
    let turn = client.begin(&thread, "go").await;
    let (id, asked) = client.asked::<ItemCommandExecutionRequestApproval>().await;
    assert_eq!(asked.reason, None);
    client.reply(&id, json!({"decision": "accept"}));
    client.done(&turn).await;
    assert!(server.work().join("made").exists());
    let methods = client.methods();
    let asked = methods.iter().filter(|method| method.contains("requestApproval"));
    assert_eq!(asked.count(), 1);
}
