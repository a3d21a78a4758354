use super::*;
use crate::settings::Durability;
use crate::store::tests::{new_thread, turn};
use crate::store::{ListQuery, Scope, ThreadStore};

fn store(home: &tempfile::TempDir) -> LocalThreadStore {
    LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn)
}

fn git(branch: Option<Option<&str>>) -> MetadataPatch {
    MetadataPatch {
        branch: branch.map(|branch| branch.map(str::to_owned)),
        ..MetadataPatch::default()
    }
}

fn memory(mode: &str) -> MetadataPatch {
    MetadataPatch {
        memory_mode: Some(mode.to_owned()),
        ..MetadataPatch::default()
    }
}

#[actix_rt::test]
async fn cleared_git_stays_cleared_and_memory_keeps_git() {
    let home = tempfile::tempdir().unwrap();
    let mut new = new_thread("mock");
    new.meta.git = Some(GitMeta {
        branch: Some("main".into()),
        ..GitMeta::default()
    });
    let id = new.meta.id;
    {
        let store = store(&home);
        let recorder = store.create(new).unwrap();
        recorder.append(turn("t1", "hello")).await.unwrap();
        store.update_metadata(id, git(Some(Some("work")))).await.unwrap();
        let changed = store.update_metadata(id, memory("disabled")).await.unwrap();
        assert_eq!(changed.git.unwrap().branch.as_deref(), Some("work"));
    }
    let stored = store(&home);
    let listed = stored.list(ListQuery::new("mock")).await.unwrap();
    assert_eq!(listed.threads[0].git.as_ref().unwrap().branch.as_deref(), Some("work"));
    let read = stored.read(id, Scope::All).await.unwrap();
    assert_eq!(read.git.unwrap().branch.as_deref(), Some("work"));
    assert_eq!(read.memory_mode.as_deref(), Some("disabled"));
    // Nobody records the thread now.
    stored.update_metadata(id, git(Some(None))).await.unwrap();
    let path = stored
        .update_metadata(id, memory("enabled"))
        .await
        .unwrap()
        .path
        .unwrap();
    let last = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .last()
        .unwrap()
        .to_owned();
    assert!(last.contains("\"git\":{}"), "others would take an older git: {last}");
    let read = store(&home).read(id, Scope::All).await.unwrap();
    assert_eq!((read.git, read.memory_mode.as_deref()), (None, Some("enabled")));
}

#[actix_rt::test]
async fn a_thread_without_a_file_gets_one() {
    let home = tempfile::tempdir().unwrap();
    let store = store(&home);
    let recorder = store.create(new_thread("mock")).unwrap();
    store
        .update_metadata(recorder.thread_id(), git(Some(Some("b"))))
        .await
        .unwrap();
    let text = std::fs::read_to_string(recorder.path().unwrap()).unwrap();
    assert_eq!(text.matches("\"session_meta\"").count(), 2);
    assert!(
        !text.lines().next().unwrap().contains("\"git\""),
        "the first line is what it was"
    );
}
