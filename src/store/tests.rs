//! The store on real files, without an index. With one: see the tests of the actor that writes it.

use std::sync::Arc;

use serde_json::json;

use crate::protocol::{SortDirection, ThreadId, ThreadSortKey, ThreadSourceKind, ThreadStatus, TurnStatus};
use crate::settings::Durability;
use crate::store::*;

pub(crate) fn new_thread(provider: &str) -> NewThread {
    NewThread {
        meta: SessionMeta::new(ThreadId::generate(), "/work".into(), "test".into(), provider.into()),
        ephemeral: false,
    }
}

/// The lines of a small turn.
pub(crate) fn turn(id: &str, text: &str) -> Vec<RolloutItem> {
    let user = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    vec![
        EventMsg::TaskStarted(TaskStarted {
            turn_id: Some(id.to_owned()),
            started_at: Some(1),
            ..TaskStarted::default()
        })
        .into(),
        RolloutItem::response_item(&user).unwrap(),
        EventMsg::UserMessage(UserMessage {
            message: text.to_owned(),
            ..UserMessage::default()
        })
        .into(),
        RolloutItem::item_id(id, "u1", ItemIdOf::UserMessage),
        EventMsg::AgentMessage(AgentMessage {
            message: "answer".to_owned(),
            ..AgentMessage::default()
        })
        .into(),
        EventMsg::TaskComplete(TaskComplete {
            turn_id: Some(id.to_owned()),
            completed_at: Some(2),
            ..TaskComplete::default()
        })
        .into(),
    ]
}

fn store() -> (tempfile::TempDir, LocalThreadStore) {
    let home = tempfile::tempdir().unwrap();
    let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn);
    (home, store)
}

async fn ids(store: &LocalThreadStore, query: ListQuery) -> Vec<ThreadId> {
    store
        .list(query)
        .await
        .unwrap()
        .threads
        .iter()
        .map(|thread| thread.id)
        .collect()
}

#[actix_rt::test]
async fn the_file_comes_with_the_first_line() {
    let (home, store) = store();
    let recorder = store.create(new_thread("mock")).unwrap();
    let path = recorder.path().unwrap();
    assert!(path.starts_with(home.path().join("sessions")) && !path.exists());
    assert!(store.history(recorder.thread_id(), None).await.is_err());
    recorder.append(turn("t1", "hello")).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(text.starts_with("{\"timestamp\":\"") && text.lines().next().unwrap().contains("session_meta"));
    let history = store.history(recorder.thread_id(), None).await.unwrap();
    assert_eq!(history.turns[0].items.len(), 2);
    assert_eq!(
        store.conversation(recorder.thread_id(), 0).await.unwrap().items.len(),
        1
    );
    let thread = history.head.thread.to_thread(ThreadStatus::Idle, Vec::new());
    assert_eq!(
        (thread.preview.as_str(), thread.model_provider.as_str()),
        ("hello", "mock")
    );
}

#[actix_rt::test]
async fn appends_from_many_places_keep_their_order_and_stay_whole() {
    let (_home, store) = store();
    let recorder = store.create(new_thread("mock")).unwrap();
    let mut appends = Vec::new();
    for number in 0..200 {
        let recorder = recorder.clone();
        appends.push(actix_rt::spawn(async move {
            recorder.append(turn(&format!("t{number}"), "x")).await
        }));
    }
    for append in appends {
        append.await.unwrap().unwrap();
    }
    let history = store.history(recorder.thread_id(), None).await.unwrap();
    let expected: Vec<_> = (0..200).map(|number| format!("t{number}")).collect();
    assert_eq!(
        history.turns.iter().map(|turn| turn.id.clone()).collect::<Vec<_>>(),
        expected
    );
}

#[actix_rt::test]
async fn an_unfinished_turn_of_a_dead_process_is_interrupted_and_the_thread_goes_on() {
    let (home, store) = store();
    let recorder = store.create(new_thread("mock")).unwrap();
    let id = recorder.thread_id();
    recorder.append(turn("t1", "one")).await.unwrap();
    let mut half = turn("t2", "two");
    half.pop();
    half.push(
        RolloutItem::response_item(&json!({"type": "function_call", "name": "f", "arguments": "", "call_id": "c"}))
            .unwrap(),
    );
    recorder.append(half).await.unwrap();
    let path = recorder.path().unwrap();
    // The process dies in the middle of a write.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"timestamp\":\"2026"))
        .unwrap();
    let again = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
    let resumed = again.resume(id).await.unwrap();
    let history = again.history(id, None).await.unwrap();
    assert_eq!(history.turns[1].status, TurnStatus::Interrupted);
    let conversation = again.conversation(id, 0).await.unwrap();
    assert!(conversation.items.last().unwrap().get().contains("aborted"));
    resumed.recorder.append(turn("t3", "three")).await.unwrap();
    let history = again.history(id, None).await.unwrap();
    assert_eq!(history.turns.len(), 3);
    assert_eq!(history.turns[2].status, TurnStatus::Completed);
    assert_eq!(history.head.thread.preview, "one");
}

