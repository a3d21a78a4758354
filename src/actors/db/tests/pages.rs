//! Pages of turns and items, and taking threads up, with the index and without: the answers are the same.

use serde_json::json;

use super::Running;
use crate::protocol::{SortDirection, ThreadId, ThreadItem, Turn, TurnItemsView, TurnStatus};
use crate::settings::Durability;
use crate::store::tests::{new_thread, turn};
use crate::store::turns::items;
use crate::store::{
    EventMsg, GreenroomLine, ItemAnchor, ItemQuery, ListQuery, LocalThreadStore, Missing, Page, RolloutItem,
    StoreError, ThreadRolledBack, ThreadStore, TurnAnchor, TurnQuery,
};

fn page<A>(anchor: Option<A>, direction: SortDirection, limit: u32) -> Page<A> {
    Page {
        anchor,
        direction,
        limit: Some(limit),
    }
}

async fn turns(
    store: &LocalThreadStore,
    id: ThreadId,
    page: Page<TurnAnchor>,
    view: TurnItemsView,
) -> (Vec<Turn>, bool) {
    let query = TurnQuery {
        page,
        view,
        live_turn: None,
    };
    let found = store.list_turns(id, query).await.unwrap();
    (found.turns, found.more)
}

fn ids(turns: &[Turn]) -> Vec<&str> {
    turns.iter().map(|turn| turn.id.as_str()).collect()
}

/// A failed turn whose command has an id of its own.
fn failed(id: &str) -> Vec<RolloutItem> {
    let mut lines = turn(id, "fail");
    let end = lines.pop().unwrap();
    let item: ThreadItem = serde_json::from_value(json!({
        "type": "commandExecution", "id": format!("call-{id}"), "command": "ls", "cwd": "/work", "status": "failed",
        "commandActions": [], "aggregatedOutput": "out", "exitCode": 1, "durationMs": 3, "processId": null, "source": "agent",
    }))
    .unwrap();
    let error =
        serde_json::from_value(json!({"message": "no", "codexErrorInfo": null, "additionalDetails": null})).unwrap();
    lines.push(RolloutItem::item(id, item));
    lines.push(
        GreenroomLine::TurnError {
            turn_id: id.to_owned(),
            error,
        }
        .into(),
    );
    lines.push(end);
    lines
}

async fn recorded(store: &LocalThreadStore, turns: usize) -> crate::store::Recorder {
    let recorder = store.create(new_thread("mock")).unwrap();
    for number in 0..turns {
        let id = format!("t{number}");
        let lines = if number == 2 {
            failed(&id)
        } else {
            turn(&id, &format!("text {number}"))
        };
        recorder.append(lines).await.unwrap();
    }
    recorder
}

/// The same store without an index.
fn plain(running: &Running) -> LocalThreadStore {
    LocalThreadStore::open(running.store.home().to_path_buf(), Durability::Turn)
}

#[actix_rt::test]
async fn pages_of_turns_are_the_same_with_and_without_the_index() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = recorded(&running.store, 12).await;
    let id = recorder.thread_id();
    let anchor = |turn: &str, include| {
        Some(TurnAnchor {
            turn_id: turn.to_owned(),
            include,
        })
    };
    let plain = plain(&running);
    for view in [TurnItemsView::Full, TurnItemsView::Summary, TurnItemsView::NotLoaded] {
        for (anchor, direction) in [
            (None, SortDirection::Desc),
            (None, SortDirection::Asc),
            (anchor("t7", false), SortDirection::Desc),
            (anchor("t7", true), SortDirection::Desc),
            (anchor("t7", false), SortDirection::Asc),
            (anchor("t7", true), SortDirection::Asc),
        ] {
            let asked = page(anchor, direction, 5);
            let indexed = turns(&running.store, id, asked.clone(), view).await;
            assert_eq!(
                indexed,
                turns(&plain, id, asked.clone(), view).await,
                "{asked:?} {view:?}"
            );
        }
    }
    let (found, more) = turns(
        &running.store,
        id,
        page(None, SortDirection::Desc, 3),
        TurnItemsView::Summary,
    )
    .await;
    assert_eq!((ids(&found), more), (vec!["t11", "t10", "t9"], true));
    let (found, _) = turns(
        &running.store,
        id,
        page(anchor("t2", true), SortDirection::Asc, 1),
        TurnItemsView::Full,
    )
    .await;
    assert_eq!(found[0].status, TurnStatus::Failed);
    assert_eq!(found[0].error.as_ref().unwrap().message, "no");
    assert_eq!(items::id(found[0].items.last().unwrap()), "call-t2");
    running.stop().await;
}

