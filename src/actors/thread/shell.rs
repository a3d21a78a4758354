//! The user's own commands: a turn when the thread is idle, part of the running turn otherwise.
//!
//! State: what ends the commands with the thread, and how many run. A command beside a turn may outlive it; its item then
//! still belongs to that turn, and what the model is to know of it goes into the conversation when it has ended. The
//! running turn takes that in between two steps; without one it is recorded here.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ThreadActor;
use crate::engine::host::{TurnEvent, TurnHost};
use crate::engine::pending::Pending;
use crate::engine::scope::TurnScope;
use crate::engine::thread_ref::{Go, ThreadError};
use crate::engine::tools::user_shell;
use crate::engine::turn::{TurnOpening, model_info};
use crate::model::InputItem;
use crate::store::{Recorder, RolloutItem};

use super::deferred::Effect;
use super::edits::Edit;

/// The most commands of the user that a thread runs at once.
const MOST: usize = 32;

/// The commands of the user that a thread runs.
#[derive(Debug)]
pub(super) struct UserShells {
    room: Arc<Semaphore>,
    /// Cancelled with the thread.
    closed: CancellationToken,
    _closes: DropGuard,
}

impl Default for UserShells {
    fn default() -> Self {
        let closed = CancellationToken::new();
        UserShells {
            room: Arc::new(Semaphore::new(MOST)),
            _closes: closed.clone().drop_guard(),
            closed,
        }
    }
}

/// A command that was accepted.
#[derive(Debug)]
pub(super) struct UserCommand {
    script: String,
    room: OwnedSemaphorePermit,
}

impl ThreadActor {
    /// Accepts a command; it begins when the response is out.
    pub(super) fn accept_shell_command(
        &mut self,
        script: String,
        go: Go,
        ctx: &mut actix::Context<Self>,
    ) -> Result<(), ThreadError> {
        let room = Arc::clone(&self.shells.room).try_acquire_owned();
        let room = room.map_err(|_| ThreadError::Overloaded)?;
        self.defer(go, Effect::Shell(UserCommand { script, room }), ctx);
        Ok(())
    }

    /// The response is out: the command begins.
    pub(super) fn run_shell_command(&mut self, command: UserCommand, ctx: &mut actix::Context<Self>) {
        let UserCommand { script, room } = command;
        if self.turn.is_some() {
            return self.run_beside(script, Some(room), ctx);
        }
        // The turn of one's own is bounded by being the only one.
        let turn_id = uuid::Uuid::now_v7().to_string().into();
        self.begin_turn(turn_id, Box::default(), TurnOpening::Shell(script), ctx);
    }

    /// Runs a command beside the running turn.
    pub(super) fn run_beside(
        &mut self,
        script: String,
        room: Option<OwnedSemaphorePermit>,
        ctx: &mut actix::Context<Self>,
    ) {
        let events = self.events(ctx);
        let Some(turn) = &self.turn else { return };
        let (cancel, pending) = turn.line();
        let host = TurnHost::new(self.id, Arc::clone(&turn.id), cancel.clone(), pending, events.clone());
        let settings = Arc::new(self.settings.clone());
        let model = Arc::new(model_info(
            &settings,
            &self.turn_services.config,
            &self.turn_services.catalog,
        ));
        let scope = Arc::new(TurnScope::new(host, Arc::clone(&self.turn_services), settings, model));
        let closed = self.shells.closed.clone();
        tokio::task::spawn_local(async move {
            let interrupted = async {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = closed.cancelled() => {}
                }
            };
            let told = user_shell::run(&scope, &script, interrupted).await;
            // Without its thread what happened is recorded all the same, for whoever loads it again.
            if events.send(TurnEvent::Told(Arc::clone(&told))).await.is_err() {
                record(scope.recorder(), vec![told]).await;
            }
            drop(room);
        });
    }

    /// The model is to know something: the running turn takes it in, or it is put behind the conversation.
    pub(super) fn told(&mut self, item: InputItem, ctx: &mut actix::Context<Self>) {
        match &self.turn {
            Some(turn) => turn.push(Pending::Told(item)),
            None => {
                // Nobody waits for the answer.
                let (reply, _) = oneshot::channel();
                let items = vec![item];
                self.edit(Edit::Inject { items, reply }, ctx);
            }
        }
    }

    /// Records what no turn took in and none will: the thread ends.
    pub(super) fn record_told(&self, items: Vec<InputItem>) {
        let recorder = self.recorder.clone();
        tokio::task::spawn_local(async move { record(&recorder, items).await });
    }
}

async fn record(recorder: &Recorder, items: Vec<InputItem>) {
    let lines = items.into_iter().map(RolloutItem::ResponseItem).collect();
    if let Err(error) = recorder.append(lines).await {
        let id = recorder.thread_id();
        tracing::error!(%error, thread.id = %id, "what the model is to know was not recorded");
    }
}