#[actix_rt::test]
async fn a_thread_survives_the_loss_of_its_first_line() {
    let (_home, store) = store();
    let recorder = store.create(new_thread("mock")).unwrap();
    recorder.append(turn("t1", "one")).await.unwrap();
    let path = recorder.path().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("\0\0{}", &text[40..])).unwrap();
    let id = recorder.thread_id();
    drop(recorder);
    let read = store.read(id, Scope::All).await.unwrap();
    assert_eq!((read.id, read.preview.as_str()), (id, "one"));
    assert_eq!(ids(&store, ListQuery::new("mock")).await, [id]);
}

#[actix_rt::test]
async fn a_file_without_a_meta_line_is_empty() {
    let (home, store) = store();
    let folder = home.path().join("sessions/2026/01/01");
    std::fs::create_dir_all(&folder).unwrap();
    let id = ThreadId::generate();
    let path = folder.join(format!("rollout-2026-01-01T00-00-00-{id}.jsonl"));
    std::fs::write(&path, "").unwrap();
    let error = store.read(id, Scope::All).await.unwrap_err().to_string();
    let shown = path.display();
    assert_eq!(
        error,
        format!("thread-store internal error: failed to read thread {shown}: rollout at {shown} is empty")
    );
}

#[actix_rt::test]
async fn ephemeral_threads_leave_no_trace() {
    let (home, store) = store();
    let new = NewThread {
        ephemeral: true,
        ..new_thread("mock")
    };
    let recorder = store.create(new).unwrap();
    recorder.append(turn("t", "secret")).await.unwrap();
    recorder.sync().await.unwrap();
    assert_eq!((recorder.path(), recorder.thread().preview.as_str()), (None, "secret"));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    assert!(ids(&store, ListQuery::new("mock")).await.is_empty());
}

#[actix_rt::test]
async fn lists_filter_sort_and_page() {
    let (_home, store) = store();
    let mut made = Vec::new();
    for (text, provider) in [
        ("alpha topic", "mock"),
        ("beta topic", "mock"),
        ("gamma", "other"),
        ("", "mock"),
    ] {
        let recorder = store.create(new_thread(provider)).unwrap();
        recorder.append(turn("t", text)).await.unwrap();
        made.push(recorder.thread_id());
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    let query = ListQuery::new("mock");
    let all = ListQuery {
        model_providers: Some(Vec::new()),
        ..query.clone()
    };
    assert_eq!(ids(&store, query.clone()).await, [made[1], made[0]]);
    assert_eq!(ids(&store, all.clone()).await, [made[2], made[1], made[0]]);
    let ascending = ListQuery {
        direction: SortDirection::Asc,
        sort_key: ThreadSortKey::UpdatedAt,
        ..all.clone()
    };
    assert_eq!(ids(&store, ascending).await, [made[0], made[1], made[2]]);
    let search = |term: &str| ListQuery {
        search_term: Some(term.to_owned()),
        ..all.clone()
    };
    assert_eq!(ids(&store, search("topic")).await, [made[1], made[0]]);
    assert!(ids(&store, search("TOPIC")).await.is_empty());
    store.rename(made[0], "My name").await.unwrap();
    assert_eq!(ids(&store, search("My")).await, [made[0]]);
    assert_eq!(
        store.read(made[0], Scope::All).await.unwrap().name.as_deref(),
        Some("My name")
    );
    let kinds = ListQuery {
        source_kinds: vec![ThreadSourceKind::Cli],
        ..all.clone()
    };
    assert!(ids(&store, kinds).await.is_empty());
    let nowhere = ListQuery {
        cwds: Some(Vec::new()),
        ..all.clone()
    };
    assert!(ids(&store, nowhere).await.is_empty());

    let page = |cursor: Option<String>, direction| ListQuery {
        limit: Some(1),
        cursor,
        direction,
        ..all.clone()
    };
    let first = store.list(page(None, SortDirection::Desc)).await.unwrap();
    let second = store
        .list(page(first.next_cursor.clone(), SortDirection::Desc))
        .await
        .unwrap();
    let third = store
        .list(page(second.next_cursor.clone(), SortDirection::Desc))
        .await
        .unwrap();
    assert_eq!(
        [first.threads[0].id, second.threads[0].id, third.threads[0].id],
        [made[2], made[1], made[0]]
    );
    assert_eq!(third.next_cursor, None);
    let back = store
        .list(page(second.backwards_cursor, SortDirection::Asc))
        .await
        .unwrap();
    assert_eq!(back.threads[0].id, made[1]);
    let error = store
        .list(page(Some("rubbish".into()), SortDirection::Desc))
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::Invalid("invalid cursor: rubbish".into()));
    let bare = first.next_cursor.unwrap().split('|').next().unwrap().to_owned();
    assert_eq!(
        store.list(page(Some(bare), SortDirection::Desc)).await.unwrap().threads[0].id,
        made[1]
    );
}

