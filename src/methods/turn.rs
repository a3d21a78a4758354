//! turn/start, turn/steer, turn/interrupt: checks here, effects in the thread.
//!
//! The thread validates and names the turn; what clients see of it begins once the response is on its way. Limits are
//! checked before the thread is looked up, as clients of the field expect.

use tokio::sync::oneshot;

use crate::engine::context::input::check_size;
use crate::engine::thread_ref::{Go, ThreadCommand};
use crate::methods::thread_lookup::{loaded, refused};
use crate::methods::thread_permissions;
use crate::methods::thread_start::known_environments;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `turn/start`: starts a turn, or adds its input to the running one.
pub async fn start(cx: RequestContext, params: TurnStartParams) -> Result<TurnStartResponse, RpcError> {
    check_length(&params.input)?;
    let thread = loaded(&cx, &params.thread_id)?;
    known_environments(params.environments.as_deref())?;
    let permissions = thread_permissions::of_turn(&cx, &thread, &params).await?;
    let go = after_response(&cx);
    let turn_id = thread
        .ask(|reply| ThreadCommand::StartTurn {
            params: Box::new(params),
            permissions,
            go,
            reply,
        })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(TurnStartResponse {
        turn: Turn {
            completed_at: None,
            duration_ms: None,
            error: None,
            id: turn_id.to_string(),
            items: Vec::new(),
            items_view: TurnItemsView::NotLoaded,
            started_at: None,
            status: TurnStatus::InProgress,
        },
    })
}

/// `turn/steer`: adds input to the running turn.
pub async fn steer(cx: RequestContext, params: TurnSteerParams) -> Result<TurnSteerResponse, RpcError> {
    check_length(&params.input)?;
    let thread = loaded(&cx, &params.thread_id)?;
    if params.expected_turn_id.is_empty() {
        return Err(RpcError::invalid_request("expectedTurnId must not be empty"));
    }
    if params.input.is_empty() {
        return Err(RpcError::invalid_request("input must not be empty"));
    }
    let turn_id = thread
        .ask(|reply| ThreadCommand::SteerTurn {
            expected: params.expected_turn_id,
            input: params.input,
            reply,
        })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(TurnSteerResponse {
        turn_id: turn_id.to_string(),
    })
}

/// `turn/interrupt`: ends the running turn as interrupted.
pub async fn interrupt(cx: RequestContext, params: TurnInterruptParams) -> Result<TurnInterruptResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    let go = after_response(&cx);
    thread
        .ask(|reply| ThreadCommand::InterruptTurn {
            expected: params.turn_id,
            go,
            reply,
        })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(TurnInterruptResponse {})
}

/// Resolves once this request's response is on its way.
pub(crate) fn after_response(cx: &RequestContext) -> Go {
    let (go, wait) = oneshot::channel();
    cx.after(move || {
        let _ = go.send(());
    });
    wait
}

fn check_length(input: &[UserInput]) -> Result<(), RpcError> {
    check_size(input).map_err(|error| RpcError::invalid_params(error.to_string()).with_data(error.data()))
}
