//! Reviews: what clients see of one, what the thread's model learns, copies, interrupts, faults, and what is read later.

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};
use crate::on_every_transport;

on_every_transport!(a_review_shows_as_a_turn_and_leaves_its_result);

const WORDS: &str = "Not yet.\n\nReview comment:\n\n- [P1] Close the file — /work/a.rs:3-4\n  It leaks.";

fn review() -> String {
    json!({
        "findings": [{
            "title": "[P1] Close the file", "body": "It leaks.", "confidence_score": 0.5, "priority": 1,
            "code_location": {"absolute_file_path": "/work/a.rs", "line_range": {"start": 3, "end": 4}},
        }],
        "overall_correctness": "patch is incorrect", "overall_explanation": "Not yet.", "overall_confidence_score": 0.5,
    })
    .to_string()
}

fn custom(thread: &str) -> Value {
    json!({"threadId": thread, "target": {"type": "custom", "instructions": " look "}})
}

async fn start(client: &Client, params: Value) -> ReviewStartResponse {
    let answer = client.call_raw("review/start", params).await.unwrap();
    serde_json::from_value(answer).unwrap()
}

/// The texts of a request's input items.
fn said(request: &Value) -> Vec<String> {
    let items = request["input"].as_array().expect("input").iter();
    let text = |item: &Value| item["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    items.map(text).collect()
}

/// What was told under a turn's id: `method` or `method:item type`.
fn told(client: &Client, turn: &str) -> Vec<String> {
    let log = client.log();
    let about = log.iter().filter_map(|message| {
        let params = &message["params"];
        let id = params["turnId"].as_str().or(params["turn"]["id"].as_str())?;
        let method = message["method"].as_str()?;
        (id == turn).then(|| match params["item"]["type"].as_str() {
            Some(kind) => format!("{method}:{kind}"),
            None => method.to_owned(),
        })
    });
    about.collect()
}

async fn a_review_shows_as_a_turn_and_leaves_its_result(transport: Transport) {
    let mut server = TestServer::with(transport, "review_model = \"reviewer\"", &[]).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "question").await;
    server
        .model
        .add(Reply::call("exec_command", json!({"cmd": "echo hi"}), "call_1"));
    server.model.say(&review());
    let started = start(&client, custom(&thread)).await;
    assert_eq!(started.review_thread_id, thread);
    let id = started.turn.id;
    let turn = client.done(&id).await;
    assert_eq!(turn.status, TurnStatus::Completed);
    let items: Vec<String> = told(&client, &id)
        .into_iter()
        .filter(|told| !told.contains("outputDelta"))
        .collect();
    assert_eq!(
        items,
        [
            "item/started:enteredReviewMode",
            "item/completed:enteredReviewMode",
            "item/started:userMessage",
            "item/completed:userMessage",
            "item/started:commandExecution",
            "item/completed:commandExecution",
            "item/started:agentMessage",
            "item/started:exitedReviewMode",
            "item/completed:exitedReviewMode",
            "item/started:agentMessage",
            "item/completed:agentMessage",
            "turn/completed",
        ]
    );
    let log = client.log();
    let exited = log
        .iter()
        .rfind(|message| message["params"]["item"]["type"] == "exitedReviewMode");
    assert_eq!(exited.unwrap()["params"]["item"]["review"], WORDS);

    let asked = &server.model.requests()[1];
    assert_eq!(asked["model"], "reviewer");
    assert!(
        !said(asked).iter().any(|text| text == "question"),
        "the reviewer starts afresh"
    );
    let tools = asked["tools"].to_string();
    assert!(!tools.contains("spawn_agent") && !tools.contains("web_search"));
    client.turn(&thread, "next").await;
    let next = server.model.requests().last().unwrap().clone();
    assert_ne!(next["model"], "reviewer");
    let texts = said(&next);
    let result = texts
        .iter()
        .position(|text| text.contains("<action>review</action>"))
        .unwrap();
    assert!(texts[result].contains(WORDS));
    assert_eq!(texts[result + 1..], [WORDS, "next"]);

    // Read back, with the command, by a server that has not seen it.
    server.kill().await;
    server.launch().await;
    let client = server.client().await;
    let read = client
        .call_raw("thread/read", json!({"threadId": thread, "includeTurns": true}))
        .await
        .unwrap();
    let kinds = |turn: &Value| -> Vec<String> {
        let items = turn["items"].as_array().unwrap().iter();
        items.map(|item| item["type"].as_str().unwrap().to_owned()).collect()
    };
    let turns = read["thread"]["turns"].as_array().unwrap();
    assert_eq!(kinds(&turns[1]), ["enteredReviewMode"]);
    assert_eq!(
        kinds(&turns[2]),
        [
            "userMessage",
            "userMessage",
            "commandExecution",
            "exitedReviewMode",
            "agentMessage"
        ]
    );
    let list = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(list["data"].as_array().unwrap().len(), 1, "nobody lists the reviewer");
}

#[tokio::test]
async fn a_copy_is_reviewed_beside_its_thread() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "question").await;
    let held = server.model.add(Reply::message(&["long"]).held_before(1));
    let running = client.begin(&thread, "more").await;
    held.reached().await;
    server.model.say("Fine.");
    let mut params = custom(&thread);
    params["delivery"] = json!("detached");
    let started = start(&client, params).await;
    assert_ne!(started.review_thread_id, thread);
    let copy = client
        .next_where(|told: &ThreadStartedNotification| told.thread.id != thread)
        .await;
    assert_eq!(copy.thread.forked_from_id.as_deref(), Some(thread.as_str()));
    assert_eq!(client.done(&started.turn.id).await.status, TurnStatus::Completed);
    held.release();
    assert_eq!(client.done(&running).await.status, TurnStatus::Completed);
    client.turn(&started.review_thread_id, "next").await;
    let texts = said(server.model.requests().last().unwrap());
    assert!(texts.iter().any(|text| text == "question") && texts.iter().any(|text| text == "Fine."));
}

