//! The lossless reconnect: a client that says how far it came gets exactly what it missed, or is told that it cannot.

use serde_json::{Value, json};

use crate::harness::{Client, Reply, TestServer, Transport};

async fn counting(server: &mut TestServer) -> Client {
    let client = server.raw().await;
    let params = json!({"clientInfo": {"name": "counting", "version": "1"},
        "capabilities": {"experimentalApi": true, "greenroom": {"eventReplay": true}}});
    client.call_raw("initialize", params).await.expect("initialize");
    client.send(json!({"method": "initialized"}));
    client
}

async fn server_with(settings: &str) -> TestServer {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    std::fs::write(server.home().join("greenroom.toml"), settings).unwrap();
    server.launch().await;
    server
}

async fn resume(client: &Client, thread: &str, after: Option<&Value>) -> Value {
    let mut params = json!({"threadId": thread});
    if let Some(after) = after {
        params["greenroom"] = json!({"after": after});
    }
    client.call_raw("thread/resume", params).await.expect("thread/resume")
}

/// The place of an answer as a mark.
fn mark(position: &Value) -> Value {
    json!({"stream": position["stream"], "seq": position["seq"]})
}

fn events(log: &[Value]) -> Vec<Value> {
    log.iter().filter(|m| m.get("greenroom").is_some()).cloned().collect()
}

/// Events without their numbers, neighbouring texts of one item joined: what a client makes of them.
fn told(events: &[Value]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for event in events {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove("greenroom");
        if let (Some(text), Some(last)) = (event["params"]["delta"].as_str(), all.last_mut())
            && last["params"]["delta"].is_string()
            && last["params"]["itemId"] == event["params"]["itemId"]
        {
            let joined = format!("{}{text}", last["params"]["delta"].as_str().unwrap());
            last["params"]["delta"] = joined.into();
            continue;
        }
        all.push(event);
    }
    all
}

/// Every number between the first and the last event stands on exactly one of them, in order.
fn assert_gapless(events: &[Value], after: u64) {
    let mut expected = after + 1;
    for event in events {
        let numbers = &event["greenroom"];
        let last = numbers["seq"].as_u64().unwrap();
        let first = numbers["firstSeq"].as_u64().unwrap_or(last);
        assert_eq!(first, expected, "{event}");
        expected = last + 1;
    }
}

fn has_completed(log: &[Value], turn: &str) -> bool {
    log.iter()
        .any(|m| m["method"] == "turn/completed" && m["params"]["turn"]["id"] == turn)
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below
    }
}

#[tokio::test]
async fn whatever_breaks_in_the_middle_of_a_turn_nothing_is_lost_or_doubled() {
    let mut server = TestServer::start(Transport::Ws).await;
    let whole = counting(&mut server).await;
    let started = whole.call_raw("thread/start", json!({})).await.unwrap();
    assert_eq!(started["greenroom"]["seq"], 0);
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    server.model.say("ok");
    whole.turn(&thread, "make it real").await;
    let mut dice = Dice(7);
    for _ in 0..12 {
        let texts: Vec<String> = (0..120)
            .map(|n| "é\"\\ x\n".repeat(dice.roll(40)) + &n.to_string())
            .collect();
        let deltas: Vec<&str> = texts.iter().map(String::as_str).collect();
        let held = server
            .model
            .add(Reply::message(&deltas).held_before(3 + dice.roll(100)));
        let first = counting(&mut server).await;
        let answer = resume(&first, &thread, None).await;
        let mut last = mark(&answer["greenroom"]);
        let start = last["seq"].as_u64().unwrap();
        let turn = whole.begin(&thread, "go").await;
        held.reached().await;
        let mut seen: Vec<Value> = Vec::new();
        let mut client = first;
        let mut released = false;
        loop {
            // The connection breaks after so many events, whatever else arrived.
            let count = 1 + dice.roll(30);
            let enough = |log: &[Value]| events(log).len() >= count || has_completed(log, &turn);
            let more = client
                .until("events", |log| enough(log) || (!released && !events(log).is_empty()))
                .await;
            let mut more = events(&more);
            more.truncate(count);
            if let Some(event) = more.last() {
                last = mark(&event["greenroom"]);
            }
            seen.extend(more);
            if has_completed(&seen, &turn) {
                break;
            }
            client.close();
            if !std::mem::replace(&mut released, true) {
                held.release();
            }
            client = counting(&mut server).await;
            let answer = resume(&client, &thread, Some(&last)).await;
            assert_eq!(answer["greenroom"]["replay"], "complete", "{answer}");
            assert_eq!(answer["thread"]["turns"], json!([]));
        }
        assert_gapless(&seen, start);
        let all = whole.until("the turn's end", |log| has_completed(log, &turn)).await;
        let all: Vec<Value> = events(&all)
            .into_iter()
            .filter(|event| event["greenroom"]["seq"].as_u64().unwrap() > start)
            .collect();
        assert_eq!(told(&seen), told(&all[..]));
        client.close();
    }
}

