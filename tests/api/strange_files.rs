//! Things among a home's and a project's files that are no files: pipes that nobody writes to, devices without an end,
//! folders and links named like rollouts. Whatever meets them is refused at once, and everything else goes on.

use std::path::{Path, PathBuf};

use greenroom::protocol::*;
use nix::sys::stat::Mode;
use serde_json::{Value, json};

use crate::harness::{Client, Reply, Rollout, TestServer, Transport, fill};

fn pipe(path: &Path) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    nix::unistd::mkfifo(path, Mode::S_IRWXU).expect("a pipe");
    path.to_path_buf()
}

async fn listed(client: &Client, params: Value) -> Vec<String> {
    let list = client.call_raw("thread/list", params).await.unwrap();
    let threads = list["data"].as_array().unwrap();
    threads
        .iter()
        .map(|thread| thread["preview"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_only_looks_like_a_rollout_hides_no_thread_and_holds_nobody() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    let home = server.home();
    fill(&home, 3);
    let strange = [
        "pipe", "folder", "loop", "device", "nowhere", "empty", "noise", "endless",
    ];
    let strange = strange.map(|kind| (kind, Rollout::new("never shown").on_day(20)));
    for (kind, rollout) in &strange {
        let path = rollout.path(&home);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let link = |to: &Path| std::os::unix::fs::symlink(to, &path).unwrap();
        match *kind {
            "pipe" => drop(pipe(&path)),
            "folder" => std::fs::create_dir(&path).unwrap(),
            "loop" => link(&path),
            "device" => link(Path::new("/dev/zero")),
            "nowhere" => link(Path::new("/nowhere/at/all")),
            "empty" => std::fs::write(&path, "").unwrap(),
            "noise" => std::fs::write(&path, [0, 159, 146, 150, b'\n', b'{', b'"', 0, b'\n']).unwrap(),
            _ => std::fs::write(&path, vec![b'['; 32 << 20]).unwrap(),
        }
    }
    let mut expected: Vec<_> = (0..3).map(|n| format!("message {n}")).collect();
    expected.reverse();
    server.launch().await;
    let client = server.client().await;
    // From the files while the index is being made, and from the index.
    assert_eq!(listed(&client, json!({"modelProviders": []})).await, expected);
    server.indexed().await;
    assert_eq!(listed(&client, json!({"modelProviders": []})).await, expected);
    let params = json!({"modelProviders": [], "useStateDbOnly": true});
    assert_eq!(listed(&client, params).await, expected);
    for (kind, rollout) in &strange {
        for (method, params) in [
            ("thread/read", json!({"threadId": rollout.id})),
            ("thread/read", json!({"threadId": rollout.id, "includeTurns": true})),
            ("thread/resume", json!({"threadId": rollout.id})),
            (
                "thread/resume",
                json!({"threadId": rollout.id, "path": rollout.path(&home)}),
            ),
            (
                "thread/fork",
                json!({"threadId": rollout.id, "path": rollout.path(&home)}),
            ),
            ("thread/archive", json!({"threadId": rollout.id})),
        ] {
            let answer = client.call_raw(method, params).await;
            // A file whose lines are damaged may still be a thread, by its name.
            let damaged = ["noise", "endless"].contains(kind);
            assert!(damaged || answer.is_err(), "{kind}: {method}: {answer:?}");
        }
    }
    let other = client.thread().await;
    assert_eq!(client.turn(&other, "hello").await.status, TurnStatus::Completed);
}

#[tokio::test]
async fn a_path_that_is_no_file_is_refused_wherever_a_client_names_it() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "real").await;
    let pipe = pipe(&server.work().join("pipe"));
    for path in [&pipe, Path::new("/dev/zero"), Path::new("/dev/tty"), &server.work()] {
        for method in ["thread/resume", "thread/fork"] {
            let answer = client.call_raw(method, json!({"threadId": thread, "path": path})).await;
            assert!(answer.is_err(), "{method} {path:?}: {answer:?}");
        }
        // A message may name it as a picture or a skill; the model hears of the rest.
        let input = json!([
            {"type": "text", "text": "look"},
            {"type": "localImage", "path": path},
            {"type": "skill", "name": "s", "path": path},
        ]);
        let params = json!({"threadId": thread, "input": input});
        let started = client.call_raw("turn/start", params).await.unwrap();
        let turn = client.done(started["turn"]["id"].as_str().unwrap()).await;
        assert_eq!(turn.status, TurnStatus::Completed, "{path:?}: {:?}", turn.error);
    }
}

