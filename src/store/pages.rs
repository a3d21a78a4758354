//! Pages of turns and items: what is asked, and what comes back.
//!
//! A page begins at a turn or an item that is named, not counted, so that pages hold together while a thread grows. The
//! words that clients see for such a place are the handlers' business.

use crate::protocol::{SortDirection, ThreadItem, Turn, TurnItemsView};

/// How many turns or items a page has unless the client says so.
pub const DEFAULT_LIMIT: u32 = 25;
/// How many it has at most.
pub const MAX_LIMIT: u32 = 100;

/// Which part of a sequence is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<A> {
    /// Where it begins; `None` is the end that the direction starts from.
    pub anchor: Option<A>,
    /// Which end comes first.
    pub direction: SortDirection,
    /// How many; `None` is the default, 0 counts as 1, and there is a maximum.
    pub limit: Option<u32>,
}

impl<A> Page<A> {
    /// How many the page shows.
    pub(crate) fn size(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize
    }

    /// How many rows are read: one more tells whether there is another page.
    pub(crate) fn rows(&self) -> i64 {
        i64::try_from(self.size() + 1).unwrap_or(i64::MAX)
    }

    /// Cuts to the page; tells whether there was more.
    pub(crate) fn cut<T>(&self, found: &mut Vec<T>) -> bool {
        let more = found.len() > self.size();
        found.truncate(self.size());
        more
    }
}

/// A turn that a page begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnAnchor {
    /// The turn.
    pub turn_id: String,
    /// The page shows it too.
    pub include: bool,
}

/// An item that a page begins at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemAnchor {
    /// Its turn.
    pub turn_id: String,
    /// The item.
    pub item_id: String,
    /// The page shows it too.
    pub include: bool,
}

/// A question for turns.
#[derive(Debug, Clone)]
pub struct TurnQuery {
    /// Which of them.
    pub page: Page<TurnAnchor>,
    /// How much of their items.
    pub view: TurnItemsView,
    /// The turn that runs now, if the thread is loaded.
    pub live_turn: Option<String>,
}

/// A question for items.
#[derive(Debug, Clone)]
pub struct ItemQuery {
    /// Of this turn; `None` is the whole thread.
    pub turn_id: Option<String>,
    /// Which of them.
    pub page: Page<ItemAnchor>,
}

/// A page of turns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TurnPage {
    /// The turns in the order asked for.
    pub turns: Vec<Turn>,
    /// There is another page behind it.
    pub more: bool,
}

/// A page of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemPage {
    /// The items in the order asked for, each with the id of its turn.
    pub items: Vec<(String, ThreadItem)>,
    /// There is another page behind it.
    pub more: bool,
}

/// Where the items of a summary stand among items of these kinds: the first question and the last answer.
pub(crate) fn summary(kinds: &[&str]) -> [Option<usize>; 2] {
    [
        kinds.iter().position(|kind| *kind == "userMessage"),
        kinds.iter().rposition(|kind| *kind == "agentMessage"),
    ]
}
