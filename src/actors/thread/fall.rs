//! The fall of a thread: a panic that no guard caught has ended its actor.
//!
//! What it held is given back here, while the panic unwinds: clients see `systemError`, then how the turn ended, then that
//! the thread is not loaded; its next request loads it from its rollout. The directory keeps the fallen address until the
//! turn's task has ended, so that no second recorder opens a file that is still written. Nothing here may panic through:
//! a second panic while the first unwinds would end the process.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use super::active_turn::ActiveTurn;
use super::registry::Loaded;
use super::subscribers::Subscribers;
use super::{Surroundings, ThreadActor};
use crate::engine::agents::AgentStatus;
use crate::engine::thread_ref::ThreadFace;
use crate::protocol::methods::Notification;
use crate::protocol::*;
use crate::rpc::EncodedNotification;
use crate::telemetry::metrics;

/// What outlives the actor until everybody has been told.
struct Remains {
    id: ThreadId,
    face: Arc<ThreadFace>,
    registry: Weak<Loaded>,
    surroundings: Arc<Surroundings>,
    subscribers: Subscribers,
}

impl ThreadActor {
    /// Whether the actor ends without having been told to.
    pub(super) fn has_fallen(&self) -> bool {
        std::thread::panicking() && self.face.status() != ThreadStatus::NotLoaded
    }

    /// Gives back what the thread held.
    pub(super) fn fall(&mut self) {
        tracing::error!(thread.id = %self.id, "thread.fell: it is unloaded; its next request loads it again");
        metrics::panicked("thread");
        metrics::restarted("thread");
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.give_back())).is_err() {
            tracing::error!(thread.id = %self.id, "thread.fell: not everybody could be told");
            if let Some(registry) = self.registry.upgrade() {
                registry.forget(&self.id, &self.face);
            }
        }
    }

    fn give_back(&mut self) {
        let turn = self.turn.take();
        self.status.turn_ended(true);
        // Once too often rather than not at all: it may have fallen over this very announcement.
        self.announce_status(Some(ThreadStatus::SystemError));
        if let Some(turn) = &turn {
            turn.interrupt();
        }
        self.cancel_requests();
        let log = Arc::clone(self.face.events());
        let remains = Remains {
            id: self.id,
            face: Arc::clone(&self.face),
            registry: self.registry.clone(),
            surroundings: Arc::clone(&self.surroundings),
            subscribers: std::mem::replace(&mut self.subscribers, Subscribers::new(Vec::new(), log)),
        };
        match turn {
            Some(turn) => drop(tokio::task::spawn_local(remains.wait_for(turn))),
            None => remains.unload(),
        }
    }
}

impl Remains {
    /// What the turn has recorded is recorded before its end is told.
    async fn wait_for(mut self, mut turn: ActiveTurn) {
        turn.outlast().await;
        let error = TurnError {
            additional_details: None,
            codex_error_info: Some(CodexErrorInfo::InternalServerError),
            message: "the thread ended because of an internal fault; it can be resumed".into(),
        };
        self.publish(&ErrorNotification {
            error: error.clone(),
            thread_id: self.id.to_string(),
            turn_id: turn.id.to_string(),
            will_retry: false,
        });
        self.publish(&TurnCompletedNotification {
            thread_id: self.id.to_string(),
            turn: turn.ended(TurnStatus::Interrupted, Some(error)),
        });
        drop(turn);
        self.unload();
    }

    fn unload(mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.id, &self.face);
        }
        self.face.set_status(ThreadStatus::NotLoaded);
        self.face.set_progress(AgentStatus::Shutdown);
        let thread_id = self.id.to_string();
        self.broadcast(&ThreadStatusChangedNotification {
            status: ThreadStatus::NotLoaded,
            thread_id: thread_id.clone(),
        });
        self.broadcast(&ThreadClosedNotification { thread_id });
    }

    fn publish<N: Notification>(&mut self, payload: &N) {
        self.subscribers.publish(&EncodedNotification::new(payload));
    }

    fn broadcast<N: Notification>(&mut self, payload: &N) {
        let everybody = &self.surroundings.clients;
        self.subscribers
            .broadcast(&EncodedNotification::new(payload), everybody);
    }
}
