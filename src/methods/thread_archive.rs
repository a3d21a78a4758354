//! thread/archive and thread/unarchive: a thread's rollout moves to the archive and back.
//!
//! A loaded thread is ended first, its turn interrupted, so nobody writes into a file that moves. What clients see of
//! that comes before the response, `thread/archived` and `thread/unarchived` after it. The agents that a thread spawned,
//! and those that they spawned, are archived with it; they do not come back with it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_load::store_error;
use crate::methods::thread_lookup::{no_rollout, parse, refused, shown};
use crate::protocol::methods::Notification;
use crate::protocol::*;
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};
use crate::store::{Scope, StoreError};

/// `thread/archive`.
pub async fn archive(cx: RequestContext, params: ThreadArchiveParams) -> Result<ThreadArchiveResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let store = &cx.services.store;
    let missing = |error| match error {
        StoreError::NotFound(_) => no_rollout(id),
        other => store_error(other),
    };
    let stored = store.read(id, Scope::Active).await.map_err(missing)?;
    if stored.archived {
        return Err(no_rollout(id));
    }
    if let Some(thread) = cx.services.threads.get(&id) {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        if !view.materialised {
            return Err(no_rollout(id));
        }
    }
    // Asked before anything moves: where a live agent came from is known best by its recorder.
    let below = descendants(&cx, id).await;
    unload(&cx, id).await;
    store.archive(id).await.map_err(missing)?;
    tell_archived(&cx, id);
    for agent in below {
        archive_agent(&cx, agent).await;
    }
    Ok(ThreadArchiveResponse {})
}

/// The agents below a thread, whether they may still be talked to or not, deepest first.
async fn descendants(cx: &RequestContext, root: ThreadId) -> Vec<ThreadId> {
    let mut below = cx
        .services
        .agents
        .descendants(root, None)
        .await
        .unwrap_or_else(|error| {
            tracing::warn!(thread.id = %root, %error, "the agents of an archived thread stay: they are not known");
            Vec::new()
        });
    below.reverse();
    below
}

/// Archives an agent whose root was archived. What fails concerns this agent alone.
async fn archive_agent(cx: &RequestContext, agent: ThreadId) {
    unload(cx, agent).await;
    match cx.services.store.archive(agent).await {
        Ok(_) => tell_archived(cx, agent),
        // It wrote nothing, or was archived before.
        Err(StoreError::NotFound(_)) => {}
        Err(error) => tracing::warn!(thread.id = %agent, %error, "an agent of an archived thread stays"),
    }
}

fn tell_archived(cx: &RequestContext, id: ThreadId) {
    let thread_id = id.to_string();
    tell_everyone(cx, ThreadArchivedNotification { thread_id });
}

/// `thread/unarchive`.
pub async fn unarchive(cx: RequestContext, params: ThreadUnarchiveParams) -> Result<ThreadUnarchiveResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let store = &cx.services.store;
    store.unarchive(id).await.map_err(|error| match error {
        StoreError::NotFound(_) => RpcError::invalid_request(format!("no archived rollout found for thread id {id}")),
        other => store_error(other),
    })?;
    let stored = store.read(id, Scope::Active).await.map_err(store_error)?;
    let loaded = cx.services.threads.get(&id);
    let status = loaded.map_or(ThreadStatus::NotLoaded, |thread| thread.face().status());
    tell_everyone(
        &cx,
        ThreadUnarchivedNotification {
            thread_id: id.to_string(),
        },
    );
    Ok(ThreadUnarchiveResponse {
        thread: shown(&cx, &stored, status, Vec::new()),
    })
}

/// Ends a thread, if it is loaded, and waits until nothing of it runs.
async fn unload(cx: &RequestContext, id: ThreadId) {
    let Some(thread) = cx.services.threads.get(&id) else {
        return;
    };
    let (reply, ended) = oneshot::channel();
    let close = ThreadCommand::Close { announce: false, reply };
    if thread.deliver(close).await.is_ok() {
        let _ = ended.await;
    }
}

fn tell_everyone<N: Notification + Send + 'static>(cx: &RequestContext, payload: N) {
    let clients = Arc::clone(&cx.services.clients);
    cx.after(move || clients.broadcast(&EncodedNotification::new(&payload)));
}
