//! Both ways compatible with the peer: each lists, reads, resumes and continues what the other wrote.
//!
//! The peer's own answers are the measure: one home is written, the peer is asked what is in it, and Greenroom must say
//! the same and send the same conversation to the model when it goes on. Skipped, and said so, where no peer is installed.

mod legacy;

use std::path::Path;

use greenroom::protocol::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Peer, Reply, ScriptedModel, TestServer, Transport, home_with, peer_binary};

macro_rules! peer_or_skip {
    () => {
        match peer_binary() {
            Some(program) => program,
            None => {
                eprintln!("skipped: no peer is installed (GREENROOM_PEER names one)");
                return;
            }
        }
    };
}

use peer_or_skip;

/// A thread of a written home: what happened in it, and its id.
type Story = (&'static str, String);

/// A turn of one answer.
async fn say(client: &Client, model: &ScriptedModel, thread: &str, text: &str) {
    model.say(&format!("answer to {text}"));
    let turn = client.turn(thread, text).await;
    assert_eq!(turn.status, TurnStatus::Completed, "{:?}", turn.error);
}

/// Writes a thread for everything that leaves traces in a home.
async fn write_home(client: &Client, model: &ScriptedModel) -> Vec<Story> {
    let mut stories = vec![("work", work(client, model).await)];

    let named = client.thread().await;
    say(client, model, &named, "a thread with a name").await;
    let rename = json!({"threadId": named, "name": "The named one"});
    client.call_raw("thread/name/set", rename).await.unwrap();
    stories.push(("named", named));

    let archived = client.thread().await;
    say(client, model, &archived, "put this away").await;
    let archive = json!({"threadId": archived});
    client.call_raw("thread/archive", archive).await.unwrap();
    stories.push(("archived", archived));

    let of = json!({"threadId": stories[0].1});
    if let Some(fork) = built(client, "thread/fork", of).await {
        let fork = fork["thread"]["id"].as_str().unwrap().to_string();
        say(client, model, &fork, "only in the fork").await;
        stories.push(("fork", fork));
    }

    let rolled = client.thread().await;
    for text in ["kept one", "dropped two", "dropped three"] {
        say(client, model, &rolled, text).await;
    }
    let rollback = json!({"threadId": rolled, "numTurns": 2});
    if built(client, "thread/rollback", rollback).await.is_some() {
        say(client, model, &rolled, "after the rollback").await;
        stories.push(("rollback", rolled));
    }

    let compacted = client.thread().await;
    say(client, model, &compacted, "long ago").await;
    model.say("what happened long ago");
    let compact = json!({"threadId": compacted});
    if built(client, "thread/compact/start", compact).await.is_some() {
        client
            .next_where(|n: &TurnCompletedNotification| n.thread_id == compacted)
            .await;
        say(client, model, &compacted, "after the compaction").await;
        stories.push(("compaction", compacted));
    }
    model.clear();
    stories
}

/// Calls a method, unless it is not built yet: then its story is left out.
async fn built(client: &Client, method: &str, params: Value) -> Option<Value> {
    match client.call_raw(method, params).await {
        Ok(answer) => Some(answer),
        Err(error) if error.message.contains("is not built yet") => None,
        Err(error) => panic!("{method}: {error:?}"),
    }
}

/// Text, a command, a patch, an interrupted turn, and another text.
async fn work(client: &Client, model: &ScriptedModel) -> String {
    let thread = client.thread().await;
    let command = json!({"cmd": "echo from the command", "login": false});
    model.add(Reply::call("exec_command", command, "c1"));
    let patch = "*** Begin Patch\n*** Add File: made.txt\n+made here\n*** End Patch";
    model.add(Reply::custom("apply_patch", patch, "p1"));
    say(client, model, &thread, "work with tools").await;
    let held = model.add(Reply::message(&["never ", "to ", "end"]).held_before(3));
    let turn = client.begin(&thread, "this is stopped").await;
    held.reached().await;
    client
        .next_where(|n: &AgentMessageDeltaNotification| n.turn_id == turn)
        .await;
    let interrupt = json!({"threadId": thread, "turnId": turn});
    client.call_raw("turn/interrupt", interrupt).await.unwrap();
    assert_eq!(client.done(&turn).await.status, TurnStatus::Interrupted);
    held.release();
    say(client, model, &thread, "go on after the stop").await;
    thread
}

/// What a server says about a home: its lists, and every thread's turns.
async fn describe(client: &Client, stories: &[Story]) -> Value {
    let mut told = json!({});
    for (list, archived) in [("active", false), ("archived", true)] {
        let asked = json!({"archived": archived, "limit": 100});
        let page = client.call_raw("thread/list", asked).await.unwrap();
        let rows = page["data"].as_array().unwrap().iter().map(row);
        told[list] = rows.collect();
    }
    for (story, thread) in stories {
        let asked = json!({"threadId": thread, "includeTurns": true});
        let read = client.call_raw("thread/read", asked).await;
        let mut read = read.unwrap_or_else(|error| panic!("{story}: {error:?}"));
        told[format!("turns of {story}")] = read["thread"]["turns"].take();
        told[format!("row of {story}")] = row(&read["thread"]);
    }
    told
}

/// A thread without what depends on who holds it, and where.
fn row(thread: &Value) -> Value {
    without(thread.clone(), &["path", "turns", "status"])
}

fn without(mut object: Value, members: &[&str]) -> Value {
    for member in members {
        object.as_object_mut().unwrap().remove(*member);
    }
    object
}

/// Takes every thread up, goes on with it, and returns what the model was told each time.
async fn go_on(client: &Client, model: &ScriptedModel, stories: &[Story]) -> Value {
    let mut told = json!({});
    for (story, thread) in stories {
        if *story == "archived" {
            let unarchive = json!({"threadId": thread});
            client.call_raw("thread/unarchive", unarchive).await.unwrap();
        }
        let resumed = client.call_raw("thread/resume", json!({"threadId": thread})).await;
        let mut resumed = resumed.unwrap_or_else(|error| panic!("{story}: {error:?}"));
        for member in [
            "model",
            "modelProvider",
            "cwd",
            "reasoningEffort",
            "approvalPolicy",
            "sandbox",
        ] {
            told[format!("{member} of {story}")] = resumed[member].take();
        }
        say(client, model, thread, "one more").await;
        told[format!("conversation of {story}")] = conversation(model.requests().last().unwrap());
        told[format!("turns of {story}")] = resumed["thread"]["turns"].take();
    }
    told
}

/// What a request tells of the past: everything but the situation, which each server words for itself.
fn conversation(request: &Value) -> Value {
    let situation = |item: &&Value| {
        item["role"] == "developer" || {
            let text = item["content"][0]["text"].as_str().unwrap_or_default();
            text.starts_with("<environment_context>")
        }
    };
    let items = request["input"].as_array().unwrap().iter();
    let items = items.filter(|item| !situation(item)).cloned();
    items.map(|item| without(item, &["id"])).collect()
}

/// Another home with the same threads, as a backup would be.
fn copy_of(root: &Path, model: &ScriptedModel) -> TempDir {
    let copy = home_with(model, "");
    copy_folder(&root.join("home"), &copy.path().join("home"));
    // The scripted provider is the same, so config.toml is too.
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.path().is_file() {
            std::fs::copy(entry.path(), &target).unwrap();
            let written = entry.metadata().unwrap().modified().unwrap();
            let file = std::fs::File::options().write(true).open(&target).unwrap();
            file.set_modified(written).unwrap();
        }
    }
}

