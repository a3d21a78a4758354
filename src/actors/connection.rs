//! One client: its requests in work, its heartbeat, its end.
//!
//! The actor lives on its edge's thread and decodes each message once. Requests without a lane run at once, right here:
//! their handler is polled on the spot and becomes a task only when it has to wait. Requests with a lane ask the
//! supervisor for their turn first. Every request gets one answer. Too much to do first makes the edge wait; when nothing
//! moves for a while, requests are answered as overload, so that answers to the server's own requests still get through.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, StreamHandler, WrapFuture};
use bytes::Bytes;
use futures_util::future::{Either, select};
use tokio::sync::{mpsc, oneshot};

use crate::actors::edge::{ConnectionEdge, EdgeCommand};
use crate::actors::gate::{Gate, Pass};
use crate::actors::inbound::Inbound;
use crate::actors::kernel::Kernel;
use crate::actors::supervisor::{Enter, WaitingMail};
use crate::rpc::dispatch::{self, Call, Caller, Refusal};
use crate::rpc::envelope::{Incoming, IncomingRequest, decode};
use crate::rpc::outbox::{CloseReason, OutboxQueue};
use crate::rpc::{ClientHandle, RpcError};
use crate::telemetry::metrics;

#[cfg(test)]
mod tests;

/// Messages an edge may hand over before it has to wait.
const INBOUND: usize = 64;
/// Orders an edge may leave undone.
const COMMANDS: usize = 4;
/// How long the end of a connection waits for its running requests.
const LAST_REQUESTS: Duration = Duration::from_secs(10);
/// How long a stdio client that has said everything waits for its last answers.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How often a connection looks after itself when heartbeats are off.
const HOUSEKEEPING: Duration = Duration::from_secs(30);

/// Opens a connection for an edge. Must be called on an arbiter: the connection's actor lives there, beside its edge.
/// `transport` is `stdio`, `ws`, `unix` or `in-process`.
pub fn open(kernel: &Kernel, transport: &'static str) -> ConnectionEdge {
    let (inbound, messages) = mpsc::channel(INBOUND);
    let (orders, commands) = mpsc::channel(COMMANDS);
    let services = kernel.services().clone();
    let id = kernel.next_connection();
    let gate = Arc::new(Gate::new(services.settings.in_flight_limit, kernel.load().clone()));
    let outbox = Arc::new(OutboxQueue::new(kernel.outbox_limits(transport)));
    let client = ClientHandle::new(id, transport, outbox.clone());
    services.clients.insert(client.clone());
    metrics::connected(transport);
    let connection = Connection {
        kernel: kernel.clone(),
        caller: Caller {
            client,
            services,
            disconnected: gate.disconnected().clone(),
        },
        outbox: outbox.clone(),
        gate: gate.clone(),
        orders,
        ended: false,
    };
    Connection::create(|ctx| {
        ctx.add_stream(Inbound::new(messages, gate.clone(), outbox.clone()));
        connection
    });
    ConnectionEdge {
        id,
        inbound,
        outbox,
        commands,
        gate,
        _counted: kernel.edge_count(),
    }
}

struct Connection {
    kernel: Kernel,
    caller: Caller,
    outbox: Arc<OutboxQueue>,
    gate: Arc<Gate>,
    orders: mpsc::Sender<EdgeCommand>,
    ended: bool,
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let outbox = self.outbox.clone();
        let stopping = self.kernel.stopping().clone().cancelled_owned();
        let end = async move {
            let closed = std::future::poll_fn(move |cx| outbox.poll_closed(cx));
            match select(closed, std::pin::pin!(stopping)).await {
                Either::Left((reason, _)) => reason,
                Either::Right(_) => CloseReason::ShuttingDown,
            }
        };
        ctx.spawn(
            end.into_actor(self)
                .map(|reason, connection, ctx| connection.end(reason, ctx)),
        );
        self.look_after(ctx);
    }

    fn stopped(&mut self, _ctx: &mut Self::Context) {
        // Also runs while unwinding: whatever happened, the connection leaves nothing behind.
        self.leave(CloseReason::Disconnected);
    }
}

impl StreamHandler<Bytes> for Connection {
    fn handle(&mut self, message: Bytes, _ctx: &mut Self::Context) {
        self.gate.seen();
        let handled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.receive(&message)));
        if handled.is_err() {
            metrics::panicked("connection");
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        if self.ended {
            return;
        }
        if self.caller.client.transport() != "stdio" {
            return self.end(CloseReason::Disconnected, ctx);
        }
        // The client has said everything but may still listen: what it asked for is answered before the end.
        let gate = self.gate.clone();
        let last = async move { tokio::time::timeout(LAST_ANSWERS, gate.idle()).await };
        ctx.spawn(
            last.into_actor(self)
                .map(|_, connection, _ctx| connection.outbox.close_when_drained()),
        );
    }
}

impl Connection {
    fn receive(&self, message: &[u8]) {
        match decode(message) {
            Incoming::Request(request) => self.request(request),
            Incoming::Response { id, result } => self.answered(&id, Ok(result)),
            Incoming::Error { id, error } => self.answered(&id, Err(error)),
            Incoming::Notification { method } => {
                tracing::debug!(conn.id = self.caller.client.id().0, "notification {method}");
            }
            Incoming::Junk(reason) => {
                metrics::dropped_message();
                tracing::warn!(
                    conn.id = self.caller.client.id().0,
                    message.bytes = message.len(),
                    "a message that is none was dropped: {reason}"
                );
            }
        }
    }

