//! thread/metadata/update and thread/memoryMode/set: what is kept about a thread beside its turns.
//!
//! Loaded, stored and archived threads alike. In a patch of git, what is left out stays and `null` clears.

use crate::methods::thread_load::store_error;
use crate::methods::thread_lookup::{not_found, parse};
use crate::methods::thread_settings::require_persisted;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{MetadataPatch, StoreError, StoredThread};

/// `thread/metadata/update`.
pub async fn update(
    cx: RequestContext,
    params: ThreadMetadataUpdateParams,
) -> Result<ThreadMetadataUpdateResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let git = params.git_info.unwrap_or_default();
    if git.sha.is_none() && git.branch.is_none() && git.origin_url.is_none() {
        return Err(RpcError::invalid_request("gitInfo must include at least one field"));
    }
    let patch = MetadataPatch {
        sha: member("sha", git.sha)?,
        branch: member("branch", git.branch)?,
        origin_url: member("originUrl", git.origin_url)?,
        memory_mode: None,
    };
    let stored = apply(&cx, id, patch).await?;
    let loaded = cx.services.threads.get(&id);
    let status = loaded.map_or(ThreadStatus::NotLoaded, |thread| thread.face().status());
    Ok(ThreadMetadataUpdateResponse {
        thread: stored.to_thread(status, Vec::new()),
    })
}

/// `thread/memoryMode/set`.
pub async fn set_memory_mode(
    cx: RequestContext,
    params: ThreadMemoryModeSetParams,
) -> Result<ThreadMemoryModeSetResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let mode = match params.mode {
        ThreadMemoryMode::Enabled => "enabled",
        ThreadMemoryMode::Disabled => "disabled",
    };
    let patch = MetadataPatch {
        memory_mode: Some(mode.to_owned()),
        ..MetadataPatch::default()
    };
    apply(&cx, id, patch).await?;
    Ok(ThreadMemoryModeSetResponse {})
}

/// A member of git as it is to be: trimmed, and something.
fn member(name: &str, value: Option<Option<String>>) -> Result<Option<Option<String>>, RpcError> {
    match value {
        Some(Some(text)) if text.trim().is_empty() => {
            Err(RpcError::invalid_request(format!("gitInfo.{name} must not be empty")))
        }
        Some(Some(text)) => Ok(Some(Some(text.trim().to_owned()))),
        other => Ok(other),
    }
}

async fn apply(cx: &RequestContext, id: ThreadId, patch: MetadataPatch) -> Result<StoredThread, RpcError> {
    require_persisted(cx, id).await?;
    let changed = cx.services.store.update_metadata(id, patch).await;
    changed.map_err(|error| match error {
        StoreError::NotFound(_) => not_found(id),
        other => store_error(other),
    })
}
