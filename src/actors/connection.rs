//! One client: its handshake, its requests in work, its heartbeat.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::actors::edge::ConnectionEdge;
use crate::actors::gate::Gate;
use crate::actors::kernel::Kernel;
use crate::rpc::outbox::OutboxQueue;

/// Messages an edge may hand over before it has to wait.
const INBOUND: usize = 64;
/// Orders an edge may leave undone.
const COMMANDS: usize = 4;

/// Opens a connection for an edge. Must be called on an arbiter: the connection's actor lives there, beside its edge.
/// `transport` is `stdio`, `ws`, `unix` or `in-process`.
pub fn open(kernel: &Kernel, transport: &'static str) -> ConnectionEdge {
    let (inbound, _messages) = mpsc::channel(INBOUND);
    let (_orders, commands) = mpsc::channel(COMMANDS);
    let gate = Arc::new(Gate::new(kernel.services().settings.in_flight_limit));
    let _ = transport;
    ConnectionEdge {
        id: kernel.next_connection(),
        inbound,
        outbox: Arc::new(OutboxQueue::new(kernel.outbox_limits())),
        commands,
        gate,
    }
}
