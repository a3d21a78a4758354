//! The store with its index: the actor on an arbiter, real files, a real database.

use std::time::Duration;

use crate::actors::db::{Db, Shutdown};
use crate::actors::handle::Handle;
use crate::protocol::{SortDirection, ThreadId};
use crate::settings::Durability;
use crate::store::tests::{new_thread, turn};
use crate::store::{ListQuery, LocalThreadStore, Scope, ThreadStore};

mod graph;
mod pages;

struct Running {
    store: LocalThreadStore,
    db: Handle<Db>,
    arbiter: actix_rt::Arbiter,
}

impl Running {
    async fn start(home: &std::path::Path) -> Self {
        let running = Self::start_unready(home);
        running.ready().await;
        running
    }

    fn start_unready(home: &std::path::Path) -> Self {
        let store = LocalThreadStore::open(home.to_path_buf(), Durability::Turn);
        let arbiter = actix_rt::Arbiter::new();
        let db = Db::start_on(&arbiter.handle(), store.clone(), Box::new(|| {}));
        Running { store, db, arbiter }
    }

    async fn ready(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while !self.store.index_ready() {
            assert!(
                std::time::Instant::now() < deadline,
                "no index: {:?}",
                self.store.warnings()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn stop(self) {
        let _ = self.db.call(Shutdown).await;
        self.arbiter.stop();
        let _ = self.arbiter.join();
    }

    async fn ids(&self, query: ListQuery) -> Vec<ThreadId> {
        self.store
            .list(query)
            .await
            .unwrap()
            .threads
            .iter()
            .map(|thread| thread.id)
            .collect()
    }

    async fn index_only(&self) -> Vec<ThreadId> {
        self.ids(ListQuery {
            index_only: true,
            ..ListQuery::new("mock")
        })
        .await
    }
}

#[actix_rt::test]
async fn a_list_right_after_a_turn_shows_it() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let mut made = Vec::new();
    for number in 0..50 {
        let recorder = running.store.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", &format!("text {number}"))).await.unwrap();
        made.insert(0, recorder.thread_id());
        let shown = running.ids(ListQuery::new("mock")).await;
        assert_eq!(shown.first(), made.first(), "at {number}");
        assert_eq!(shown.len(), made.len().min(25));
    }
    running.store.index_settled().await.unwrap();
    assert_eq!(running.index_only().await, made[..25]);
    running.stop().await;
}

#[actix_rt::test]
async fn pages_from_the_index_have_every_thread_once() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let mut made = Vec::new();
    for _ in 0..30 {
        let recorder = running.store.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", "x")).await.unwrap();
        made.push(recorder.thread_id());
    }
    running.store.index_settled().await.unwrap();
    for direction in [SortDirection::Asc, SortDirection::Desc] {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let query = ListQuery {
                limit: Some(7),
                cursor,
                direction,
                ..ListQuery::new("mock")
            };
            let page = running.store.list(query).await.unwrap();
            seen.extend(page.threads.iter().map(|thread| thread.id));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        seen.sort();
        assert_eq!(seen, made);
    }
    running.stop().await;
}

#[actix_rt::test]
async fn the_index_catches_up_after_a_kill_and_after_its_loss() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = running.store.create(new_thread("mock")).unwrap();
    let id = recorder.thread_id();
    recorder.append(turn("t", "one")).await.unwrap();
    running.stop().await;
    // Written while nobody indexed.
    let lonely = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
    let other = lonely.create(new_thread("mock")).unwrap();
    other.append(turn("t", "two")).await.unwrap();
    lonely
        .resume(id)
        .await
        .unwrap()
        .recorder
        .append(turn("t2", "more"))
        .await
        .unwrap();
    let expected = lonely.read(id, Scope::All).await.unwrap();
    for lost in [false, true] {
        if lost {
            std::fs::remove_file(home.path().join("greenroom.sqlite")).unwrap();
        }
        let running = Running::start(home.path()).await;
        assert_eq!(running.index_only().await, [other.thread_id(), id]);
        assert_eq!(running.store.read(id, Scope::All).await.unwrap(), expected);
        assert!(running.store.warnings().is_empty());
        running.stop().await;
    }
}

#[actix_rt::test]
async fn a_broken_database_is_replaced_and_told() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = running.store.create(new_thread("mock")).unwrap();
    recorder.append(turn("t", "one")).await.unwrap();
    running.stop().await;
    std::fs::write(home.path().join("greenroom.sqlite"), "rubbish").unwrap();
    let running = Running::start_unready(home.path());
    assert_eq!(running.store.warnings().len(), 1);
    assert_eq!(running.ids(ListQuery::new("mock")).await, [recorder.thread_id()]);
    running.ready().await;
    assert_eq!(running.index_only().await, [recorder.thread_id()]);
    running.stop().await;
}

