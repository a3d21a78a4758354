//! From the thread id of a request to the thread, with the errors that clients know.
//!
//! An id that is no UUID, one that names no loaded thread, and one that names no stored thread are told apart, and each
//! method has its own words for the latter two.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::engine::thread_ref::{ThreadError, ThreadRef};
use crate::methods::thread_load::store_error;
use crate::protocol::{CodexErrorInfo, Thread, ThreadId, ThreadStatus, Turn};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::StoredThread;

/// Reads a thread id.
pub(crate) fn parse(id: &str) -> Result<ThreadId, RpcError> {
    ThreadId::parse(id).map_err(|error| RpcError::invalid_request(format!("invalid thread id: {error}")))
}

/// The loaded thread with this id; methods that need one loaded say `thread not found`.
pub(crate) fn loaded(cx: &RequestContext, id: &str) -> Result<ThreadRef, RpcError> {
    let id = parse(id)?;
    cx.services.threads.get(&id).ok_or_else(|| not_found(id))
}

/// The error of methods that work on threads.
pub(crate) fn not_found(id: ThreadId) -> RpcError {
    RpcError::invalid_request(format!("thread not found: {id}"))
}

/// The error of methods that read threads.
pub(crate) fn not_loaded(id: ThreadId) -> RpcError {
    RpcError::invalid_request(format!("thread not loaded: {id}"))
}

/// The error of methods that need the thread's file.
pub(crate) fn no_rollout(id: ThreadId) -> RpcError {
    RpcError::invalid_request(format!("no rollout found for thread id {id}"))
}

/// The rollout that a request names by its path, without links; a relative one starts at the home.
pub(crate) async fn rollout_at(home: &Path, path: &str) -> Result<PathBuf, RpcError> {
    let path = home.join(path);
    let shown = path.display().to_string();
    tokio::task::spawn_blocking(move || std::fs::canonicalize(path))
        .await
        .map_err(|_| RpcError::internal("the rollout path could not be resolved"))?
        .map_err(|error| RpcError::invalid_request(format!("failed to resolve rollout path `{shown}`: {error}")))
}

/// The answer for a command that a thread did not take or refused.
pub(crate) fn refused(error: ThreadError) -> RpcError {
    match &error {
        ThreadError::Overloaded => RpcError::overloaded(),
        ThreadError::Store(error) => store_error(error.clone()),
        ThreadError::NotSteerable(kind) => {
            let info = CodexErrorInfo::ActiveTurnNotSteerable { turn_kind: *kind };
            let message = error.to_string();
            RpcError::invalid_request(message.clone()).with_data(json!({
                "message": message,
                "codexErrorInfo": info,
                "additionalDetails": null,
            }))
        }
        _ => RpcError::invalid_request(error.to_string()),
    }
}

/// A stored thread on the wire. One of an old version, which names no provider, is of the default one.
pub(crate) fn shown(cx: &RequestContext, stored: &StoredThread, status: ThreadStatus, turns: Vec<Turn>) -> Thread {
    let mut thread = stored.to_thread(status, turns);
    if thread.model_provider.is_empty() {
        thread.model_provider = default_provider(cx);
    }
    thread
}

/// The provider of threads that name none.
pub(crate) fn default_provider(cx: &RequestContext) -> String {
    let configured = cx.services.config.user_table();
    let configured = configured.get("model_provider").and_then(|value| value.as_str());
    configured
        .unwrap_or_else(|| cx.services.config.default_provider())
        .to_owned()
}