/// Fails with the places that differ, not with two walls of text.
fn assert_same(told: &Value, expected: &Value) {
    let mut found = Vec::new();
    differences("", told, expected, &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn differences(place: &str, told: &Value, expected: &Value, found: &mut Vec<String>) {
    match (told, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            for name in names {
                differences(&format!("{place}/{name}"), &told[name], &expected[name], found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{place}/{index}"), a, b, found);
            }
        }
        _ if told == expected => {}
        _ if place.ends_with("/updatedAt") && seconds_apart(told, expected) == Some(1) => {}
        _ => found.push(format!("{place}\n  is       {told}\n  expected {expected}")),
    }
}

/// Reading a thread, the peer tells the file's time, which is a moment after the last line's: another second, sometimes.
fn seconds_apart(told: &Value, expected: &Value) -> Option<u64> {
    Some(told.as_i64()?.abs_diff(expected.as_i64()?))
}

#[tokio::test]
async fn a_home_that_the_peer_wrote_is_listed_read_resumed_and_continued() {
    let program = peer_or_skip!();
    let model = ScriptedModel::start().await;
    let root = home_with(&model, "");
    let peer = Peer::start(&program, root.path()).await;
    let stories = write_home(&peer.client, &model).await;
    peer.stop().await;
    let copy = copy_of(root.path(), &model);

    let peer = Peer::start(&program, root.path()).await;
    let expected = describe(&peer.client, &stories).await;
    let expected_next = go_on(&peer.client, &model, &stories).await;
    peer.stop().await;

    let mut server = TestServer::on(copy, model, Transport::Ws, &[]).await;
    let client = server.client().await;
    let told = json!([
        describe(&client, &stories).await,
        go_on(&client, &server.model, &stories).await
    ]);
    assert_same(&told, &json!([expected, expected_next]));
}

#[tokio::test]
async fn the_peer_lists_reads_resumes_and_continues_what_greenroom_wrote() {
    let program = peer_or_skip!();
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let stories = write_home(&client, &server.model).await;
    server.kill().await;
    let copy = copy_of(server.root.path(), &server.model);

    server.launch().await;
    let client = server.client().await;
    let expected = common(describe(&client, &stories).await);
    let expected_next = common(go_on(&client, &server.model, &stories).await);
    server.kill().await;

    let peer = Peer::start(&program, copy.path()).await;
    let told = common(describe(&peer.client, &stories).await);
    let told_next = common(go_on(&peer.client, &server.model, &stories).await);
    peer.stop().await;
    assert_same(&json!([told, told_next]), &json!([expected, expected_next]));
}

/// What both keep of turns: the peer forgets commands and looks at images, and numbers items anew with each reading.
fn common(mut told: Value) -> Value {
    let members = told.as_object_mut().unwrap().iter_mut();
    for (_, turns) in members.filter(|(name, _)| name.starts_with("turns of ")) {
        for turn in turns.as_array_mut().unwrap() {
            let items = turn["items"].as_array().unwrap().iter();
            let kept = items
                .filter(|item| item["type"] != "commandExecution" && item["type"] != "imageView")
                .cloned();
            turn["items"] = kept.map(|item| without(item, &["id"])).collect();
        }
    }
    told
}
