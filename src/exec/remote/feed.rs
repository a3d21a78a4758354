//! What an executor tells of one process, on its way to whoever watches it. Bounded, and never waited for: a watcher
//! that lags behind is told that it does, and reads what it missed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

/// What may wait for a watcher.
const DEPTH: usize = 256;

/// Something that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Output.
    Output(Vec<u8>),
    /// The end, with its code.
    Exited(i32),
    /// The end of the output.
    Closed,
}

/// What reaches a watcher.
#[derive(Debug)]
pub(super) enum FeedEvent {
    /// Something was told, under its number.
    Told(u64, Told),
    /// The connection was lost and is there again.
    Resumed,
    /// The connection is gone, and with it the process.
    Lost(String),
}

/// The end into which is told.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    events: mpsc::Sender<FeedEvent>,
    lagging: Arc<AtomicBool>,
}

/// The end that is watched.
#[derive(Debug)]
pub(super) struct Watched {
    events: mpsc::Receiver<FeedEvent>,
    lagging: Arc<AtomicBool>,
}

impl Feed {
    pub(super) fn new() -> (Self, Watched) {
        let (sender, events) = mpsc::channel(DEPTH);
        let lagging = Arc::new(AtomicBool::new(false));
        let feed = Feed {
            events: sender,
            lagging: Arc::clone(&lagging),
        };
        (feed, Watched { events, lagging })
    }

    /// Tells. Whether anybody watches.
    pub(super) fn tell(&self, event: FeedEvent) -> bool {
        match self.events.try_send(event) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.lagging.store(true, Ordering::Release);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        }
    }
}

impl Watched {
    /// The next event; none when the link is gone.
    pub(super) async fn next(&mut self) -> Option<FeedEvent> {
        self.events.recv().await
    }

    /// Whether something was left out since the last time.
    pub(super) fn lagged(&self) -> bool {
        self.lagging.swap(false, Ordering::AcqRel)
    }
}
