//! One turn: the context and the input are recorded, then steps of sampling and tools follow until nothing is left to do.
//!
//! A turn is a task. It owns the conversation while it runs (moved in with [`TurnJob`], moved out with `TurnEnd`), and
//! reports everything to its thread through [`TurnHost`]. Order of any one thing: recorded, then published. The thread
//! publishes the status, `turn/started`, the final `error` and `turn/completed`; the task all that is between them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;

use crate::engine::history::History;
use crate::engine::host::{TurnEnd, TurnEvent, TurnHost};
use crate::engine::scope::ThreadServices;
use crate::engine::settings::{TurnContext, TurnSettings};
use crate::protocol::{ThreadTokenUsage, Turn, TurnItemsView, TurnStatus, UserInput};

/// What a thread keeps of its talk with the model between turns. The running turn owns it.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// What the model is sent.
    pub history: History,
    /// What was used so far; `None` before the first answer.
    pub usage: Option<ThreadTokenUsage>,
    /// The settings that the model was last told about; `None` when it has to be told everything (first turn, after a
    /// compaction).
    pub told: Option<TurnContext>,
    /// The client knows that the model's metadata are guessed.
    pub fallback_warned: bool,
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
    /// The JSON Schema that this turn's answers must follow.
    pub output_schema: Option<Arc<RawValue>>,
    /// `responsesapiClientMetadata` of the request.
    pub client_metadata: BTreeMap<String, String>,
    /// When the turn started, as `turn/started` told it.
    pub started_at: SystemTime,
}

/// Runs a turn to its end. The last event is `TurnEvent::Finished`, whatever happens.
pub async fn run_turn(job: TurnJob) {
    let turn = Turn {
        completed_at: None,
        duration_ms: None,
        error: None,
        id: job.host.turn_id.to_string(),
        items: Vec::new(),
        items_view: TurnItemsView::NotLoaded,
        started_at: None,
        status: TurnStatus::Completed,
    };
    let conversation = job.conversation;
    job.host.send(TurnEvent::Finished(TurnEnd { turn, conversation })).await;
}
