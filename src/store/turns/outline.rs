//! The turns and items of a thread as the index keeps them: ids, states and places in the rollout, no contents.

use serde::{Deserialize, Serialize};

use crate::protocol::{TurnError, TurnStatus};
use crate::store::rollout::{RolloutItem, Skimmed};
use crate::store::turns::builder::{BuiltItem, BuiltTurn, Detail, RECENT_TURNS, TurnBuilder, TurnMark};

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
    /// What it failed with.
    pub error: Option<TurnError>,
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

/// What an outline must know, beside its turns, to go on where it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlineTail {
    /// How many lines were counted; turns without an id of their own are named by it.
    pub lines: u64,
    /// The number of the next item without an id of its own.
    pub next_item: u64,
    /// The last turn takes more lines.
    pub open: bool,
    /// That turn was opened by a line, not by its first item.
    pub explicit: bool,
    /// A compaction happened in that turn.
    pub compacted: bool,
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

    /// Folds in a line that was not decoded.
    pub fn observe_skimmed(&mut self, line: Skimmed, offset: u64, len: u64) {
        self.0.observe_skimmed(line, offset, len);
    }

    /// The id of the turn that is open, else of the last one.
    pub fn last_turn_id(&self) -> Option<&str> {
        self.0.last_turn_id()
    }

    /// Where it would go on.
    pub fn tail(&self) -> OutlineTail {
        let open = self.0.current.as_ref();
        OutlineTail {
            lines: self.0.lines,
            next_item: self.0.next_item,
            open: open.is_some(),
            explicit: open.is_some_and(|turn| turn.explicit),
            compacted: open.is_some_and(|turn| turn.compacted),
        }
    }

    /// Goes on where an earlier outline ended. `marks` are those of all turns, `recent` the last few of them whole.
    pub fn restore(tail: OutlineTail, mut marks: Vec<TurnMark>, recent: Vec<OutlineTurn>) -> Self {
        let mut builder = TurnBuilder::new(Detail::Outline);
        builder.lines = tail.lines;
        builder.next_item = tail.next_item.max(1);
        builder.finished = recent.into_iter().map(BuiltTurn::from).collect();
        if tail.open {
            builder.current = builder.finished.pop();
            if let Some(turn) = &mut builder.current {
                turn.explicit = tail.explicit;
                turn.compacted = tail.compacted;
                marks.pop();
            }
        }
        builder.marks = marks;
        Outline(builder)
    }

    /// How many of the last turns [`Outline::restore`] has use for.
    pub const RECENT: usize = RECENT_TURNS + 1;

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
            error: turn.error.clone(),
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

impl From<OutlineTurn> for BuiltTurn {
    fn from(turn: OutlineTurn) -> Self {
        BuiltTurn {
            id: turn.id,
            position: turn.position,
            items: turn
                .items
                .into_iter()
                .map(|item| BuiltItem {
                    id: item.id,
                    kind: item.kind,
                    item: None,
                    offset: item.offset,
                    len: item.len,
                    closed: true,
                })
                .collect(),
            status: turn.status,
            error: turn.error,
            started_at: turn.started_at,
            completed_at: turn.completed_at,
            duration_ms: turn.duration_ms,
            start: turn.start,
            end: turn.end,
            dirty: false,
            explicit: true,
            compacted: false,
        }
    }
}
