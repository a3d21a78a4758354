use super::*;
use crate::protocol::TurnStatus;
use crate::store::index::{IndexJob, IndexWriter};
use crate::store::tests::{new_thread, turn};
use crate::store::{Recorder, StoreFuture, ThreadStore};

fn store() -> (tempfile::TempDir, LocalThreadStore) {
    let home = tempfile::tempdir().unwrap();
    let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn);
    (home, store)
}

fn new_fork(of: ThreadId) -> NewFork {
    let mut meta = new_thread("mock").meta;
    meta.forked_from_id = Some(of);
    let told = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"stopped"}]}"#;
    NewFork {
        meta,
        interruption: Some(RawValue::from_string(told.to_owned()).unwrap().into()),
    }
}

async fn fork(store: &LocalThreadStore, of: &Recorder) -> ResumedThread {
    let source = store.fork_source(ForkOf::Thread(of.thread_id())).await.unwrap();
    store.fork(&source, new_fork(of.thread_id())).await.unwrap()
}

#[actix_rt::test]
async fn the_parents_lines_follow_the_forks_own_first_one_as_they_are() {
    let (_home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    parent.append(turn("t1", "hello")).await.unwrap();
    let forked = fork(&store, &parent).await;
    let original = fs::read_to_string(parent.path().unwrap()).unwrap();
    let copy = fs::read_to_string(forked.recorder.path().unwrap()).unwrap();
    let (first, rest) = copy.split_once('\n').unwrap();
    assert!(first.contains("\"forked_from_id\"") && first.contains(&forked.recorder.thread_id().to_string()));
    assert_eq!(rest, original);
    assert_eq!(forked.head.thread.preview, "hello");
    assert_eq!(forked.head.thread.forked_from_id, Some(parent.thread_id()));
}

#[actix_rt::test]
async fn a_turn_that_had_not_ended_ends_in_the_copy_as_interrupted() {
    let (_home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    let mut lines = turn("t1", "hello");
    lines.pop();
    parent.append(lines).await.unwrap();
    let source = store.fork_source(ForkOf::Thread(parent.thread_id())).await.unwrap();
    assert!(source.is_mid_turn());
    // What comes after that moment is no part of the fork.
    parent.append(turn("t2", "later")).await.unwrap();
    let forked = store.fork(&source, new_fork(parent.thread_id())).await.unwrap();
    let id = forked.recorder.thread_id();
    let turns = store.history(id, None).await.unwrap().turns;
    assert_eq!((turns.len(), turns[0].status), (1, TurnStatus::Interrupted));
    let told = store.conversation(id, 0).await.unwrap().items;
    assert!(told.last().unwrap().get().contains("stopped"));
    let (turns, told) = store.look_into(&source).await.unwrap();
    assert_eq!((turns.len(), told.items.len()), (1, 1));
    // The fork of the fork has nothing left to interrupt.
    let again = store.fork_source(ForkOf::Thread(id)).await.unwrap();
    assert!(!again.is_mid_turn());
}

#[actix_rt::test]
async fn a_last_line_without_its_end_stays_apart_from_what_follows() {
    let (_home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    parent.append(turn("t1", "hello")).await.unwrap();
    let path = parent.path().unwrap();
    let id = parent.thread_id();
    drop(parent);
    let mut file = OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(b"{\"timestamp\":\"half a li").unwrap();
    let source = store.fork_source(ForkOf::File(Cow::Borrowed(&path))).await.unwrap();
    let forked = store.fork(&source, new_fork(id)).await.unwrap();
    forked.recorder.append(turn("t2", "more")).await.unwrap();
    let turns = store.history(forked.recorder.thread_id(), None).await.unwrap().turns;
    assert_eq!(turns.len(), 2);
}

#[actix_rt::test]
async fn a_parent_that_is_moved_meanwhile_is_copied_all_the_same() {
    let (_home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    parent.append(turn("t1", "hello")).await.unwrap();
    let source = store.fork_source(ForkOf::Thread(parent.thread_id())).await.unwrap();
    store.archive(parent.thread_id()).await.unwrap();
    let forked = store.fork(&source, new_fork(parent.thread_id())).await.unwrap();
    assert_eq!(forked.head.thread.preview, "hello");
    // Who records the parent follows it.
    parent.append(turn("t2", "more")).await.unwrap();
    assert_eq!(store.history(parent.thread_id(), None).await.unwrap().turns.len(), 2);
}

#[actix_rt::test]
async fn what_a_crash_left_behind_is_no_thread_and_goes_with_a_later_fork() {
    let (home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    parent.append(turn("t1", "hello")).await.unwrap();
    let folder = home.path().join("sessions").join(COPYING);
    fs::create_dir_all(&folder).unwrap();
    let (old, fresh) = (folder.join("old.part"), folder.join("fresh.part"));
    fs::write(&fresh, "half").unwrap();
    let file = File::create(&old).unwrap();
    file.set_modified(std::time::SystemTime::now() - 2 * ABANDONED).unwrap();
    fork(&store, &parent).await;
    assert!(!old.exists() && fresh.exists());
    assert_eq!(scan::all_files(home.path(), false).len(), 2);
}

/// A writer of an index that is not read from yet.
struct Filling;

impl IndexWriter for Filling {
    fn wake(&self) {}

    fn apply(&self, _: Vec<IndexJob>) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}

#[actix_rt::test]
async fn an_index_that_is_being_filled_hears_of_a_fork_from_its_thread() {
    let (_home, store) = store();
    let parent = store.create(new_thread("mock")).unwrap();
    parent.append(turn("t1", "hello")).await.unwrap();
    store.set_index_writer(Arc::new(Filling));
    store.core.index.switch(true);
    let forked = fork(&store, &parent).await.recorder.thread_id();
    let live = store.core.live.get(forked).unwrap();
    assert!(live.ahead().is_some(), "lists show it beside what the index knows");
    let changes = store.take_changes(10);
    assert!(
        changes.iter().any(|change| change.id == forked),
        "the writer fetches it"
    );
}
