//! The end of a turn: its last lines, and what the thread is told.

use chrono::Utc;

use crate::engine::context::markers;
use crate::engine::host::TurnEnd;
use crate::engine::turn::task::{Failure, Task, unix_seconds};
use crate::protocol::{Turn, TurnItemsView, TurnStatus};
use crate::store::{EventMsg, GreenroomLine, TaskComplete, TurnAborted};

impl Task {
    /// Writes the turn's last lines. An end that cannot be written is reported all the same.
    pub(super) async fn finish(mut self, outcome: Result<(), Failure>) -> TurnEnd {
        self.scope.services.commands.hosts.turn_ended();
        self.take_injected();
        self.close_goal(&outcome).await;
        let completed_at = Utc::now().timestamp();
        let duration_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let turn_id = self.host().recorded_as.to_string();
        let (status, error) = match outcome {
            Ok(()) => (TurnStatus::Completed, None),
            Err(Failure::Interrupted) => (TurnStatus::Interrupted, None),
            Err(Failure::Failed(error)) => (TurnStatus::Failed, Some(error)),
        };
        let last_message = self.last_message.take().filter(|_| status == TurnStatus::Completed);
        if status == TurnStatus::Interrupted {
            let replaced = self.host().is_replaced();
            if self.scope.services.config.interrupt_message && !replaced {
                self.remember(markers::turn_aborted());
            }
            self.event(EventMsg::TurnAborted(TurnAborted {
                turn_id: Some(turn_id.clone()),
                reason: if replaced { "replaced" } else { "interrupted" }.to_owned(),
                completed_at: Some(completed_at),
                duration_ms: Some(duration_ms),
            }));
        } else {
            if let Some(error) = &error {
                self.line(GreenroomLine::TurnError {
                    turn_id: turn_id.clone(),
                    error: error.clone(),
                });
            }
            let first_token = self.first_token.map(|first| first.as_millis());
            self.event(EventMsg::TaskComplete(TaskComplete {
                turn_id: Some(turn_id.clone()),
                last_agent_message: last_message.clone(),
                completed_at: Some(completed_at),
                duration_ms: Some(duration_ms),
                time_to_first_token_ms: first_token.and_then(|first| i64::try_from(first).ok()),
            }));
        }
        if let Err(error) = self.flush().await {
            tracing::error!(%error, thread.id = %self.host().thread_id, turn.id = %turn_id, "a turn's end was not recorded");
        }
        if status == TurnStatus::Completed {
            self.notify(last_message.as_deref());
        }
        TurnEnd {
            turn: Turn {
                completed_at: Some(completed_at),
                duration_ms: Some(duration_ms),
                error,
                id: self.scope.host.turn_id.to_string(),
                items: Vec::new(),
                items_view: TurnItemsView::NotLoaded,
                started_at: Some(unix_seconds(self.started_at)),
                status,
            },
            conversation: self.conversation,
            last_message,
        }
    }
}
