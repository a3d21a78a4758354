//! thread/goal/set, get and clear: what a thread is to achieve. Behind the feature `goals`.
//!
//! A loaded thread keeps its goal; that of a stored one is read from its rollout and changed there, without loading it.
//! Both tell everybody about a change after the response. Setting an active goal sets an idle thread going.

use std::sync::Arc;

use crate::engine::goal::{FEATURE, GoalChange, GoalError, GoalKeeper, cleared_line, goal_line};
use crate::engine::thread_ref::{ThreadCommand, ThreadRef};
use crate::methods::thread_events;
use crate::methods::thread_load::{read_error, store_error};
use crate::methods::thread_lookup::{not_found, parse, refused};
use crate::protocol::*;
use crate::rpc::context::{RequestContext, Services};
use crate::rpc::{EncodedNotification, RpcError};
use crate::store::{Recorder, StoreError};

/// `thread/goal/set`.
pub async fn set(cx: RequestContext, params: ThreadGoalSetParams) -> Result<ThreadGoalSetResponse, RpcError> {
    let (id, place) = place(&cx, &params.thread_id).await?;
    let change = GoalChange {
        objective: params.objective,
        status: params.status,
        token_budget: params.token_budget,
    };
    let change = change.checked().map_err(goal_error)?;
    let goal = match &place {
        Place::Loaded(_, keeper) => keeper.change(None, &change).await.map_err(goal_error)?,
        Place::Stored(current) => {
            let goal = change.apply(id, current.as_ref()).map_err(goal_error)?;
            let line = goal_line(None, &goal).map_err(store_error)?;
            let recorder = recorder(&cx, id).await?;
            recorder.append(vec![line]).await.map_err(store_error)?;
            goal
        }
    };
    let updated = ThreadGoalUpdatedNotification {
        goal: goal.clone(),
        thread_id: id.to_string(),
        turn_id: None,
    };
    tell(&cx, id, EncodedNotification::new(&updated));
    if let Place::Loaded(thread, _) = place {
        // A thread with too much to do is not idle, and looks at its goal when it is.
        cx.after(move || drop(thread.try_send(ThreadCommand::PursueGoal)));
    }
    Ok(ThreadGoalSetResponse { goal })
}

/// `thread/goal/get`.
pub async fn get(cx: RequestContext, params: ThreadGoalGetParams) -> Result<ThreadGoalGetResponse, RpcError> {
    let (_, place) = place(&cx, &params.thread_id).await?;
    let goal = match place {
        Place::Loaded(_, keeper) => keeper.current(),
        Place::Stored(goal) => goal,
    };
    Ok(ThreadGoalGetResponse { goal })
}

/// `thread/goal/clear`.
pub async fn clear(cx: RequestContext, params: ThreadGoalClearParams) -> Result<ThreadGoalClearResponse, RpcError> {
    let (id, place) = place(&cx, &params.thread_id).await?;
    let cleared = match place {
        Place::Loaded(_, keeper) => keeper.clear().await.map_err(store_error)?,
        Place::Stored(None) => false,
        Place::Stored(Some(_)) => {
            let recorder = recorder(&cx, id).await?;
            recorder.append(vec![cleared_line()]).await.map_err(store_error)?;
            true
        }
    };
    if cleared {
        let thread_id = id.to_string();
        tell(
            &cx,
            id,
            EncodedNotification::new(&ThreadGoalClearedNotification { thread_id }),
        );
    }
    Ok(ThreadGoalClearResponse { cleared })
}

/// Whether threads may have goals.
pub(crate) fn enabled(services: &Services) -> bool {
    services.config.feature(FEATURE)
}

/// Tells the requester, after its response, how the goal of a thread that it took up stands.
pub(crate) fn snapshot(cx: &RequestContext, id: ThreadId, goal: Option<ThreadGoal>) {
    if !enabled(&cx.services) {
        return;
    }
    let client = cx.client.clone();
    let thread_id = id.to_string();
    cx.after(move || match goal {
        Some(goal) => client.notify_one(&ThreadGoalUpdatedNotification {
            goal,
            thread_id,
            turn_id: None,
        }),
        None => client.notify_one(&ThreadGoalClearedNotification { thread_id }),
    });
}

/// Where a thread's goal is.
enum Place {
    Loaded(ThreadRef, Arc<GoalKeeper>),
    Stored(Option<ThreadGoal>),
}

async fn place(cx: &RequestContext, thread_id: &str) -> Result<(ThreadId, Place), RpcError> {
    if !enabled(&cx.services) {
        return Err(RpcError::invalid_request("goals feature is disabled"));
    }
    let id = parse(thread_id)?;
    if let Some(thread) = cx.services.threads.get(&id) {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        if view.thread.path.is_none() {
            let message = format!("ephemeral thread does not support goals: {id}");
            return Err(RpcError::invalid_request(message));
        }
        return Ok((id, Place::Loaded(thread, view.goal)));
    }
    match cx.services.store.goal(id).await {
        Ok(goal) => Ok((id, Place::Stored(goal))),
        Err(StoreError::NotFound(_)) => Err(not_found(id)),
        Err(error) => Err(read_error(error)),
    }
}

async fn recorder(cx: &RequestContext, id: ThreadId) -> Result<Recorder, RpcError> {
    let resumed = cx.services.store.resume(id).await.map_err(store_error)?;
    Ok(resumed.recorder)
}

fn tell(cx: &RequestContext, id: ThreadId, notification: EncodedNotification) {
    let services = Arc::clone(&cx.services);
    cx.after(move || thread_events::broadcast(&services, &id, notification));
}

fn goal_error(error: GoalError) -> RpcError {
    match error {
        GoalError::Store(error) => store_error(error),
        other => RpcError::invalid_request(other.to_string()),
    }
}
