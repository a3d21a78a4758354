//! How much may wait for a client, and why a queue ends.

use std::time::Duration;

/// How much may wait for a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// From this backlog on, text deltas are joined.
    pub join_above: usize,
    /// Over this backlog the grace time runs.
    pub limit: usize,
    /// How long the backlog may stay over `limit`.
    pub grace: Duration,
    /// At this backlog the client is given up at once.
    pub hard_limit: usize,
    /// How much the edge is handed at a time.
    pub batch: usize,
}

impl OutboxLimits {
    /// Limits around the two that are settings: the byte limit and its grace time.
    pub fn new(limit: usize, grace: Duration) -> Self {
        OutboxLimits {
            join_above: (limit / 64).min(64 << 10),
            limit,
            grace,
            hard_limit: limit.saturating_mul(4),
            batch: 256 << 10,
        }
    }
}

impl Default for OutboxLimits {
    fn default() -> Self {
        OutboxLimits::new(16 << 20, Duration::from_secs(10))
    }
}

/// Why a queue takes no more frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client left, or its transport failed.
    Disconnected,
    /// The client did not read fast enough for too long.
    TooSlow,
    /// The client stopped answering heartbeats.
    Unresponsive,
    /// The server stops.
    ShuttingDown,
    /// The client broke a rule of the transport.
    Violation,
}

impl CloseReason {
    /// One sentence for the Close frame and the log.
    pub fn text(self) -> &'static str {
        match self {
            CloseReason::Disconnected => "the client disconnected",
            CloseReason::TooSlow => "the client reads too slowly: its outbound queue stayed over the limit",
            CloseReason::Unresponsive => "the client answered no heartbeat",
            CloseReason::ShuttingDown => "the server is shutting down",
            CloseReason::Violation => "the client broke the transport's rules",
        }
    }

    /// One word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Disconnected => "disconnected",
            CloseReason::TooSlow => "too_slow",
            CloseReason::Unresponsive => "unresponsive",
            CloseReason::ShuttingDown => "shutting_down",
            CloseReason::Violation => "violation",
        }
    }

    /// The WebSocket close code.
    pub fn code(self) -> u16 {
        match self {
            CloseReason::Disconnected => 1000,
            CloseReason::TooSlow => 1013,
            CloseReason::Unresponsive => 1011,
            CloseReason::ShuttingDown => 1001,
            CloseReason::Violation => 1008,
        }
    }
}
