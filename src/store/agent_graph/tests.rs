//! The graph of a home without an index. With one: see the tests of the actor that writes it.

use crate::protocol::ThreadId;
use crate::settings::Durability;
use crate::store::{AgentGraphStore, EdgeStatus, LocalThreadStore, SpawnEdge};

#[actix_rt::test]
async fn without_an_index_nothing_is_kept_and_nothing_fails() {
    let home = tempfile::tempdir().unwrap();
    let graph = LocalThreadStore::open(home.path().to_path_buf(), Durability::Turn).agent_graph();
    let (parent, child) = (ThreadId::generate(), ThreadId::generate());
    let edge = SpawnEdge {
        parent,
        child,
        status: EdgeStatus::Open,
        agent_path: Some("/root/a".to_owned()),
    };
    graph.upsert(edge).await.unwrap();
    graph.set_status(child, EdgeStatus::Closed).await.unwrap();
    assert!(graph.children(parent, None).await.unwrap().is_empty());
    assert!(graph.descendants(parent, None).await.unwrap().is_empty());
    assert_eq!(graph.child_by_path(parent, "/root/a").await.unwrap(), None);
}
