//! thread/unsubscribe and thread/name/set.

use std::sync::Arc;

use crate::engine::thread_ref::{ThreadCommand, ThreadError};
use crate::methods::thread_events;
use crate::methods::thread_load::store_error;
use crate::methods::thread_lookup::{not_found, parse, refused};
use crate::protocol::*;
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};
use crate::store::{Scope, StoreError};

/// `thread/unsubscribe`: the thread stays loaded, its events no longer come.
pub async fn unsubscribe(
    cx: RequestContext,
    params: ThreadUnsubscribeParams,
) -> Result<ThreadUnsubscribeResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let answer = |status| Ok(ThreadUnsubscribeResponse { status });
    let Some(thread) = cx.services.threads.get(&id) else {
        return answer(ThreadUnsubscribeStatus::NotLoaded);
    };
    let client = cx.client.id();
    match thread.ask(|reply| ThreadCommand::Unsubscribe { client, reply }).await {
        Ok(true) => answer(ThreadUnsubscribeStatus::Unsubscribed),
        Ok(false) => answer(ThreadUnsubscribeStatus::NotSubscribed),
        Err(ThreadError::Gone(_)) => answer(ThreadUnsubscribeStatus::NotLoaded),
        Err(error) => Err(refused(error)),
    }
}

/// `thread/name/set`: works on stored and loaded threads alike.
pub async fn set_name(cx: RequestContext, params: ThreadSetNameParams) -> Result<ThreadSetNameResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let name = params.name.trim();
    if name.is_empty() {
        return Err(RpcError::invalid_request("thread name must not be empty"));
    }
    require_persisted(&cx, id).await?;
    match cx.services.store.rename(id, name).await {
        Ok(()) => {}
        Err(StoreError::NotFound(_)) => return Err(not_found(id)),
        Err(error) => return Err(store_error(error)),
    }
    let updated = ThreadNameUpdatedNotification {
        thread_id: id.to_string(),
        thread_name: Some(name.to_owned()),
    };
    let services = Arc::clone(&cx.services);
    cx.after(move || thread_events::broadcast(&services, &id, EncodedNotification::new(&updated)));
    Ok(ThreadSetNameResponse {})
}

/// Refuses to change what is kept of a thread when nothing is, or when there is no such thread.
pub(crate) async fn require_persisted(cx: &RequestContext, id: ThreadId) -> Result<(), RpcError> {
    if let Some(thread) = cx.services.threads.get(&id) {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        if view.thread.path.is_none() {
            return Err(RpcError::invalid_request(format!(
                "ephemeral thread does not support metadata updates: {id}"
            )));
        }
        return Ok(());
    }
    match cx.services.store.read(id, Scope::All).await {
        Ok(_) => Ok(()),
        Err(StoreError::NotFound(_)) => Err(not_found(id)),
        Err(error) => Err(store_error(error)),
    }
}
