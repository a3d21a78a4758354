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
