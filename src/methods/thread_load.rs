//! Loading threads: a recorder, what its turns share, and the actor that owns it.
//!
//! Used by every method that brings a thread to life (start, resume, fork). The caller is subscribed from the first
//! moment, so nothing that the thread publishes is missed.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::engine::history::History;
use crate::engine::scope::ThreadServices;
use crate::engine::thread_ref::ThreadSeed;
use crate::engine::turn::Conversation;
use crate::methods::thread_setup::Prepared;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{BaseInstructions, NewThread, Recorder, ResumedThread, SessionMeta, StoreError, ThreadStore};

/// What is special about a new thread.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) ephemeral: bool,
    pub(crate) thread_source: Option<ThreadSource>,
    pub(crate) dynamic_tools: Vec<DynamicToolSpec>,
    pub(crate) raw_events: bool,
}

/// Makes and loads a thread with these items as its conversation.
pub(crate) async fn new_thread(
    cx: &RequestContext,
    prepared: Prepared,
    origin: Origin,
    conversation: Vec<Arc<RawValue>>,
) -> Result<Thread, RpcError> {
    let id = ThreadId::generate();
    let mut meta = SessionMeta::new(
        id,
        prepared.settings.cwd.as_path().to_path_buf(),
        cx.services.originator(),
        prepared.config.model_provider.clone(),
    );
    meta.thread_source = origin.thread_source;
    meta.git = prepared.git.clone();
    meta.dynamic_tools = Some(origin.dynamic_tools.clone()).filter(|tools| !tools.is_empty());
    let new = NewThread {
        meta,
        ephemeral: origin.ephemeral,
    };
    let recorder = cx.services.store.create(new).map_err(store_error)?;
    let thread = recorder.thread().to_thread(ThreadStatus::Idle, Vec::new());
    let history = History::from_items(conversation);
    spawn(cx, prepared, origin, recorder, history, None).await?;
    Ok(thread)
}
