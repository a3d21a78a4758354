//! What a client sees of a model's text while it streams: citation blocks are taken out, and in plan mode the lines of
//! a proposed plan go to an item of their own.
//!
//! Pure state machines over text pieces of any size: whatever way a text is cut into deltas, the pieces that come out
//! join to the same texts. Only what might still become a tag is held back, and [`VisibleText::finish`] gives it up.

use std::borrow::Cow;

use crate::protocol::{MemoryCitation, MemoryCitationEntry};

const CITATION_OPEN: &str = "<oai-mem-citation>";
const CITATION_CLOSE: &str = "</oai-mem-citation>";
const PLAN_OPEN: &str = "<proposed_plan>";
const PLAN_CLOSE: &str = "</proposed_plan>";

/// A piece of streamed text, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextPiece<'a> {
    /// Text of the message.
    Message(Cow<'a, str>),
    /// The plan begins.
    PlanStart,
    /// Text of the plan.
    Plan(String),
    /// The plan's closing tag was read.
    PlanEnd,
}

/// The filter for one message.
#[derive(Debug, Default)]
pub struct VisibleText {
    citations: Citations,
    plan: Option<PlanLines>,
}

impl VisibleText {
    /// A filter; `plan_mode` turns the lines of a proposed plan into pieces of their own.
    pub fn new(plan_mode: bool) -> Self {
        VisibleText {
            citations: Citations::default(),
            plan: plan_mode.then(PlanLines::default),
        }
    }

    /// Takes the next text; gives what can be shown already.
    pub fn push<'a>(&mut self, text: &'a str) -> Vec<TextPiece<'a>> {
        let shown = self.citations.push(text);
        match &mut self.plan {
            None if shown.is_empty() => Vec::new(),
            None => vec![TextPiece::Message(shown)],
            Some(plan) => plan.push(&shown),
        }
    }

    /// The text is over: gives what was held back.
    pub fn finish(&mut self) -> Vec<TextPiece<'static>> {
        let rest = self.citations.finish();
        match &mut self.plan {
            None if rest.is_empty() => Vec::new(),
            None => vec![TextPiece::Message(Cow::Owned(rest))],
            Some(plan) => {
                let mut pieces = plan.push(&rest);
                pieces.extend(plan.finish());
                pieces
            }
        }
    }
}

/// A whole message's text, sorted.
#[derive(Debug, Default, PartialEq)]
pub struct WholeText {
    /// What the message shows.
    pub message: String,
    /// The last plan in it.
    pub plan: Option<String>,
    /// What the citation blocks say.
    pub citation: Option<MemoryCitation>,
}

impl WholeText {
    /// Sorts a whole text as the stream's pieces would join.
    pub fn split(text: &str, plan_mode: bool) -> Self {
        let mut filter = VisibleText::new(plan_mode);
        let mut whole = WholeText::default();
        let pushed = filter.push(text);
        for piece in pushed.into_iter().chain(filter.finish()) {
            match piece {
                TextPiece::Message(text) => whole.message.push_str(&text),
                TextPiece::PlanStart => whole.plan = Some(String::new()),
                TextPiece::Plan(text) => whole.plan.get_or_insert_default().push_str(&text),
                TextPiece::PlanEnd => {}
            }
        }
        whole.citation = read_citations(&filter.citations.blocks);
        whole
    }
}

/// Takes citation blocks out of a text.
#[derive(Debug, Default)]
struct Citations {
    /// Inside a block.
    open: bool,
    /// Text that may be the beginning of a tag, or the content of an open block.
    held: String,
    blocks: Vec<String>,
}

impl Citations {
    fn push<'a>(&mut self, text: &'a str) -> Cow<'a, str> {
        if !self.open && self.held.is_empty() && !text.contains('<') {
            return Cow::Borrowed(text);
        }
        self.held.push_str(text);
        let mut shown = String::new();
        loop {
            if self.open {
                let Some(end) = self.held.find(CITATION_CLOSE) else {
                    break;
                };
                self.blocks.push(self.held[..end].to_owned());
                self.held.drain(..end + CITATION_CLOSE.len());
                self.open = false;
            } else if let Some(start) = self.held.find(CITATION_OPEN) {
                shown.push_str(&self.held[..start]);
                self.held.drain(..start + CITATION_OPEN.len());
                self.open = true;
            } else {
                let keep = possible_start(&self.held, CITATION_OPEN);
                shown.extend(self.held.drain(..self.held.len() - keep));
                break;
            }
        }
        Cow::Owned(shown)
    }

    fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.held);
        if std::mem::take(&mut self.open) {
            self.blocks.push(rest);
            return String::new();
        }
        rest
    }
}

