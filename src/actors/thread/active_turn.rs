//! The running turn as its thread knows it: how it is spoken to, ended, and waited for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix::SpawnHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::pending::{Pending, PendingInputs};
use crate::engine::turn::edit::Injected;
use crate::protocol::{NonSteerableTurnKind, Turn, TurnError, TurnItemsView, TurnStatus};
use crate::rpc::context::TurnGuard;

/// How long an interrupted turn may take to end by itself.
pub(super) const INTERRUPT_GRACE: Duration = Duration::from_secs(10);

/// The running turn.
pub(super) struct ActiveTurn {
    pub(super) id: Arc<str>,
    /// The id of its `turn/started`: another one where it does someone else's work.
    pub(super) shown_as: Arc<str>,
    pub(super) cancel: CancellationToken,
    pub(super) pending: PendingInputs,
    /// What clients put into its conversation.
    pub(super) injected: Injected,
    /// Set when another turn takes its place.
    pub(super) replaced: Arc<AtomicBool>,
    /// What kind of turn it is, if it takes no input.
    pub(super) kind: Option<NonSteerableTurnKind>,
    /// It reads its conversation from the rollout.
    pub(super) loading: bool,
    /// Unix seconds.
    pub(super) started_at: i64,
    /// Clients know what it failed with.
    pub(super) trouble_told: bool,
    pub(super) started: Instant,
    pub(super) task: tokio::task::JoinHandle<()>,
    pub(super) deadline: Option<SpawnHandle>,
    pub(super) _counted: TurnGuard,
}

impl ActiveTurn {
    /// Adds to what the turn takes in between two steps.
    pub(super) fn push(&self, pending: Pending) {
        self.pending.push(pending);
    }

    /// What ends it, and what it takes in.
    pub(super) fn line(&self) -> (CancellationToken, PendingInputs) {
        (self.cancel.clone(), self.pending.clone())
    }

    /// Tells its task to end, and forgets what it was to take up next.
    pub(super) fn interrupt(&self) {
        self.cancel.cancel();
        drop(self.pending.take_inputs());
    }

    /// Waits for the end of an interrupted turn's task, and makes it end if it does not.
    pub(super) async fn outlast(&mut self) {
        if tokio::time::timeout(INTERRUPT_GRACE, &mut self.task).await.is_err() {
            tracing::warn!(turn.id = %self.id, "turn.aborted: it did not end when interrupted");
            self.task.abort();
            let _ = (&mut self.task).await;
        }
    }

    /// How it looks when it ended without saying so itself.
    pub(super) fn ended(&self, status: TurnStatus, error: Option<TurnError>) -> Turn {
        Turn {
            completed_at: Some(unix_seconds(SystemTime::now())),
            duration_ms: i64::try_from(self.started.elapsed().as_millis()).ok(),
            error,
            id: self.id.to_string(),
            items: Vec::new(),
            items_view: TurnItemsView::NotLoaded,
            started_at: Some(self.started_at),
            status,
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
