//! The line between a connection actor and the edge that moves its bytes.
//!
//! An edge (WebSocket, unix socket, stdio, in-process) knows frames and sockets, nothing else. It feeds whole text
//! messages into [`ConnectionEdge::inbound`], writes what [`ConnectionEdge::outbox`] hands out, and obeys
//! [`ConnectionEdge::commands`]. Dropping the sender is how it says that the client is gone. The channel is bounded: an
//! edge that cannot send waits, and so stops reading its socket.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::actors::gate::Gate;
use crate::rpc::ConnectionId;
use crate::rpc::outbox::{CloseReason, OutboxQueue};

/// What a connection tells its edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeCommand {
    /// Ping the client; its answer is reported by [`ConnectionEdge::pong`].
    Ping,
    /// Write what the outbox still hands out, say goodbye with `code` and `reason`, and end the transport. When the
    /// client does not take it promptly, cut the transport.
    Close {
        /// The WebSocket close code.
        code: u16,
        /// One sentence for the client.
        reason: &'static str,
    },
}

impl From<CloseReason> for EdgeCommand {
    fn from(reason: CloseReason) -> Self {
        EdgeCommand::Close {
            code: reason.code(),
            reason: reason.text(),
        }
    }
}

/// An edge's end of a connection.
#[derive(Debug)]
pub struct ConnectionEdge {
    /// The connection's number.
    pub id: ConnectionId,
    /// Whole text messages from the client, in order. Waits when the connection has enough to do.
    pub inbound: mpsc::Sender<Bytes>,
    /// Frames for the client. `next_batch` returns `None` at the end.
    pub outbox: Arc<OutboxQueue>,
    /// Orders to the edge. Ends with the connection.
    pub commands: mpsc::Receiver<EdgeCommand>,
    pub(crate) gate: Arc<Gate>,
    /// Counted while the edge lives.
    pub(crate) _counted: Arc<()>,
}

impl ConnectionEdge {
    /// Reports that the client is alive: a pong, or any frame that is not a message.
    pub fn pong(&self) {
        self.gate.seen();
    }

    /// A small handle that reports signs of life from where the edge itself cannot be borrowed.
    pub fn liveness(&self) -> Liveness {
        Liveness(self.gate.clone())
    }
}

/// Reports signs of life of a client.
#[derive(Debug, Clone)]
pub struct Liveness(Arc<Gate>);

impl Liveness {
    /// The client is alive.
    pub fn pong(&self) {
        self.0.seen();
    }
}
