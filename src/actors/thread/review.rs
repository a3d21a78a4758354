//! What is special about the turn of a review: it announces itself, and tells of its failure before its end.
//!
//! Clients know it by two ids. Its response, its items and its end carry the turn's own; its `turn/started` carries the
//! id of the reviewer's turn, by which it can be interrupted as well.

use std::sync::Arc;

use super::ThreadActor;
use crate::protocol::{CodexErrorInfo, ErrorNotification, TurnError};

impl ThreadActor {
    /// The review has been entered: the turn shows from now on.
    pub(super) fn review_begun(&mut self, id: Arc<str>, started_at: i64) {
        let Some(turn) = &mut self.turn else { return };
        turn.shown_as = Arc::clone(&id);
        turn.started_at = started_at;
        self.announce_turn(&id, started_at);
    }

    /// The turn has failed, but goes on for a while: what became of a review, or what the turn was steered with, is still
    /// to be said.
    pub(super) fn troubled(&mut self, error: TurnError) {
        let Some(turn) = &mut self.turn else { return };
        turn.trouble_told = true;
        let turn_id = turn.id.to_string();
        let change = self.status.turn_ended(true);
        self.announce_status(change);
        self.tell_error(turn_id, error);
    }

    /// What is to be reviewed cannot be found out: no turn begins.
    pub(super) fn refuse_review(&mut self, turn_id: &str, message: String) {
        if self.turn.is_none() {
            let change = self.status.failed();
            self.announce_status(change);
        }
        let error = TurnError {
            additional_details: None,
            codex_error_info: Some(CodexErrorInfo::Other),
            message,
        };
        self.tell_error(turn_id.to_owned(), error);
    }

    fn tell_error(&mut self, turn_id: String, error: TurnError) {
        self.publish(&ErrorNotification {
            error,
            thread_id: self.id_text(),
            turn_id,
            will_retry: false,
        });
    }
}
