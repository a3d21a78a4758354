//! thread/start: a new thread, loaded and subscribed, with nothing on disk yet.
//!
//! The rollout is made with the first user message; until then the thread exists in memory alone. Order for the client:
//! a deprecation notice if one is due, the response, `thread/started` to everyone, warnings about its settings.

use std::sync::Arc;

use crate::methods::dynamic_tools;
use crate::methods::environment;
use crate::methods::thread_events;
use crate::methods::thread_load::{self, Origin};
use crate::methods::thread_overrides::LoadedThread;
use crate::methods::thread_setup::{self, Wishes};
use crate::methods::thread_warnings::ThreadWarnings;
use crate::protocol::*;
use crate::rpc::context::RequestContext;
use crate::rpc::{EncodedNotification, RpcError};

/// `thread/start`.
pub async fn start(cx: RequestContext, mut params: ThreadStartParams) -> Result<ThreadStartResponse, RpcError> {
    notice_extended_history(&cx, params.persist_extended_history);
    let tools = params.dynamic_tools.take().unwrap_or_default();
    dynamic_tools::check(&tools)?;
    environment::check(&cx.services.environments, params.environments.as_deref())?;
    let mut wishes = Wishes::from(&mut params);
    wishes.environments = params.environments.take();
    wishes.check()?;
    let prepared = thread_setup::prepare(&cx, wishes).await?;
    let warnings = ThreadWarnings::of(&cx, &prepared);
    let settings = prepared.settings.clone();
    let instruction_sources = prepared.docs.sources.clone();
    let origin = Origin {
        ephemeral: params.ephemeral.unwrap_or(false),
        thread_source: params.thread_source,
        dynamic_tools: tools,
        raw_events: params.experimental_raw_events,
        forked_from: None,
        start_source: params.session_start_source,
    };
    let mut thread = thread_load::new_thread(&cx, prepared, origin, &[]).await?;
    // What a new thread is told about git it reads from its rollout, which does not exist yet.
    thread.git_info = None;
    let started = ThreadStartedNotification { thread: thread.clone() };
    let clients = Arc::clone(&cx.services.clients);
    cx.after(move || clients.broadcast(&EncodedNotification::new(&started)));
    warnings.tell_after(&cx, &thread.id);
    Ok(LoadedThread {
        events: thread_events::fresh_stream(&cx, &thread.id, None),
        settings,
        instruction_sources,
        thread,
    }
    .into())
}

/// Tells the client that a switch it uses does nothing.
pub(crate) fn notice_extended_history(cx: &RequestContext, used: bool) {
    if used {
        cx.client.notify_one(&DeprecationNoticeNotification {
            details: Some("Remove this parameter. App-server always uses limited history persistence.".into()),
            summary: "persistExtendedHistory is deprecated and ignored".into(),
        });
    }
}
