//! Changes of the conversation outside of turns: turns are taken back, items are put in.
//!
//! State: a queue of changes, of which at most one is under way; while it has the conversation no turn begins, and turns
//! that were to begin are parked. Turns are taken back only while none runs. Items may be put in at any time: a running
//! turn finds them behind what it has. What was accepted is done before a thread ends. A change that fails leaves the
//! conversation to be read from the rollout again.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};

use super::ThreadActor;
use crate::engine::pending::{Pending, PendingInput};
use crate::engine::thread_ref::{Reply, ThreadError};
use crate::engine::turn::{Conversation, TurnOpening, edit};
use crate::methods::thread_load::conversation;
use crate::model::InputItem;
use crate::protocol::{AccountRateLimitsUpdatedNotification, ThreadTokenUsageUpdatedNotification, TurnStartParams};
use crate::rpc::EncodedNotification;
use crate::store::{StoreError, ThreadHistory};

/// A change that somebody waits for.
#[derive(Debug)]
pub(super) enum Edit {
    /// Drops the last turns.
    RollBack {
        turns: u32,
        reply: Reply<Result<ThreadHistory, ThreadError>>,
    },
    /// Adds items.
    Inject {
        items: Vec<InputItem>,
        reply: Reply<Result<(), ThreadError>>,
    },
}

/// What is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    RollBack,
    Inject,
    /// Beside a turn, which has the conversation.
    InjectIntoTurn,
}

/// The queue. Every entry stands for a request that waits, so that it is bounded as those are.
#[derive(Debug, Default)]
pub(super) struct Edits {
    queue: VecDeque<Edit>,
    running: Option<Running>,
    parked: VecDeque<(Arc<str>, Box<TurnStartParams>, TurnOpening)>,
}

impl Edits {
    /// Whether a change has the conversation.
    pub(super) fn has_conversation(&self) -> bool {
        matches!(self.running, Some(Running::RollBack | Running::Inject))
    }

    /// A turn begins when the conversation is back.
    pub(super) fn park(&mut self, turn_id: Arc<str>, params: Box<TurnStartParams>, opening: TurnOpening) {
        self.parked.push_back((turn_id, params, opening));
    }

    /// Whether no change and no turn waits for its time.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.running.is_none() && self.parked.is_empty()
    }

    fn rolls_back(&self) -> bool {
        let queued = |edit: &Edit| matches!(edit, Edit::RollBack { .. });
        self.running == Some(Running::RollBack) || self.queue.iter().any(queued)
    }
}

/// What a change leaves, and how it went.
type Outcome<T> = (Option<Conversation>, Result<T, StoreError>);

impl ThreadActor {
    /// Whether turns can be taken back now. What an idle thread refuses shows in its status, as other refusals do.
    pub(super) fn check_rollback(&mut self) -> Result<(), ThreadError> {
        if self.edits.rolls_back() {
            return Err(ThreadError::RollingBack);
        }
        if self.turn.is_some() || !self.edits.parked.is_empty() {
            return Err(ThreadError::TurnRuns);
        }
        let refused = match self.recorder.path() {
            None => ThreadError::NotKept,
            Some(path) if !self.recorder.is_materialised() => ThreadError::NotWritten(path),
            Some(_) => return Ok(()),
        };
        let change = self.status.failed();
        self.announce_status(change);
        Err(refused)
    }

    /// Queues a change.
    pub(super) fn edit(&mut self, edit: Edit, ctx: &mut actix::Context<Self>) {
        self.edits.queue.push_back(edit);
        self.next_edit(ctx);
    }

    /// Begins the next change, if nothing is in its way.
    pub(super) fn next_edit(&mut self, ctx: &mut actix::Context<Self>) {
        // What a turn is reading it may or may not find in the file: it is asked again when it has read.
        if self.edits.running.is_some() || self.turn.as_ref().is_some_and(|turn| turn.loading) {
            return;
        }
        match self.edits.queue.pop_front() {
            None => {}
            Some(Edit::Inject { items, reply }) if self.turn.is_some() => self.inject_into_turn(items, reply, ctx),
            Some(Edit::Inject { items, reply }) => self.inject(items, reply, ctx),
            // A turn came first after all.
            Some(Edit::RollBack { reply, .. }) if self.turn.is_some() => {
                let _ = reply.send(Err(ThreadError::TurnRuns));
                self.next_edit(ctx);
            }
            Some(Edit::RollBack { turns, reply }) => self.roll_back(turns, reply, ctx),
        }
    }

    fn inject_into_turn(
        &mut self,
        items: Vec<InputItem>,
        reply: Reply<Result<(), ThreadError>>,
        ctx: &mut actix::Context<Self>,
    ) {
        let Some(turn) = &self.turn else { return };
        self.edits.running = Some(Running::InjectIntoTurn);
        let (id, injected) = (Arc::clone(&turn.id), turn.injected.clone());
        let recorder = self.recorder.clone();
        let recorded = injected.clone();
        let work = async move { recorded.record(&recorder, items).await };
        ctx.spawn(work.into_actor(self).map(move |recorded, act, ctx| {
            // A turn that ended meanwhile has not taken them.
            if act.turn.as_ref().is_none_or(|turn| turn.id != id) {
                let items = injected.take();
                match (&act.turn, &mut act.conversation) {
                    // It reads them with the rest.
                    (Some(turn), _) if turn.loading => {}
                    (Some(turn), _) => turn.injected.add(items),
                    (None, Some(conversation)) => {
                        items.into_iter().for_each(|item| conversation.history.push(item));
                    }
                    // It is read from the rollout, which has them.
                    (None, None) => {}
                }
            }
            let _ = reply.send(recorded.map_err(ThreadError::from));
            act.edit_ended(ctx);
        }));
    }

