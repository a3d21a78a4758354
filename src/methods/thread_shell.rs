//! thread/shellCommand: a command that the user runs in a thread, outside of any sandbox.
//!
//! The answer comes at once; the command is a turn of its own, or an item of the running one (see the thread).

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_lookup::{loaded, refused};
use crate::methods::turn::after_response;
use crate::protocol::{ThreadShellCommandParams, ThreadShellCommandResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/shellCommand`.
pub async fn run(cx: RequestContext, params: ThreadShellCommandParams) -> Result<ThreadShellCommandResponse, RpcError> {
    let command = params.command.trim();
    if command.is_empty() {
        return Err(RpcError::invalid_request("command must not be empty"));
    }
    let thread = loaded(&cx, &params.thread_id)?;
    let go = after_response(&cx);
    thread
        .ask(|reply| ThreadCommand::ShellCommand {
            command: command.to_owned(),
            go,
            reply,
        })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(ThreadShellCommandResponse {})
}
