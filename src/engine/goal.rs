//! The goal of a thread: what the user set, what it has cost, and the rules for changing it.
//!
//! State: the goal of a loaded thread, and the clock that runs while a turn works towards it. Every change is a line of
//! the rollout before anybody hears of it; changes happen one after the other, in the order of their lines. Tokens count
//! without those the provider had cached, time counts in whole seconds of turns.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;

use crate::protocol::{ThreadGoal, ThreadGoalStatus, ThreadId};
use crate::store::{EventMsg, GoalUpdated, GreenroomLine, Recorder, RolloutItem, StoreError};

/// The name of the feature.
pub const FEATURE: &str = "goals";
/// The most characters of an objective.
const LONGEST: usize = 4_000;

/// Why a goal was not changed.
#[derive(Debug, thiserror::Error)]
pub enum GoalError {
    /// The objective says nothing.
    #[error("goal objective must not be empty")]
    Empty,
    /// The objective says too much.
    #[error("goal objective must be at most {LONGEST} characters")]
    TooLong,
    /// The budget is no budget.
    #[error("goal budgets must be positive when provided")]
    Budget,
    /// There is nothing to change.
    #[error("cannot update goal for thread {0}: no goal exists")]
    Missing(ThreadId),
    /// The change was not recorded.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A wish to set or change a goal; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct GoalChange {
    /// What is to be achieved.
    pub objective: Option<String>,
    /// How it stands.
    pub status: Option<ThreadGoalStatus>,
    /// The most tokens it may cost; `Some(None)` lifts the limit.
    pub token_budget: Option<Option<i64>>,
}

impl GoalChange {
    /// The wish with its objective trimmed, if it makes sense by itself.
    pub fn checked(mut self) -> Result<Self, GoalError> {
        if let Some(objective) = &mut self.objective {
            *objective = objective.trim().to_owned();
            if objective.is_empty() {
                return Err(GoalError::Empty);
            }
            if objective.chars().count() > LONGEST {
                return Err(GoalError::TooLong);
            }
        }
        match self.token_budget {
            Some(Some(budget)) if budget <= 0 => Err(GoalError::Budget),
            _ => Ok(self),
        }
    }

    /// The goal as it is after this change.
    pub fn apply(&self, id: ThreadId, current: Option<&ThreadGoal>) -> Result<ThreadGoal, GoalError> {
        let now = Utc::now().timestamp();
        let mut goal = match (current, &self.objective) {
            (Some(current), objective) => ThreadGoal {
                objective: objective.clone().unwrap_or_else(|| current.objective.clone()),
                status: self.status.unwrap_or(current.status),
                updated_at: now,
                ..current.clone()
            },
            (None, Some(objective)) => ThreadGoal {
                created_at: now,
                objective: objective.clone(),
                status: self.status.unwrap_or(ThreadGoalStatus::Active),
                thread_id: id.to_string(),
                time_used_seconds: 0,
                token_budget: None,
                tokens_used: 0,
                updated_at: now,
            },
            (None, None) => return Err(GoalError::Missing(id)),
        };
        if let Some(budget) = self.token_budget {
            goal.token_budget = budget;
        }
        limit(&mut goal);
        Ok(goal)
    }
}

/// A goal whose budget is spent is worked on no more.
fn limit(goal: &mut ThreadGoal) {
    let spent = goal.token_budget.is_some_and(|budget| goal.tokens_used >= budget);
    if spent && goal.status == ThreadGoalStatus::Active {
        goal.status = ThreadGoalStatus::BudgetLimited;
    }
}

/// The line that says how a goal stands.
pub fn goal_line(turn_id: Option<&str>, goal: &ThreadGoal) -> Result<RolloutItem, StoreError> {
    let encoded = serde_json::to_value(goal);
    let encoded = encoded.map_err(|error| StoreError::Internal(format!("failed to encode a goal: {error}")))?;
    let mut fields = serde_json::Map::new();
    fields.insert("threadId".to_owned(), goal.thread_id.clone().into());
    if let Some(turn_id) = turn_id {
        fields.insert("turnId".to_owned(), turn_id.into());
    }
    fields.insert("goal".to_owned(), encoded);
    Ok(EventMsg::ThreadGoalUpdated(GoalUpdated { fields }).into())
}

