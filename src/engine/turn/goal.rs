//! What a turn has to do with the thread's goal: counting what it costs, and saying so.
//!
//! Lines of the turn that wait are written before a line of the goal. A goal that cannot be recorded fails nothing: the
//! count is made up for the next time.

use crate::engine::context::goal as prompts;
use crate::engine::goal::TurnOutcome;
use crate::engine::turn::task::{Failure, Task};
use crate::protocol::{ThreadGoal, ThreadGoalUpdatedNotification, TokenUsageBreakdown};
use crate::store::StoreError;

impl Task {
    /// Counts the tokens of an answer towards the goal.
    pub(super) fn spend(&self, last: &TokenUsageBreakdown) {
        let fresh = last.input_tokens.saturating_sub(last.cached_input_tokens).max(0);
        let goal = &self.scope.services.goal;
        goal.spend(fresh.saturating_add(last.output_tokens.max(0)));
    }

    /// Tools have run: the goal is told what it has cost. When that was all it may cost, the model is told to wrap up.
    pub(super) async fn account_goal(&mut self) -> Result<(), StoreError> {
        let goal = std::sync::Arc::clone(&self.scope.services.goal);
        if !goal.is_enabled() {
            return Ok(());
        }
        self.acted = true;
        self.flush().await?;
        let turn_id = std::sync::Arc::clone(&self.host().turn_id);
        if let Some((goal, limited)) = goal.account(&turn_id).await? {
            let wrap_up = limited.then(|| prompts::budget_spent(&goal));
            self.tell_goal(Some(turn_id.to_string()), goal).await;
            if let Some(wrap_up) = wrap_up {
                self.tell(wrap_up).await?;
            }
        }
        Ok(())
    }

    /// The turn is over: the goal is told what it has cost, and paused if the user interrupted.
    pub(super) async fn close_goal(&mut self, outcome: &Result<(), Failure>) {
        let keeper = std::sync::Arc::clone(&self.scope.services.goal);
        if !keeper.is_enabled() {
            return;
        }
        if let Err(error) = self.flush().await {
            tracing::error!(%error, thread.id = %self.host().thread_id, "a turn's lines were not recorded");
        }
        let turn_id = std::sync::Arc::clone(&self.host().turn_id);
        let outcome = match outcome {
            Err(Failure::Interrupted) => TurnOutcome::Interrupted,
            Err(Failure::Failed(_)) => TurnOutcome::Stuck,
            Ok(()) if self.by_itself && !self.acted => TurnOutcome::Stuck,
            Ok(()) => TurnOutcome::Progress,
        };
        let counted = keeper.account(&turn_id).await;
        let paused = keeper.turn_ended(outcome).await;
        let counted = counted.map(|counted| counted.map(|(goal, _)| (Some(turn_id.to_string()), goal)));
        let paused = paused.map(|paused| paused.map(|goal| (None, goal)));
        for told in [counted, paused] {
            match told {
                Ok(Some((turn_id, goal))) => self.tell_goal(turn_id, goal).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, thread.id = %self.host().thread_id, "a goal was not recorded");
                }
            }
        }
    }

    async fn tell_goal(&self, turn_id: Option<String>, goal: ThreadGoal) {
        let thread_id = self.host().thread_id.to_string();
        let updated = ThreadGoalUpdatedNotification {
            goal,
            thread_id,
            turn_id,
        };
        self.host().broadcast(&updated).await;
    }
}
