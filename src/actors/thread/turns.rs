//! The turn of a thread: starting, steering, interrupting, ending.
//!
//! State: at most one running turn. Its task does the waiting and tells the thread what happens through one bounded
//! channel, drained here in batches; the thread publishes. Input that arrives while a turn runs joins it; what the turn
//! did not take any more starts the next one. A task that panics, or ignores its interrupt, ends the turn all the same.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use actix::AsyncContext;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::ThreadActor;
use super::active_turn::{ActiveTurn, INTERRUPT_GRACE, unix_seconds};
use super::requests::Question;
use crate::engine::agents::AgentStatus;
use crate::engine::host::{Audience, TurnEnd, TurnEvent, TurnHost};
use crate::engine::pending::{Pending, PendingInput, PendingInputs};
use crate::engine::settings::{ChosenPermissions, SettingsOverrides};
use crate::engine::thread_ref::{LastUsage, ThreadError};
use crate::engine::turn::{Conversation, TurnJob, TurnOpening};
use crate::methods::thread_load::conversation;
use crate::methods::thread_setup::workspace_roots;
use crate::protocol::*;

impl ThreadActor {
    /// The response of `turn/start` is out: the turn begins, or its input joins the running one.
    pub(super) fn start_turn(
        &mut self,
        turn_id: Arc<str>,
        params: Box<TurnStartParams>,
        permissions: Option<Box<ChosenPermissions>>,
        ctx: &mut actix::Context<Self>,
    ) {
        self.apply_overrides(&params, permissions);
        if params.input.is_empty() {
            return self.refuse_empty_input(&turn_id);
        }
        match &self.turn {
            Some(turn) => turn.push(Pending::Input(PendingInput {
                input: params.input,
                turn_id: Some(turn_id),
            })),
            None => self.begin_turn(turn_id, params, TurnOpening::Said, ctx),
        }
    }

    /// Input for a turn that runs already joins it at once: nothing that clients see begins with it.
    pub(super) fn join_running_turn(
        &mut self,
        turn_id: &Arc<str>,
        params: &mut TurnStartParams,
        permissions: &Option<Box<ChosenPermissions>>,
    ) -> bool {
        if params.input.is_empty() || self.turn.is_none() {
            return false;
        }
        self.apply_overrides(params, permissions.clone());
        if let Some(turn) = &self.turn {
            turn.push(Pending::Input(PendingInput {
                input: std::mem::take(&mut params.input),
                turn_id: Some(Arc::clone(turn_id)),
            }));
        }
        true
    }

    fn apply_overrides(&mut self, params: &TurnStartParams, permissions: Option<Box<ChosenPermissions>>) {
        let base = self.settings.cwd.clone();
        let cwd = params.cwd.as_ref().map(|cwd| AbsolutePathBuf::resolve(&base, cwd));
        let roots = params.runtime_workspace_roots.as_ref();
        let roots = roots.map(|roots| workspace_roots(cwd.as_ref().unwrap_or(&base), roots));
        let mut overrides = SettingsOverrides::from_turn_start(params, cwd, roots);
        overrides.permissions = permissions.map(|permissions| *permissions);
        self.settings.apply(overrides);
    }

    fn refuse_empty_input(&mut self, turn_id: &str) {
        if self.turn.is_none() {
            let change = self.status.failed();
            self.announce_status(change);
        }
        self.publish(&ErrorNotification {
            error: TurnError {
                additional_details: None,
                codex_error_info: Some(CodexErrorInfo::BadRequest),
                message: ThreadError::EmptyInput.to_string(),
            },
            thread_id: self.id_text(),
            turn_id: turn_id.to_owned(),
            will_retry: false,
        });
    }

