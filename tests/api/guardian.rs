//! Automatic review of approvals: what is allowed runs unasked, all else is not done, and clients hear of each judgement.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(a_judge_answers_in_the_users_place);

/// A thread whose approvals are judged, with nothing writable.
async fn judged(client: &Client) -> String {
    let params = json!({"approvalPolicy": "on-request", "sandbox": "read-only", "approvalsReviewer": "auto_review"});
    let started = client.call_raw("thread/start", params).await.unwrap();
    assert_eq!(started["approvalsReviewer"], "guardian_subagent");
    started["thread"]["id"].as_str().unwrap().to_owned()
}

/// A command that has to be asked about.
fn escalated(server: &TestServer, file: &str, call_id: &str) -> Reply {
    let cmd = format!("touch {}", server.work().join(file).display());
    let arguments = json!({
        "cmd": cmd, "login": false, "sandbox_permissions": "require_escalated", "justification": "it is needed",
    });
    Reply::call("exec_command", arguments, call_id)
}

fn verdict(outcome: &str, rationale: &str) -> String {
    json!({"outcome": outcome, "risk_level": "high", "user_authorization": "low", "rationale": rationale}).to_string()
}

/// All texts of a request's input.
fn texts(request: &Value) -> String {
    let items = request["input"].as_array().expect("input").iter();
    let parts = items.flat_map(|item| item["content"].as_array().into_iter().flatten());
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// What was told about an item and its judgement, in order.
fn told(client: &Client, item: &str) -> Vec<String> {
    let log = client.log();
    let about = log.iter().filter(|message| {
        let params = &message["params"];
        params["item"]["id"] == item || params["targetItemId"] == item || message["method"] == "guardianWarning"
    });
    about
        .map(|message| message["method"].as_str().unwrap().to_owned())
        .collect()
}

async fn a_judge_answers_in_the_users_place(transport: Transport) {
    let mut server = TestServer::start(transport).await;
    let client = server.client().await;
    let thread = judged(&client).await;
    server.model.add(escalated(&server, "allowed", "call_1"));
    server.model.say(r#"{"outcome":"allow"}"#);
    server.model.add(escalated(&server, "denied", "call_2"));
    server.model.say(&verdict("deny", "far too risky"));
    let turn = client.turn(&thread, "do both").await;
    assert_eq!(turn.status, TurnStatus::Completed);
    assert!(server.work().join("allowed").exists() && !server.work().join("denied").exists());
    let denied = told(&client, "call_2");
    assert_eq!(
        denied[denied.len() - 5..],
        [
            "item/started",
            "item/autoApprovalReview/started",
            "guardianWarning",
            "item/autoApprovalReview/completed",
            "item/completed"
        ]
    );
    assert!(!client.methods().iter().any(|method| method.contains("requestApproval")));
    let review = client
        .next_where(|told: &ItemGuardianApprovalReviewCompletedNotification| {
            told.target_item_id.as_deref() == Some("call_2")
        })
        .await
        .review;
    assert_eq!(review.status, GuardianApprovalReviewStatus::Denied);
    assert_eq!(review.risk_level, Some(GuardianRiskLevel::High));
    assert_eq!(review.rationale.as_deref(), Some("far too risky"));
    let output = server.model.output_of("call_2").unwrap();
    assert!(output.as_str().unwrap().contains("far too risky"), "{output}");

    // The judge is asked in a form of its own, and goes on where it was.
    let requests = server.model.requests();
    let (first, second) = (&requests[1], &requests[3]);
    assert_eq!(first["model"], "codex-auto-review");
    assert_eq!(first["reasoning"]["effort"], "low");
    assert_eq!(first["text"]["format"]["strict"], false);
    assert_eq!(first["text"]["format"]["schema"]["required"], json!(["outcome"]));
    assert!(!first["tools"].to_string().contains("spawn_agent"));
    assert!(texts(first).contains("[1] user: do both") && texts(first).contains("it is needed"));
    let asked = second["input"].as_array().unwrap();
    assert_eq!(asked[..3], first["input"].as_array().unwrap()[..3]);
    let again = texts(&json!({"input": asked[3..]}));
    assert!(
        !again.contains("do both") && again.contains("[4] tool exec_command call"),
        "{again}"
    );
    let list = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "nobody lists the judge");
}

#[tokio::test]
async fn a_judge_that_fails_denies() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = judged(&client).await;
    for (number, failure) in [
        Reply::message(&["It looks fine to me."]),
        Reply::status(400, json!({"error": {"message": "no such model"}})),
        Reply::message(&[r#"{"outcome":"allow","risk_level":"none"}"#]),
        Reply::message(&[""]),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("file_{number}");
        server.model.add(escalated(&server, &file, &format!("call_{number}")));
        server.model.add(failure);
        let turn = client.turn(&thread, "go").await;
        assert_eq!(turn.status, TurnStatus::Completed);
        assert!(!server.work().join(&file).exists());
        let review = client
            .next::<ItemGuardianApprovalReviewCompletedNotification>()
            .await
            .review;
        assert_eq!(review.status, GuardianApprovalReviewStatus::Denied);
        assert!(
            review
                .rationale
                .unwrap()
                .starts_with("Automatic approval review failed: ")
        );
    }
}

#[tokio::test]
async fn what_was_denied_can_be_allowed_by_the_user() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = judged(&client).await;
    server.model.add(escalated(&server, "wanted", "call_1"));
    server.model.say(&verdict("deny", "not asked for"));
    client.turn(&thread, "go").await;
    let denied = client.next::<ItemGuardianApprovalReviewCompletedNotification>().await;
    let approve = async |event: Value| {
        let params = json!({"threadId": thread, "event": event});
        client.call_raw("thread/approveGuardianDeniedAction", params).await
    };
    let refused = approve(json!({})).await.unwrap_err();
    assert_eq!(refused.message, "invalid Guardian denial event: missing field `id`");
    let GuardianApprovalReviewAction::Command { command, cwd, .. } = &denied.action else {
        panic!("not a command")
    };
    let kept = json!({
        "id": denied.review_id, "status": "denied",
        "action": {"type": "command", "source": "unified_exec", "command": command, "cwd": cwd},
    });
    let mut harmless = kept.clone();
    harmless["status"] = json!("approved");
    for event in [kept, harmless, serde_json::to_value(&denied).unwrap()] {
        assert_eq!(approve(event).await, Ok(json!({})));
    }
    server.model.add(escalated(&server, "wanted", "call_2"));
    server.model.say(r#"{"outcome":"allow"}"#);
    client.turn(&thread, "again").await;
    assert!(server.work().join("wanted").exists());
    let requests = server.model.requests();
    let consents = |request: &Value| texts(request).matches("Approved action:").count();
    assert_eq!(consents(&requests[3]), 2, "told to the model");
    assert_eq!(consents(&requests[4]), 2, "told to the judge");
}

#[tokio::test]
async fn refusal_after_refusal_ends_the_turn() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = judged(&client).await;
    for number in 0..4 {
        server
            .model
            .add(escalated(&server, &format!("file_{number}"), &format!("call_{number}")));
        server.model.say(&verdict("deny", "no"));
    }
    let turn = client.turn(&thread, "go").await;
    assert_eq!(turn.status, TurnStatus::Interrupted);
    assert_eq!(server.model.requests().len(), 6);
    let why = client
        .next_where(|told: &GuardianWarningNotification| told.message.contains("too many"))
        .await;
    assert!(why.message.contains("(3 consecutive, 3 in the last 50 reviews)"));
    server.model.clear();
    assert_eq!(client.turn(&thread, "on").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn patches_are_judged_and_an_interrupt_ends_the_judge() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = judged(&client).await;
    let patch = "*** Begin Patch\n*** Add File: new.txt\n+one\n*** End Patch";
    server.model.add(Reply::custom("apply_patch", patch, "call_1"));
    server.model.say(r#"{"outcome":"allow"}"#);
    client.turn(&thread, "write").await;
    assert_eq!(std::fs::read_to_string(server.work().join("new.txt")).unwrap(), "one\n");
    let review = client.next::<ItemGuardianApprovalReviewCompletedNotification>().await;
    let files = vec![AbsolutePathBuf::new(server.work().canonicalize().unwrap().join("new.txt")).unwrap()];
    assert!(
        matches!(&review.action, GuardianApprovalReviewAction::ApplyPatch { files: shown, .. } if *shown == files),
        "{review:?}"
    );

    server.model.add(escalated(&server, "never", "call_2"));
    let held = server.model.add(Reply::message(&["x"]).held_before(1));
    let turn = client.begin(&thread, "wait").await;
    held.reached().await;
    client
        .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": turn}))
        .await
        .unwrap();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    held.release();
    assert_eq!(client.turn(&thread, "on").await.status, TurnStatus::Completed);
    let judged = |message: &Value| message["method"] == "item/autoApprovalReview/completed";
    assert_eq!(client.log().iter().filter(|message| judged(message)).count(), 1);
    assert!(!server.work().join("never").exists());
}
