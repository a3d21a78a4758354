//! thread/resume: takes up a stored thread, joins a loaded one, or starts one from a given history.
//!
//! `history` wins over `path`, `path` over `threadId`. Order for a thread that was not loaded: its status to everyone,
//! the response, its token usage to the requester. For a loaded one: the response, the token usage, then the requests
//! that wait for an answer, under their old ids; overrides count for nothing then.

use std::path::Path;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::engine::thread_ref::{ThreadCommand, ThreadRef, ThreadView};
use crate::methods::thread_events;
use crate::methods::thread_goal;
use crate::methods::thread_load::{self, CameBy, Origin, read_error};
use crate::methods::thread_lookup::{self, no_rollout, parse, refused, rollout_at};
use crate::methods::thread_overrides::LoadedThread;
use crate::methods::thread_setup::{self, Wishes};
use crate::methods::thread_start::notice_extended_history;
use crate::protocol::*;
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};
use crate::store::{ResumedThread, Scope, StoreError};

/// How long the first line of a thread whose first turn runs is waited for.
const FIRST_LINE: Duration = Duration::from_secs(2);
/// How often that is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// `thread/resume`.
pub async fn resume(cx: RequestContext, mut params: ThreadResumeParams) -> Result<ThreadResumeResponse, RpcError> {
    notice_extended_history(&cx, params.persist_extended_history);
    if params.permissions.is_some() && params.sandbox.is_some() {
        let message = "`permissions` cannot be combined with `sandbox`";
        return Err(RpcError::invalid_request(message));
    }
    if let Some(items) = params.history.take() {
        return from_history(&cx, params, items).await;
    }
    if let Some(path) = params.path.take() {
        let path = rollout_at(&cx.services.home, &path).await?;
        // Read without a recorder first: a loaded thread has one already.
        let stored = cx.services.store.read_path(&path).await.map_err(read_error)?;
        if let Some(thread) = cx.services.threads.get(&stored.id) {
            return join(&cx, &params, &thread, Some(&path)).await;
        }
        let resumed = cx.services.store.resume_path(&path).await.map_err(read_error)?;
        return load(&cx, params, resumed).await;
    }
    let id = parse(&params.thread_id)?;
    if let Some(thread) = cx.services.threads.get(&id) {
        return join(&cx, &params, &thread, None).await;
    }
    let resumed = cx.services.store.resume(id).await.map_err(|error| missing(error, id))?;
    load(&cx, params, resumed).await
}

fn missing(error: StoreError, id: ThreadId) -> RpcError {
    match error {
        StoreError::NotFound(_) => no_rollout(id),
        other => read_error(other),
    }
}

/// Starts a thread whose conversation the client brings.
async fn from_history(
    cx: &RequestContext,
    mut params: ThreadResumeParams,
    items: Vec<ResponseItem>,
) -> Result<ThreadResumeResponse, RpcError> {
    if let Ok(id) = ThreadId::parse(&params.thread_id)
        && cx.services.threads.get(&id).is_some()
    {
        return Err(RpcError::invalid_request(format!(
            "cannot resume thread {id} with history while it is already running"
        )));
    }
    if items.is_empty() {
        return Err(RpcError::invalid_request("history must not be empty"));
    }
    let asked = params.greenroom.clone();
    let wishes = Wishes::from(&mut params);
    wishes.check()?;
    let prepared = thread_setup::prepare(cx, wishes).await?;
    let settings = prepared.settings.clone();
    let sources = prepared.docs.sources.clone();
    let mut thread = thread_load::new_thread(cx, prepared, Origin::default(), &items).await?;
    thread.preview = first_user_text(&items).unwrap_or_default();
    broadcast_idle(cx, thread.id.clone());
    Ok(LoadedThread {
        events: thread_events::fresh_stream(cx, &thread.id, asked.as_ref()),
        settings,
        instruction_sources: sources,
        thread,
    }
    .into())
}

