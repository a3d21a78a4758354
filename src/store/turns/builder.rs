//! Folds the event lines of a rollout into turns.
//!
//! `task_started` opens a turn and `task_complete` or `turn_aborted` closes it; in files without them a user message
//! opens a turn of its own. Items that lines of ours name keep their ids, so clients see the same ids after a restart;
//! the others are counted `item-1`, `item-2`, … over the thread. In [`Detail::Outline`] contents are not kept, and only
//! the last few turns are: late lines find those, and older ones no longer change.

use crate::protocol::{ThreadItem, Turn, TurnError, TurnItemsView, TurnStatus};
use crate::store::rollout::{
    EventMsg, GreenroomLine, ItemIdOf, RolloutItem, Skimmed, TaskComplete, TaskStarted, TurnAborted,
};
use crate::store::turns::{items, legacy};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// Whole items, all turns.
    #[default]
    Full,
    /// Ids, kinds and places; the last turns only.
    Outline,
}

/// How many finished turns an outline keeps for late lines.
pub(super) const RECENT_TURNS: usize = 8;

/// An item in the making.
#[derive(Debug, Clone)]
pub struct BuiltItem {
    /// Its id on the wire.
    pub id: String,
    /// Its wire type.
    pub kind: &'static str,
    /// Its content, unless only the outline is kept.
    pub item: Option<ThreadItem>,
    /// Where its first line begins.
    pub offset: u64,
    /// The length of the lines it was built from.
    pub len: u64,
    /// Reasoning takes no more parts.
    pub(super) closed: bool,
}

/// A turn in the making.
#[derive(Debug, Clone)]
pub struct BuiltTurn {
    /// Its id on the wire.
    pub id: String,
    /// Its place among the turns of the thread.
    pub position: usize,
    /// Its items in order.
    pub items: Vec<BuiltItem>,
    /// `InProgress` until its end was read.
    pub status: TurnStatus,
    /// What it failed with.
    pub error: Option<TurnError>,
    /// Unix seconds.
    pub started_at: Option<i64>,
    /// Unix seconds.
    pub completed_at: Option<i64>,
    /// Milliseconds.
    pub duration_ms: Option<i64>,
    /// Where its first line begins.
    pub start: u64,
    /// Where its last line ends.
    pub end: u64,
    /// Changed since the last look.
    pub dirty: bool,
    /// A line opened it, not its first item.
    pub(super) explicit: bool,
    /// A compaction happened in it.
    pub(super) compacted: bool,
}

impl BuiltTurn {
    /// Whether the user said something in it.
    pub fn has_user_message(&self) -> bool {
        self.items.iter().any(|item| item.kind == "userMessage")
    }

    fn mark(&self) -> TurnMark {
        TurnMark {
            items: u32::try_from(self.items.len()).unwrap_or(u32::MAX),
        }
    }

    fn into_turn(self, live_turn: Option<&str>) -> Turn {
        let status = match self.status {
            TurnStatus::InProgress if live_turn != Some(self.id.as_str()) => TurnStatus::Interrupted,
            status => status,
        };
        Turn {
            completed_at: self.completed_at,
            duration_ms: self.duration_ms,
            error: self.error,
            items: self.items.into_iter().filter_map(|item| item.item).collect(),
            id: self.id,
            items_view: TurnItemsView::Full,
            started_at: self.started_at,
            status,
        }
    }
}

/// What is remembered of every finished turn, for rollbacks.
#[derive(Debug, Clone, Copy)]
pub struct TurnMark {
    /// How many items it has.
    pub items: u32,
}

/// The place of the line being folded in.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    offset: u64,
    len: u64,
}

/// The fold.
#[derive(Debug, Clone, Default)]
pub struct TurnBuilder {
    detail: Detail,
    pub(super) marks: Vec<TurnMark>,
    pub(super) finished: Vec<BuiltTurn>,
    pub(super) current: Option<BuiltTurn>,
    pub(super) next_item: u64,
    pub(super) lines: u64,
    place: Place,
    truncated: Option<usize>,
}

