//! A turn in which a reviewer works for the thread.
//!
//! The reviewer is a thread inside of this turn. What it does shows as this turn's items, save for what it says: that is
//! put into words when it is done. The thread's conversation learns the result alone. The rollout has the lines that
//! other programs write of a review: its beginning before the turn's own, which goes by the reviewer's turn.

use std::pin::pin;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::mpsc;

use crate::engine::context::{markers, message};
use crate::engine::host::{Audience, TurnEvent};
use crate::engine::items;
use crate::engine::review::{NOT_DONE, NOTHING_SAID, RUBRIC, Review, ReviewOutput};
use crate::engine::settings::TurnSettings;
use crate::engine::subthread::{Purpose, SubThread};
use crate::engine::turn::opening::event_of;
use crate::engine::turn::task::{Failure, Task, unix_seconds};
use crate::engine::turn::{TurnJob, run_inner};
use crate::protocol::methods::Notification;
use crate::protocol::{
    AgentMessageDeltaNotification, ApprovalsReviewer, AskForApproval, ItemCompletedNotification, ModeKind,
    SubAgentSource, ThreadItem, ThreadTokenUsageUpdatedNotification, TurnStatus,
};
use crate::rpc::EncodedNotification;
use crate::store::{
    AgentMessage, EnteredReviewMode, EventMsg, ExitedReviewMode, ItemIdOf, RolloutItem, StoreError, TaskStarted,
    TextEvent,
};

/// The name by which model providers know requests of reviewers.
const LABEL: &str = "review";
/// The item in which the thread says what the reviewer found.
const ANSWER_ID: &str = "review_rollout_assistant";
/// How many events of the reviewer may wait.
const EVENTS: usize = 64;

impl Task {
    /// Runs a review and puts its result into the conversation.
    pub(super) async fn run_review(&mut self, review: Review) -> Result<(), Failure> {
        if self.host().cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        self.enter_review(&review).await?;
        let reviewed = match review.prompt {
            Ok(prompt) => self.have_reviewed(prompt).await,
            Err(_) => Ok(None),
        };
        if let Err(Failure::Failed(error)) = &reviewed {
            self.host().send(TurnEvent::Troubled(error.clone())).await;
        }
        let said = reviewed.as_ref().ok().and_then(Option::as_deref);
        self.leave_review(said.map(ReviewOutput::read)).await?;
        reviewed.map(drop)
    }

    async fn enter_review(&mut self, review: &Review) -> Result<(), StoreError> {
        self.event(EventMsg::EnteredReviewMode(EnteredReviewMode {
            target: Some(review.target.clone()),
            user_facing_hint: Some(review.hint.clone()),
        }));
        self.name_review_item();
        self.flush().await?;
        let item = ThreadItem::EnteredReviewMode {
            id: self.host().turn_id.to_string(),
            review: review.hint.clone(),
        };
        self.show(item).await;
        Ok(())
    }

    /// The item goes by the turn's id.
    fn name_review_item(&mut self) {
        let id = self.host().turn_id.to_string();
        self.line(RolloutItem::item_id(id.clone(), id, ItemIdOf::ReviewMode));
    }