#[actix_rt::test]
async fn archiving_moves_the_file_and_the_pen_follows() {
    let (home, store) = store();
    let recorder = store.create(new_thread("mock")).unwrap();
    let id = recorder.thread_id();
    recorder.append(turn("t1", "one")).await.unwrap();
    let path = recorder.path().unwrap();
    let archived = store.archive(id).await.unwrap();
    assert_eq!(archived.parent().unwrap(), home.path().join("archived_sessions"));
    assert!(!path.exists());
    assert_eq!(
        store.archive(id).await.unwrap_err(),
        StoreError::NotFound(id.to_string())
    );
    recorder.append(turn("t2", "two")).await.unwrap();
    assert_eq!(store.history(id, None).await.unwrap().turns.len(), 2);
    assert!(ids(&store, ListQuery::new("mock")).await.is_empty());
    assert_eq!(store.unarchive(id).await.unwrap(), path);
    recorder.append(turn("t3", "three")).await.unwrap();
    assert_eq!(store.history(id, None).await.unwrap().turns.len(), 3);
    assert_eq!(ids(&store, ListQuery::new("mock")).await, [id]);
}

#[actix_rt::test]
async fn a_write_that_fails_is_told_and_the_thread_goes_on() {
    let (home, store) = store();
    // A file stands where the folder of rollouts should be.
    let blocker = home.path().join("sessions");
    std::fs::write(&blocker, "").unwrap();
    let recorder = store.create(new_thread("mock")).unwrap();
    let error = recorder.append(turn("t1", "one")).await.unwrap_err();
    assert!(matches!(error, StoreError::Write { disk_full: false, .. }), "{error}");
    std::fs::remove_file(&blocker).unwrap();
    recorder.append(turn("t2", "two")).await.unwrap();
    let history = store.history(recorder.thread_id(), None).await.unwrap();
    assert_eq!(history.turns.len(), 1);
    assert_eq!(history.turns[0].id, "t2");
}

#[test]
fn the_installation_id_is_made_once() {
    let home = tempfile::tempdir().unwrap();
    let gate = Arc::new(std::sync::Barrier::new(8));
    let ids: std::collections::HashSet<String> = (0..8)
        .map(|_| {
            let (gate, home) = (Arc::clone(&gate), home.path().to_path_buf());
            std::thread::spawn(move || {
                gate.wait();
                installation_id(&home).unwrap()
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(ids.len(), 1);
    let text = std::fs::read_to_string(home.path().join("installation_id")).unwrap();
    assert_eq!(text.len(), 36);
    std::fs::write(home.path().join("installation_id"), "junk").unwrap();
    assert_ne!(installation_id(home.path()).unwrap(), text);
}

#[test]
fn names_are_read_as_they_come() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (names::Names::new(home.path()), names::Names::new(home.path()));
    let id = ThreadId::generate();
    assert_eq!(ours.get(id), None);
    theirs.set(id, "one").unwrap();
    assert_eq!(ours.get(id).as_deref(), Some("one"));
    let path = home.path().join("session_index.jsonl");
    let mut text = std::fs::read_to_string(&path).unwrap();
    text.push_str("not a line\n\n{\"id\":\"half");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(ours.get(id).as_deref(), Some("one"));
    theirs.set(id, "two").unwrap();
    assert_eq!(ours.get(id).as_deref(), Some("two"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ours.get(id), None);
}