#[tokio::test]
async fn pipes_in_a_project_hold_neither_its_threads_nor_their_tools() {
    let mut server = TestServer::start(Transport::Ws).await;
    let work = server.work();
    pipe(&server.home().join("AGENTS.md"));
    pipe(&work.join("AGENTS.md"));
    pipe(&work.join(".git/HEAD"));
    pipe(&work.join(".git/config"));
    pipe(&work.join("pipe"));
    let client = server.client().await;
    let thread = client.thread().await;
    for (name, patch) in [
        ("over", "*** Begin Patch\n*** Add File: pipe\n+text\n*** End Patch"),
        (
            "into",
            "*** Begin Patch\n*** Update File: pipe\n@@\n-a\n+b\n*** End Patch",
        ),
        ("away", "*** Begin Patch\n*** Delete File: pipe\n*** End Patch"),
    ] {
        server.model.add(Reply::custom("apply_patch", patch, name));
        let turn = client.turn(&thread, name).await;
        assert_eq!(turn.status, TurnStatus::Completed, "{name}");
    }
    let picture = json!({"path": work.join("AGENTS.md")});
    server.model.add(Reply::call("view_image", picture, "view"));
    assert_eq!(client.turn(&thread, "look").await.status, TurnStatus::Completed);
    let told = server.model.output_of("view").unwrap().to_string();
    assert!(told.contains("is not a file"), "{told}");
}

#[tokio::test]
async fn names_that_cannot_be_kept_are_refused() {
    let mut server = TestServer::start(Transport::Ws).await;
    let client = server.client().await;
    let thread = client.thread().await;
    client.turn(&thread, "real").await;
    pipe(&server.home().join("session_index.jsonl"));
    let params = json!({"threadId": thread, "name": "new"});
    let error = client.call_raw("thread/name/set", params).await.unwrap_err();
    assert!(error.message.contains("not an ordinary file"), "{}", error.message);
    assert_eq!(listed(&client, json!({})).await, ["real"]);
}

#[tokio::test]
async fn numbers_and_times_at_their_limits_are_only_numbers() {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    let event =
        |payload: Value| json!({"timestamp": "2026-07-01T10:00:00.000Z", "type": "event_msg", "payload": payload});
    let (max, min) = (i64::MAX, i64::MIN);
    let tokens = json!({"input_tokens": max, "cached_input_tokens": max, "output_tokens": max,
        "reasoning_output_tokens": max, "total_tokens": max});
    let info = json!({"total_token_usage": tokens, "last_token_usage": tokens, "model_context_window": max});
    let count = event(json!({"type": "token_count", "info": info}));
    let times = |from: i64, to: i64| {
        vec![
            event(json!({"type": "task_started", "turn_id": "t", "started_at": from})),
            event(json!({"type": "task_complete", "turn_id": "t", "completed_at": to, "duration_ms": to})),
        ]
    };
    let back = |turns: Value| event(json!({"type": "thread_rolled_back", "num_turns": turns}));
    let rows = [
        (None, vec![count.clone(), count]),
        (None, times(max, min)),
        (None, times(min, max)),
        (None, vec![back(json!(u64::MAX)), back(json!(-1)), back(json!(1.5))]),
        (Some("+262142-12-31T23:59:59Z"), Vec::new()),
        (Some("-262143-01-01T00:00:00Z"), Vec::new()),
        (Some("9999-12-31T23:59:59.999999999Z"), Vec::new()),
        (Some("0000-00-00"), Vec::new()),
    ];
    let mut threads = Vec::new();
    for (time, more) in rows {
        let rollout = Rollout::new("hello").on_day(1);
        let mut lines = rollout.lines();
        if let Some(time) = time {
            lines = lines.replace("2026-07-01T10:00:00.000Z", time);
        }
        more.iter().for_each(|line| lines.push_str(&format!("{line}\n")));
        let path = rollout.write(&server.home());
        std::fs::write(path, lines).unwrap();
        threads.push(rollout.id);
    }
    server.launch().await;
    let client = server.client().await;
    server.indexed().await;
    for key in ["created_at", "updated_at"] {
        let (mut seen, mut cursor) = (std::collections::BTreeSet::new(), Value::Null);
        loop {
            let params = json!({"modelProviders": [], "limit": 3, "sortKey": key, "cursor": cursor});
            let page = client.call_raw("thread/list", params).await.unwrap();
            seen.extend(
                page["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|thread| thread["id"].to_string()),
            );
            cursor = page["nextCursor"].clone();
            if cursor.is_null() {
                break;
            }
        }
        // The row that takes its only turn back is still listed: its first message is what it began with.
        assert_eq!(seen.len(), threads.len(), "{key}: {seen:?}");
    }
    for thread in &threads {
        for method in ["thread/read", "thread/resume", "thread/fork", "thread/turns/list"] {
            let params = json!({"threadId": thread, "includeTurns": true});
            client
                .call_raw(method, params)
                .await
                .unwrap_or_else(|error| panic!("{method}: {error:?}"));
        }
        for _ in 0..2 {
            let turn = client.turn(thread, "go on").await;
            assert_eq!(turn.status, TurnStatus::Completed, "{:?}", turn.error);
        }
    }
}