impl TurnBuilder {
    /// An empty fold.
    pub fn new(detail: Detail) -> Self {
        TurnBuilder {
            detail,
            next_item: 1,
            ..TurnBuilder::default()
        }
    }

    /// The id of the turn that is open, else of the last one.
    pub fn last_turn_id(&self) -> Option<&str> {
        self.current
            .as_ref()
            .or(self.finished.last())
            .map(|turn| turn.id.as_str())
    }

    /// The turns that changed since the last call, the open one included, and the position from which earlier ones were
    /// dropped by a rollback.
    pub fn take_dirty(&mut self) -> (Option<usize>, Vec<&BuiltTurn>) {
        let truncated = self.truncated.take();
        let dirty = self
            .finished
            .iter_mut()
            .chain(self.current.as_mut())
            .filter_map(|turn| std::mem::take(&mut turn.dirty).then_some(&*turn))
            .collect();
        (truncated, dirty)
    }

    /// All turns. A turn without its end is interrupted, unless it is the one that runs now.
    pub fn into_turns(mut self, live_turn: Option<&str>) -> Vec<Turn> {
        self.finish_current();
        self.finished
            .into_iter()
            .map(|turn| turn.into_turn(live_turn))
            .collect()
    }

    /// Folds in the next line, which stands at `offset` and is `len` bytes long.
    pub fn observe(&mut self, item: &RolloutItem, offset: u64, len: u64) {
        self.place = Place { offset, len };
        match item {
            RolloutItem::Event(event) => self.event(event),
            RolloutItem::Compacted(_) => self.ensure_turn().compacted = true,
            RolloutItem::Greenroom(line) => self.own(line),
            RolloutItem::SessionMeta(_) | RolloutItem::TurnContext(_) | RolloutItem::ResponseItem(_) => {}
        }
        self.passed(!matches!(item, RolloutItem::Greenroom(_)));
    }

    /// The same for a line that was not decoded.
    pub fn observe_skimmed(&mut self, line: Skimmed, offset: u64, len: u64) {
        self.place = Place { offset, len };
        if let Skimmed::Compacted { .. } = line {
            self.ensure_turn().compacted = true;
        }
        self.passed(true);
    }

    fn passed(&mut self, counts: bool) {
        if let Some(turn) = &mut self.current {
            turn.end = self.place.offset + self.place.len;
        }
        self.lines += u64::from(counts);
        if self.detail == Detail::Outline && self.finished.len() > RECENT_TURNS {
            let spare = self.finished.len() - RECENT_TURNS;
            if self.finished[..spare].iter().all(|turn| !turn.dirty) {
                self.finished.drain(..spare);
            }
        }
    }

    fn event(&mut self, event: &EventMsg) {
        match event {
            EventMsg::TaskStarted(started) => self.start(started),
            EventMsg::TaskComplete(complete) => self.complete(complete),
            EventMsg::TurnAborted(aborted) => self.abort(aborted),
            EventMsg::ThreadRolledBack(rolled) => self.roll_back(rolled.num_turns as usize),
            EventMsg::UserMessage(message) => {
                if self
                    .current
                    .as_ref()
                    .is_some_and(|turn| !(turn.explicit || (turn.compacted && turn.items.is_empty())))
                {
                    self.finish_current();
                }
                self.push("userMessage", |id| items::user_message(id, message));
            }
            EventMsg::AgentMessage(message) if !message.message.is_empty() => {
                self.push("agentMessage", |id| items::agent_message(id, message));
            }
            EventMsg::AgentReasoning(part) => self.reasoning(&part.text, false),
            EventMsg::AgentReasoningRawContent(part) => self.reasoning(&part.text, true),
            EventMsg::ContextCompacted(_) => self.push("contextCompaction", |id| ThreadItem::ContextCompaction { id }),
            EventMsg::EnteredReviewMode(entered) => {
                self.push("enteredReviewMode", |id| items::entered_review(id, entered))
            }
            EventMsg::ExitedReviewMode(exited) => self.push("exitedReviewMode", |id| items::exited_review(id, exited)),
            EventMsg::Error(error) => {
                let turn = self.ensure_turn();
                turn.status = TurnStatus::Failed;
                turn.error = Some(legacy::turn_error(error));
            }
            other => {
                if let Some((turn_id, item)) = items::tool_item(other).or_else(|| legacy::tool_item(other)) {
                    self.upsert(turn_id.as_deref(), item);
                }
            }
        }
    }