#[actix_rt::test]
async fn pages_of_items_go_through_a_turn_or_the_thread() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = recorded(&running.store, 5).await;
    let id = recorder.thread_id();
    for store in [running.store.clone(), plain(&running)] {
        let ask = async |turn_id: Option<&str>, page| {
            let query = ItemQuery {
                turn_id: turn_id.map(str::to_owned),
                page,
            };
            store.list_items(id, query).await.map(|page| {
                let found: Vec<_> = page
                    .items
                    .into_iter()
                    .map(|(turn, item)| format!("{turn} {}", items::kind(&item)))
                    .collect();
                (found, page.more)
            })
        };
        let whole = ask(Some("t2"), page(None, SortDirection::Asc, 10)).await.unwrap();
        assert_eq!(whole.0, ["t2 userMessage", "t2 agentMessage", "t2 commandExecution"]);
        let anchor = ItemAnchor {
            turn_id: "t2".into(),
            item_id: "call-t2".into(),
            include: false,
        };
        let next = ask(None, page(Some(anchor.clone()), SortDirection::Asc, 3))
            .await
            .unwrap();
        assert_eq!(
            next,
            (
                vec![
                    "t3 userMessage".into(),
                    "t3 agentMessage".into(),
                    "t4 userMessage".into()
                ],
                true
            )
        );
        let back = ask(None, page(Some(anchor), SortDirection::Desc, 3)).await.unwrap();
        assert_eq!(
            back,
            (
                vec![
                    "t2 agentMessage".into(),
                    "t2 userMessage".into(),
                    "t1 agentMessage".into()
                ],
                true
            )
        );
        let none = ask(Some("t9"), page(None, SortDirection::Asc, 3)).await;
        assert_eq!(none, Err(StoreError::Missing(Missing::Turn)));
        let lost = ItemAnchor {
            turn_id: "t2".into(),
            item_id: "x".into(),
            include: false,
        };
        let none = ask(None, page(Some(lost), SortDirection::Asc, 3)).await;
        assert_eq!(none, Err(StoreError::Missing(Missing::Anchor)));
    }
    running.stop().await;
}

#[actix_rt::test]
async fn a_thread_taken_up_from_the_index_goes_on_as_one_read_whole() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = recorded(&running.store, 20).await;
    let id = recorder.thread_id();
    // The last turn has no end: the process died.
    let mut half = turn("t20", "half");
    half.pop();
    recorder.append(half).await.unwrap();
    drop(recorder);
    running.store.index_settled().await.unwrap();
    running.stop().await;

    let running = Running::start(home.path()).await;
    let resumed = running.store.resume(id).await.unwrap();
    assert_eq!(resumed.head.thread.title, "text 0");
    let rolled_back = EventMsg::ThreadRolledBack(ThreadRolledBack { num_turns: 15 });
    resumed.recorder.append(vec![rolled_back.into()]).await.unwrap();
    resumed.recorder.append(turn("t21", "on")).await.unwrap();
    let all = || page(None, SortDirection::Asc, 100);
    let indexed = turns(&running.store, id, all(), TurnItemsView::Full).await;
    assert_eq!(ids(&indexed.0), ["t0", "t1", "t2", "t3", "t4", "t5", "t21"]);
    assert_eq!(indexed, turns(&plain(&running), id, all(), TurnItemsView::Full).await);
    running.stop().await;
}

#[actix_rt::test]
async fn lines_of_another_program_are_in_the_next_page() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let recorder = recorded(&running.store, 3).await;
    let (id, path) = (recorder.thread_id(), recorder.path().unwrap());
    drop(recorder);
    running.store.index_settled().await.unwrap();
    let line = json!({"timestamp": "2026-01-01T00:00:00.000Z", "type": "event_msg",
        "payload": {"type": "user_message", "message": "from elsewhere"}});
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    let (found, _) = turns(
        &running.store,
        id,
        page(None, SortDirection::Desc, 1),
        TurnItemsView::Full,
    )
    .await;
    assert!(
        matches!(&found[0].items[0], ThreadItem::UserMessage { .. }),
        "{found:?}"
    );
    assert_ne!(found[0].id, "t2");
    running.stop().await;
}

#[actix_rt::test]
async fn searches_find_any_part_of_a_first_message_in_its_case() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let mut made = Vec::new();
    for text in ["Fix the \"parser\" AND lexer", "needlework", "ähnliche Größe"] {
        let recorder = running.store.create(new_thread("mock")).unwrap();
        recorder.append(turn("t", text)).await.unwrap();
        made.push(recorder.thread_id());
    }
    running.store.rename(made[2], "named Needle").await.unwrap();
    running.store.index_settled().await.unwrap();
    for store in [running.store.clone(), plain(&running)] {
        let hits = async |term: &str| {
            let query = ListQuery {
                search_term: Some(term.to_owned()),
                ..ListQuery::new("mock")
            };
            let page = store.list(query).await.unwrap();
            page.threads.iter().map(|thread| thread.id).collect::<Vec<_>>()
        };
        assert_eq!(hits("\"parser\" AND").await, [made[0]]);
        assert_eq!(hits("needle").await, [made[1]]);
        assert_eq!(hits("Needle").await, [made[2]], "by name");
        assert_eq!(hits("NEEDLE").await, []);
        assert_eq!(hits("Größ").await, [made[2]]);
        assert_eq!(hits("rk").await, [made[1]], "shorter than the index of texts knows");
        assert_eq!(hits("e").await.len(), 3);
        assert_eq!(hits("nee%").await, []);
    }
    running.stop().await;
}
