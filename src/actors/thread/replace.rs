//! Turns that take the place of the running one: compactions and reviews.
//!
//! State: the turns that wait for the one before them to end. Each that is asked for ends the one before it, so that
//! there is rarely more than one; their number is bounded all the same. While such a turn runs or waits, the thread
//! takes no input of the user.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ThreadActor;
use super::deferred::Effect;
use crate::engine::thread_ref::{Go, ThreadError};
use crate::engine::turn::TurnOpening;

/// The most turns that may wait.
const MOST: usize = 8;

/// The turns that wait.
#[derive(Debug, Default)]
pub(super) struct Replacements {
    waiting: VecDeque<(Arc<str>, TurnOpening)>,
    /// Accepted, their responses on the way.
    announced: usize,
}

impl ThreadActor {
    /// Accepts a turn that takes the place of the running one; it begins when the response is out.
    pub(super) fn accept_replacement(
        &mut self,
        opening: TurnOpening,
        go: Go,
        ctx: &mut actix::Context<Self>,
    ) -> Result<Arc<str>, ThreadError> {
        if self.replacements.waiting.len() + self.replacements.announced >= MOST {
            return Err(ThreadError::Overloaded);
        }
        self.replacements.announced += 1;
        let turn_id: Arc<str> = uuid::Uuid::now_v7().to_string().into();
        let effect = Effect::Replace {
            turn_id: Arc::clone(&turn_id),
            opening,
        };
        self.defer(go, effect, ctx);
        Ok(turn_id)
    }

    /// The response is out: the turn begins, once the running one has ended.
    pub(super) fn replace_turn(&mut self, turn_id: Arc<str>, opening: TurnOpening, ctx: &mut actix::Context<Self>) {
        self.replacements.announced = self.replacements.announced.saturating_sub(1);
        if let TurnOpening::Review(review) = &opening
            && let Err(why) = &review.prompt
        {
            return self.refuse_review(&turn_id, why.clone());
        }
        match &self.turn {
            None => self.begin_turn(turn_id, Box::default(), opening, ctx),
            Some(running) => {
                running.replaced.store(true, Ordering::Relaxed);
                let running = Arc::clone(&running.id);
                self.replacements.waiting.push_back((turn_id, opening));
                self.interrupt(&running, ctx);
            }
        }
    }

    /// A turn has ended: the one that was to take its place begins. Returns whether there was one.
    pub(super) fn begin_replacement(&mut self, ctx: &mut actix::Context<Self>) -> bool {
        let Some((turn_id, opening)) = self.replacements.waiting.pop_front() else {
            return false;
        };
        self.begin_turn(turn_id, Box::default(), opening, ctx);
        if let Some((turn_id, opening)) = self.replacements.waiting.pop_front() {
            self.replace_turn(turn_id, opening, ctx);
        }
        true
    }

    /// Whether the user can say something now.
    pub(super) fn check_takes_input(&self) -> Result<(), ThreadError> {
        let waiting = self.replacements.waiting.front();
        let kind = match (waiting, &self.turn) {
            (Some((_, opening)), _) => opening.kind(),
            (None, Some(turn)) => turn.kind,
            (None, None) => None,
        };
        kind.map_or(Ok(()), |kind| Err(ThreadError::NotSteerable(kind)))
    }
}