/// The line that says that there is no goal any more.
pub fn cleared_line() -> RolloutItem {
    GreenroomLine::GoalCleared.into()
}

/// How a turn ended, as far as the goal is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOutcome {
    /// Something was done, or the user had said something.
    Progress,
    /// The turn failed, or went on by itself and did nothing: the next would not do better.
    Stuck,
    /// The user interrupted it.
    Interrupted,
}

#[derive(Debug)]
struct Clock {
    since: Instant,
    /// Tokens count from here on; `None`: from the end of the answer on that set the goal.
    spent: Option<i64>,
}

#[derive(Debug, Default)]
struct State {
    goal: Option<ThreadGoal>,
    in_turn: bool,
    clock: Option<Clock>,
    stuck: bool,
}

impl State {
    /// The goal with what was spent since the last time, if that is anything; the clock as it is then.
    fn accounted(&self, spent: i64) -> Option<(ThreadGoal, Clock)> {
        let (goal, clock) = (self.goal.as_ref()?, self.clock.as_ref()?);
        let seconds = clock.since.elapsed().as_secs();
        let tokens = clock.spent.map_or(0, |from| spent - from);
        if seconds == 0 && tokens == 0 {
            return None;
        }
        let mut goal = goal.clone();
        goal.tokens_used = goal.tokens_used.saturating_add(tokens);
        goal.time_used_seconds = goal.time_used_seconds.saturating_add_unsigned(seconds);
        goal.updated_at = Utc::now().timestamp();
        limit(&mut goal);
        // What is left of a second counts the next time.
        let since = clock.since + Duration::from_secs(seconds);
        let spent = Some(spent);
        Some((goal, Clock { since, spent }))
    }

    /// Whether what is spent is spent on the goal, in a turn that began with it.
    fn counts(&self) -> bool {
        let status = self.goal.as_ref().map(|goal| goal.status);
        matches!(status, Some(ThreadGoalStatus::Active | ThreadGoalStatus::BudgetLimited))
    }

    /// The clock runs in turns, from when the goal is active.
    fn wind(&mut self, spent: Option<i64>) {
        let active = self.goal.as_ref().map(|goal| goal.status) == Some(ThreadGoalStatus::Active);
        if self.in_turn && active && self.clock.is_none() {
            let since = Instant::now();
            self.clock = Some(Clock { since, spent });
        }
    }
}

/// The goal of a loaded thread.
#[derive(Debug)]
pub struct GoalKeeper {
    recorder: Recorder,
    enabled: bool,
    /// Held while a change is recorded.
    order: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    /// Tokens spent since the thread was loaded.
    spent: AtomicI64,
}

