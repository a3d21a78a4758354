//! The turns and items of a thread as the index keeps them: ids, states and places in the rollout, no contents.

use crate::protocol::TurnStatus;
use crate::store::rollout::RolloutItem;
use crate::store::turns::builder::{BuiltTurn, Detail, TurnBuilder};

/// A turn of the index.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlineTurn {
    /// Its place among the thread's turns.
    pub position: usize,
    /// Its id on the wire.
    pub id: String,
    /// `InProgress` while its end is not recorded.
    pub status: TurnStatus,
    /// Unix seconds.
    pub started_at: Option<i64>,
    /// Unix seconds.
    pub completed_at: Option<i64>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Whether the user said something in it.
    pub has_user_message: bool,
    /// Where its first line begins in the rollout.
    pub start: u64,
    /// Where its last line ends.
    pub end: u64,
    /// Its items in order.
    pub items: Vec<OutlineItem>,
}

/// An item of the index.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlineItem {
    /// Its id on the wire.
    pub id: String,
    /// Its wire type.
    pub kind: &'static str,
    /// Where its first line begins in the rollout.
    pub offset: u64,
    /// The length of its lines.
    pub len: u64,
}

/// What changed since the last look.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutlineChange {
    /// Turns from this position on are gone (then `turns` holds those that came anew).
    pub truncate_from: Option<usize>,
    /// New and changed turns.
    pub turns: Vec<OutlineTurn>,
}

/// Folds lines into an outline.
#[derive(Debug, Clone)]
pub struct Outline(TurnBuilder);

impl Default for Outline {
    fn default() -> Self {
        Outline(TurnBuilder::new(Detail::Outline))
    }
}

impl Outline {
    /// Folds in the next line.
    pub fn observe(&mut self, item: &RolloutItem, offset: u64, len: u64) {
        self.0.observe(item, offset, len);
    }

    /// What changed since the last call.
    pub fn take_change(&mut self) -> OutlineChange {
        let (truncate_from, turns) = self.0.take_dirty();
        OutlineChange {
            truncate_from,
            turns: turns.into_iter().map(OutlineTurn::from).collect(),
        }
    }
}

impl From<&BuiltTurn> for OutlineTurn {
    fn from(turn: &BuiltTurn) -> Self {
        OutlineTurn {
            position: turn.position,
            id: turn.id.clone(),
            status: turn.status,
            started_at: turn.started_at,
            completed_at: turn.completed_at,
            duration_ms: turn.duration_ms,
            has_user_message: turn.has_user_message(),
            start: turn.start,
            end: turn.end,
            items: turn
                .items
                .iter()
                .map(|item| OutlineItem {
                    id: item.id.clone(),
                    kind: item.kind,
                    offset: item.offset,
                    len: item.len,
                })
                .collect(),
        }
    }
}