/// How many bytes at the end of `text` could be the beginning of `tag`.
fn possible_start(text: &str, tag: &str) -> usize {
    (1..tag.len())
        .rev()
        .find(|&size| text.len() >= size && text.as_bytes().ends_with(&tag.as_bytes()[..size]))
        .unwrap_or(0)
}

/// Sorts lines into message and plan. A tag counts only alone on its line, spaces around it aside.
#[derive(Debug, Default)]
struct PlanLines {
    in_plan: bool,
    /// The line so far is in doubt: it may become a tag.
    held: String,
    /// The current line turned out not to be a tag: the rest of it passes.
    passing: bool,
}

impl PlanLines {
    fn push(&mut self, text: &str) -> Vec<TextPiece<'static>> {
        let mut pieces = Vec::new();
        let mut shown = String::new();
        for piece in text.split_inclusive('\n') {
            let ends = piece.ends_with('\n');
            if self.passing {
                shown.push_str(piece);
                self.passing = !ends;
                continue;
            }
            self.held.push_str(piece);
            if ends {
                self.end_line(&mut shown, &mut pieces);
            } else if !may_become_tag(&self.held) {
                shown.push_str(&self.held);
                self.held.clear();
                self.passing = true;
            }
        }
        self.flush(&mut shown, &mut pieces);
        pieces
    }

    fn finish(&mut self) -> Vec<TextPiece<'static>> {
        let mut pieces = Vec::new();
        let mut shown = String::new();
        self.end_line(&mut shown, &mut pieces);
        self.flush(&mut shown, &mut pieces);
        if std::mem::take(&mut self.in_plan) {
            pieces.push(TextPiece::PlanEnd);
        }
        pieces
    }

    fn end_line(&mut self, shown: &mut String, pieces: &mut Vec<TextPiece<'static>>) {
        match (self.held.trim(), self.in_plan) {
            (PLAN_OPEN, false) => {
                self.flush(shown, pieces);
                self.in_plan = true;
                pieces.push(TextPiece::PlanStart);
            }
            (PLAN_CLOSE, true) => {
                self.flush(shown, pieces);
                self.in_plan = false;
                pieces.push(TextPiece::PlanEnd);
            }
            _ => shown.push_str(&self.held),
        }
        self.held.clear();
    }

    fn flush(&mut self, shown: &mut String, pieces: &mut Vec<TextPiece<'static>>) {
        if shown.is_empty() {
            return;
        }
        let text = std::mem::take(shown);
        pieces.push(if self.in_plan {
            TextPiece::Plan(text)
        } else {
            TextPiece::Message(Cow::Owned(text))
        });
    }
}

fn may_become_tag(line: &str) -> bool {
    let start = line.trim();
    PLAN_OPEN.starts_with(start) || PLAN_CLOSE.starts_with(start)
}

/// Reads `path:start-end|note=[…]` lines and thread ids out of citation blocks.
fn read_citations(blocks: &[String]) -> Option<MemoryCitation> {
    let mut citation = MemoryCitation::default();
    for block in blocks {
        for line in section(block, "citation_entries").lines() {
            citation.entries.extend(read_entry(line.trim()));
        }
        for id in section(block, "rollout_ids").lines().map(str::trim) {
            if !id.is_empty() && !citation.thread_ids.iter().any(|known| known == id) {
                citation.thread_ids.push(id.to_owned());
            }
        }
    }
    (!citation.entries.is_empty() || !citation.thread_ids.is_empty()).then_some(citation)
}

fn section<'a>(block: &'a str, tag: &str) -> &'a str {
    let after = block.split_once(&format!("<{tag}>")).map(|(_, after)| after);
    after
        .and_then(|after| after.split_once(&format!("</{tag}>")))
        .map(|(inside, _)| inside)
        .unwrap_or_default()
}

fn read_entry(line: &str) -> Option<MemoryCitationEntry> {
    let (place, note) = line.split_once("|note=[")?;
    let (path, lines) = place.rsplit_once(':')?;
    let (start, end) = lines.split_once('-')?;
    Some(MemoryCitationEntry {
        line_end: end.trim().parse().ok()?,
        line_start: start.trim().parse().ok()?,
        note: note.strip_suffix(']')?.to_owned(),
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests;
