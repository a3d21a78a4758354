//! Which lines of a rollout count for the conversation with the model, where turns were taken back.
//!
//! Clients are shown the thread without its last turns; the model is sent what the lines of the other turns say. So the
//! two never disagree about what was taken back, and a compaction in a turn that was taken back has never been: the
//! conversation is again what it was before.

use std::path::Path;

use crate::store::StoreError;
use crate::store::rollout::{Decoded, EventMsg, Interest, RolloutItem, RolloutReader, Skimmed};
use crate::store::turns::builder::{Detail, TurnBuilder};

/// Lines that do not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dropped {
    pub(super) start: u64,
    pub(super) end: u64,
    /// They begin with the thread's first turn.
    pub(super) all: bool,
    /// No line opens their first turn: the message that does stands behind its own item.
    pub(super) bare: bool,
}

impl Dropped {
    pub(super) fn holds(&self, offset: u64) -> bool {
        (self.start..self.end).contains(&offset)
    }
}

/// What counts of a rollout.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// What does not, in order.
    pub(super) dropped: Vec<Dropped>,
    /// Where the conversation begins: the last compaction that counts and replaces what was before it.
    pub(super) conversation: u64,
    /// Where it ends.
    pub(super) end: u64,
}

/// The first line of a turn.
#[derive(Clone, Copy)]
struct Start {
    offset: u64,
    bare: bool,
}

#[derive(Default)]
struct Fold {
    starts: Vec<Start>,
    compactions: Vec<u64>,
    dropped: Vec<Dropped>,
}

impl Fold {
    /// After a line that may have begun a turn, or shown that there was none.
    fn sync(&mut self, turns: &TurnBuilder, bare: bool) {
        let count = turns.marks.len() + usize::from(turns.current.is_some());
        self.starts.truncate(count);
        if let Some(current) = &turns.current {
            let offset = current.start;
            match self.starts.get_mut(count - 1) {
                Some(known) if known.offset == offset => {}
                Some(known) => *known = Start { offset, bare },
                None => self.starts.push(Start { offset, bare }),
            }
        }
    }

    /// All but the first turns were taken back, by a line that ends at `end`.
    fn roll_back(&mut self, keep: usize, end: u64) {
        let Some(&Start { offset: start, bare }) = self.starts.get(keep) else {
            return;
        };
        self.starts.truncate(keep);
        self.compactions.retain(|at| *at < start);
        self.dropped.retain(|dropped| dropped.start < start);
        let all = keep == 0;
        self.dropped.push(Dropped { start, end, all, bare });
    }
}

/// Looks through the first `end` bytes of a rollout, of which the last `rolled_back` turns are to be taken back, too.
pub(super) fn look(path: &Path, end: u64, rolled_back: usize) -> Result<Kept, StoreError> {
    let failed = |error| StoreError::read(path, error);
    let mut reader = RolloutReader::open(path)
        .map_err(failed)?
        .asking_for(Interest::Turns)
        .until(end);
    let mut turns = TurnBuilder::new(Detail::Outline);
    let mut fold = Fold::default();
    while let Some(line) = reader.next_line().map_err(failed)? {
        let (mut bare, mut rolled, mut replaces) = (false, false, false);
        match line.decoded {
            Decoded::Line(found) => {
                turns.observe(&found.item, line.offset, line.len);
                match &found.item {
                    RolloutItem::Event(EventMsg::UserMessage(_)) => bare = true,
                    RolloutItem::Event(EventMsg::ThreadRolledBack(_)) => rolled = true,
                    RolloutItem::Compacted(compacted) => replaces = compacted.replacement_history.is_some(),
                    _ => {}
                }
            }
            Decoded::Skimmed(skimmed) => {
                turns.observe_skimmed(skimmed, line.offset, line.len);
                replaces = skimmed == Skimmed::Compacted { replaces: true };
            }
            Decoded::Blank | Decoded::Unknown | Decoded::Damaged => continue,
        }
        // An outline lets go what nobody waits for.
        turns.take_dirty();
        if replaces {
            fold.compactions.push(line.offset);
        }
        match rolled {
            true => fold.roll_back(turns.marks.len(), line.offset + line.len),
            false => fold.sync(&turns, bare),
        }
    }
    if rolled_back > 0 {
        turns.roll_back(rolled_back);
        fold.roll_back(turns.marks.len(), end);
    }
    let last = fold.dropped.last().filter(|last| last.end == end);
    Ok(Kept {
        end: last.map_or(end, |last| last.start),
        conversation: fold.compactions.last().copied().unwrap_or(0),
        dropped: fold.dropped,
    })
}

#[cfg(test)]
mod tests;