    /// Has a reviewer do its work; what it said last.
    async fn have_reviewed(&mut self, prompt: String) -> Result<Option<String>, Failure> {
        let purpose = Purpose {
            source: SubAgentSource::Review,
            label: LABEL,
            instructions: RUBRIC.to_owned(),
            web_search: false,
            hooks: true,
            rules: true,
            kept: true,
        };
        let settings = self.reviewer_settings();
        let reviewer = SubThread::new(&self.scope, purpose, settings)?;
        let (sender, mut events) = mpsc::channel(EVENTS);
        let mut job = reviewer.turn(self.host(), vec![prompt], sender);
        job.conversation.fallback_warned =
            self.conversation.fallback_warned && job.settings.model == self.scope.settings.model;
        self.announce(&job).await?;
        let mut relay = Relay {
            turn: job.host.recorded_as.to_string(),
            held: None,
        };
        let mut work = pin!(run(job));
        let ended = loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => self.relay(event, &mut relay).await?,
                ended = &mut work => break ended,
            }
        };
        while let Ok(event) = events.try_recv() {
            self.relay(event, &mut relay).await?;
        }
        ended.map(|said| said.filter(|said| !said.trim().is_empty()))
    }

    /// A reviewer asks nobody and plans nothing.
    fn reviewer_settings(&self) -> TurnSettings {
        let mut settings = (*self.scope.settings).clone();
        if let Some(model) = self.scope.services.config.review_model.as_deref() {
            settings.model = model.into();
        }
        settings.approval_policy = AskForApproval::Never;
        settings.approvals_reviewer = ApprovalsReviewer::User;
        settings.mode = ModeKind::Default;
        settings.mode_instructions = None;
        settings
    }

    /// The turn begins to show, under the id of the reviewer's turn.
    async fn announce(&mut self, job: &TurnJob) -> Result<(), StoreError> {
        let started_at = unix_seconds(job.started_at);
        let id = Arc::clone(&job.host.recorded_as);
        self.event(EventMsg::TaskStarted(TaskStarted {
            turn_id: Some(id.to_string()),
            started_at: Some(started_at),
            model_context_window: self.scope.model.effective_context_window(),
            collaboration_mode_kind: Some("default".to_owned()),
        }));
        self.flush().await?;
        self.host().send(TurnEvent::Begun { id, started_at }).await;
        Ok(())
    }

    /// Passes on what the reviewer shows. Its messages are held back, and what it spends is not the thread's.
    async fn relay(&mut self, event: TurnEvent, relay: &mut Relay) -> Result<(), StoreError> {
        match event {
            TurnEvent::Publish(Audience::Subscribers, notification) => match notification.method() {
                AgentMessageDeltaNotification::NAME | ThreadTokenUsageUpdatedNotification::NAME => {}
                ItemCompletedNotification::NAME => self.relay_item(notification, relay).await?,
                _ => self.host().publish_encoded(notification).await,
            },
            event @ (TurnEvent::Ask { .. } | TurnEvent::Fence(_)) => self.host().send(event).await,
            _ => {}
        }
        Ok(())
    }

    async fn relay_item(&mut self, notification: EncodedNotification, relay: &mut Relay) -> Result<(), StoreError> {
        let turn = relay.turn.clone();
        match completed(&notification) {
            Some(ThreadItem::AgentMessage { text, .. }) => {
                if let Some(message) = relay.held.replace(text) {
                    self.event(said(message));
                    self.flush().await?;
                }
                return Ok(());
            }
            Some(ThreadItem::UserMessage { content, id }) => {
                // Twice: readers of this format know a review's prompt so.
                self.event(EventMsg::UserMessage(event_of(&content)));
                self.event(EventMsg::UserMessage(event_of(&content)));
                self.line(RolloutItem::item_id(turn, &id, ItemIdOf::UserMessage));
            }
            Some(ThreadItem::Reasoning { summary, id, .. }) => {
                let told = !summary.is_empty();
                for text in summary {
                    self.event(EventMsg::AgentReasoning(TextEvent { text }));
                }
                if told {
                    self.line(RolloutItem::item_id(turn, &id, ItemIdOf::Reasoning));
                }
            }
            Some(item) => self.line(RolloutItem::item(turn, item)),
            None => {}
        }
        self.flush().await?;
        self.host().publish_encoded(notification).await;
        Ok(())
    }

    /// Records what came of the review, then shows it.
    async fn leave_review(&mut self, output: Option<ReviewOutput>) -> Result<(), StoreError> {
        let words = output.as_ref().map(ReviewOutput::in_words);
        let told = match &output {
            Some(output) => markers::reviewed(&output.results()),
            None => markers::review_interrupted(),
        };
        let text = words.clone().unwrap_or_else(|| NOT_DONE.to_owned());
        let answer = message::assistant(&text);
        self.remember(Arc::clone(&told));
        self.event(EventMsg::ExitedReviewMode(ExitedReviewMode {
            review_output: output.and_then(|output| serde_json::to_value(output).ok()),
        }));
        self.name_review_item();
        self.remember(Arc::clone(&answer));
        self.event(said(text.clone()));
        self.flush().await?;
        self.publish_raw(&told).await;
        let exited = ThreadItem::ExitedReviewMode {
            id: self.host().turn_id.to_string(),
            review: words.unwrap_or_else(|| NOTHING_SAID.to_owned()),
        };
        let shown = ThreadItem::AgentMessage {
            id: ANSWER_ID.to_owned(),
            memory_citation: None,
            phase: None,
            text,
        };
        self.show(exited).await;
        self.publish_raw(&answer).await;
        self.show(shown).await;
        Ok(())
    }

    async fn show(&self, item: ThreadItem) {
        items::publish_started(self.host(), item.clone()).await;
        items::publish_completed(self.host(), item).await;
    }
}

/// What is known of the reviewer's turn while its events are passed on.
struct Relay {
    /// The turn, as it is recorded.
    turn: String,
    /// Its last message. Only the last one of all is not said, but put into words.
    held: Option<String>,
}

/// Runs the reviewer's turn to its end; what it said last.
async fn run(job: TurnJob) -> Result<Option<String>, Failure> {
    let end = run_inner(job).await;
    match (end.turn.status, end.turn.error) {
        (TurnStatus::Failed, Some(error)) => Err(Failure::Failed(error)),
        (TurnStatus::Interrupted, _) => Err(Failure::Interrupted),
        _ => Ok(end.last_message),
    }
}

fn said(message: String) -> EventMsg {
    EventMsg::AgentMessage(AgentMessage {
        message,
        phase: None,
        memory_citation: None,
    })
}

/// The item of an encoded `item/completed`.
fn completed(notification: &EncodedNotification) -> Option<ThreadItem> {
    #[derive(Deserialize)]
    struct Envelope {
        params: ItemCompletedNotification,
    }
    let bytes = notification.frame().bytes();
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    Some(envelope.params.item)
}
