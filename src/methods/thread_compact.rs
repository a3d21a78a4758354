//! thread/compact/start: the conversation is replaced by what a compaction leaves of it.
//!
//! The answer comes at once; the compaction is a turn of its own, which ends the running one.

use crate::engine::thread_ref::ThreadCommand;
use crate::engine::turn::TurnOpening;
use crate::methods::thread_lookup::{loaded, refused};
use crate::methods::turn::after_response;
use crate::protocol::{ThreadCompactStartParams, ThreadCompactStartResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/compact/start`.
pub async fn start(
    cx: RequestContext,
    params: ThreadCompactStartParams,
) -> Result<ThreadCompactStartResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    let go = after_response(&cx);
    let opening = TurnOpening::Compact;
    thread
        .ask(|reply| ThreadCommand::Replace { opening, go, reply })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(ThreadCompactStartResponse {})
}
