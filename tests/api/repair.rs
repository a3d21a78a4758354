//! Rows of the index that lead nowhere, or to another thread's file: the answer is right all the same, and the row is
//! right afterwards.

use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use serde_json::{Value, json};

use crate::harness::{Client, Rollout, TestServer, Transport, counted};

/// Two threads that the index knows, and a client.
struct Pair {
    server: TestServer,
    client: Client,
    a: Rollout,
    b: Rollout,
}

async fn pair() -> Pair {
    let mut server = TestServer::start(Transport::Ws).await;
    let (a, b) = (Rollout::new("of a"), Rollout::new("of b").on_day(2));
    a.write(&server.home());
    b.write(&server.home());
    let client = server.client().await;
    let list = client.call_raw("thread/list", json!({})).await.unwrap();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2), "{list}");
    server.indexed().await;
    assert_eq!(rows(&server.home()).len(), 2);
    Pair { server, client, a, b }
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = diesel::sql_types::Text)]
    id: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    rollout_path: String,
}

fn database(home: &Path) -> SqliteConnection {
    let path = home.join("greenroom.sqlite").display().to_string();
    let mut connection = SqliteConnection::establish(&path).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000;").unwrap();
    connection
}

/// The rows of the index: thread and file.
fn rows(home: &Path) -> Vec<(String, PathBuf)> {
    let rows: Vec<Row> = diesel::sql_query("SELECT id, rollout_path FROM threads ORDER BY id")
        .load(&mut database(home))
        .unwrap();
    rows.into_iter()
        .map(|row| (row.id, PathBuf::from(row.rollout_path)))
        .collect()
}

fn row_of(home: &Path, id: &str) -> Option<PathBuf> {
    rows(home).into_iter().find(|(of, _)| of == id).map(|(_, path)| path)
}

impl Pair {
    fn home(&self) -> PathBuf {
        self.server.home()
    }

    /// Lets the row of A point at the file of B, with B's size and time, as if it had been read from there.
    fn mislead(&self) {
        let text = format!(
            "UPDATE threads SET (rollout_path, file_size, file_mtime_ns) = (SELECT rollout_path, file_size, \
             file_mtime_ns FROM threads WHERE id = '{}') WHERE id = '{}';",
            self.b.id, self.a.id
        );
        database(&self.home()).batch_execute(&text).unwrap();
    }

