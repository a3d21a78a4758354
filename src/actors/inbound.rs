//! The stream of a client's messages, which stops while there is enough to do.
//!
//! It pauses while the connection's requests in work are at their cap or its outbox is congested; the bounded channel in
//! front of it then fills, and the edge stops reading its socket. When nothing moves for [`STALL`], messages pass again
//! and the connection sheds requests: otherwise requests that wait for the client's own answers would wait forever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

use crate::actors::gate::Gate;
use crate::rpc::outbox::OutboxQueue;

/// How long the stream stays paused without any request ending or any byte leaving.
const STALL: Duration = Duration::from_millis(500);

pub(crate) struct Inbound {
    messages: mpsc::Receiver<Bytes>,
    gate: Arc<Gate>,
    outbox: Arc<OutboxQueue>,
    stall: Option<Stall>,
}

struct Stall {
    /// What was in work and in the outbox when the clock was set.
    seen: (usize, usize),
    clock: Pin<Box<Sleep>>,
}

impl Inbound {
    pub(crate) fn new(messages: mpsc::Receiver<Bytes>, gate: Arc<Gate>, outbox: Arc<OutboxQueue>) -> Self {
        Inbound {
            messages,
            gate,
            outbox,
            stall: None,
        }
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let admitted = self.gate.poll_admission(cx).is_ready();
        let room = self.outbox.poll_room(cx).is_ready();
        if admitted && room {
            self.stall = None;
            return Poll::Ready(());
        }
        let now = (self.gate.in_flight(), self.outbox.backlog());
        let stall = self.stall.get_or_insert_with(|| Stall {
            seen: now,
            clock: Box::pin(sleep(STALL)),
        });
        if now.0 < stall.seen.0 || now.1 < stall.seen.1 {
            stall.clock.as_mut().reset(Instant::now() + STALL);
        }
        stall.seen = now;
        stall.clock.as_mut().poll(cx)
    }
}

impl Stream for Inbound {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self.poll_open(cx) {
            Poll::Ready(()) => self.messages.poll_recv(cx),
            Poll::Pending => Poll::Pending,
        }
    }
}