#[actix_rt::test]
async fn a_database_that_cannot_be_had_stops_nothing() {
    let home = tempfile::tempdir().unwrap();
    // Locks everybody out for good.
    std::fs::create_dir(home.path().join("greenroom.sqlite.lock")).unwrap();
    let running = Running::start_unready(home.path());
    let recorder = running.store.create(new_thread("mock")).unwrap();
    recorder.append(turn("t", "one")).await.unwrap();
    assert_eq!(running.ids(ListQuery::new("mock")).await, [recorder.thread_id()]);
    assert_eq!(
        running
            .store
            .read(recorder.thread_id(), Scope::All)
            .await
            .unwrap()
            .preview,
        "one"
    );
    assert!(running.store.index_settled().await.is_err());
    assert_eq!(running.store.warnings().len(), 1);
    std::fs::remove_dir(home.path().join("greenroom.sqlite.lock")).unwrap();
    // It is tried again, and then the index has what was written meanwhile.
    running.ready().await;
    running.store.index_settled().await.unwrap();
    assert_eq!(running.index_only().await, [recorder.thread_id()]);
    running.stop().await;
}

#[actix_rt::test]
async fn files_of_other_programs_are_noticed() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let other = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
    for number in 0..3 {
        let recorder = other.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", &format!("theirs {number}"))).await.unwrap();
        let shown = running.store.list(ListQuery::new("mock")).await.unwrap();
        assert_eq!(shown.threads.len(), number + 1);
        assert_eq!(shown.threads[0].preview, format!("theirs {number}"));
        recorder.append(turn("t2", "x")).await.unwrap();
        let updated = running.store.list(ListQuery::new("mock")).await.unwrap();
        assert_eq!(updated.threads[0].updated_at_ms, recorder.thread().updated_at_ms);
        if number == 2 {
            std::fs::remove_file(recorder.path().unwrap()).unwrap();
            assert_eq!(running.ids(ListQuery::new("mock")).await.len(), 2);
        }
    }
    running.stop().await;
}

#[actix_rt::test]
async fn a_thread_that_was_taken_up_before_the_index_knew_it_is_listed() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    assert!(running.ids(ListQuery::new("mock")).await.is_empty());
    let other = LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn);
    let recorder = other.create(new_thread("mock")).unwrap();
    recorder.append(turn("t", "theirs")).await.unwrap();
    let id = recorder.thread_id();
    drop(recorder);
    let taken_up = running.store.resume(id).await.unwrap();
    assert_eq!(running.ids(ListQuery::new("mock")).await, [id]);
    drop(taken_up);
    running.store.index_settled().await.unwrap();
    assert_eq!(running.index_only().await, [id]);
    running.stop().await;
}

#[actix_rt::test]
async fn a_file_under_another_name_is_found_by_its_id() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = running.store.create(new_thread("mock")).unwrap();
    recorder.append(turn("t", "one")).await.unwrap();
    let (id, path) = (recorder.thread_id(), recorder.path().unwrap());
    drop(recorder);
    running.store.index_settled().await.unwrap();
    let renamed = path.with_file_name("rollout-by-hand.jsonl");
    std::fs::rename(&path, &renamed).unwrap();
    assert_eq!(running.ids(ListQuery::new("mock")).await, [id]);
    assert_eq!(
        running.store.history(id, None).await.unwrap().head.thread.path,
        Some(renamed)
    );
    running.stop().await;
}

#[actix_rt::test]
async fn eight_servers_share_a_home() {
    let home = tempfile::tempdir().unwrap();
    let lonely = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
    for _ in 0..20 {
        lonely
            .create(new_thread("mock"))
            .unwrap()
            .append(turn("t", "x"))
            .await
            .unwrap();
    }
    let servers: Vec<_> = (0..8).map(|_| Running::start_unready(home.path())).collect();
    for server in &servers {
        server.ready().await;
        assert_eq!(server.index_only().await.len(), 20);
    }
    for server in &servers {
        let recorder = server.store.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", "mine")).await.unwrap();
        server.store.index_settled().await.unwrap();
    }
    for server in servers {
        let all = ListQuery {
            limit: Some(100),
            ..ListQuery::new("mock")
        };
        assert_eq!(server.ids(all).await.len(), 28);
        assert!(server.store.warnings().is_empty());
        server.stop().await;
    }
}

#[actix_rt::test]
async fn closed_threads_leave_memory_once_indexed() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    for _ in 0..40 {
        let recorder = running.store.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", "x")).await.unwrap();
    }
    running.store.index_settled().await.unwrap();
    assert_eq!(running.store.live_count(), 0);
    running.stop().await;
}

/// Makes the actor panic.
#[derive(actix::Message)]
#[rtype(result = "()")]
struct Fall;

impl actix::Handler<Fall> for Db {
    type Result = ();

    fn handle(&mut self, _: Fall, _context: &mut Self::Context) {
        panic!("a test wants it");
    }
}

#[actix_rt::test]
async fn a_fallen_writer_is_told_and_another_takes_its_place() {
    let home = tempfile::tempdir().unwrap();
    let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn);
    let arbiter = actix_rt::Arbiter::new();
    let (told, mut falls) = tokio::sync::mpsc::unbounded_channel();
    let start = || {
        let told = told.clone();
        Db::start_on(
            &arbiter.handle(),
            store.clone(),
            Box::new(move || told.send(()).unwrap_or_default()),
        )
    };
    let first = start();
    let _ = first.call(Fall).await;
    assert!(falls.recv().await.is_some());
    assert!(!store.index_ready());
    let running = Running {
        store: store.clone(),
        db: start(),
        arbiter: actix_rt::Arbiter::new(),
    };
    running.ready().await;
    running.stop().await;
    assert!(falls.try_recv().is_err(), "an end that was asked for is no fall");
}