    fn own(&mut self, line: &GreenroomLine) {
        match line {
            GreenroomLine::Item { turn_id, item } => {
                self.upsert_with(Some(turn_id), items::id(item), items::kind(item), || (**item).clone())
            }
            GreenroomLine::ItemId { turn_id, item_id, of } => self.name_last(turn_id, item_id, *of),
            GreenroomLine::TurnError { turn_id, error } => {
                let turn = self.turn_named(Some(turn_id));
                turn.status = TurnStatus::Failed;
                turn.error = Some(error.clone());
                turn.dirty = true;
            }
            GreenroomLine::GoalCleared => {}
        }
    }

    fn start(&mut self, started: &TaskStarted) {
        self.finish_current();
        let id = started
            .turn_id
            .clone()
            .unwrap_or_else(|| format!("rollout-{}", self.lines));
        let mut turn = self.new_turn(id);
        turn.explicit = true;
        turn.status = TurnStatus::InProgress;
        turn.started_at = started.started_at;
        self.current = Some(turn);
    }

    /// The turn an end belongs to: the one it names, else the open one. The flag tells whether it is the open one.
    fn ending(&mut self, id: Option<&str>) -> Option<(&mut BuiltTurn, bool)> {
        let open = self
            .current
            .as_ref()
            .is_some_and(|turn| id.is_none_or(|id| turn.id == id));
        if !open && let Some(at) = id.and_then(|id| self.finished.iter().rposition(|turn| turn.id == id)) {
            return self.finished.get_mut(at).map(|turn| (turn, false));
        }
        self.current.as_mut().map(|turn| (turn, true))
    }

    fn complete(&mut self, complete: &TaskComplete) {
        let Some((turn, open)) = self.ending(complete.turn_id.as_deref()) else {
            return;
        };
        if turn.status == TurnStatus::InProgress {
            turn.status = TurnStatus::Completed;
        }
        turn.completed_at = complete.completed_at;
        turn.duration_ms = complete.duration_ms;
        turn.dirty = true;
        self.end_line(open);
    }

    fn abort(&mut self, aborted: &TurnAborted) {
        let Some((turn, open)) = self.ending(aborted.turn_id.as_deref()) else {
            return;
        };
        turn.status = TurnStatus::Interrupted;
        turn.completed_at = aborted.completed_at;
        turn.duration_ms = aborted.duration_ms;
        turn.dirty = true;
        self.end_line(open);
    }

    fn end_line(&mut self, open: bool) {
        if open {
            if let Some(turn) = &mut self.current {
                turn.end = self.place.offset + self.place.len;
            }
            self.finish_current();
        }
    }

    /// Drops the last turns, whatever they are: what clients count is what they are shown.
    pub(super) fn roll_back(&mut self, count: usize) {
        self.finish_current();
        if count == 0 {
            return;
        }
        let keep = self.marks.len().saturating_sub(count);
        let base = self.marks.len() - self.finished.len();
        self.finished.truncate(keep.saturating_sub(base));
        self.marks.truncate(keep);
        self.next_item = 1 + self.marks.iter().map(|mark| u64::from(mark.items)).sum::<u64>();
        self.truncated = Some(self.truncated.map_or(keep, |before| before.min(keep)));
    }

