//! Spawn edges over a real index.

use super::{Running, new_thread, turn};
use crate::protocol::{SessionSource, SubAgentSource, ThreadId};
use crate::store::{AgentGraphStore, EdgeStatus, NewThread, SpawnEdge, ThreadStore};

fn edge(parent: ThreadId, child: ThreadId, status: EdgeStatus) -> SpawnEdge {
    SpawnEdge {
        parent,
        child,
        status,
        agent_path: None,
    }
}

/// A thread that `parent` spawned.
fn spawned(parent: ThreadId) -> NewThread {
    let mut new = new_thread("mock");
    new.meta.source = SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
        agent_nickname: None,
        agent_path: None,
        agent_role: None,
        depth: 1,
        parent_thread_id: parent,
    });
    new.meta.agent_path = Some("/root/reader".to_owned());
    new
}

#[actix_rt::test]
async fn edges_are_walked_level_by_level_and_by_status() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let graph = running.store.agent_graph();
    let mut ids: Vec<ThreadId> = (0..5).map(|_| ThreadId::generate()).collect();
    ids.sort_unstable();
    let [root, first, second, grandchild, great] = ids[..] else {
        unreachable!()
    };
    for (parent, child, status) in [
        (first, grandchild, EdgeStatus::Open),
        (root, second, EdgeStatus::Open),
        (root, first, EdgeStatus::Closed),
        (grandchild, great, EdgeStatus::Open),
        // A circle, as a forged rollout may make it.
        (great, root, EdgeStatus::Open),
    ] {
        graph.upsert(edge(parent, child, status)).await.unwrap();
    }
    assert_eq!(graph.children(root, None).await.unwrap(), [first, second]);
    let open = graph.children(root, Some(EdgeStatus::Open)).await.unwrap();
    assert_eq!(open, [second]);
    let all = graph.descendants(root, None).await.unwrap();
    assert_eq!(all, [first, second, grandchild, great]);
    let open = graph.descendants(root, Some(EdgeStatus::Open)).await.unwrap();
    assert_eq!(open, [second], "a closed edge is not walked through");
    graph.set_status(first, EdgeStatus::Open).await.unwrap();
    assert_eq!(
        graph.descendants(root, Some(EdgeStatus::Open)).await.unwrap(),
        [first, second, grandchild, great]
    );
    // A child has one parent: the newer edge replaces the older.
    graph.upsert(edge(second, first, EdgeStatus::Open)).await.unwrap();
    assert_eq!(graph.children(root, None).await.unwrap(), [second]);
    running.stop().await;
}

#[actix_rt::test]
async fn a_lost_index_gets_its_edges_back_from_the_rollouts_and_keeps_what_was_closed() {
    let home = tempfile::tempdir().unwrap();
    let running = Running::start(home.path()).await;
    let graph = running.store.agent_graph();
    let parent = running.store.create(new_thread("mock")).unwrap();
    let child = running.store.create(spawned(parent.thread_id())).unwrap();
    parent.append(turn("t", "spawn")).await.unwrap();
    child.append(turn("t", "look")).await.unwrap();
    let (parent, child_id) = (parent.thread_id(), child.thread_id());
    assert_eq!(
        graph.children(parent, None).await.unwrap(),
        [child_id],
        "known before it is indexed"
    );
    running.store.index_settled().await.unwrap();
    graph.set_status(child_id, EdgeStatus::Closed).await.unwrap();
    child.append(turn("t2", "look again")).await.unwrap();
    running.store.index_settled().await.unwrap();
    assert!(graph.children(parent, Some(EdgeStatus::Open)).await.unwrap().is_empty());
    let found = graph.child_by_path(parent, "/root/reader").await.unwrap();
    assert_eq!(found, Some(child_id));
    drop(child);
    running.stop().await;
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(home.path().join(format!("greenroom.sqlite{ending}")));
    }
    let running = Running::start(home.path()).await;
    let graph = running.store.agent_graph();
    assert_eq!(graph.descendants(parent, None).await.unwrap(), [child_id]);
    running.stop().await;
}