#[tokio::test]
async fn a_window_that_was_passed_means_a_snapshot_and_counting_goes_on() {
    let mut server = server_with("replay_window_events = 16\n").await;
    let client = counting(&mut server).await;
    let started = client.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    let old = mark(&started["greenroom"]);
    server.model.add(Reply::message(&["x"; 100]));
    client.turn(&thread, "a lot").await;
    client.close();

    let back = counting(&mut server).await;
    let answer = resume(&back, &thread, Some(&old)).await;
    assert_eq!(answer["greenroom"]["replay"], "snapshotNeeded");
    assert_eq!(answer["greenroom"]["reason"], "windowPassed");
    assert_eq!(answer["thread"]["turns"].as_array().unwrap().len(), 1, "a whole answer");
    server.model.say("more");
    back.turn(&thread, "again").await;
    assert_gapless(&events(&back.log()), answer["greenroom"]["seq"].as_u64().unwrap());

    let ahead = json!({"stream": answer["greenroom"]["stream"], "seq": 1_000_000});
    let third = counting(&mut server).await;
    let answer = resume(&third, &thread, Some(&ahead)).await;
    assert_eq!(answer["greenroom"]["reason"], "numberUnknown");
}

#[tokio::test]
async fn another_stream_is_never_mistaken() {
    // A thread that nobody watches is unloaded at once.
    let mut server = server_with("idle_unload_minutes = 0\n").await;
    let client = counting(&mut server).await;
    let started = client.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    server.model.say("ok");
    client.turn(&thread, "hi").await;
    let mut old = mark(&started["greenroom"]);
    for restart in [false, true] {
        let watcher = server.client().await;
        if restart {
            server.kill().await;
            server.launch().await;
        } else {
            let leave = json!({"threadId": thread});
            client.call_raw("thread/unsubscribe", leave).await.unwrap();
            watcher
                .until("thread/closed", |log| {
                    log.iter().any(|m| m["method"] == "thread/closed")
                })
                .await;
        }
        let back = counting(&mut server).await;
        let answer = resume(&back, &thread, Some(&old)).await;
        assert_eq!(answer["greenroom"]["replay"], "snapshotNeeded");
        assert_eq!(answer["greenroom"]["reason"], "streamUnknown");
        assert_ne!(answer["greenroom"]["stream"], old["stream"]);
        assert!(!answer["thread"]["turns"].as_array().unwrap().is_empty());
        old = mark(&answer["greenroom"]);
    }
}

