//! Requests of a thread to its clients: approvals, questions, dynamic tools.
//!
//! State: the requests without an answer, by id, with the turn task that waits for each. A request goes to everyone
//! subscribed when it is made; the first answer wins; the others learn of it by `serverRequest/resolved`, which precedes
//! everything that follows from the answer. A request survives the disconnection of all its clients and is sent again,
//! under its old id, to one who resumes. With nobody subscribed when it is made it is cancelled at once.

use std::collections::BTreeMap;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use tokio::sync::oneshot;

use super::ThreadActor;
use crate::engine::host::RawAnswer;
use crate::protocol::methods::ServerMethod;
use crate::protocol::methods::server::ItemToolCall;
use crate::protocol::{RequestId, ServerRequestResolvedNotification, ThreadActiveFlag};
use crate::rpc::{ClientHandle, EncodedNotification};

/// The unanswered requests of one thread.
#[derive(Debug, Default)]
pub(super) struct OpenRequests(BTreeMap<RequestId, Waiting>);

#[derive(Debug)]
struct Waiting {
    method: &'static str,
    flag: Option<ThreadActiveFlag>,
    /// None once an interrupt has told the turn that there will be no answer.
    reply: Option<oneshot::Sender<RawAnswer>>,
}

/// What is to be asked, as the turn said it.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) params: serde_json::Value,
    pub(super) flag: Option<ThreadActiveFlag>,
    pub(super) announce: Option<EncodedNotification>,
    pub(super) reply: oneshot::Sender<RawAnswer>,
}

impl ThreadActor {
    /// Sends a request to the subscribers.
    pub(super) fn ask(&mut self, question: Question, ctx: &mut actix::Context<Self>) {
        if self.subscribers.is_empty() {
            let _ = question.reply.send(RawAnswer::Cancelled);
            return;
        }
        let change = self.status.waits(question.flag);
        self.announce_status(change);
        if let Some(item) = &question.announce {
            self.subscribers.publish(item);
        }
        let pending = &self.surroundings.pending;
        let opened = pending.open(Some(self.id), question.method, &question.params);
        let id = opened.id;
        for client in self.subscribers.listening() {
            pending.add_recipient(&id, client.id());
            client.ask(&opened.message);
        }
        self.requests.0.insert(
            id.clone(),
            Waiting {
                method: question.method,
                flag: question.flag,
                reply: Some(question.reply),
            },
        );
        let answered = opened.answer.into_actor(self).map(move |answer, act, _ctx| {
            if let Ok(answer) = answer {
                act.answered(&id, answer);
            }
        });
        ctx.spawn(answered);
    }

    fn answered(&mut self, id: &RequestId, answer: RawAnswer) {
        let Some(waiting) = self.requests.0.remove(id) else {
            return;
        };
        // The end of a tool call shows in its item alone.
        if waiting.method != ItemToolCall::NAME {
            self.publish_resolved(id.clone());
        }
        let change = self.status.answered(waiting.flag);
        self.announce_status(change);
        if let Some(reply) = waiting.reply {
            let _ = reply.send(answer);
        }
    }

    /// Tells the turn that nobody will answer, without telling the clients yet.
    pub(super) fn release_waiting_turn(&mut self) {
        for waiting in self.requests.0.values_mut() {
            if let Some(reply) = waiting.reply.take() {
                let _ = reply.send(RawAnswer::Cancelled);
            }
        }
    }

    /// A turn ended, or the thread does: nobody needs the answers any more.
    pub(super) fn cancel_requests(&mut self) {
        self.release_waiting_turn();
        if self.requests.0.is_empty() {
            return;
        }
        self.surroundings.pending.cancel_thread(&self.id);
        for (id, waiting) in std::mem::take(&mut self.requests.0) {
            if waiting.method != ItemToolCall::NAME {
                self.publish_resolved(id);
            }
        }
    }

    /// Sends a client that joined what still waits for an answer, under the old ids.
    pub(super) fn replay_requests(&self, client: &ClientHandle) {
        let pending = &self.surroundings.pending;
        for (id, message) in pending.for_thread(&self.id) {
            if pending.add_recipient(&id, client.id()) {
                client.ask(&message);
            }
        }
    }

    fn publish_resolved(&mut self, request_id: RequestId) {
        self.publish(&ServerRequestResolvedNotification {
            request_id,
            thread_id: self.id_text(),
        });
    }
}
