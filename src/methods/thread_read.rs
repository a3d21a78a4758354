//! thread/read: what is known of a thread, loaded or stored, archived or not; it loads nothing and subscribes nobody.

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_load::read_error;
use crate::methods::thread_lookup::{not_loaded, parse, refused, shown};
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{Scope, StoreError};

/// `thread/read`.
pub async fn read(cx: RequestContext, params: ThreadReadParams) -> Result<ThreadReadResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let loaded = cx.services.threads.get(&id);
    let store = &cx.services.store;
    if let Some(thread) = &loaded {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        let ephemeral = view.thread.path.is_none();
        if !params.include_turns {
            return Ok(ThreadReadResponse {
                thread: match ephemeral {
                    true => view.shown(),
                    false => {
                        let stored = store.read(id, Scope::All).await.map_err(read_error)?;
                        shown(&cx, &stored, view.status, Vec::new())
                    }
                },
            });
        }
        if ephemeral {
            return Err(RpcError::invalid_request(
                "ephemeral threads do not support includeTurns",
            ));
        }
        if !view.materialised {
            return Err(not_materialised(id, "includeTurns"));
        }
        let history = store
            .history(id, view.active_turn.as_deref())
            .await
            .map_err(read_error)?;
        let thread = shown(&cx, &history.head.thread, view.status, history.turns);
        return Ok(ThreadReadResponse { thread });
    }
    let missing = |error| match error {
        StoreError::NotFound(_) => not_loaded(id),
        other => read_error(other),
    };
    let thread = if params.include_turns {
        let history = store.history(id, None).await.map_err(missing)?;
        shown(&cx, &history.head.thread, ThreadStatus::NotLoaded, history.turns)
    } else {
        let stored = store.read(id, Scope::All).await.map_err(missing)?;
        shown(&cx, &stored, ThreadStatus::NotLoaded, Vec::new())
    };
    Ok(ThreadReadResponse { thread })
}

/// The error of what needs turns while there is none.
pub(crate) fn not_materialised(id: ThreadId, what: &str) -> RpcError {
    RpcError::invalid_request(format!(
        "thread {id} is not materialized yet; {what} is unavailable before first user message"
    ))
}