    /// Waits until the row of A names this file.
    async fn mended(&self, path: &Path) {
        crate::harness::within("the mended row", async {
            while row_of(&self.home(), &self.a.id).as_deref() != Some(path) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(
            row_of(&self.home(), &self.b.id),
            Some(self.b.path(&self.home())),
            "B's row stays"
        );
    }

    async fn read(&self, id: &str, turns: bool) -> Value {
        let params = json!({"threadId": id, "includeTurns": turns});
        self.client.call_raw("thread/read", params).await.unwrap()["thread"].clone()
    }

    async fn list(&self, index_only: bool) -> Vec<Value> {
        let params = json!({"useStateDbOnly": index_only});
        let list = self.client.call_raw("thread/list", params).await.unwrap();
        list["data"].as_array().unwrap().clone()
    }

    fn is_a(&self, thread: &Value, path: &Path) {
        assert_eq!(thread["id"], *self.a.id);
        assert_eq!(thread["preview"], "of a");
        assert_eq!(thread["path"], *path.display().to_string());
    }

    /// A list that shows both threads, each with its own file.
    async fn lists_both(&self, index_only: bool, path_of_a: &Path) {
        let list = self.list(index_only).await;
        assert_eq!(list.len(), 2, "{list:?}");
        let a = list.iter().find(|thread| thread["id"] == *self.a.id).unwrap();
        self.is_a(a, path_of_a);
        let b = list.iter().find(|thread| thread["id"] == *self.b.id).unwrap();
        assert_eq!(b["path"], *self.b.path(&self.home()).display().to_string());
    }
}

#[tokio::test]
async fn a_row_that_points_at_another_thread_is_mended_by_a_read() {
    for turns in [false, true] {
        let pair = pair().await;
        pair.mislead();
        let thread = pair.read(&pair.a.id, turns).await;
        let path = pair.a.path(&pair.home());
        pair.is_a(&thread, &path);
        if turns {
            assert_eq!(thread["turns"][0]["id"], format!("turn-{}", pair.a.id));
        }
        pair.mended(&path).await;
        let fallback = ["find_thread_path", "mismatch"];
        let metrics = pair.server.metrics().await;
        assert!(
            counted(&metrics, "codex_sqlite_fallback_count", &fallback) > 0.0,
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn a_row_that_points_at_another_thread_is_mended_by_taking_the_thread_up() {
    let pair = pair().await;
    pair.mislead();
    let params = json!({"threadId": pair.a.id});
    let resumed = pair.client.call_raw("thread/resume", params).await.unwrap();
    let path = pair.a.path(&pair.home());
    pair.is_a(&resumed["thread"], &path);
    pair.server.model.say("more");
    pair.client.turn(&pair.a.id, "go on").await;
    assert!(std::fs::read_to_string(&path).unwrap().contains("go on"));
    assert_eq!(
        std::fs::read_to_string(pair.b.path(&pair.home())).unwrap(),
        pair.b.lines()
    );
    pair.mended(&path).await;
}

#[tokio::test]
async fn a_row_that_points_at_another_thread_is_mended_by_lists() {
    for index_only in [false, true] {
        let pair = pair().await;
        pair.mislead();
        let path = pair.a.path(&pair.home());
        pair.lists_both(index_only, &path).await;
        pair.mended(&path).await;
    }
}

#[tokio::test]
async fn a_row_that_points_at_another_thread_does_not_mislead_pages_of_turns() {
    let pair = pair().await;
    pair.mislead();
    let params = json!({"threadId": pair.a.id, "itemsView": "full"});
    let page = pair.client.call_raw("thread/turns/list", params).await.unwrap();
    assert_eq!(page["data"][0]["id"], format!("turn-{}", pair.a.id), "{page}");
    pair.mended(&pair.a.path(&pair.home())).await;
}

#[tokio::test]
async fn a_file_that_moved_to_another_day_is_found_again() {
    for how in ["read", "turns", "resume", "list", "index only"] {
        let pair = pair().await;
        let old = pair.a.path(&pair.home());
        let moved = pair.home().join("sessions/2026/08/09").join(old.file_name().unwrap());
        std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
        std::fs::rename(&old, &moved).unwrap();
        match how {
            "read" => pair.is_a(&pair.read(&pair.a.id, false).await, &moved),
            "turns" => pair.is_a(&pair.read(&pair.a.id, true).await, &moved),
            "resume" => {
                let params = json!({"threadId": pair.a.id});
                let resumed = pair.client.call_raw("thread/resume", params).await.unwrap();
                pair.is_a(&resumed["thread"], &moved);
                continue;
            }
            how => pair.lists_both(how == "index only", &moved).await,
        }
        pair.mended(&moved).await;
    }
}

#[tokio::test]
async fn a_file_whose_name_tells_no_id_is_the_thread_that_it_says_it_is() {
    let pair = pair().await;
    let old = pair.a.path(&pair.home());
    let renamed = old.with_file_name("rollout-of-my-own.jsonl");
    std::fs::rename(&old, &renamed).unwrap();
    pair.is_a(&pair.read(&pair.a.id, true).await, &renamed);
    pair.mended(&renamed).await;
    pair.is_a(&pair.read(&pair.a.id, false).await, &renamed);
    pair.lists_both(false, &renamed).await;
    pair.lists_both(true, &renamed).await;
    let id = json!({"threadId": pair.a.id});
    pair.client.call_raw("thread/archive", id.clone()).await.unwrap();
    assert!(pair.home().join("archived_sessions/rollout-of-my-own.jsonl").is_file());
    pair.client.call_raw("thread/unarchive", id).await.unwrap();
    pair.lists_both(false, &renamed).await;
}

#[tokio::test]
async fn a_file_under_the_name_of_another_thread_is_not_taken_for_it() {
    let pair = pair().await;
    let path = pair.a.path(&pair.home());
    std::fs::remove_file(&path).unwrap();
    std::fs::copy(pair.b.path(&pair.home()), &path).unwrap();
    let params = json!({"threadId": pair.a.id, "includeTurns": true});
    let error = pair.client.call_raw("thread/read", params).await.unwrap_err();
    assert_eq!(error.code, -32600, "{error:?}");
    let b = pair.read(&pair.b.id, true).await;
    assert_eq!(b["turns"][0]["id"], format!("turn-{}", pair.b.id));
}

#[tokio::test]
async fn a_row_whose_file_is_gone_goes_with_it() {
    for index_only in [false, true] {
        let pair = pair().await;
        std::fs::remove_file(pair.a.path(&pair.home())).unwrap();
        let list = pair.list(index_only).await;
        assert_eq!(list.len(), 1, "{list:?}");
        assert_eq!(list[0]["id"], *pair.b.id);
        assert_eq!(row_of(&pair.home(), &pair.a.id), None);
    }
}
