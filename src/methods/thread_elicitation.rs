//! thread/increment_elicitation and thread/decrement_elicitation: somebody asks the user something outside of this
//! server, or has the answer. While the count is above zero, the waiting of the thread's tools does not count.

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_lookup::{loaded, refused};
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/increment_elicitation`.
pub async fn increment(
    cx: RequestContext,
    params: ThreadIncrementElicitationParams,
) -> Result<ThreadIncrementElicitationResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    let client = cx.client.id();
    let count = thread
        .ask(|reply| ThreadCommand::OpenElicitation { client, reply })
        .await
        .map_err(refused)?;
    Ok(ThreadIncrementElicitationResponse { count, paused: true })
}

/// `thread/decrement_elicitation`.
pub async fn decrement(
    cx: RequestContext,
    params: ThreadDecrementElicitationParams,
) -> Result<ThreadDecrementElicitationResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    let client = cx.client.id();
    let count = thread
        .ask(|reply| ThreadCommand::CloseElicitation { client, reply })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(ThreadDecrementElicitationResponse {
        count,
        paused: count > 0,
    })
}
