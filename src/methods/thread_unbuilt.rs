//! Thread methods whose effect is not built yet: they check what the request says, then say so.
//!
//! The checks are the final ones, in their order, so a client learns of its mistakes first; a correct request for a
//! thread that is there answers that the method is not built in this version.

use crate::methods::thread_lookup::{loaded, no_rollout, parse};
use crate::methods::thread_settings::require_persisted;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{Scope, StoreError};

fn not_built<T>(cx: &RequestContext) -> Result<T, RpcError> {
    Err(RpcError::not_supported(format!(
        "{} is not built yet in this version of Greenroom",
        cx.method
    )))
}

/// The thread must be loaded or stored; else `missing` says so.
async fn known(
    cx: &RequestContext,
    id: ThreadId,
    scope: Scope,
    missing: impl Fn(ThreadId) -> RpcError,
) -> Result<(), RpcError> {
    if scope != Scope::Archived && cx.services.threads.get(&id).is_some() {
        return Ok(());
    }
    match cx.services.store.read(id, scope).await {
        Ok(_) => Ok(()),
        Err(StoreError::NotFound(_)) => Err(missing(id)),
        Err(error) => Err(RpcError::internal(error.to_string())),
    }
}

/// `thread/fork`.
pub async fn fork(cx: RequestContext, params: ThreadForkParams) -> Result<ThreadForkResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    known(&cx, id, Scope::All, no_rollout).await?;
    not_built(&cx)
}

/// `thread/metadata/update`.
pub async fn update_metadata(
    cx: RequestContext,
    params: ThreadMetadataUpdateParams,
) -> Result<ThreadMetadataUpdateResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let git = params.git_info.unwrap_or_default();
    let members = [
        ("sha", &git.sha),
        ("branch", &git.branch),
        ("originUrl", &git.origin_url),
    ];
    if members.iter().all(|(_, value)| value.is_none()) {
        return Err(RpcError::invalid_request("gitInfo must include at least one field"));
    }
    for (name, value) in members {
        if value
            .as_ref()
            .and_then(Option::as_ref)
            .is_some_and(|text| text.trim().is_empty())
        {
            return Err(RpcError::invalid_request(format!("gitInfo.{name} must not be empty")));
        }
    }
    require_persisted(&cx, id).await?;
    not_built(&cx)
}

/// `thread/memoryMode/set`.
pub async fn set_memory_mode(
    cx: RequestContext,
    params: ThreadMemoryModeSetParams,
) -> Result<ThreadMemoryModeSetResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    require_persisted(&cx, id).await?;
    not_built(&cx)
}

/// `thread/compact/start`.
pub async fn compact(
    cx: RequestContext,
    params: ThreadCompactStartParams,
) -> Result<ThreadCompactStartResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}

/// `thread/rollback`.
pub async fn rollback(cx: RequestContext, params: ThreadRollbackParams) -> Result<ThreadRollbackResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    if params.num_turns == 0 {
        return Err(RpcError::invalid_request("numTurns must be >= 1"));
    }
    loaded(&cx, &id.to_string())?;
    not_built(&cx)
}

/// `thread/shellCommand`.
pub async fn shell_command(
    cx: RequestContext,
    params: ThreadShellCommandParams,
) -> Result<ThreadShellCommandResponse, RpcError> {
    if params.command.trim().is_empty() {
        return Err(RpcError::invalid_request("command must not be empty"));
    }
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}

/// `thread/inject_items`.
pub async fn inject_items(
    cx: RequestContext,
    params: ThreadInjectItemsParams,
) -> Result<ThreadInjectItemsResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    if params.items.is_empty() {
        return Err(RpcError::invalid_request("items must not be empty"));
    }
    not_built(&cx)
}

/// `thread/increment_elicitation`.
pub async fn increment_elicitation(
    cx: RequestContext,
    params: ThreadIncrementElicitationParams,
) -> Result<ThreadIncrementElicitationResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}

/// `thread/decrement_elicitation`.
pub async fn decrement_elicitation(
    cx: RequestContext,
    params: ThreadDecrementElicitationParams,
) -> Result<ThreadDecrementElicitationResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}

/// `review/start`.
pub async fn review(cx: RequestContext, params: ReviewStartParams) -> Result<ReviewStartResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}