    fn request(&self, request: IncomingRequest<'_>) {
        if self.gate.is_full() || self.outbox.is_congested() {
            metrics::shed("connection");
            return self.refuse(Refusal {
                id: request.id,
                error: RpcError::overloaded(),
            });
        }
        match dispatch::prepare(request, &self.caller) {
            Ok(call) => self.start(call),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&self, refusal: Refusal) {
        self.caller
            .client
            .send_raw(dispatch::encode_error(&refusal.id, refusal.error));
    }

    fn answered(
        &self,
        id: &crate::protocol::RequestId,
        answer: Result<&serde_json::value::RawValue, crate::protocol::JSONRPCErrorError>,
    ) {
        if let Err(error) = self.caller.services.pending.answer(self.caller.client.id(), id, answer) {
            tracing::warn!(conn.id = self.caller.client.id().0, "an answer was not taken: {error}");
        }
    }

    fn start(&self, mut call: Call) {
        call.method.count();
        let pass = self.gate.admit();
        let Some((key, access)) = call.lane.take() else {
            return run_now(async move {
                call.run().await;
                drop(pass);
            });
        };
        let (start, started) = oneshot::channel();
        let enter = Enter {
            key,
            access,
            gate: self.gate.clone(),
            start,
            mail: WaitingMail::new(self.kernel.load()),
        };
        if let Err(error) = self.kernel.supervisor().try_send(enter) {
            tracing::warn!(rpc.method = call.method.name, "{} was shed: {error}", call.method.name);
            metrics::shed("supervisor");
            return self.refuse(Refusal {
                id: call.id,
                error: RpcError::overloaded(),
            });
        }
        let gate = self.gate.clone();
        let client = self.caller.client.clone();
        actix_rt::spawn(run_in_turn(call, started, pass, gate, client));
    }

    /// Heartbeats, and the grace time of a client that is sent nothing any more.
    fn look_after(&self, ctx: &mut Context<Self>) {
        let settings = &self.caller.services.settings;
        let beats = matches!(self.caller.client.transport(), "ws" | "unix") && !settings.heartbeat_interval.is_zero();
        let (interval, timeout) = match beats {
            true => (settings.heartbeat_interval, settings.heartbeat_timeout),
            false => (HOUSEKEEPING, Duration::MAX),
        };
        ctx.run_interval(interval, move |connection, _ctx| {
            connection.outbox.check_grace(Instant::now());
            let silence = connection.gate.silence();
            if silence > timeout {
                connection.outbox.close(CloseReason::Unresponsive);
            } else if beats && silence >= interval / 2 {
                let _ = connection.orders.try_send(EdgeCommand::Ping);
            }
        });
    }

    fn end(&mut self, reason: CloseReason, ctx: &mut Context<Self>) {
        self.leave(reason);
        ctx.stop();
    }

    /// Takes the connection out of everything that knows it. Its running requests finish; then its threads are told.
    fn leave(&mut self, reason: CloseReason) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let (client, services) = (&self.caller.client, self.caller.services.clone());
        tracing::debug!(conn.id = client.id().0, "connection ends: {}", reason.text());
        self.gate.close();
        self.outbox.close(reason);
        let _ = self
            .orders
            .try_send(self.outbox.close_reason().unwrap_or(reason).into());
        services.clients.remove(client.id());
        metrics::disconnected(client.transport());
        if reason != CloseReason::Disconnected {
            metrics::closed(reason.name());
        }
        let (id, gate) = (client.id(), self.gate.clone());
        tokio::spawn(async move {
            if tokio::time::timeout(LAST_REQUESTS, gate.idle()).await.is_err() {
                tracing::warn!(conn.id = id.0, "requests of an ended connection still run");
            }
            services.threads.client_gone(id).await;
        });
    }
}

/// Waits for the lane, runs, and leaves the lane. A request whose connection ended before its turn is dropped unseen.
async fn run_in_turn(
    call: Call,
    started: oneshot::Receiver<crate::actors::supervisor::LanePermit>,
    pass: Pass,
    gate: Arc<Gate>,
    client: ClientHandle,
) {
    match started.await {
        Ok(_permit) if gate.is_closed() => {}
        Ok(permit) => {
            let left = call.left_lane.clone();
            let mut run = std::pin::pin!(call.run());
            tokio::select! {
                biased;
                () = &mut run => {}
                () = left.cancelled() => {
                    drop(permit);
                    run.await;
                }
            }
        }
        // The supervisor skipped it (its connection ended), or fell.
        Err(_) if gate.is_closed() => {}
        Err(_) => client.send_raw(dispatch::encode_error(&call.id, RpcError::overloaded())),
    }
    drop(pass);
}

/// Polls a future where it stands; only one that has to wait becomes a task.
fn run_now(work: impl Future<Output = ()> + 'static) {
    let mut work = Box::pin(work);
    let mut context = TaskContext::from_waker(Waker::noop());
    if work.as_mut().poll(&mut context).is_pending() {
        actix_rt::spawn(work);
    }
}
