//! The status of a loaded thread, and what of it clients have been told.
//!
//! State: whether a turn runs, whether the last one failed, and how many requests of each kind wait for an answer.
//! Invariant: only changes are announced; the same status is never sent twice in a row.

use crate::protocol::{ThreadActiveFlag, ThreadStatus};

/// Derives the status from what happens to a thread, and remembers what was announced last.
#[derive(Debug)]
pub(super) struct StatusBoard {
    running: bool,
    failed: bool,
    approvals: usize,
    questions: usize,
    told: ThreadStatus,
}

impl StatusBoard {
    /// A thread that has just been loaded: idle, and everybody will be told so by the one who loaded it.
    pub(super) fn idle() -> Self {
        StatusBoard {
            running: false,
            failed: false,
            approvals: 0,
            questions: 0,
            told: ThreadStatus::Idle,
        }
    }

    /// The status as it is.
    pub(super) fn current(&self) -> ThreadStatus {
        if self.running {
            let mut active_flags = Vec::new();
            if self.approvals > 0 {
                active_flags.push(ThreadActiveFlag::WaitingOnApproval);
            }
            if self.questions > 0 {
                active_flags.push(ThreadActiveFlag::WaitingOnUserInput);
            }
            ThreadStatus::Active { active_flags }
        } else if self.failed {
            ThreadStatus::SystemError
        } else {
            ThreadStatus::Idle
        }
    }

    /// A turn begins; an earlier failure is forgotten.
    pub(super) fn turn_began(&mut self) -> Option<ThreadStatus> {
        self.running = true;
        self.failed = false;
        self.change()
    }

    /// The turn ended; nothing waits for an answer any more.
    pub(super) fn turn_ended(&mut self, failed: bool) -> Option<ThreadStatus> {
        self.running = false;
        self.failed = failed;
        self.approvals = 0;
        self.questions = 0;
        self.change()
    }

    /// A request was refused before a turn began.
    pub(super) fn failed(&mut self) -> Option<ThreadStatus> {
        self.failed = true;
        self.change()
    }

    /// A request to the clients waits.
    pub(super) fn waits(&mut self, flag: Option<ThreadActiveFlag>) -> Option<ThreadStatus> {
        if let Some(count) = self.count(flag) {
            *count += 1;
        }
        self.change()
    }

    /// A request to the clients was answered.
    pub(super) fn answered(&mut self, flag: Option<ThreadActiveFlag>) -> Option<ThreadStatus> {
        if let Some(count) = self.count(flag) {
            *count = count.saturating_sub(1);
        }
        self.change()
    }

    fn count(&mut self, flag: Option<ThreadActiveFlag>) -> Option<&mut usize> {
        match flag? {
            ThreadActiveFlag::WaitingOnApproval => Some(&mut self.approvals),
            ThreadActiveFlag::WaitingOnUserInput => Some(&mut self.questions),
        }
    }

    fn change(&mut self) -> Option<ThreadStatus> {
        let now = self.current();
        (now != self.told).then(|| {
            self.told = now.clone();
            now
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(active_flags: Vec<ThreadActiveFlag>) -> Option<ThreadStatus> {
        Some(ThreadStatus::Active { active_flags })
    }

    #[test]
    fn flags_follow_the_number_of_waiting_requests() {
        let approval = Some(ThreadActiveFlag::WaitingOnApproval);
        let mut board = StatusBoard::idle();
        assert_eq!(board.turn_began(), active(vec![]));
        assert_eq!(board.waits(approval), active(vec![ThreadActiveFlag::WaitingOnApproval]));
        assert_eq!(board.waits(approval), None, "nothing new to tell");
        assert_eq!(board.answered(approval), None, "one still waits");
        assert_eq!(board.answered(approval), active(vec![]));
        assert_eq!(board.turn_ended(false), Some(ThreadStatus::Idle));
    }

    #[test]
    fn a_failure_lasts_until_the_next_turn() {
        let mut board = StatusBoard::idle();
        assert_eq!(board.failed(), Some(ThreadStatus::SystemError));
        assert_eq!(board.failed(), None);
        assert_eq!(board.turn_began(), active(vec![]));
        assert_eq!(board.turn_ended(true), Some(ThreadStatus::SystemError));
    }

    #[test]
    fn a_request_without_a_flag_changes_nothing() {
        let mut board = StatusBoard::idle();
        board.turn_began();
        assert_eq!(board.waits(None), None);
        assert_eq!(board.answered(None), None);
    }
}