impl GoalKeeper {
    /// The keeper of a thread that has this goal. Without the feature nothing is counted.
    pub fn new(recorder: Recorder, enabled: bool, goal: Option<ThreadGoal>) -> Self {
        GoalKeeper {
            recorder,
            enabled,
            order: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                goal,
                ..State::default()
            }),
            spent: AtomicI64::new(0),
        }
    }

    /// Whether the thread may have a goal.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The goal as it was told last.
    pub fn current(&self) -> Option<ThreadGoal> {
        self.state().goal.clone()
    }

    /// Whether an idle thread has something to do.
    pub fn wants_turn(&self) -> bool {
        let state = self.state();
        let active = state.goal.as_ref().map(|goal| goal.status) == Some(ThreadGoalStatus::Active);
        self.enabled && active && !state.stuck
    }

    /// Sets or changes the goal.
    pub async fn change(&self, turn_id: Option<&str>, change: &GoalChange) -> Result<ThreadGoal, GoalError> {
        let _order = self.order.lock().await;
        let spent = self.spent.load(Ordering::Relaxed);
        let (goal, clock) = {
            let state = self.state();
            let accounted = state.accounted(spent);
            let current = accounted.as_ref().map(|(goal, _)| goal).or(state.goal.as_ref());
            let goal = change.apply(self.recorder.thread_id(), current)?;
            (goal, accounted.map(|(_, clock)| clock))
        };
        self.recorder.append(vec![goal_line(turn_id, &goal)?]).await?;
        let mut state = self.state();
        state.goal = Some(goal.clone());
        state.stuck = false;
        if clock.is_some() {
            state.clock = clock;
        }
        // The answer by which the model changes a goal is not whole yet: it is counted when its calls have ended.
        let by_model = turn_id.is_some();
        if !state.counts() && !by_model {
            state.clock = None;
        }
        state.wind((!by_model).then_some(spent));
        Ok(goal)
    }

    /// Sets a goal unless there is one.
    pub async fn create(&self, turn_id: &str, change: &GoalChange) -> Result<Option<ThreadGoal>, GoalError> {
        if self.state().goal.is_some() {
            return Ok(None);
        }
        self.change(Some(turn_id), change).await.map(Some)
    }

    /// Forgets the goal; whether there was one.
    pub async fn clear(&self) -> Result<bool, StoreError> {
        let _order = self.order.lock().await;
        if self.state().goal.is_none() {
            return Ok(false);
        }
        self.recorder.append(vec![cleared_line()]).await?;
        let mut state = self.state();
        (state.goal, state.clock) = (None, None);
        Ok(true)
    }

    /// A turn works from now on.
    pub fn turn_began(&self) {
        let mut state = self.state();
        state.in_turn = self.enabled;
        state.clock = None;
        state.wind(Some(self.spent.load(Ordering::Relaxed)));
    }

    /// So many tokens more were spent.
    pub fn spend(&self, tokens: i64) {
        self.spent.fetch_add(tokens, Ordering::Relaxed);
    }

    /// Counts what was spent since the last time; the goal, if it changed, and whether its budget went with that.
    pub async fn account(&self, turn_id: &str) -> Result<Option<(ThreadGoal, bool)>, StoreError> {
        let _order = self.order.lock().await;
        let spent = self.spent.load(Ordering::Relaxed);
        let (accounted, before) = {
            let state = self.state();
            (state.accounted(spent), state.goal.as_ref().map(|goal| goal.status))
        };
        let Some((goal, clock)) = accounted else {
            let mut state = self.state();
            if let Some(clock) = &mut state.clock {
                clock.spent.get_or_insert(spent);
            }
            if !state.counts() {
                state.clock = None;
            }
            return Ok(None);
        };
        self.recorder.append(vec![goal_line(Some(turn_id), &goal)?]).await?;
        let mut state = self.state();
        let limited = goal.status == ThreadGoalStatus::BudgetLimited && before == Some(ThreadGoalStatus::Active);
        state.goal = Some(goal.clone());
        state.clock = state.counts().then_some(clock);
        Ok(Some((goal, limited)))
    }

    /// The turn is over, and was accounted for. An interrupt pauses an active goal: the paused goal is given.
    pub async fn turn_ended(&self, outcome: TurnOutcome) -> Result<Option<ThreadGoal>, StoreError> {
        let _order = self.order.lock().await;
        let paused = {
            let mut state = self.state();
            state.in_turn = false;
            state.clock = None;
            state.stuck = outcome == TurnOutcome::Stuck;
            let active = state
                .goal
                .as_ref()
                .filter(|goal| goal.status == ThreadGoalStatus::Active);
            active
                .filter(|_| outcome == TurnOutcome::Interrupted && self.enabled)
                .map(|goal| ThreadGoal {
                    status: ThreadGoalStatus::Paused,
                    updated_at: Utc::now().timestamp(),
                    ..goal.clone()
                })
        };
        let Some(goal) = paused else { return Ok(None) };
        self.recorder.append(vec![goal_line(None, &goal)?]).await?;
        self.state().goal = Some(goal.clone());
        Ok(Some(goal))
    }

    /// The turn broke: nothing goes on by itself.
    pub fn stall(&self) {
        let mut state = self.state();
        (state.in_turn, state.clock, state.stuck) = (false, None, true);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