    fn inject(&mut self, items: Vec<InputItem>, reply: Reply<Result<(), ThreadError>>, ctx: &mut actix::Context<Self>) {
        self.edits.running = Some(Running::Inject);
        let (id, surroundings) = (self.id, Arc::clone(&self.surroundings));
        let (services, settings) = (Arc::clone(&self.turn_services), self.settings.clone());
        let stored = self.recorder.is_materialised();
        let known = self.conversation.take();
        let work = async move {
            let mut talk = match known {
                Some(known) => known,
                None if stored => match surroundings.store.conversation(id, 0).await {
                    Ok(told) => conversation(told),
                    Err(error) => return (None, Err(error)),
                },
                None => Conversation::default(),
            };
            let outcome = edit::inject(&services, &settings, &mut talk, items).await;
            (Some(talk), outcome)
        };
        ctx.spawn(
            work.into_actor(self)
                .map(move |(talk, outcome): Outcome<()>, act, ctx| {
                    act.conversation = talk;
                    let _ = reply.send(outcome.map_err(ThreadError::from));
                    act.edit_ended(ctx);
                }),
        );
    }

    fn roll_back(
        &mut self,
        turns: u32,
        reply: Reply<Result<ThreadHistory, ThreadError>>,
        ctx: &mut actix::Context<Self>,
    ) {
        self.edits.running = Some(Running::RollBack);
        let (id, surroundings) = (self.id, Arc::clone(&self.surroundings));
        let (services, settings) = (Arc::clone(&self.turn_services), self.settings.clone());
        let known = self.conversation.take();
        let work = async move {
            let mut talk = match surroundings.store.conversation(id, turns as usize).await {
                Ok(told) => conversation(told),
                Err(error) => return (known, Err(error)),
            };
            if let Some(known) = &known {
                talk.rate_limits.clone_from(&known.rate_limits);
                talk.fallback_warned = known.fallback_warned;
            }
            if let Err(error) = edit::roll_back(&services, &settings, &mut talk, turns).await {
                return (known, Err(error));
            }
            // Read before another turn can begin: the answer shows what is left, and nothing newer.
            (Some(talk), surroundings.store.history(id, None).await)
        };
        ctx.spawn(
            work.into_actor(self)
                .map(move |(talk, outcome): Outcome<ThreadHistory>, act, ctx| {
                    act.conversation = talk;
                    // The rollout knows which turn the usage belongs to now.
                    act.usage = None;
                    if outcome.is_ok() {
                        act.tell_rolled_back();
                    }
                    let _ = reply.send(outcome.map_err(ThreadError::from));
                    act.edit_ended(ctx);
                }),
        );
    }

    /// Tells clients how much of the window the conversation fills now. The rollback counts as a turn of its own there.
    fn tell_rolled_back(&mut self) {
        let Some(talk) = &self.conversation else { return };
        let limits = talk.rate_limits.clone();
        let usage = talk
            .usage
            .clone()
            .map(|token_usage| ThreadTokenUsageUpdatedNotification {
                thread_id: self.id_text(),
                token_usage,
                turn_id: uuid::Uuid::now_v7().to_string(),
            });
        if let Some(usage) = usage {
            self.publish(&usage);
        }
        if let Some(rate_limits) = limits {
            let update = AccountRateLimitsUpdatedNotification { rate_limits };
            self.broadcast(&EncodedNotification::new(&update));
        }
    }

    /// Nothing but changes that were accepted keeps the thread from its end: they are carried out first.
    pub(super) fn stop_after_edits(&mut self, ctx: &mut actix::Context<Self>) {
        self.next_edit(ctx);
        if self.edits.running.is_none() {
            self.stop(ctx);
        }
    }

    /// A change is over: the next one begins, else the turns that waited.
    fn edit_ended(&mut self, ctx: &mut actix::Context<Self>) {
        self.edits.running = None;
        if self.closing() && self.turn.is_none() {
            return self.stop_after_edits(ctx);
        }
        self.next_edit(ctx);
        if self.edits.has_conversation() {
            return;
        }
        while let Some((turn_id, params, opening)) = self.edits.parked.pop_front() {
            match (&self.turn, opening) {
                (None, opening) => self.begin_turn(turn_id, params, opening, ctx),
                (Some(turn), TurnOpening::Said) => turn.push(Pending::Input(PendingInput {
                    input: params.input,
                    turn_id: Some(turn_id),
                })),
                (Some(_), TurnOpening::Shell(script)) => self.run_beside(script, None, ctx),
                // It is pursued when the turn is over.
                (Some(_), TurnOpening::Goal(_)) => {}
                (Some(_), opening @ (TurnOpening::Compact | TurnOpening::Review(_))) => {
                    self.replace_turn(turn_id, opening, ctx);
                }
            }
        }
        self.pursue_goal(ctx);
    }
}