    /// Begins a turn.
    pub(super) fn begin_turn(
        &mut self,
        turn_id: Arc<str>,
        params: Box<TurnStartParams>,
        opening: TurnOpening,
        ctx: &mut actix::Context<Self>,
    ) {
        // Whoever changes the conversation has it; the turn begins when it is back.
        if self.edits.has_conversation() {
            return self.edits.park(turn_id, params, opening);
        }
        self.stop_idling(ctx);
        self.face.set_progress(AgentStatus::Running);
        let kind = opening.kind();
        let now = SystemTime::now();
        let events = self.events(ctx);
        let cancel = CancellationToken::new();
        let pending = PendingInputs::default();
        if kind.is_none() {
            let unheard = std::mem::take(&mut self.unheard);
            unheard
                .into_iter()
                .for_each(|input| pending.push(Pending::Input(input)));
        }
        let settings = self.settings.clone();
        let settings = Arc::new(match &params.environments {
            Some(environments) => settings.within(environments),
            None => settings,
        });
        // A thread that has nothing on disk has nothing to go on from.
        let stored = self.conversation.is_none() && self.recorder.is_materialised();
        let mut job = TurnJob {
            host: TurnHost::new(
                self.id,
                turn_id.clone(),
                cancel.clone(),
                pending.clone(),
                events.clone(),
            ),
            services: Arc::clone(&self.turn_services),
            settings,
            conversation: self.conversation.take().unwrap_or_default(),
            input: params.input,
            opening,
            output_schema: params
                .output_schema
                .and_then(|schema| serde_json::value::to_raw_value(&schema).ok())
                .map(Arc::from),
            lenient: false,
            client_metadata: params.responsesapi_client_metadata.unwrap_or_default(),
            started_at: now,
        };
        if let Some(warning) = job.opening_warning() {
            self.publish(&warning);
        }
        let injected = job.host.injected.clone();
        let replaced = Arc::clone(&job.host.replaced);
        let started_at = unix_seconds(now);
        // A review says itself when it begins.
        if kind != Some(NonSteerableTurnKind::Review) {
            self.announce_turn(&turn_id, started_at);
        }
        let surroundings = Arc::clone(&self.surroundings);
        let work = async move {
            if stored {
                match surroundings.store.conversation(job.host.thread_id, 0).await {
                    Ok(told) => {
                        let fallback_warned = job.conversation.fallback_warned;
                        job.conversation = conversation(told);
                        job.conversation.fallback_warned = fallback_warned;
                        job.host.send(TurnEvent::Loaded(Arc::clone(&job.host.turn_id))).await;
                    }
                    // Without its past the model would answer something else: the turn fails, the thread stays.
                    Err(error) => {
                        tracing::error!(thread.id = %job.host.thread_id, %error, "thread.unreadable");
                        let reason = format!("the thread's history could not be read: {error}");
                        let turn = Arc::clone(&job.host.turn_id);
                        return job
                            .host
                            .send(TurnEvent::Broken {
                                turn,
                                reason: Some(reason),
                            })
                            .await;
                    }
                }
            }
            (surroundings.run_turn)(job).await;
        };
        let id = turn_id.clone();
        let thread_id = self.id;
        let task = tokio::task::spawn_local(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(thread.id = %thread_id, turn.id = %id, "turn.panicked: the turn ends as failed");
                metrics::counter!("greenroom_panics_total", "where" => "turn").increment(1);
                let _ = events.send(TurnEvent::Broken { turn: id, reason: None }).await;
            }
        });
        self.turn = Some(ActiveTurn {
            shown_as: Arc::clone(&turn_id),
            id: turn_id,
            cancel,
            pending,
            injected,
            replaced,
            kind,
            loading: stored,
            started_at,
            trouble_told: false,
            started: Instant::now(),
            task,
            deadline: None,
            _counted: self.surroundings.turns.begin(),
        });
    }

    /// Tells clients that a turn has begun.
    pub(super) fn announce_turn(&mut self, id: &str, started_at: i64) {
        let change = self.status.turn_began();
        self.announce_status(change);
        self.publish(&TurnStartedNotification {
            thread_id: self.id_text(),
            turn: Turn {
                completed_at: None,
                duration_ms: None,
                error: None,
                id: id.to_owned(),
                items: Vec::new(),
                items_view: TurnItemsView::NotLoaded,
                started_at: Some(started_at),
                status: TurnStatus::InProgress,
            },
        });
    }

    /// Adds input to the running turn.
    pub(super) fn steer(&mut self, expected: &str, input: Vec<UserInput>) -> Result<Arc<str>, ThreadError> {
        let turn = self.turn.as_ref().ok_or(ThreadError::NothingToSteer)?;
        if *turn.id != *expected {
            return Err(ThreadError::OtherTurn {
                expected: expected.to_owned(),
                found: turn.id.to_string(),
                quoted: true,
            });
        }
        if input.is_empty() {
            return Err(ThreadError::EmptyInput);
        }
        if let Some(kind) = turn.kind {
            return Err(ThreadError::NotSteerable(kind));
        }
        // One that is about to end takes nothing any more, and what it does not take would be nobody's.
        if turn.cancel.is_cancelled() || !turn.pending.steer(input) {
            return Err(ThreadError::NothingToSteer);
        }
        Ok(turn.id.clone())
    }

    /// The turn to interrupt. An empty id means whatever runs, nothing included.
    pub(super) fn check_interrupt(&self, expected: &str) -> Result<Option<Arc<str>>, ThreadError> {
        match &self.turn {
            None if expected.is_empty() => Ok(None),
            None => Err(ThreadError::NothingToInterrupt),
            Some(turn) if expected.is_empty() || [&*turn.id, &*turn.shown_as].contains(&expected) => {
                Ok(Some(turn.id.clone()))
            }
            Some(turn) => Err(ThreadError::OtherTurn {
                expected: expected.to_owned(),
                found: turn.shown_as.to_string(),
                quoted: false,
            }),
        }
    }

    /// The response of `turn/interrupt` is out: the turn is told to end, and made to if it does not.
    pub(super) fn interrupt(&mut self, turn_id: &str, ctx: &mut actix::Context<Self>) {
        let Some(turn) = self.turn.as_mut().filter(|turn| *turn.id == *turn_id) else {
            return;
        };
        turn.interrupt();
        if turn.deadline.is_none() {
            turn.deadline = Some(ctx.run_later(INTERRUPT_GRACE, |act, ctx| {
                if let Some(turn) = &act.turn {
                    tracing::warn!(thread.id = %act.id, turn.id = %turn.id, "turn.aborted: it did not end when interrupted");
                    turn.task.abort();
                    let turn = turn.ended(TurnStatus::Interrupted, None);
                    act.finish_turn(turn, None, None, ctx);
                }
            }));
        }
        self.release_waiting_turn();
    }

    /// Publishes what the turn tells, in order.
    pub(super) fn turn_event(&mut self, event: TurnEvent, ctx: &mut actix::Context<Self>) {
        match event {
            TurnEvent::Publish(Audience::Subscribers, notification) => self.subscribers.publish(&notification),
            TurnEvent::Publish(Audience::Everyone, notification) => self.broadcast(&notification),
            TurnEvent::Ask {
                method,
                params,
                flag,
                announce,
                reply,
            } => {
                let question = Question {
                    method,
                    params,
                    flag,
                    announce,
                    reply,
                };
                self.ask(question, ctx);
            }
            TurnEvent::Usage(usage) => {
                if let Some(turn) = &self.turn {
                    self.usage = Some(LastUsage {
                        turn_id: turn.id.clone(),
                        usage,
                    });
                }
            }
            TurnEvent::Loaded(id) => {
                if let Some(turn) = self.turn.as_mut().filter(|turn| turn.id == id) {
                    turn.loading = false;
                    self.next_edit(ctx);
                }
            }
            TurnEvent::Fence(reply) => {
                let _ = reply.send(());
            }
            TurnEvent::Told(item) => self.told(item, ctx),
            TurnEvent::Begun { id, started_at } => self.review_begun(id, started_at),
            TurnEvent::Troubled(error) => self.troubled(error),
            TurnEvent::Finished(TurnEnd {
                turn,
                conversation,
                last_message,
            }) => self.finish_turn(turn, Some(conversation), last_message, ctx),
            TurnEvent::Broken { turn, reason } => self.end_broken_turn(&turn, reason, ctx),
        }
    }

    fn end_broken_turn(&mut self, id: &str, reason: Option<String>, ctx: &mut actix::Context<Self>) {
        let Some(turn) = self.turn.as_ref().filter(|turn| *turn.id == *id) else {
            return;
        };
        let error = TurnError {
            additional_details: None,
            codex_error_info: Some(CodexErrorInfo::InternalServerError),
            message: reason
                .unwrap_or_else(|| "the turn ended because of an internal fault; the thread can go on".into()),
        };
        let turn = turn.ended(TurnStatus::Failed, Some(error));
        self.finish_turn(turn, None, None, ctx);
    }

    /// Tells everybody how the turn ended. Without its conversation the next turn takes it from the rollout.
    fn finish_turn(
        &mut self,
        end: Turn,
        conversation: Option<Conversation>,
        last_message: Option<String>,
        ctx: &mut actix::Context<Self>,
    ) {
        let Some(turn) = self.turn.take_if(|turn| *turn.id == *end.id) else {
            return;
        };
        if conversation.is_none() {
            self.turn_services.goal.stall();
        }
        self.conversation = conversation;
        if let Some(conversation) = &mut self.conversation {
            conversation.take_injected(&turn.injected);
        }
        if let Some(deadline) = turn.deadline {
            ctx.cancel_future(deadline);
        }
        let failed = end.status == TurnStatus::Failed;
        let change = self.status.turn_ended(failed);
        self.announce_status(change);
        if let Some(error) = end.error.clone().filter(|_| failed && !turn.trouble_told) {
            self.publish(&ErrorNotification {
                error,
                thread_id: self.id_text(),
                turn_id: turn.id.to_string(),
                will_retry: false,
            });
        }
        let stands = AgentStatus::after_turn(end.status, last_message, end.error.as_ref());
        self.publish(&TurnCompletedNotification {
            thread_id: self.id_text(),
            turn: end,
        });
        self.cancel_requests();
        let (leftover, untold) = (turn.pending.take_inputs(), turn.pending.take_told());
        drop(turn);
        if self.closing() {
            self.record_told(untold);
            return self.stop_after_edits(ctx);
        }
        self.stand(stands, ctx);
        // An interrupt has forgotten what came before it; what came after it is meant for the next turn.
        if self.begin_replacement(ctx) {
            if let Some(turn) = &self.turn {
                leftover.into_iter().for_each(|input| turn.push(Pending::Input(input)));
            }
        } else {
            self.go_on_with(leftover, ctx);
        }
        untold.into_iter().for_each(|item| self.told(item, ctx));
        self.next_edit(ctx);
        self.pursue_goal(ctx);
        self.start_idling(ctx);
    }

    /// Input of `turn/start` that came too late for the turn starts the next one. Steers are left only by a turn that
    /// broke: no client would know a turn that begins with them, so they wait for one.
    fn go_on_with(&mut self, leftover: VecDeque<PendingInput>, ctx: &mut actix::Context<Self>) {
        let (mut leftover, steers): (VecDeque<_>, VecDeque<_>) =
            leftover.into_iter().partition(|input| input.turn_id.is_some());
        self.unheard.extend(steers);
        let Some(PendingInput {
            input,
            turn_id: Some(turn_id),
        }) = leftover.pop_front()
        else {
            return;
        };
        let params = TurnStartParams {
            input,
            thread_id: self.id_text(),
            ..TurnStartParams::default()
        };
        self.begin_turn(turn_id, Box::new(params), TurnOpening::Said, ctx);
        if let Some(turn) = &self.turn {
            leftover.into_iter().for_each(|input| turn.push(Pending::Input(input)));
        }
    }
}
