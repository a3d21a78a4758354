//! The queue between the server and one client's socket: bounded in bytes, never a reason to wait.
//!
//! Any thread pushes; one edge drains. While the client keeps up, frames pass through untouched. Once the backlog is
//! over a threshold, text deltas of one key are joined: a delta that arrives while another of its key is queued is
//! appended to it, as long as only deltas stand in between, so no text passes a message that could refer to it. Nothing
//! is ever left out. A client that stays over the byte limit for longer than its grace time, or reaches the hard limit
//! at once, is given up: the queue is closed with a reason and its memory returned.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use crate::rpc::client::{EventRange, OutFrame, Outbox};

mod limits;
#[cfg(test)]
mod tests;

pub use limits::{CloseReason, OutboxLimits};

/// A joined delta grows no further than this, so that it stays far below every transport's frame limit.
const LARGEST_JOINED: usize = 256 << 10;

#[derive(Debug)]
enum Body {
    Whole(Bytes),
    /// Counts for nothing here.
    Bulk(Bytes),
    Delta {
        whole: Bytes,
        text_end: usize,
        more: Vec<u8>,
    },
}

#[derive(Debug)]
struct Queued {
    body: Body,
    /// The events it stands for, written on it when it leaves.
    event: Option<EventRange>,
}

impl Queued {
    fn into_bytes(self) -> Bytes {
        let bytes = match self.body {
            Body::Whole(bytes) | Body::Bulk(bytes) => bytes,
            Body::Delta { whole, more, .. } if more.is_empty() => whole,
            Body::Delta { whole, text_end, more } => {
                let mut joined = Vec::with_capacity(whole.len() + more.len() + EventRange::LONGEST);
                joined.extend_from_slice(&whole[..text_end]);
                joined.extend_from_slice(&more);
                joined.extend_from_slice(&whole[text_end..]);
                Bytes::from(joined)
            }
        };
        match self.event {
            Some(event) => event.written_on(&bytes),
            None => bytes,
        }
    }

    fn len(&self) -> usize {
        let numbers = self.event.as_ref().map_or(0, |_| EventRange::LONGEST);
        numbers
            + match &self.body {
                Body::Whole(bytes) => bytes.len(),
                Body::Bulk(_) => 0,
                Body::Delta { whole, more, .. } => whole.len() + more.len(),
            }
    }
}

/// The deltas that may still grow, by position. Those with numbers are kept by stream, the latest of each alone: a
/// message must stand for neighbouring events, or a client that loses its connection after it could not say how far it
/// came.
#[derive(Debug, Default)]
struct Joinable {
    by_key: HashMap<Arc<str>, u64>,
    by_stream: HashMap<Arc<str>, (Arc<str>, u64)>,
}

impl Joinable {
    fn find(&self, key: &Arc<str>, event: Option<&EventRange>) -> Option<u64> {
        match event {
            None => self.by_key.get(key).copied(),
            Some(event) => {
                let (latest, position) = self.by_stream.get(&event.stream)?;
                (latest == key).then_some(*position)
            }
        }
    }

    fn insert(&mut self, key: Arc<str>, event: Option<&EventRange>, position: u64) {
        match event {
            None => self.by_key.insert(key, position),
            Some(event) => {
                let stream = Arc::clone(&event.stream);
                self.by_stream.insert(stream, (key, position)).map(|(_, old)| old)
            }
        };
    }
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    /// How many frames left the front so far: `joinable` counts positions from the beginning of time.
    taken: u64,
    /// Which queued deltas may still grow. Emptied by every frame that is no delta.
    #[allow(
        clippy::box_collection,
        reason = "an idle connection pays for a pointer, not for an empty map"
    )]
    joinable: Option<Box<Joinable>>,
    over_since: Option<Instant>,
    closed: Option<CloseReason>,
    /// Set with `closed`: what is queued is still handed out.
    drain: bool,
}

/// The outbox of one connection.
#[derive(Debug)]
pub struct OutboxQueue {
    state: Mutex<State>,
    backlog: AtomicUsize,
    reader: AtomicWaker,
    room: AtomicWaker,
    owner: AtomicWaker,
    limits: Arc<OutboxLimits>,
}

impl OutboxQueue {
    /// An empty queue.
    pub fn new(limits: Arc<OutboxLimits>) -> Self {
        OutboxQueue {
            state: Mutex::default(),
            backlog: AtomicUsize::new(0),
            reader: AtomicWaker::new(),
            room: AtomicWaker::new(),
            owner: AtomicWaker::new(),
            limits,
        }
    }

    /// Waits for frames and takes as many as make a good write. `None` when the queue is closed and drained: then
    /// [`OutboxQueue::close_reason`] tells why. For one reader at a time.
    pub async fn next_batch(&self) -> Option<Vec<Bytes>> {
        poll_fn(|cx| self.poll_batch(cx)).await
    }

