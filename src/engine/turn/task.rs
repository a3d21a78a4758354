//! The turn's state and its loop.
//!
//! Lines for the rollout are collected and written in as few appends as the rule "recorded, then published" allows:
//! [`Task::flush`] comes before each `item/completed`, before a tool runs, and before the end is reported.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use tokio::sync::RwLock;

use crate::engine::host::{TurnEvent, TurnHost};
use crate::engine::pending::Pending;
use crate::engine::scope::TurnScope;
use crate::engine::turn::request::{StepTemplate, model_info};
use crate::engine::turn::step::StepError;
use crate::engine::turn::{Conversation, TurnJob};
use crate::model::{InputItem, ModelError, Way};
use crate::protocol::{
    CodexErrorInfo, ErrorNotification, RawResponseItemCompletedNotification, ResponseItem, TurnError, UserInput,
    WarningNotification,
};
use crate::store::{EventMsg, RolloutItem, StoreError};

/// Why a turn ended before its work was done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The user, or the thread, ended it.
    Interrupted,
    /// It cannot go on.
    Failed(TurnError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Failed(TurnError {
            additional_details: None,
            codex_error_info: Some(CodexErrorInfo::Other),
            message: error.to_string(),
        })
    }
}

/// A running turn.
pub(super) struct Task {
    pub(super) scope: Arc<TurnScope>,
    pub(super) conversation: Conversation,
    /// What every request of the turn has in common.
    pub(super) template: StepTemplate,
    /// The provider's routing token of this turn.
    pub(super) turn_state: Option<String>,
    /// Clients know that another model answers.
    pub(super) rerouted: bool,
    /// Calls that may overlap share it; others hold it alone.
    pub(super) tool_lock: Arc<RwLock<()>>,
    pub(super) started_at: SystemTime,
    pub(super) started: Instant,
    pub(super) first_token: Option<Duration>,
    pub(super) last_message: Option<String>,
    /// Nobody asked for it: the thread's goal did.
    pub(super) by_itself: bool,
    /// A tool was called.
    pub(super) acted: bool,
    lines: Vec<RolloutItem>,
}

impl Task {
    pub(super) fn new(job: TurnJob) -> Self {
        let model = Arc::new(model_info(&job.settings, &job.services.config, &job.services.catalog));
        let scope = Arc::new(TurnScope::new(job.host, job.services, job.settings, model));
        scope.services.commands.hosts.turn_began(&scope);
        Task {
            template: StepTemplate::new(&scope, job.output_schema, &job.client_metadata, Some(job.started_at))
                .leniently(job.lenient),
            scope,
            conversation: job.conversation,
            turn_state: None,
            rerouted: false,
            tool_lock: Arc::default(),
            started_at: job.started_at,
            started: Instant::now(),
            first_token: None,
            last_message: None,
            by_itself: false,
            acted: false,
            lines: Vec::new(),
        }
    }

    /// The line to the thread.
    pub(super) fn host(&self) -> &TurnHost {
        &self.scope.host
    }

    /// Runs the loop to its end.
    pub(super) async fn run(&mut self, input: &[UserInput], goal: Option<InputItem>) -> Result<(), Failure> {
        self.by_itself = goal.is_some();
        match self.open(input, goal).await? {
            true => self.steps().await,
            false if self.host().cancel.is_cancelled() => Err(Failure::Interrupted),
            false => Ok(()),
        }
    }

    /// Steps until there is nothing left to do.
    pub(super) async fn steps(&mut self) -> Result<(), Failure> {
        self.scope.services.goal.turn_began();
        let mut sent_back = false;
        loop {
            let goes_on = self.step().await?;
            if goes_on || !self.host().pending.is_empty() {
                // The model goes on with what it was doing before it hears what the user has added.
                if !(self.compact_between_steps().await? && goes_on) {
                    self.take_in().await?;
                }
                continue;
            }
            if self.sent_back_by_hooks(sent_back).await? {
                sent_back = true;
            } else if self.host().pending.close() {
                return Ok(());
            } else {
                // It was steered while its hooks ran.
                self.take_in().await?;
            }
        }
    }

    /// A turn that was steered goes on after a failure that ended its steps: what it was steered with is its own. It
    /// ends as failed all the same.
    pub(super) async fn hear_out(&mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        let mut failure = match outcome {
            Err(Failure::Failed(error)) => error,
            other => return other,
        };
        let host = self.host().clone();
        let mut told = false;
        while !host.cancel.is_cancelled() && !host.pending.close() {
            if !std::mem::replace(&mut told, true) {
                host.send(TurnEvent::Troubled(failure.clone())).await;
            }
            let outcome = match self.take_in().await {
                Ok(()) => self.steps().await,
                failed => failed,
            };
            match outcome {
                Ok(()) => break,
                Err(Failure::Interrupted) => return Err(Failure::Interrupted),
                Err(Failure::Failed(error)) => {
                    host.send(TurnEvent::Troubled(error.clone())).await;
                    failure = error;
                }
            }
        }
        Err(Failure::Failed(failure))
    }

