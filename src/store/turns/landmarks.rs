//! Where in a rollout the lines stand that taking a thread up needs, so that it can be taken up without reading the rest.
//!
//! Folded over the same lines as the digest and kept with the thread's row. Together with [`OutlineTail`] it lets a
//! recorder go on behind a file of any size at once.

use serde::{Deserialize, Serialize};

use crate::protocol::ThreadId;
use crate::store::rollout::{CompactedLine, EventMsg, RolloutItem, Skimmed};
use crate::store::turns::outline::OutlineTail;

/// A line's place in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Its first byte.
    pub offset: u64,
    /// Its length, newline included.
    pub len: u64,
}

/// The last usage that was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageMark {
    /// The line.
    pub line: Span,
    /// The turn it belongs to.
    pub turn_id: String,
}

/// The places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landmarks {
    /// The thread's own first `session_meta`.
    pub meta: Option<Span>,
    /// The conversation with the model begins here: a compaction that replaced what was before, or the file's start.
    pub conversation: u64,
    /// The settings of the last turn.
    pub context: Option<Span>,
    /// The last usage.
    pub usage: Option<UsageMark>,
    /// The last rate limits.
    pub rate_limits: Option<Span>,
    /// Where the turns' outline goes on.
    #[serde(default)]
    pub tail: OutlineTail,
}

impl Landmarks {
    /// Folds in the next line. `id` is the thread as known so far, `turn_id` the turn that is open or was last.
    pub fn observe(&mut self, item: &RolloutItem, line: Span, id: ThreadId, turn_id: Option<&str>) {
        match item {
            RolloutItem::SessionMeta(meta) if self.meta.is_none() && meta.id == id => self.meta = Some(line),
            RolloutItem::TurnContext(_) => self.context = Some(line),
            RolloutItem::Compacted(compacted) => self.compacted(replaces(compacted), line),
            RolloutItem::Event(EventMsg::ThreadRolledBack(_)) => {
                if let Some(usage) = &mut self.usage {
                    usage.turn_id = turn_id.unwrap_or_default().to_owned();
                }
            }
            RolloutItem::Event(EventMsg::TokenCount(count)) => {
                if count.info.is_some() {
                    self.usage = Some(UsageMark {
                        line,
                        turn_id: turn_id.unwrap_or_default().to_owned(),
                    });
                }
                if count.rate_limits.is_some() {
                    self.rate_limits = Some(line);
                }
            }
            _ => {}
        }
    }

    /// The same for a line that was not decoded.
    pub fn observe_skimmed(&mut self, skimmed: Skimmed, line: Span) {
        if let Skimmed::Compacted { replaces } = skimmed {
            self.compacted(replaces, line);
        }
    }

    fn compacted(&mut self, replaces: bool, line: Span) {
        if replaces {
            self.conversation = line.offset;
        }
        // After a compaction the model is told its situation anew.
        self.context = None;
    }
}

fn replaces(compacted: &CompactedLine) -> bool {
    compacted.replacement_history.is_some()
}
