//! What a handler is given besides its parameters: who asks, and everything the process has to offer.
//!
//! A [`RequestContext`] belongs to one request. Effects that a client must see after the response (a notification that
//! follows it, a turn that may start) are handed to [`RequestContext::after`]: they run in order once the response
//! stands in the client's outbox, and before the request's lane is released, unless the handler left it earlier.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::model::Asker;
use crate::protocol::{RequestId, W3cTraceContext};
use crate::rpc::client::ClientHandle;
pub use crate::rpc::directory::{ClientDirectory, ThreadDirectory};
pub use crate::rpc::services::{Services, TurnCounter, TurnGuard};

type Effect = Box<dyn FnOnce() + Send>;

/// Effects waiting for a response to be sent, and the response itself if the handler has encoded it. Shared by a
/// request's context and its dispatcher.
#[derive(Default)]
pub(crate) struct AfterResponse {
    effects: Mutex<Vec<Effect>>,
    bulk: Mutex<Option<Bytes>>,
}

impl AfterResponse {
    fn push(&self, effect: Effect) {
        if let Ok(mut effects) = self.effects.lock() {
            effects.push(effect);
        }
    }

    /// The answer that the handler has encoded.
    pub(crate) fn take_bulk(&self) -> Option<Bytes> {
        self.bulk.lock().ok().and_then(|mut bulk| bulk.take())
    }

    /// Runs what was registered, oldest first.
    pub(crate) fn run(&self) {
        let effects = self.effects.lock().map(|mut effects| std::mem::take(&mut *effects));
        for effect in effects.unwrap_or_default() {
            effect();
        }
    }
}

/// One request's surroundings.
pub struct RequestContext {
    /// Who asks, and where notifications for it alone go.
    pub client: ClientHandle,
    /// The id the client gave the request.
    pub request_id: RequestId,
    /// The method's wire name.
    pub method: &'static str,
    /// W3C trace context, when the client sent one.
    pub trace: Option<W3cTraceContext>,
    /// The process's services.
    pub services: Arc<Services>,
    /// Cancelled when the connection ends. Handlers run to their end all the same; long waits may give up early.
    pub disconnected: CancellationToken,
    /// Cancelled to free the request's lane before its end.
    pub(crate) left_lane: CancellationToken,
    pub(crate) effects: Arc<AfterResponse>,
}

impl RequestContext {
    /// On whose behalf model providers are asked for what concerns the client.
    pub fn asker(&self) -> Asker {
        let info = self.client.info();
        let (name, version) = info.map_or(("", ""), |info| (info.name.as_str(), info.version.as_str()));
        Asker {
            originator: self.services.originator(),
            user_agent: self.services.user_agent(name, version),
        }
    }

    /// Frees the request's lane: what waits behind it may run, although this request has not ended. For handlers whose
    /// work is in the hands of an actor that keeps the order from here on.
    pub fn leave_lane(&self) {
        self.left_lane.cancel();
    }

    /// Answers with this message, already encoded, in place of what the handler returns if that is no error: for results
    /// too large to exist twice. It does not count as the client's backlog, so whoever makes it bounds how many there are.
    pub fn answer_in_bulk(&self, message: Bytes) {
        if let Ok(mut bulk) = self.effects.bulk.lock() {
            *bulk = Some(message);
        }
    }

    /// Runs `effect` right after the response has been pushed to the client's outbox, also when it is an error.
    pub fn after(&self, effect: impl FnOnce() + Send + 'static) {
        self.effects.push(Box::new(effect));
    }
}