#[tokio::test]
async fn what_everybody_hears_of_a_thread_is_an_event_for_its_subscribers() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = counting(&mut server).await;
    let started = client.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    server.model.say("ok");
    client.turn(&thread, "hi").await;
    let seen = events(&client.log());
    let last = mark(&seen.last().unwrap()["greenroom"]);
    assert!(seen.iter().any(|m| m["method"] == "thread/status/changed"), "{seen:?}");

    // One that left hears of names like everybody, and is told again, with a number, when it comes back.
    client
        .call_raw("thread/unsubscribe", json!({"threadId": thread}))
        .await
        .unwrap();
    let other = server.client().await;
    let name = json!({"threadId": thread, "name": "Ada"});
    other.call_raw("thread/name/set", name).await.unwrap();
    let answer = resume(&client, &thread, Some(&last)).await;
    assert_eq!(answer["greenroom"]["replay"], "complete");
    let next = client.until("the name", |log| events(log).len() > seen.len()).await;
    let missed = events(&next).split_off(seen.len());
    assert_gapless(&missed, last["seq"].as_u64().unwrap());
    assert_eq!(missed[0]["method"], "thread/name/updated");
    assert_eq!(missed[0]["params"]["threadName"], "Ada");

    // Asked again on the same connection, nothing comes twice.
    let answer = resume(&client, &thread, Some(&last)).await;
    assert_eq!(answer["greenroom"]["replay"], "complete");
    server.model.say("more");
    client.turn(&thread, "again").await;
    assert_gapless(
        &events(&client.log()).split_off(seen.len()),
        last["seq"].as_u64().unwrap(),
    );
}

#[tokio::test]
async fn requests_that_wait_are_sent_again_behind_what_was_missed() {
    let mut server = TestServer::with(
        Transport::Ws,
        "",
        &[
            "-c",
            "approval_policy=\"untrusted\"",
            "-c",
            "sandbox_mode=\"read-only\"",
        ],
    )
    .await;
    let client = counting(&mut server).await;
    let started = client.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    let arguments = json!({"cmd": "sleep 0.01", "login": false});
    server.model.add(Reply::call("exec_command", arguments, "c1"));
    server.model.say("done");
    let turn = client.begin(&thread, "wait").await;
    let asks = |m: &Value| m["method"] == "item/commandExecution/requestApproval";
    let log = client.until("the question", |log| log.iter().any(asks)).await;
    let asked = log.iter().find(|m| asks(m)).unwrap()["id"].clone();
    client.close();

    let back = counting(&mut server).await;
    resume(&back, &thread, Some(&mark(&started["greenroom"]))).await;
    let log = back.until("the question again", |log| log.iter().any(asks)).await;
    let place = log.iter().position(asks).unwrap();
    assert_eq!(log[place]["id"], asked);
    assert!(log[place].get("greenroom").is_none());
    let before = events(&log[..place]);
    assert_gapless(&before, 0);
    let item = |m: &Value| m["method"] == "item/started" && m["params"]["item"]["type"] == "commandExecution";
    assert!(before.iter().any(item), "{before:#?}");
    back.reply(&asked, json!({"decision": "accept"}));
    let log = back.until("the end", |log| has_completed(log, &turn)).await;
    assert_gapless(&events(&log), 0);
    assert!(log.iter().any(|m| m["method"] == "serverRequest/resolved"));
}

#[tokio::test]
async fn who_does_not_ask_sees_nothing_of_it() {
    let mut server = TestServer::start(Transport::Ws).await;
    let counter = counting(&mut server).await;
    let started = counter.call_raw("thread/start", json!({})).await.unwrap();
    let thread = started["thread"]["id"].as_str().unwrap().to_string();
    server.model.say("ok");
    counter.turn(&thread, "hi").await;
    let plain = server.client().await;
    let answer = resume(&plain, &thread, Some(&mark(&started["greenroom"]))).await;
    assert_eq!(answer["thread"]["turns"].as_array().unwrap().len(), 1);
    server.model.say("more");
    plain.turn(&thread, "again").await;
    let name = json!({"threadId": thread, "name": "Ada"});
    plain.call_raw("thread/name/set", name).await.unwrap();
    let log = plain
        .until("the name", |log| {
            log.iter().any(|m| m["method"] == "thread/name/updated")
        })
        .await;
    for message in log {
        for part in [&message, &message["result"], &message["params"]] {
            assert!(part.get("greenroom").is_none(), "{message}");
        }
    }
}
