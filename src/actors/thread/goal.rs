//! Working towards the thread's goal: when nothing else is to do, a turn begins by itself.
//!
//! Not in plan mode, not after an interrupt or a failure, and not when the last such turn did nothing: then the goal waits
//! until the user says or changes something.

use super::ThreadActor;
use crate::engine::context::goal as prompts;
use crate::engine::turn::TurnOpening;
use crate::protocol::{ModeKind, TurnStartParams};

impl ThreadActor {
    /// Begins a turn for the goal, if there is one that wants it and the thread is idle.
    pub(super) fn pursue_goal(&mut self, ctx: &mut actix::Context<Self>) {
        let idle = self.turn.is_none() && self.edits.is_idle() && !self.closing();
        let keeper = &self.turn_services.goal;
        if !idle || self.settings.mode == ModeKind::Plan || !keeper.wants_turn() {
            return;
        }
        let Some(goal) = keeper.current() else { return };
        let turn_id = uuid::Uuid::new_v4().to_string().into();
        let opening = TurnOpening::Goal(prompts::go_on(&goal));
        self.begin_turn(turn_id, Box::<TurnStartParams>::default(), opening, ctx);
    }
}
