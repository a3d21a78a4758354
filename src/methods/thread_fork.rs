//! thread/fork: a stored thread copied into a thread of its own, which is loaded.
//!
//! `path` wins over `threadId`. Nothing has to be loaded; a source whose turn runs is copied as it is at that moment,
//! the turn ended as interrupted. The fork keeps its parent's folder, instructions and tools, and takes the rest from
//! the configuration and the request. An ephemeral one writes nothing. Order for the client: the response, its token
//! usage, `thread/started` to everyone.

use std::borrow::Cow;
use std::sync::Arc;

use crate::engine::context::markers;
use crate::engine::thread_ref::ThreadView;
use crate::methods::thread_events;
use crate::methods::thread_load::{self, CameBy, Origin, last_usage, read_error, store_error};
use crate::methods::thread_lookup::{no_rollout, parse, rollout_at};
use crate::methods::thread_overrides::LoadedThread;
use crate::methods::thread_setup::{self, Prepared, Wishes};
use crate::methods::thread_start::notice_extended_history;
use crate::protocol::*;
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};
use crate::store::{ForkOf, ForkSource, NewFork, SessionMeta, StoreError, ThreadHead};

/// `thread/fork`.
pub async fn fork(cx: RequestContext, mut params: ThreadForkParams) -> Result<ThreadForkResponse, RpcError> {
    notice_extended_history(&cx, params.persist_extended_history);
    let mut wishes = Wishes::from(&mut params);
    wishes.check()?;
    let source = find(&cx, &params).await?;
    let parent = &source.head;
    wishes.overrides.cwd.get_or_insert_with(|| parent.thread.cwd.clone());
    if wishes.overrides.base_instructions.is_none() {
        wishes.overrides.base_instructions = parent.base_instructions().map(|recorded| recorded.text.clone());
    }
    let prepared = thread_setup::prepare(&cx, wishes).await?;
    let settings = prepared.settings.clone();
    let instruction_sources = prepared.docs.sources.clone();
    let origin = Origin {
        ephemeral: params.ephemeral,
        thread_source: params.thread_source,
        ..origin_of(parent)
    };
    let meta = first_line(&cx, &prepared, &origin, parent);
    let usage = last_usage(parent).filter(|_| !params.exclude_turns);
    let mut thread = match params.ephemeral {
        true => passing(&cx, prepared, origin, meta, &source, !params.exclude_turns).await?,
        false => kept(&cx, prepared, meta, &source, !params.exclude_turns).await?,
    };
    if let Ok(id) = ThreadId::parse(&thread.id) {
        thread_events::tell_usage(&cx, id, usage);
    }
    let turns = std::mem::take(&mut thread.turns);
    let started = ThreadStartedNotification { thread: thread.clone() };
    thread.turns = turns;
    let clients = Arc::clone(&cx.services.clients);
    cx.after(move || clients.broadcast(&EncodedNotification::new(&started)));
    Ok(LoadedThread {
        events: thread_events::fresh_stream(&cx, &thread.id, None),
        settings,
        instruction_sources,
        thread,
    }
    .into())
}

/// A copy of a loaded thread in which a review is to be done, with the model of reviews.
pub(crate) async fn for_review(cx: &RequestContext, parent: &ThreadView) -> Result<Thread, RpcError> {
    let id = parent.thread.id;
    let mut wishes = Wishes::default();
    wishes.overrides.cwd = Some(parent.thread.cwd.clone());
    let source = match parent.materialised {
        true => Some(
            cx.services
                .store
                .fork_source(ForkOf::Thread(id))
                .await
                .map_err(read_error)?,
        ),
        false => None,
    };
    let recorded = source.as_ref().and_then(|source| source.head.base_instructions());
    wishes.overrides.base_instructions = recorded.map(|recorded| recorded.text.clone());
    let mut prepared = thread_setup::prepare(cx, wishes).await?;
    if let Some(model) = &prepared.config.review_model {
        prepared.settings.model = model.as_str().into();
    }
    let thread = match &source {
        Some(source) => {
            let meta = first_line(cx, &prepared, &origin_of(&source.head), &source.head);
            kept(cx, prepared, meta, source, false).await?
        }
        None => {
            let origin = Origin {
                forked_from: Some(id),
                ..Origin::default()
            };
            thread_load::new_thread(cx, prepared, origin, &[]).await?
        }
    };
    let started = ThreadStartedNotification { thread: thread.clone() };
    let clients = Arc::clone(&cx.services.clients);
    cx.after(move || clients.broadcast(&EncodedNotification::new(&started)));
    Ok(thread)
}

fn origin_of(parent: &ThreadHead) -> Origin {
    let tools = parent.meta.as_ref().and_then(|meta| meta.dynamic_tools.clone());
    Origin {
        dynamic_tools: tools.unwrap_or_default(),
        forked_from: Some(parent.thread.id),
        ..Origin::default()
    }
}

fn first_line(cx: &RequestContext, prepared: &Prepared, origin: &Origin, parent: &ThreadHead) -> SessionMeta {
    let mut meta = thread_load::first_line(cx, prepared, origin);
    // What is not to be remembered of the parent is not to be remembered of its copy.
    meta.memory_mode = parent.thread.memory_mode.clone().filter(|mode| mode != "enabled");
    meta
}

/// The thread that is to be forked, as it is now.
async fn find(cx: &RequestContext, params: &ThreadForkParams) -> Result<ForkSource, RpcError> {
    let store = &cx.services.store;
    if let Some(path) = &params.path {
        let path = rollout_at(&cx.services.home, path).await?;
        let of = ForkOf::File(Cow::Owned(path));
        return store.fork_source(of).await.map_err(read_error);
    }
    let id = parse(&params.thread_id)?;
    store
        .fork_source(ForkOf::Thread(id))
        .await
        .map_err(|error| match error {
            StoreError::NotFound(_) => no_rollout(id),
            other => read_error(other),
        })
}

/// A fork with a rollout of its own.
async fn kept(
    cx: &RequestContext,
    prepared: Prepared,
    meta: SessionMeta,
    source: &ForkSource,
    with_turns: bool,
) -> Result<Thread, RpcError> {
    let store = &cx.services.store;
    let interruption = prepared.config.interrupt_message.then(markers::turn_aborted);
    let new = NewFork { meta, interruption };
    let forked = store.fork(source, new).await.map_err(store_error)?;
    let id = forked.head.thread.id;
    let turns = match with_turns {
        true => store.history(id, None).await.map_err(read_error)?.turns,
        false => Vec::new(),
    };
    let thread = forked.head.thread.to_thread(ThreadStatus::Idle, turns);
    // For hooks it is a new one.
    thread_load::stored_thread(cx, prepared, forked.recorder, &forked.head, CameBy::Startup).await?;
    Ok(thread)
}

/// A fork that lives in memory alone.
async fn passing(
    cx: &RequestContext,
    prepared: Prepared,
    origin: Origin,
    meta: SessionMeta,
    source: &ForkSource,
    with_turns: bool,
) -> Result<Thread, RpcError> {
    let (turns, told) = cx.services.store.look_into(source).await.map_err(read_error)?;
    let mut conversation = thread_load::conversation(told);
    if source.is_mid_turn() && prepared.config.interrupt_message {
        conversation.history.push(markers::turn_aborted());
    }
    let usage = last_usage(&source.head);
    let mut thread = thread_load::passing_thread(cx, prepared, origin, meta, conversation, usage).await?;
    thread.preview.clone_from(&source.head.thread.preview);
    if with_turns {
        thread.turns = turns;
    }
    Ok(thread)
}
