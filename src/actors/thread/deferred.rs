//! Effects that wait until the response of their request is on its way.
//!
//! A handler validates with the thread, answers its client, and only then may the effect be seen: `turn/started` never
//! precedes the response that names the turn. State: a queue of effects, oldest first. Invariant: effects happen in the
//! order of their commands, and before any later command is looked at whose request was made after the response.
//! A handler that vanished counts as having answered, so that an accepted effect is never lost.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix::{ActorFuture, AsyncContext};
use tokio::sync::oneshot::error::TryRecvError;

use super::ThreadActor;
use super::shell::UserCommand;
use crate::engine::settings::ChosenPermissions;
use crate::engine::thread_ref::Go;
use crate::engine::turn::TurnOpening;
use crate::protocol::TurnStartParams;
use crate::rpc::ConnectionId;

/// What happens once the response is out.
#[derive(Debug)]
pub(super) enum Effect {
    /// A turn begins, or its input joins the running one.
    StartTurn {
        /// The id the client was told.
        turn_id: std::sync::Arc<str>,
        /// The request.
        params: Box<TurnStartParams>,
        /// The permission profile that it names.
        permissions: Option<Box<ChosenPermissions>>,
    },
    /// A turn takes the place of the running one.
    Replace {
        /// The id the client was told.
        turn_id: std::sync::Arc<str>,
        /// What it begins with.
        opening: TurnOpening,
    },
    /// A command of the user runs.
    Shell(UserCommand),
    /// The running turn is interrupted, if it is still this one.
    Interrupt(std::sync::Arc<str>),
    /// What was held back for a new subscriber is sent.
    Release(ConnectionId),
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    queue: VecDeque<(Go, Effect)>,
    watched: bool,
}

impl Deferred {
    /// The oldest effect, if its response is out.
    fn next_ready(&mut self) -> Option<Effect> {
        let (go, _) = self.queue.front_mut()?;
        match go.try_recv() {
            Err(TryRecvError::Empty) => None,
            Ok(()) | Err(TryRecvError::Closed) => self.queue.pop_front().map(|(_, effect)| effect),
        }
    }
}

impl ThreadActor {
    /// Queues an effect behind its response.
    pub(super) fn defer(&mut self, go: Go, effect: Effect, ctx: &mut actix::Context<Self>) {
        self.deferred.queue.push_back((go, effect));
        if !self.deferred.watched {
            self.deferred.watched = true;
            ctx.spawn(Watch);
        }
    }

    /// Lets everything happen whose response is out.
    pub(super) fn run_deferred(&mut self, ctx: &mut actix::Context<Self>) {
        while let Some(effect) = self.deferred.next_ready() {
            self.effect(effect, ctx);
        }
    }
}

/// Wakes the actor when the oldest response is out; ends when nothing waits.
struct Watch;

impl ActorFuture<ThreadActor> for Watch {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut ThreadActor,
        ctx: &mut actix::Context<ThreadActor>,
        task: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let Some((go, _)) = act.deferred.queue.front_mut() else {
                act.deferred.watched = false;
                return Poll::Ready(());
            };
            match Pin::new(go).poll(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(_) => {
                    if let Some((_, effect)) = act.deferred.queue.pop_front() {
                        act.effect(effect, ctx);
                    }
                }
            }
        }
    }
}
