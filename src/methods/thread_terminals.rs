//! thread/backgroundTerminals/clean: ends the processes that the model's commands left running.
//!
//! The response says that they are being ended; each command's item completes on its own afterwards.

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_lookup::{loaded, refused};
use crate::protocol::{ThreadBackgroundTerminalsCleanParams, ThreadBackgroundTerminalsCleanResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/backgroundTerminals/clean`.
pub async fn clean(
    cx: RequestContext,
    params: ThreadBackgroundTerminalsCleanParams,
) -> Result<ThreadBackgroundTerminalsCleanResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    thread.ask(ThreadCommand::EndProcesses).await.map_err(refused)?;
    Ok(ThreadBackgroundTerminalsCleanResponse {})
}
