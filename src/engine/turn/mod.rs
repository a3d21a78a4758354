//! One turn: the context and the input are recorded, then steps of sampling and tools follow until nothing is left to do.
//!
//! A turn is a task. It owns the conversation while it runs (moved in with [`TurnJob`], moved out with `TurnEnd`), and
//! reports everything to its thread through [`TurnHost`]. Order of any one thing: recorded, then published. The thread
//! publishes the status, `turn/started`, the final `error` and `turn/completed`; the task all that is between them.

mod calls;
mod compact;
pub mod edit;
mod ending;
mod goal;
mod hooks;
mod image;
mod message;
mod notify;
mod opening;
mod request;
mod review;
mod shell;
mod step;
mod task;
mod usage;
mod warm;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;

use crate::engine::history::History;
use crate::engine::host::{TurnEnd, TurnEvent, TurnHost};
use crate::engine::review::Review;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::{TurnContext, TurnSettings};
use crate::model::InputItem;
use crate::protocol::{NonSteerableTurnKind, RateLimitSnapshot, ThreadTokenUsage, UserInput, WarningNotification};

pub use request::model_info;
pub use warm::warm_up;

/// What a thread keeps of its talk with the model between turns. The running turn owns it.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// What the model is sent.
    pub history: History,
    /// What was used so far; `None` before the first answer.
    pub usage: Option<ThreadTokenUsage>,
    /// The rate limits as last told by the provider.
    pub rate_limits: Option<RateLimitSnapshot>,
    /// The settings that the model was last told about; `None` when it has to be told everything (first turn, after a
    /// compaction).
    pub told: Option<TurnContext>,
    /// The model of the last turn; unlike `told` it is known after a compaction.
    pub model: Option<String>,
    /// The number of compactions.
    pub window: u32,
    /// What the window began with, in tokens; `None` before the first answer in it.
    pub prefix: Option<i64>,
    /// The provider said that the conversation does not fit.
    pub overflowed: bool,
    /// Clients know that a model's metadata are guessed.
    pub fallback_warned: bool,
}

/// What a turn begins with.
#[derive(Debug, Clone, Default)]
pub enum TurnOpening {
    /// What the user said: the job's input.
    #[default]
    Said,
    /// A command of the user.
    Shell(String),
    /// The conversation is to be compacted.
    Compact,
    /// Changes are to be reviewed. The turn announces itself.
    Review(Box<Review>),
    /// The thread's goal, put to the model as this message.
    Goal(InputItem),
}

impl TurnOpening {
    /// What kind of turn it opens, if it is one that takes no input.
    pub fn kind(&self) -> Option<NonSteerableTurnKind> {
        match self {
            TurnOpening::Compact => Some(NonSteerableTurnKind::Compact),
            TurnOpening::Review(_) => Some(NonSteerableTurnKind::Review),
            TurnOpening::Said | TurnOpening::Shell(_) | TurnOpening::Goal(_) => None,
        }
    }
}

/// Everything a turn needs.
pub struct TurnJob {
    /// The line to the thread.
    pub host: TurnHost,
    /// What the thread lends.
    pub services: Arc<ThreadServices>,
    /// The settings of this turn.
    pub settings: Arc<TurnSettings>,
    /// The conversation so far; comes back in `TurnEnd`.
    pub conversation: Conversation,
    /// What the user said.
    pub input: Vec<UserInput>,
    /// What it begins with.
    pub opening: TurnOpening,
    /// The JSON Schema that this turn's answers must follow.
    pub output_schema: Option<Arc<RawValue>>,
    /// The schema is advice.
    pub lenient: bool,
    /// `responsesapiClientMetadata` of the request.
    pub client_metadata: BTreeMap<String, String>,
    /// When the turn started, as `turn/started` told it.
    pub started_at: SystemTime,
}

impl Conversation {
    /// Takes over what was recorded while the conversation was elsewhere.
    pub fn take_injected(&mut self, injected: &edit::Injected) {
        injected.take().into_iter().for_each(|item| self.history.push(item));
    }
}

impl TurnJob {
    /// The warning that clients get before the first turn of a model that nothing is known about. Given once.
    pub fn opening_warning(&mut self) -> Option<WarningNotification> {
        if self.conversation.fallback_warned || matches!(self.opening, TurnOpening::Shell(_) | TurnOpening::Compact) {
            return None;
        }
        let model = model_info(&self.settings, &self.services.config, &self.services.catalog);
        self.conversation.fallback_warned = model.fallback;
        model.fallback.then(|| WarningNotification {
            message: format!(
                "Model metadata for `{}` not found. Defaulting to fallback metadata; this can degrade performance and \
                 cause issues.",
                model.slug
            ),
            thread_id: Some(self.host.thread_id.to_string()),
        })
    }
}

/// Runs the turn of a thread inside of another one's turn to its end.
pub async fn run_inner(mut job: TurnJob) -> TurnEnd {
    if let Some(warning) = job.opening_warning() {
        job.host.publish(&warning).await;
    }
    let input = std::mem::take(&mut job.input);
    let mut task = task::Task::new(job);
    let outcome = task.run(&input, None).await;
    task.finish(outcome).await
}

/// Runs a turn to its end. The last event is `TurnEvent::Finished`, whatever happens.
pub async fn run_turn(mut job: TurnJob) {
    let host = job.host.clone();
    if let Some(warning) = job.opening_warning() {
        host.publish(&warning).await;
    }
    let input = std::mem::take(&mut job.input);
    let opening = std::mem::take(&mut job.opening);
    let mut task = task::Task::new(job);
    let takes_input = opening.kind().is_none();
    let mut outcome = match opening {
        TurnOpening::Said => task.run(&input, None).await,
        TurnOpening::Goal(message) => task.run(&input, Some(message)).await,
        TurnOpening::Shell(script) => task.run_shell(&script).await,
        TurnOpening::Compact => task.run_compaction().await,
        TurnOpening::Review(review) => task.run_review(*review).await,
    };
    if takes_input {
        outcome = task.hear_out(outcome).await;
    }
    let end = task.finish(outcome).await;
    host.send(TurnEvent::Finished(end)).await;
}

#[cfg(test)]
mod tests;
