//! Requests from the server to clients that still wait for an answer.
//!
//! Ids are integers counted from 0 for the whole process, whatever the connection or thread. A request is sent to
//! several connections under one id; the first answer wins. An answer of a connection that was not asked is refused and
//! logged. A request outlives the connections it was sent to: whoever resumes its thread is asked again, by the same id.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::engine::host::RawAnswer;
use crate::protocol::{JSONRPCErrorError, RequestId, ThreadId};
use crate::rpc::client::ConnectionId;
use crate::rpc::gate::outgoing::ServerRequestMessage;

#[cfg(test)]
mod tests;

/// Why an answer was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Nothing with this id waits: it never existed, was answered already, or was cancelled.
    #[error("could not find callback for request {0}")]
    Unknown(RequestId),
    /// The request exists, but this connection was not asked.
    #[error("connection {} was not asked request {id}", .client.0)]
    NotAsked {
        /// Who answered.
        client: ConnectionId,
        /// What it answered.
        id: RequestId,
    },
}

/// A request that was opened.
#[derive(Debug)]
pub struct OpenedRequest {
    /// Its id.
    pub id: RequestId,
    /// The whole message, for every connection that is asked.
    pub message: ServerRequestMessage,
    /// Resolves with the first answer, or as cancelled.
    pub answer: oneshot::Receiver<RawAnswer>,
}

#[derive(Debug)]
struct Waiting {
    thread: Option<ThreadId>,
    message: ServerRequestMessage,
    asked: Vec<ConnectionId>,
    reply: oneshot::Sender<RawAnswer>,
}

#[derive(Debug, Default)]
struct State {
    next: i64,
    waiting: BTreeMap<i64, Waiting>,
}

/// The requests of this process that wait for an answer.
#[derive(Debug, Default)]
pub struct PendingServerRequests(Mutex<State>);

impl PendingServerRequests {
    /// Makes a request. Nobody has been asked yet: see [`PendingServerRequests::add_recipient`].
    pub fn open<P: Serialize>(&self, thread: Option<ThreadId>, method: &str, params: &P) -> OpenedRequest {
        let (reply, answer) = oneshot::channel();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let id = RequestId::Integer(number);
        let message = ServerRequestMessage::new(&id, method, params);
        state.waiting.insert(
            number,
            Waiting {
                thread,
                message: message.clone(),
                asked: Vec::new(),
                reply,
            },
        );
        OpenedRequest { id, message, answer }
    }

    /// Notes that a connection is asked. Returns false when the request is no longer open: then it must not be sent.
    pub fn add_recipient(&self, id: &RequestId, client: ConnectionId) -> bool {
        let mut state = self.state();
        let Some(waiting) = number(id).and_then(|id| state.waiting.get_mut(&id)) else {
            return false;
        };
        if !waiting.asked.contains(&client) {
            waiting.asked.push(client);
        }
        true
    }

    /// Takes a client's answer. The first one ends the request.
    pub fn answer(
        &self,
        client: ConnectionId,
        id: &RequestId,
        answer: Result<&RawValue, JSONRPCErrorError>,
    ) -> Result<(), AnswerError> {
        let waiting = {
            let mut state = self.state();
            let unknown = || AnswerError::Unknown(id.clone());
            let key = number(id).ok_or_else(unknown)?;
            let waiting = state.waiting.get(&key).ok_or_else(unknown)?;
            if !waiting.asked.contains(&client) {
                return Err(AnswerError::NotAsked { client, id: id.clone() });
            }
            state.waiting.remove(&key).ok_or_else(unknown)?
        };
        let answer = match answer {
            Ok(result) => RawAnswer::Result(serde_json::from_str(result.get()).unwrap_or_default()),
            Err(error) => RawAnswer::Error(error),
        };
        let _ = waiting.reply.send(answer);
        Ok(())
    }

    /// The open requests of a thread with their messages, oldest first.
    pub fn for_thread(&self, thread: &ThreadId) -> Vec<(RequestId, ServerRequestMessage)> {
        self.state()
            .waiting
            .iter()
            .filter(|(_, waiting)| waiting.thread.as_ref() == Some(thread))
            .map(|(id, waiting)| (RequestId::Integer(*id), waiting.message.clone()))
            .collect()
    }

    /// Ends one request as cancelled. Returns whether it was open.
    pub fn cancel(&self, id: &RequestId) -> bool {
        let waiting = number(id).and_then(|id| self.state().waiting.remove(&id));
        let found = waiting.is_some();
        if let Some(waiting) = waiting {
            let _ = waiting.reply.send(RawAnswer::Cancelled);
        }
        found
    }

    /// Ends all open requests of a thread as cancelled; returns their ids, oldest first.
    pub fn cancel_thread(&self, thread: &ThreadId) -> Vec<RequestId> {
        let cancelled: Vec<(i64, Waiting)> = self
            .state()
            .waiting
            .extract_if(.., |_, waiting| waiting.thread.as_ref() == Some(thread))
            .collect();
        cancelled
            .into_iter()
            .map(|(id, waiting)| {
                let _ = waiting.reply.send(RawAnswer::Cancelled);
                RequestId::Integer(id)
            })
            .collect()
    }

    /// How many requests are open.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether no request is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(id: &RequestId) -> Option<i64> {
    match id {
        RequestId::Integer(number) => Some(*number),
        RequestId::Text(_) => None,
    }
}
