//! What everything inside one turn shares: the line to the thread, and what the thread lends for the turn's time.
//!
//! Made once per turn, held in an `Arc` by the loop and by each running tool. A tool's watcher may outlive the turn
//! (a background command); it then still publishes under the old turn.

use std::sync::Arc;

use crate::engine::host::TurnHost;

/// What lives as long as the loaded thread and is used by its turns: process sessions, command policy, approvals given
/// for the session. Each room adds its own field.
#[derive(Default)]
pub struct ThreadServices {}

/// What one turn's loop and tools share.
pub struct TurnScope {
    /// The line to the thread: publish, ask, pending input.
    pub host: TurnHost,
    /// What the thread keeps between turns.
    pub services: Arc<ThreadServices>,
}