    /// [`OutboxQueue::next_batch`] for hand-written futures.
    pub fn poll_batch(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<Bytes>>> {
        if let Some(ready) = self.try_batch() {
            return Poll::Ready(ready);
        }
        self.reader.register(cx.waker());
        self.try_batch().map_or(Poll::Pending, Poll::Ready)
    }

    /// Takes what is there without waiting: `None` when there is nothing yet, `Some(None)` at the end.
    pub fn try_batch(&self) -> Option<Option<Vec<Bytes>>> {
        let mut state = self.state();
        if state.closed.is_some() && !state.drain {
            return Some(None);
        }
        if state.queue.is_empty() {
            return state.closed.map(|_| None);
        }
        let mut batch = Vec::with_capacity(state.queue.len().min(64));
        let mut bytes = 0;
        while bytes < self.limits.batch {
            let Some(frame) = state.queue.pop_front() else { break };
            state.taken += 1;
            bytes += frame.len();
            batch.push(frame.into_bytes());
        }
        if state.queue.is_empty() {
            state.joinable = None;
            state.queue.shrink_to(16);
        }
        let backlog = self.backlog.fetch_sub(bytes, Ordering::AcqRel) - bytes;
        if backlog <= self.limits.limit {
            state.over_since = None;
        }
        drop(state);
        self.room.wake();
        Some(Some(batch))
    }

    /// Ends the queue. What is queued is still handed out, unless the client is beyond reading it.
    pub fn close(&self, reason: CloseReason) {
        let mut state = self.state();
        if state.closed.is_none() {
            let drain = matches!(reason, CloseReason::ShuttingDown | CloseReason::Violation);
            self.finish(&mut state, reason, drain);
        }
    }

    /// Ends the queue once everything in it has been handed out.
    pub fn close_when_drained(&self) {
        let mut state = self.state();
        if state.closed.is_none() {
            self.finish(&mut state, CloseReason::Disconnected, true);
        }
    }

    /// Why the queue was closed.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state().closed
    }

    /// Resolves when the queue is closed. For one waiter at a time.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.owner.register(cx.waker());
        self.close_reason().map_or(Poll::Pending, Poll::Ready)
    }

    /// How many bytes wait.
    pub fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Acquire)
    }

    /// Whether so much waits that nothing should be added that can wait, such as answers to unread requests.
    pub fn is_congested(&self) -> bool {
        self.backlog() > self.limits.limit / 2
    }

    /// Resolves when the queue is not congested or closed. For one waiter at a time.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_congested() {
            return Poll::Ready(());
        }
        self.room.register(cx.waker());
        if !self.is_congested() || self.close_reason().is_some() {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Gives the client up if it has been over the limit for longer than its grace time. Called now and then, because a
    /// client that reads nothing may also be sent nothing. Returns whether the queue is closed.
    pub fn check_grace(&self, now: Instant) -> bool {
        let mut state = self.state();
        self.enforce(&mut state, now);
        state.closed.is_some()
    }

    fn enforce(&self, state: &mut State, now: Instant) {
        let backlog = self.backlog();
        if state.closed.is_some() || backlog <= self.limits.limit {
            return;
        }
        let since = *state.over_since.get_or_insert(now);
        if backlog >= self.limits.hard_limit || now.saturating_duration_since(since) >= self.limits.grace {
            self.finish(state, CloseReason::TooSlow, false);
        }
    }

    fn finish(&self, state: &mut State, reason: CloseReason, drain: bool) {
        state.closed = Some(reason);
        state.drain = drain;
        state.joinable = None;
        if !drain {
            state.queue = VecDeque::new();
            self.backlog.store(0, Ordering::Release);
        }
        self.reader.wake();
        self.room.wake();
        self.owner.wake();
    }

    /// Joins `text` to a queued delta, if it can follow one. Returns whether that was possible.
    fn join(state: &mut State, key: &Arc<str>, text: &[u8], event: Option<&EventRange>) -> bool {
        let Some(position) = state.joinable.as_ref().and_then(|known| known.find(key, event)) else {
            return false;
        };
        let Some(index) = position
            .checked_sub(state.taken)
            .and_then(|index| usize::try_from(index).ok())
        else {
            return false;
        };
        let Some(queued) = state.queue.get_mut(index) else {
            return false;
        };
        let Body::Delta { whole, more, .. } = &mut queued.body else {
            return false;
        };
        if whole.len() + more.len() + text.len() > LARGEST_JOINED {
            return false;
        }
        more.extend_from_slice(text);
        if let (Some(range), Some(event)) = (&mut queued.event, event) {
            range.last = event.last;
        }
        true
    }

    fn add(&self, frame: OutFrame, event: Option<EventRange>) {
        let mut state = self.state();
        if state.closed.is_some() {
            return;
        }
        let added = match frame {
            OutFrame::Whole(bytes) => {
                state.joinable = None;
                let body = Body::Whole(bytes);
                Self::append(&mut state, Queued { body, event })
            }
            OutFrame::Bulk(bytes) => {
                state.joinable = None;
                let body = Body::Bulk(bytes);
                Self::append(&mut state, Queued { body, event })
            }
            OutFrame::Delta { key, whole, text } => {
                let piece = &whole[text.clone()];
                if self.backlog() > self.limits.join_above && Self::join(&mut state, &key, piece, event.as_ref()) {
                    piece.len()
                } else {
                    // Once some may grow, each is noted, so that the latest of a stream is always known.
                    if state.joinable.is_some() || self.backlog() + whole.len() > self.limits.join_above {
                        let position = state.taken + state.queue.len() as u64;
                        let joinable = state.joinable.get_or_insert_default();
                        joinable.insert(key, event.as_ref(), position);
                    }
                    let body = Body::Delta {
                        whole,
                        text_end: text.end,
                        more: Vec::new(),
                    };
                    Self::append(&mut state, Queued { body, event })
                }
            }
        };
        let backlog = self.backlog.fetch_add(added, Ordering::AcqRel) + added;
        if backlog > self.limits.limit {
            self.enforce(&mut state, Instant::now());
        }
        drop(state);
        self.reader.wake();
    }

    fn append(state: &mut State, queued: Queued) -> usize {
        let added = queued.len();
        state.queue.push_back(queued);
        added
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for OutboxQueue {
    fn backlog(&self) -> usize {
        OutboxQueue::backlog(self)
    }

    fn push(&self, frame: OutFrame) {
        self.add(frame, None);
    }

    fn push_numbered(&self, frame: OutFrame, event: EventRange) {
        self.add(frame, Some(event));
    }
}