#[tokio::test]
async fn a_review_takes_no_input_and_can_be_interrupted_by_either_id() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    for by_response in [true, false] {
        let held = server.model.add(Reply::message(&["x"]).held_before(1));
        let turn = start(&client, custom(&thread)).await.turn.id;
        held.reached().await;
        let shown = client.next::<TurnStartedNotification>().await.turn.id;
        assert_ne!(shown, turn);
        let input = json!([{"type": "text", "text": "more"}]);
        let refused = client
            .call_raw("turn/start", json!({"threadId": thread, "input": input}))
            .await
            .unwrap_err();
        assert_eq!(refused.message, "cannot steer a review turn");
        let steer = json!({"threadId": thread, "input": input, "expectedTurnId": turn});
        let refused = client.call_raw("turn/steer", steer).await.unwrap_err();
        let info = &refused.data.unwrap()["codexErrorInfo"];
        assert_eq!(info, &json!({"activeTurnNotSteerable": {"turnKind": "review"}}));
        let id = if by_response { &turn } else { &shown };
        client
            .call_raw("turn/interrupt", json!({"threadId": thread, "turnId": id}))
            .await
            .unwrap();
        assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
        held.release();
    }
    client.turn(&thread, "next").await;
    let texts = said(server.model.requests().last().unwrap());
    assert_eq!(texts.iter().filter(|text| text.contains("  None.\n")).count(), 2);
    assert!(!texts.iter().any(|text| text == "more"));
}

#[tokio::test]
async fn a_review_that_fails_says_so_and_the_thread_goes_on() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server
        .model
        .add(Reply::status(400, json!({"error": {"message": "no"}})));
    let turn = start(&client, custom(&thread)).await.turn.id;
    let ended = client.done(&turn).await;
    assert_eq!(ended.status, TurnStatus::Failed);
    let order = told(&client, &turn);
    let place = |name: &str| order.iter().position(|told| told == name).unwrap();
    assert!(place("error") < place("item/started:exitedReviewMode"));
    assert_eq!(order.iter().filter(|told| *told == "error").count(), 1);
    assert_eq!(client.turn(&thread, "next").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn targets_are_checked_and_put_into_words() {
    let mut server = TestServer::start(Transport::Ws).await;
    let git = |arguments: &[&str]| {
        let done = std::process::Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@t",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .current_dir(server.work())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    git(&["init"]);
    git(&["commit", "--allow-empty", "-m", "one"]);
    let base = git(&["rev-parse", "HEAD"]);
    git(&["checkout", "-b", "work"]);
    git(&["commit", "--allow-empty", "-m", "two"]);
    let client = server.client().await;
    let thread = client.thread().await;
    let asked = async |target: Value| {
        let turn = start(&client, json!({"threadId": thread, "target": target})).await.turn;
        client.done(&turn.id).await;
        let hint = serde_json::to_value(&turn.items[0]).unwrap()["content"][0]["text"].clone();
        let request = server.model.requests().last().unwrap().clone();
        (
            hint.as_str().unwrap().to_owned(),
            said(&request).last().unwrap().clone(),
        )
    };
    let (hint, prompt) = asked(json!({"type": "baseBranch", "branch": " main "})).await;
    assert_eq!(hint, "changes against 'main'");
    assert!(prompt.contains(&format!("git diff {base}")), "{prompt}");
    let (_, prompt) = asked(json!({"type": "baseBranch", "branch": "--output=x"})).await;
    assert!(prompt.contains("@{upstream}"), "{prompt}");
    let (hint, _) = asked(json!({"type": "commit", "sha": "0123456789", "title": "T"})).await;
    assert_eq!(hint, "commit 0123456: T");
    for (target, message) in [
        (json!({"type": "baseBranch", "branch": " "}), "branch must not be empty"),
        (json!({"type": "commit", "sha": ""}), "sha must not be empty"),
        (
            json!({"type": "custom", "instructions": "\n"}),
            "instructions must not be empty",
        ),
    ] {
        let params = json!({"threadId": thread, "target": target});
        let refused = client.call_raw("review/start", params).await.unwrap_err();
        assert_eq!(refused.message, message);
    }
    // Without a repository there is no base: clients are told, no turn begins.
    let bare = tempfile::tempdir().unwrap();
    let thread = client
        .call_raw("thread/start", json!({"cwd": bare.path()}))
        .await
        .unwrap()["thread"]["id"]
        .clone();
    let params = json!({"threadId": thread, "target": {"type": "baseBranch", "branch": "main"}});
    let turn = start(&client, params).await.turn.id;
    let error = client.next_where(|told: &ErrorNotification| told.turn_id == turn).await;
    assert!(error.error.message.ends_with("is not a git repository"));
}

#[tokio::test]
async fn a_reviewer_does_not_question_the_user() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    let question = json!({"questions": []});
    server.model.add(Reply::call("request_user_input", question, "call_1"));
    server.model.say(&review());
    let started = start(&client, custom(&thread)).await;
    client.done(&started.turn.id).await;
    let told = server.model.output_of("call_1").unwrap();
    assert_eq!(told, "request_user_input can only be used by the root thread");
}
