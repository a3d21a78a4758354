//! What a connection still has to send, bounded in bytes.
//!
//! Whoever sends waits while the client does not read: a process that floods its output is then slowed down by its own
//! pipe. When the connection is gone, sending ends at once.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::refusal::Refusal;
use crate::protocol::RequestId;

/// Bytes that may wait to be sent. One message may be longer; it then waits alone.
const ROOM: usize = 4 << 20;
/// Messages that may wait to be sent.
const DEPTH: usize = 1024;

/// A message, and the room that it takes.
pub(super) struct Queued {
    pub(super) text: String,
    _room: OwnedSemaphorePermit,
}

/// The sending end.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

impl Outbox {
    /// An outbox, and where its messages come out.
    pub(super) fn new() -> (Self, mpsc::Receiver<Queued>) {
        let (queue, messages) = mpsc::channel(DEPTH);
        let room = Arc::new(Semaphore::new(ROOM));
        (Outbox { queue, room }, messages)
    }

    /// Sends an answer.
    pub(super) async fn answer<T: Serialize>(&self, id: &RequestId, outcome: Result<T, Refusal>) {
        let message = match outcome {
            Ok(result) => json!({"id": id, "result": result}),
            Err(Refusal { code, message }) => json!({"error": {"code": code, "message": message}, "id": id}),
        };
        self.send(message.to_string()).await;
    }

    /// Sends a notification.
    pub(super) async fn notify<T: Serialize>(&self, method: &str, params: &T) {
        self.send(json!({"method": method, "params": params}).to_string()).await;
    }

    async fn send(&self, text: String) {
        let size = u32::try_from(text.len().clamp(1, ROOM)).unwrap_or(u32::MAX);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(size) => room,
            () = self.queue.closed() => return,
        };
        if let Ok(room) = room {
            let _ = self.queue.send(Queued { text, _room: room }).await;
        }
    }
}
