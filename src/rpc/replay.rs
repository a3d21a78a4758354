//! The event log of a loaded thread: it numbers what the thread publishes and keeps the latest events for a while.
//!
//! Only threads that a client with the capability has subscribed to are logged; all others pay for one empty log. An
//! event is kept as the encoded bytes that its subscribers share, so a window costs what its frames weigh, once. The
//! window is bounded in events and bytes, and all windows of the process together in bytes: who is over drops its own
//! oldest events. Written by the thread's actor alone; the lock is for those who ask where the stream stands.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::protocol::{EventMark, EventPosition, SnapshotReason};
use crate::rpc::client::EncodedNotification;
use crate::telemetry::metrics::Level;

#[cfg(test)]
mod tests;

/// What an event weighs besides its frame.
const OVERHEAD: usize = 128;

/// How much is kept for clients that come back.
#[derive(Debug)]
pub struct ReplayLimits {
    /// Events of one thread.
    pub events: usize,
    /// Bytes of one thread.
    pub bytes: usize,
    /// Bytes of all threads together.
    pub total_bytes: usize,
    /// Bytes kept now, by all threads together.
    pub held: Level,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        ReplayLimits {
            events: 16_384,
            bytes: 4 << 20,
            total_bytes: 256 << 20,
            held: Level::default(),
        }
    }
}

/// One event's place: the stream and the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventNumber {
    /// The stream.
    pub stream: Arc<str>,
    /// The number, counted from 1.
    pub seq: u64,
}

/// An event that was missed, with its number.
pub type Missed = (EventNumber, EncodedNotification);

#[derive(Debug, Default)]
struct State {
    armed: bool,
    last: u64,
    window: VecDeque<EncodedNotification>,
    bytes: usize,
}

/// The numbered events of one loaded thread.
#[derive(Debug)]
pub struct EventLog {
    stream: Arc<str>,
    limits: Arc<ReplayLimits>,
    state: Mutex<State>,
}

impl Default for EventLog {
    fn default() -> Self {
        EventLog::new(Arc::default())
    }
}

impl EventLog {
    /// A log with a stream of its own, not numbering yet.
    pub fn new(limits: Arc<ReplayLimits>) -> Self {
        let (_, random) = uuid::Uuid::new_v4().as_u64_pair();
        EventLog {
            stream: format!("{random:016x}").into(),
            limits,
            state: Mutex::default(),
        }
    }

    /// Begins to number: from now on somebody may come back.
    pub fn arm(&self) {
        self.state().armed = true;
    }

    /// Whether events are numbered.
    pub fn is_armed(&self) -> bool {
        self.state().armed
    }

    /// Numbers an event and keeps it. `None` while nobody wants numbers.
    pub fn append(&self, notification: &EncodedNotification) -> Option<EventNumber> {
        let mut state = self.state();
        if !state.armed {
            return None;
        }
        state.last += 1;
        let weight = weight(notification);
        state.window.push_back(notification.clone());
        state.bytes += weight;
        self.limits.held.add_many(weight);
        while state.window.len() > self.limits.events
            || state.bytes > self.limits.bytes
            || self.limits.held.now() > self.limits.total_bytes
        {
            let Some(oldest) = state.window.pop_front() else { break };
            let weight = self::weight(&oldest);
            state.bytes -= weight;
            self.limits.held.take(weight);
        }
        Some(self.number(state.last))
    }

    /// The events that follow a mark, oldest first, up to now.
    pub fn since(&self, mark: &EventMark) -> Result<Vec<Missed>, SnapshotReason> {
        let state = self.state();
        if mark.stream != *self.stream {
            return Err(SnapshotReason::StreamUnknown);
        }
        let missed = state
            .last
            .checked_sub(mark.seq)
            .and_then(|missed| usize::try_from(missed).ok())
            .ok_or(SnapshotReason::NumberUnknown)?;
        let skipped = state
            .window
            .len()
            .checked_sub(missed)
            .ok_or(SnapshotReason::WindowPassed)?;
        let kept = state.window.range(skipped..).cloned();
        Ok((mark.seq + 1..).map(|seq| self.number(seq)).zip(kept).collect())
    }

    /// Where the stream stands.
    pub fn position(&self) -> EventPosition {
        EventPosition {
            stream: self.stream.to_string(),
            seq: self.state().last,
            replay: None,
            reason: None,
        }
    }

    fn number(&self, seq: u64) -> EventNumber {
        EventNumber {
            stream: Arc::clone(&self.stream),
            seq,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.limits.held.take(self.state().bytes);
    }
}

fn weight(notification: &EncodedNotification) -> usize {
    notification.frame().bytes().len() + OVERHEAD
}