    /// Takes in what came while the turn ran.
    async fn take_in(&mut self) -> Result<(), Failure> {
        for pending in self.host().pending.take() {
            match pending {
                Pending::Input(said) => drop(self.user_message(&said.input).await?),
                Pending::Told(item) => self.tell(item).await?,
            }
        }
        Ok(())
    }

    /// Records an item of the conversation that stands for something that happened.
    pub(super) async fn tell(&mut self, item: InputItem) -> Result<(), StoreError> {
        self.remember(Arc::clone(&item));
        self.flush().await?;
        self.publish_raw(&item).await;
        Ok(())
    }

    /// One step, repeated while the provider's faults allow it. Returns whether another step must follow.
    async fn step(&mut self) -> Result<bool, Failure> {
        let mut failures = 0;
        loop {
            if self.host().cancel.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            let error = match self.attempt().await {
                Ok(goes_on) => return Ok(goes_on),
                Err(StepError::Store(error)) => return Err(error.into()),
                Err(StepError::Model(error)) => error,
            };
            if self.host().cancel.is_cancelled() || matches!(error, ModelError::Interrupted) {
                return Err(Failure::Interrupted);
            }
            if matches!(error, ModelError::InvalidImage) && self.conversation.history.drop_recent_tool_images() {
                continue;
            }
            failures += 1;
            failures = self.pause_before_retry(failures, error).await?;
        }
    }

    /// Waits until a request may be tried again, and says so; ends the turn when it may not. Returns the failures that
    /// count from now on: none, once the provider is reached in another way.
    pub(super) async fn pause_before_retry(&mut self, failures: u64, error: ModelError) -> Result<u64, Failure> {
        let provider = Arc::clone(&self.scope.services.provider);
        let thread = self.host().thread_id.to_string();
        let way = provider.way(&thread);
        let delay = provider.retry().next(failures, &error);
        let Some(delay) = delay.filter(|_| way != Way::NoSocket) else {
            if !(error.is_retryable() && provider.fall_back(&thread)) {
                return Err(self.give_up(error).await);
            }
            let message = format!("Falling back from WebSockets to HTTPS transport. {error}");
            let warning = WarningNotification {
                message,
                thread_id: Some(thread),
            };
            self.host().publish(&warning).await;
            return Ok(0);
        };
        let notice = error.to_retry_notice(failures, provider.retry().stream_max_retries);
        // A connection that broke is replaced at once, which is nobody's concern until that fails as well.
        if failures > 1 || way != Way::Socket {
            self.host().publish(&self.error(notice)).await;
        }
        tokio::select! {
            () = self.host().cancel.cancelled() => Err(Failure::Interrupted),
            () = tokio::time::sleep(delay) => Ok(failures),
        }
    }

    fn error(&self, error: TurnError) -> ErrorNotification {
        ErrorNotification {
            error,
            thread_id: self.host().thread_id.to_string(),
            turn_id: self.host().turn_id.to_string(),
            will_retry: true,
        }
    }

    /// Takes over what a client put into the conversation meanwhile; its lines are written already.
    pub(super) fn take_injected(&mut self) {
        let injected = self.scope.host.injected.clone();
        self.conversation.take_injected(&injected);
    }

    /// Adds a line to the next append.
    pub(super) fn line(&mut self, line: impl Into<RolloutItem>) {
        self.lines.push(line.into());
    }

    /// Adds an event line to the next append.
    pub(super) fn event(&mut self, event: EventMsg) {
        self.lines.push(RolloutItem::Event(event));
    }

    /// Adds an item to the conversation and to the next append.
    pub(super) fn remember(&mut self, item: InputItem) {
        self.take_injected();
        self.lines.push(RolloutItem::ResponseItem(Arc::clone(&item)));
        self.conversation.history.push(item);
    }

    /// Writes the collected lines.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let lines = std::mem::take(&mut self.lines);
        self.scope.recorder().append(lines).await
    }

    /// Shows a recorded item to clients that asked for raw items.
    pub(super) async fn publish_raw(&self, item: &RawValue) {
        if !self.scope.services.raw_events {
            return;
        }
        let Ok(item) = serde_json::from_str::<ResponseItem>(item.get()) else {
            return;
        };
        self.host()
            .publish(&RawResponseItemCompletedNotification {
                item,
                thread_id: self.host().thread_id.to_string(),
                turn_id: self.host().turn_id.to_string(),
            })
            .await;
    }

    /// Notes when the model's first output came.
    pub(super) fn saw_output(&mut self) {
        if self.first_token.is_none() {
            self.first_token = Some(self.started.elapsed());
        }
    }
}

/// Seconds since 1970.
pub(super) fn unix_seconds(time: SystemTime) -> i64 {
    let age = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(age.as_secs()).unwrap_or(i64::MAX)
}