    fn new_turn(&self, id: String) -> BuiltTurn {
        BuiltTurn {
            id,
            position: self.marks.len(),
            items: Vec::new(),
            status: TurnStatus::Completed,
            error: None,
            started_at: None,
            completed_at: None,
            duration_ms: None,
            start: self.place.offset,
            end: self.place.offset + self.place.len,
            dirty: true,
            explicit: false,
            compacted: false,
        }
    }

    fn finish_current(&mut self) {
        let Some(turn) = self.current.take() else { return };
        if turn.items.is_empty() && !turn.explicit && !turn.compacted {
            return;
        }
        self.marks.push(turn.mark());
        self.finished.push(turn);
    }

    fn ensure_turn(&mut self) -> &mut BuiltTurn {
        if self.current.is_none() {
            self.current = Some(self.new_turn(format!("rollout-{}", self.lines)));
        }
        let fresh = self.new_turn(String::new());
        let turn = self.current.get_or_insert(fresh);
        turn.dirty = true;
        turn
    }

    fn push(&mut self, kind: &'static str, make: impl FnOnce(String) -> ThreadItem) {
        let id = format!("item-{}", self.next_item);
        self.next_item += 1;
        let item = (self.detail == Detail::Full).then(|| make(id.clone()));
        let place = self.place;
        self.ensure_turn().items.push(BuiltItem {
            id,
            kind,
            item,
            offset: place.offset,
            len: place.len,
            closed: false,
        });
    }

    fn reasoning(&mut self, text: &str, raw: bool) {
        if text.is_empty() {
            return;
        }
        let place = self.place;
        if let Some(last) = self.current.as_mut().and_then(|turn| turn.items.last_mut())
            && last.kind == "reasoning"
            && !last.closed
        {
            last.len = (place.offset + place.len).saturating_sub(last.offset);
            if let Some(ThreadItem::Reasoning { content, summary, .. }) = &mut last.item {
                let parts = if raw { content } else { summary };
                parts.push(text.to_owned());
            }
            return;
        }
        self.push("reasoning", |id| items::reasoning(id, text, raw));
    }

    fn upsert(&mut self, turn_id: Option<&str>, item: ThreadItem) {
        let id = items::id(&item).to_owned();
        self.upsert_with(turn_id, &id, items::kind(&item), || item);
    }

    /// Puts an item that has its own id into the turn it names, replacing an earlier state of it.
    fn upsert_with(&mut self, turn_id: Option<&str>, id: &str, kind: &'static str, make: impl FnOnce() -> ThreadItem) {
        let place = self.place;
        let full = self.detail == Detail::Full;
        let turn = self.turn_named(turn_id);
        turn.dirty = true;
        let built = BuiltItem {
            id: id.to_owned(),
            kind,
            item: full.then(make),
            offset: place.offset,
            len: place.len,
            closed: true,
        };
        match turn.items.iter_mut().rev().find(|known| known.id == id) {
            Some(known) => *known = built,
            None => {
                turn.items.push(built);
                let (position, mark) = (turn.position, turn.mark());
                if let Some(known) = self.marks.get_mut(position) {
                    *known = mark;
                }
            }
        }
    }

    /// The turn with this id if it is still at hand, else the open one.
    fn turn_named(&mut self, turn_id: Option<&str>) -> &mut BuiltTurn {
        let current = self
            .current
            .as_ref()
            .is_some_and(|turn| turn_id.is_none_or(|id| turn.id == id));
        if !current && let Some(at) = turn_id.and_then(|id| self.finished.iter().rposition(|turn| turn.id == id)) {
            return &mut self.finished[at];
        }
        self.ensure_turn()
    }

    fn name_last(&mut self, turn_id: &str, item_id: &str, of: ItemIdOf) {
        let turn = self.turn_named(Some(turn_id));
        let Some(item) = turn.items.iter_mut().rev().find(|item| items::is_of(item.kind, of)) else {
            return;
        };
        turn.dirty = true;
        item.closed = true;
        item.id = item_id.to_owned();
        if let Some(item) = &mut item.item {
            items::set_id(item, item_id);
        }
    }
}
