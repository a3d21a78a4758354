//! Reviews of code changes: what is asked for, what the reviewer is told to heed, and how its answer reads.
//!
//! A review is a turn in which a reviewer works for the thread: a thread of its own that nobody lists, with its own
//! instructions and none of the conversation (`engine/turn/review.rs` runs it).

mod output;
mod rubric;

use crate::protocol::ReviewTarget;

pub use output::ReviewOutput;
pub use rubric::RUBRIC;

/// What reads in place of a review that says nothing.
pub const NOTHING_SAID: &str = "Reviewer failed to output a response.";
/// What reads in place of a review that did not come to its end.
pub const NOT_DONE: &str = "Review was interrupted. Please re-run /review and wait for it to complete.";

/// A review that is to be done.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// What is to be reviewed.
    pub target: ReviewTarget,
    /// What it is about, for people.
    pub hint: String,
    /// What the reviewer is asked; an error when the target cannot be found out.
    pub prompt: Result<String, String>,
}