/// What a history shows of itself: the first text of the user.
fn first_user_text(items: &[ResponseItem]) -> Option<String> {
    items.iter().find_map(|item| match item {
        ResponseItem::Message { role, content, .. } if role == "user" => content.iter().find_map(|part| match part {
            ContentItem::InputText { text } => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    })
}

/// Joins a thread that is loaded.
async fn join(
    cx: &RequestContext,
    params: &ThreadResumeParams,
    thread: &ThreadRef,
    requested: Option<&Path>,
) -> Result<ThreadResumeResponse, RpcError> {
    let id = thread.id();
    let view = begun(thread).await?;
    let active = view.thread.path.unwrap_or_default();
    if let Some(requested) = requested
        && !same_file(requested, &active).await
    {
        return Err(RpcError::invalid_request(format!(
            "cannot resume running thread {id} with stale path: requested `{}`, active `{}`",
            requested.display(),
            active.display()
        )));
    }
    let (go, wait) = oneshot::channel();
    let client = cx.client.clone();
    let after = thread_events::wanted(&client, params.greenroom.as_ref());
    let view = thread
        .ask(|reply| ThreadCommand::Join {
            client,
            after,
            go: wait,
            reply,
        })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    let store = &cx.services.store;
    // Who is sent all that it missed knows the turns and the usage already.
    let complete = view.events.replay == Some(ReplayOutcome::Complete);
    let shown = if params.exclude_turns || complete {
        let stored = store.read(id, Scope::All).await.map_err(|error| missing(error, id))?;
        thread_lookup::shown(cx, &stored, view.status, Vec::new())
    } else {
        let live = view.active_turn.as_deref();
        let history = store.history(id, live).await.map_err(|error| missing(error, id))?;
        thread_events::tell_usage(cx, id, view.usage.or_else(|| thread_load::last_usage(&history.head)));
        thread_lookup::shown(cx, &history.head.thread, view.status, history.turns)
    };
    cx.after(move || {
        let _ = go.send(());
    });
    if !complete {
        thread_goal::snapshot(cx, id, view.goal.current());
    }
    let sources = view.instruction_sources.to_vec();
    Ok(LoadedThread {
        settings: view.settings,
        instruction_sources: sources,
        thread: shown,
        events: Some(view.events).filter(|_| cx.client.counts_events()),
    }
    .into())
}

/// The view of a thread that has a rollout. One whose first turn has just begun is about to have one: a client that was
/// cut off at that moment comes back to it.
async fn begun(thread: &ThreadRef) -> Result<ThreadView, RpcError> {
    let deadline = Instant::now() + FIRST_LINE;
    loop {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        if view.materialised {
            return Ok(view);
        }
        if view.active_turn.is_none() || Instant::now() > deadline {
            return Err(no_rollout(thread.id()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn same_file(requested: &Path, active: &Path) -> bool {
    let active = active.to_path_buf();
    let resolved = tokio::task::spawn_blocking(move || std::fs::canonicalize(&active).unwrap_or(active)).await;
    resolved.is_ok_and(|active| active == requested)
}

/// Loads a stored thread.
async fn load(
    cx: &RequestContext,
    mut params: ThreadResumeParams,
    resumed: ResumedThread,
) -> Result<ThreadResumeResponse, RpcError> {
    let exclude_turns = params.exclude_turns;
    let keeps_model = keeps_model(&params);
    let asked = params.greenroom.clone();
    let mut wishes = Wishes::from(&mut params);
    wishes.check()?;
    let stored = &resumed.head.thread;
    wishes.overrides.cwd.get_or_insert_with(|| stored.cwd.clone());
    if wishes.overrides.model_provider.is_none() && !stored.model_provider.is_empty() {
        wishes.overrides.model_provider = Some(stored.model_provider.clone());
    }
    if keeps_model {
        wishes.overrides.model = stored.model.clone().or(wishes.overrides.model);
    }
    let mut prepared = thread_setup::prepare(cx, wishes).await?;
    if keeps_model && stored.model.is_some() {
        prepared.settings.effort = stored.reasoning_effort;
    }
    let settings = prepared.settings.clone();
    let sources = prepared.docs.sources.clone();
    let id = stored.id;
    let mut shown = thread_lookup::shown(cx, stored, ThreadStatus::Idle, Vec::new());
    let recorded_model = stored.model.clone();
    if !exclude_turns {
        let history = cx.services.store.history(id, None).await;
        shown.turns = history.map_err(|error| missing(error, id))?.turns;
    }
    let usage = thread_load::last_usage(&resumed.head);
    thread_load::stored_thread(cx, prepared, resumed.recorder, &resumed.head, CameBy::Resume).await?;
    if let Some(recorded) = recorded_model.filter(|model| **model != *settings.model) {
        cx.client.notify_one(&WarningNotification {
            message: other_model(&recorded, &settings.model),
            thread_id: Some(id.to_string()),
        });
    }
    broadcast_idle(cx, id.to_string());
    if !exclude_turns {
        thread_events::tell_usage(cx, id, usage);
    }
    pursue_goal(cx, id).await;
    Ok(LoadedThread {
        events: thread_events::fresh_stream(cx, &shown.id, asked.as_ref()),
        settings,
        instruction_sources: sources,
        thread: shown,
    }
    .into())
}

fn other_model(recorded: &str, now: &str) -> String {
    format!("This thread was recorded with model `{recorded}` and goes on with `{now}`; answers may be worse for it.")
}

/// The recorded model and effort count unless the client says anything about either.
fn keeps_model(params: &ThreadResumeParams) -> bool {
    let config_says = |key: &str| params.config.as_ref().is_some_and(|config| config.contains_key(key));
    params.model.is_none()
        && params.model_provider.is_none()
        && !config_says("model")
        && !config_says("model_provider")
        && !config_says("model_reasoning_effort")
}

fn broadcast_idle(cx: &RequestContext, thread_id: String) {
    let idle = ThreadStatusChangedNotification {
        status: ThreadStatus::Idle,
        thread_id,
    };
    cx.services.clients.broadcast(&EncodedNotification::new(&idle));
}

/// Tells the requester how the goal of a thread stands that was just loaded, and lets the thread pursue it.
async fn pursue_goal(cx: &RequestContext, id: ThreadId) {
    let Some(thread) = cx.services.threads.get(&id) else {
        return;
    };
    if let Ok(view) = thread.ask(ThreadCommand::View).await {
        thread_goal::snapshot(cx, id, view.goal.current());
        cx.after(move || drop(thread.try_send(ThreadCommand::PursueGoal)));
    }
}
