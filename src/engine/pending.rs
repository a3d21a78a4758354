//! What a running turn takes in between two sampling steps.
//!
//! The thread fills the queue, the turn's task drains it. Before it ends, the task closes the queue: what a turn was
//! steered with belongs to that turn, so that from then on nobody can steer it. Input that came by `turn/start` has a turn
//! of its own to fall back to, and what happened beside the turns is told in the next one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::InputItem;
use crate::protocol::UserInput;

/// Input that arrived while the turn ran: each becomes a user message between two sampling steps.
#[derive(Debug, Clone)]
pub struct PendingInput {
    /// The input as the client sent it.
    pub input: Vec<UserInput>,
    /// The turn id the client was told when it came by `turn/start`. Input that the running turn no longer took starts
    /// a turn of that id.
    pub turn_id: Option<Arc<str>>,
}

/// Something that a running turn takes in.
#[derive(Debug, Clone)]
pub enum Pending {
    /// The user said something.
    Input(PendingInput),
    /// Something happened that the model is to know: an item of the conversation, not recorded yet.
    Told(InputItem),
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    closed: bool,
}

/// What waits for a running turn. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct PendingInputs(Arc<Mutex<Queue>>);

impl PendingInputs {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to what waits. What comes too late is taken by whoever ends the turn.
    pub fn push(&self, pending: Pending) {
        self.queue().waiting.push_back(pending);
    }

    /// Adds input for this very turn; false when it takes none any more.
    pub fn steer(&self, input: Vec<UserInput>) -> bool {
        let mut queue = self.queue();
        if queue.closed {
            return false;
        }
        let turn_id = None;
        queue.waiting.push_back(Pending::Input(PendingInput { input, turn_id }));
        true
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue().waiting.is_empty()
    }

    /// Takes all that waits, oldest first.
    pub fn take(&self) -> Vec<Pending> {
        self.queue().waiting.drain(..).collect()
    }

    /// Takes what the user said, and leaves the rest.
    pub fn take_inputs(&self) -> VecDeque<PendingInput> {
        let mut queue = self.queue();
        let mut inputs = VecDeque::new();
        for pending in std::mem::take(&mut queue.waiting) {
            match pending {
                Pending::Input(input) => inputs.push_back(input),
                told @ Pending::Told(_) => queue.waiting.push_back(told),
            }
        }
        inputs
    }

    /// Takes what else happened, and leaves what the user said.
    pub fn take_told(&self) -> Vec<InputItem> {
        let mut queue = self.queue();
        let mut items = Vec::new();
        for pending in std::mem::take(&mut queue.waiting) {
            match pending {
                Pending::Told(item) => items.push(item),
                input @ Pending::Input(_) => queue.waiting.push_back(input),
            }
        }
        items
    }

    /// Ends the taking in, unless the next input is for this very turn: returns whether the turn may end.
    pub fn close(&self) -> bool {
        let mut queue = self.queue();
        let next = queue.waiting.iter().find_map(|pending| match pending {
            Pending::Input(input) => Some(input),
            Pending::Told(_) => None,
        });
        queue.closed = next.is_none_or(|input| input.turn_id.is_some());
        queue.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(id: &str) -> Pending {
        Pending::Input(PendingInput {
            input: Vec::new(),
            turn_id: Some(id.into()),
        })
    }

    #[test]
    fn a_turn_that_was_steered_does_not_end_and_one_that_has_ended_is_not_steered() {
        let pending = PendingInputs::default();
        assert!(pending.steer(Vec::new()));
        pending.push(started("next"));
        assert!(!pending.close(), "the steer has nowhere else to go");
        assert_eq!(pending.take().len(), 2);
        pending.push(started("later"));
        assert!(pending.close() && !pending.steer(Vec::new()));
        let left = pending.take_inputs();
        assert_eq!(left.front().and_then(|input| input.turn_id.as_deref()), Some("later"));
    }
}
