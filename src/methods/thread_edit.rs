//! thread/rollback and thread/inject_items: a loaded thread's conversation changed outside of its turns.
//!
//! What they do is recorded before they answer. Of a rollback clients first hear how much is used now; its answer, with
//! the turns that are left, comes last.

use tokio::sync::oneshot;

use crate::engine::history::encode_item;
use crate::engine::thread_ref::{ThreadCommand, ThreadError};
use crate::methods::thread_lookup::{loaded, parse, refused, shown};
use crate::model::InputItem;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/rollback`.
pub async fn roll_back(cx: RequestContext, params: ThreadRollbackParams) -> Result<ThreadRollbackResponse, RpcError> {
    if params.num_turns == 0 {
        return Err(RpcError::invalid_request("numTurns must be >= 1"));
    }
    let id = parse(&params.thread_id)?;
    let thread = loaded(&cx, &params.thread_id)?;
    let (reply, done) = oneshot::channel();
    let turns = params.num_turns;
    thread
        .try_send(ThreadCommand::RollBack { turns, reply })
        .map_err(refused)?;
    // The thread keeps the order from here: a second rollback is refused, not queued.
    cx.leave_lane();
    let left = done.await.unwrap_or(Err(ThreadError::Gone(id))).map_err(refused)?;
    Ok(ThreadRollbackResponse {
        thread: shown(&cx, &left.head.thread, thread.face().status(), left.turns),
    })
}

/// `thread/inject_items`.
pub async fn inject_items(
    cx: RequestContext,
    params: ThreadInjectItemsParams,
) -> Result<ThreadInjectItemsResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    if params.items.is_empty() {
        return Err(RpcError::invalid_request("items must not be empty"));
    }
    let mut items = Vec::with_capacity(params.items.len());
    for (at, item) in params.items.into_iter().enumerate() {
        let item: ResponseItem = serde_json::from_value(item)
            .map_err(|error| RpcError::invalid_request(format!("items[{at}] is not a valid response item: {error}")))?;
        // What no model is told is accepted and left out.
        if item.is_told() {
            items.extend(told(&item));
        }
    }
    if !items.is_empty() {
        thread
            .ask(|reply| ThreadCommand::Inject { items, reply })
            .await
            .and_then(|done| done)
            .map_err(refused)?;
    }
    Ok(ThreadInjectItemsResponse {})
}

/// The item as rollouts keep it: ids belong to the provider that gave them, and only a made image needs its own.
fn told(item: &ResponseItem) -> Option<InputItem> {
    let mut told = serde_json::to_value(item).ok()?;
    if !matches!(item, ResponseItem::ImageGenerationCall { .. }) {
        told.as_object_mut()?.remove("id");
    }
    encode_item(&told)
}
