//! What a connection's requests share: whether the connection is still open, how many are in work, when the client was
//! last heard.
//!
//! Readers wait here when enough is in work (see [`Gate::poll_admission`]); the clean-up waits here for the last request.
//! No lock is held anywhere; the counters are atomics and the one reader registers a waker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Load;

/// One connection's gate.
#[derive(Debug)]
pub(crate) struct Gate {
    closed: AtomicBool,
    in_flight: AtomicUsize,
    cap: usize,
    load: Arc<Load>,
    reader: AtomicWaker,
    idle: Notify,
    born: Instant,
    seen_ms: AtomicU64,
    disconnected: CancellationToken,
}

impl Gate {
    pub(crate) fn new(cap: usize, load: Arc<Load>) -> Self {
        Gate {
            closed: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            cap,
            load,
            reader: AtomicWaker::new(),
            idle: Notify::new(),
            born: Instant::now(),
            seen_ms: AtomicU64::new(0),
            disconnected: CancellationToken::new(),
        }
    }

    /// Counts a request until the pass is dropped.
    pub(crate) fn admit(self: &Arc<Self>) -> Pass {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        self.load.in_flight.add();
        Pass(self.clone())
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.in_flight() >= self.cap
    }

    /// Ready while another request may be taken in.
    pub(crate) fn poll_admission(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_full() {
            return Poll::Ready(());
        }
        self.reader.register(cx.waker());
        if self.is_full() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Resolves when no request is in work.
    pub(crate) async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Closes the gate: what still queues is skipped, what runs may see it by [`Gate::disconnected`].
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.disconnected.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn disconnected(&self) -> &CancellationToken {
        &self.disconnected
    }

    /// The client was heard.
    pub(crate) fn seen(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.seen_ms.store(now, Ordering::Relaxed);
    }

    /// How long the client has been silent.
    pub(crate) fn silence(&self) -> Duration {
        let seen = Duration::from_millis(self.seen_ms.load(Ordering::Relaxed));
        self.born.elapsed().saturating_sub(seen)
    }
}

/// A request in work.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Gate>);

impl Drop for Pass {
    fn drop(&mut self) {
        let before = self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.0.load.in_flight.take(1);
        self.0.reader.wake();
        if before == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
