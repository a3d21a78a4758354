//! Disks without room. Made with small file systems in memory where a test may mount one; elsewhere it says so and ends.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use greenroom::protocol::*;
use serde_json::{Value, json};

use crate::harness::{Client, TestServer, Transport, within};

/// A small file system, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).expect("the folder");
        let folder = folder.to_path_buf();
        let options = format!("size={size}");
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&folder);
        if !command.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: mounting a tmpfs is not allowed here");
            return None;
        }
        Some(SmallDisk(folder))
    }

    /// Leaves no page free.
    fn fill(&self) {
        use std::io::Write;
        let mut filler = std::fs::File::create(self.0.join("filler")).expect("a filler");
        for size in [65536, 4096] {
            let block = vec![0; size];
            while filler.write_all(&block).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("room");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A server whose home lies on a small disk, and perhaps its rollouts on one of their own.
async fn small_home(size: &str, own_sessions: bool) -> Option<(TestServer, Vec<SmallDisk>)> {
    let mut server = TestServer::start(Transport::Ws).await;
    server.kill().await;
    let home = server.home();
    let config = std::fs::read(home.join("config.toml")).expect("config.toml");
    let mut disks = vec![SmallDisk::mount(&home, size)?];
    std::fs::write(home.join("config.toml"), config).expect("config.toml");
    if own_sessions {
        disks.push(SmallDisk::mount(&home.join("sessions"), "16m")?);
    }
    server.launch().await;
    Some((server, disks))
}

async fn turns(client: &Client, thread: &str) -> Vec<Value> {
    let params = json!({"threadId": thread, "includeTurns": true});
    let read = client.call_raw("thread/read", params).await.expect("thread/read");
    read["thread"]["turns"].as_array().expect("turns").clone()
}

/// Every item that was told as completed is in what is stored.
fn holds_what_was_told(client: &Client, thread: &str, turns: &[Value]) {
    let completed = client.log();
    let completed = completed.iter().filter(|m| m["method"] == "item/completed");
    for told in completed.filter(|m| m["params"]["threadId"] == *thread) {
        let (turn, item) = (&told["params"]["turnId"], &told["params"]["item"]["id"]);
        let kept = turns.iter().any(|t| {
            t["id"] == *turn
                && t["items"]
                    .as_array()
                    .is_some_and(|items| items.iter().any(|i| i["id"] == *item))
        });
        assert!(kept, "told as completed and gone: {told}");
    }
}

async fn list(client: &Client, index_only: bool) -> Vec<String> {
    let params = json!({"useStateDbOnly": index_only});
    let list = client.call_raw("thread/list", params).await.expect("thread/list");
    let ids = list["data"].as_array().expect("threads").iter();
    let mut ids: Vec<_> = ids.map(|t| t["id"].as_str().unwrap_or_default().to_string()).collect();
    ids.sort();
    ids
}

async fn listed_by_index(client: &Client, expected: &[String]) {
    within("the index", async {
        while list(client, true).await != expected {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_answers_errors_and_room_lets_everything_go_on() {
    let Some((mut server, disks)) = small_home("3m", false).await else {
        return;
    };
    let client = server.client().await;
    server.indexed().await;
    let (thread, shelved, kept) = (client.thread().await, client.thread().await, client.thread().await);
    for thread in [&thread, &shelved, &kept] {
        assert_eq!(client.turn(thread, "first").await.status, TurnStatus::Completed);
    }
    client
        .call_raw("thread/archive", json!({"threadId": shelved}))
        .await
        .expect("room");
    disks[0].fill();

    // A turn that cannot be written down does not claim success, on a thread with a file and on a new one.
    let long = "x".repeat(20_000);
    assert_eq!(client.turn(&thread, &long).await.status, TurnStatus::Failed);
    let fresh = client.thread().await;
    assert_eq!(client.turn(&fresh, &long).await.status, TurnStatus::Failed);
    let name = "n".repeat(6_000);
    let named = json!({"threadId": kept, "name": name});
    let error = client
        .call_raw("thread/name/set", named.clone())
        .await
        .expect_err("no room for a name");
    assert!(error.message.contains("space"), "{error:?}");

    // Nothing half-written shows.
    let read = client
        .call_raw("thread/read", json!({"threadId": kept}))
        .await
        .expect("thread/read");
    assert_eq!(read["thread"]["name"], Value::Null);
    let after = turns(&client, &thread).await;
    assert!(!after[0].to_string().contains("xxx"));
    holds_what_was_told(&client, &thread, &after);
    let mut shown = vec![thread.clone(), kept.clone()];
    shown.sort();
    assert_eq!(list(&client, false).await, shown);

    // Moving needs no room for a file: what is answered is what is so.
    let back = client.call_raw("thread/unarchive", json!({"threadId": shelved})).await;
    if back.is_ok() {
        shown.push(shelved.clone());
        shown.sort();
    }
    assert_eq!(list(&client, false).await, shown, "{back:?}");

    disks[0].make_room();
    if back.is_err() {
        client
            .call_raw("thread/unarchive", json!({"threadId": shelved}))
            .await
            .expect("room");
        shown.push(shelved.clone());
    }
    client
        .call_raw("thread/name/set", named)
        .await
        .expect("room for a name");
    for thread in [&thread, &fresh, &shelved] {
        if *thread == shelved {
            client
                .call_raw("thread/resume", json!({"threadId": thread}))
                .await
                .expect("thread/resume");
        }
        server.model.say("room again");
        assert_eq!(client.turn(thread, "second").await.status, TurnStatus::Completed);
    }
    shown.push(fresh.clone());
    shown.sort();
    assert_eq!(list(&client, false).await, shown);
    listed_by_index(&client, &shown).await;
    for restarted in [false, true] {
        let reader = match restarted {
            false => client.clone(),
            true => {
                server.kill().await;
                server.launch().await;
                server.client().await
            }
        };
        for thread in [&thread, &fresh, &shelved] {
            let turns = turns(&reader, thread).await;
            assert!(turns.last().is_some_and(|turn| turn.to_string().contains("room again")));
            holds_what_was_told(&client, thread, &turns);
        }
        let read = reader
            .call_raw("thread/read", json!({"threadId": kept}))
            .await
            .expect("thread/read");
        assert_eq!(read["thread"]["name"], *name);
    }
    server.kill().await;
}

#[tokio::test]
async fn an_index_without_room_stops_nothing_and_catches_up_when_there_is_some() {
    let Some((mut server, disks)) = small_home("2m", true).await else {
        return;
    };
    let client = server.client().await;
    server.indexed().await;
    let first = client.thread().await;
    client.turn(&first, "first").await;
    disks[0].fill();
    let mut shown = vec![first];
    let began = std::time::Instant::now();
    for n in 0..20 {
        let thread = client.thread().await;
        let turn = client.turn(&thread, &"y".repeat(3_000)).await;
        assert_eq!(turn.status, TurnStatus::Completed, "{n}");
        let page = client
            .call_raw("thread/turns/list", json!({"threadId": thread}))
            .await
            .expect("a page");
        assert_eq!(page["data"].as_array().map(Vec::len), Some(1));
        shown.push(thread);
        shown.sort();
        assert_eq!(list(&client, false).await, shown);
    }
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(15),
        "nobody waits for room in the index: {took:?}"
    );
    disks[0].make_room();
    listed_by_index(&client, &shown).await;
    server.kill().await;
}

#[tokio::test]
async fn files_that_do_not_fit_leave_what_was_there() {
    let Some((mut server, disks)) = small_home("2m", false).await else {
        return;
    };
    let client = server.client().await;
    server.indexed().await;
    let (old, new) = (server.home().join("old"), server.home().join("new"));
    std::fs::write(&old, "as it was").expect("room");
    let config = std::fs::read(server.home().join("config.toml")).expect("config.toml");
    let write = async |path: &Path, bytes: usize| {
        let data = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![b'x'; bytes]);
        let params = json!({"path": path, "dataBase64": data});
        client.call_raw("fs/writeFile", params).await
    };
    let set = async |value: String| {
        let params = json!({"keyPath": "developer_instructions", "value": value, "mergeStrategy": "replace"});
        client.call_raw("config/value/write", params).await
    };
    disks[0].fill();
    for path in [&old, &new] {
        let error = write(path, 100_000).await.expect_err("no room");
        assert!(error.message.contains("No space left on device"), "{error:?}");
    }
    assert_eq!(std::fs::read_to_string(&old).expect("the old file"), "as it was");
    assert!(!new.exists());
    let error = set("y".repeat(20_000)).await.expect_err("no room");
    assert!(error.message.contains("No space left on device"), "{error:?}");
    assert_eq!(
        std::fs::read(server.home().join("config.toml")).expect("config.toml"),
        config
    );
    let names = std::fs::read_dir(server.home()).expect("the home").flatten();
    let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().starts_with(".config.toml")),
        "{names:?}"
    );
    // What is there can be replaced by what needs no more room.
    write(&old, 9).await.expect("as much as before");
    assert_eq!(std::fs::read_to_string(&old).expect("the file"), "x".repeat(9));

    disks[0].make_room();
    write(&new, 100_000).await.expect("room");
    set("y".repeat(20_000)).await.expect("room");
    assert_eq!(std::fs::metadata(&new).expect("the file").len(), 100_000);
    server.kill().await;
}
