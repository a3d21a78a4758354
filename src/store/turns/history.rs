//! Reads a rollout as a stream: its turns with their items, or its conversation with the model. Blocks.
//!
//! Neither holds more than it returns: lines that do not matter are passed over undecoded, and the conversation is read
//! from where it begins, which may be close to the end of the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::files;
use crate::protocol::{ThreadTokenUsage, Turn};
use crate::store::StoreError;
use crate::store::rollout::{
    Decoded, EventMsg, Interest, RolloutItem, RolloutReader, SessionMeta, Skimmed, TurnContextLine, decode_line,
};
use crate::store::turns::builder::{Detail, TurnBuilder};
use crate::store::turns::conversation::{self, Conversation};
use crate::store::turns::landmarks::{Landmarks, Span};
use crate::store::turns::taken_back::{self, Dropped, Kept};

/// All turns with their items. `live_turn` is the turn that runs now, if the thread is loaded.
pub(crate) fn turns(path: &Path, live_turn: Option<&str>) -> Result<Vec<Turn>, StoreError> {
    turns_until(path, u64::MAX, live_turn)
}

/// The same of a rollout's first `end` bytes.
pub(crate) fn turns_until(path: &Path, end: u64, live_turn: Option<&str>) -> Result<Vec<Turn>, StoreError> {
    let mut turns = TurnBuilder::new(Detail::Full);
    let mut reader = open(path, 0, Interest::Turns)?.until(end);
    while let Some(line) = reader.next_line().map_err(|error| StoreError::read(path, error))? {
        match line.decoded {
            Decoded::Line(found) => turns.observe(&found.item, line.offset, line.len),
            Decoded::Skimmed(skimmed) => turns.observe_skimmed(skimmed, line.offset, line.len),
            Decoded::Blank | Decoded::Unknown | Decoded::Damaged => {}
        }
    }
    Ok(turns.into_turns(live_turn))
}

/// How much of a rollout's end is read for its conversation at first. Enough to fill the conversation where a good part of
/// the file is conversation, as it is where rollouts grow long.
const TAIL: u64 = 4 * conversation::LIMIT as u64;

/// Which part of a rollout a conversation is read from, and what is to be dropped from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    /// Where the conversation begins.
    pub(crate) start: u64,
    /// Lines from here on do not count.
    pub(crate) end: u64,
    /// How many of the last turns are dropped.
    pub(crate) rolled_back: usize,
}

impl Part {
    /// All from `start` on.
    pub(crate) fn from(start: u64) -> Self {
        Part {
            start,
            end: u64::MAX,
            rolled_back: 0,
        }
    }
}

/// A conversation as it was read.
#[derive(Debug)]
pub(crate) struct Talk {
    /// What the model is to be sent.
    pub(crate) items: Vec<Arc<RawValue>>,
    /// The settings that it was told last; `None` when it has to be told them anew.
    pub(crate) context: Option<Box<TurnContextLine>>,
    /// How many compactions there were.
    pub(crate) window: u32,
}

/// The conversation as the model is to be sent it.
pub(crate) fn conversation(path: &Path, part: Part) -> Result<Talk, StoreError> {
    let size = std::fs::metadata(path)
        .map_err(|error| StoreError::read(path, error))?
        .len()
        .min(part.end);
    let whole = Kept {
        conversation: part.start,
        end: size,
        ..Kept::default()
    };
    if part.rolled_back == 0
        && let Some(talk) = talk(path, size, &whole, true)?
    {
        return Ok(talk);
    }
    let kept = taken_back::look(path, size, part.rolled_back)?;
    talk(path, size, &kept, false)?.ok_or_else(|| StoreError::empty(path))
}

/// Folds the lines that count. With `strict`, nothing if there is a line that takes others back.
fn talk(path: &Path, end: u64, kept: &Kept, strict: bool) -> Result<Option<Talk>, StoreError> {
    let start = kept.end.saturating_sub(TAIL).max(kept.conversation);
    let mut conversation = match start > kept.conversation {
        true => Conversation::from_middle(),
        false => Conversation::default(),
    };
    let mut within: Option<Dropped> = None;
    let mut dropped = kept.dropped.iter().copied().peekable();
    let mut said = false;
    // From the middle the first line is the end of one, which counts as damage.
    let mut reader = open(path, start, Interest::Conversation)?.until(end);
    while let Some(line) = reader.next_line().map_err(|error| StoreError::read(path, error))? {
        let span = Span {
            offset: line.offset,
            len: line.len,
        };
        within = within.filter(|within| within.holds(line.offset));
        while let Some(next) = dropped.next_if(|next| next.start <= line.offset) {
            if next.holds(line.offset) {
                within = Some(next);
                said = false;
                if next.bare {
                    conversation.take_back_said();
                }
            }
        }
        if let Some(within) = within {
            if let Decoded::Line(found) = &line.decoded
                && within.all
                && !said
            {
                said = matches!(found.item, RolloutItem::Event(EventMsg::UserMessage(_)));
                conversation.observe_beginning(&found.item);
            }
            continue;
        }
        match line.decoded {
            Decoded::Line(found) => match &found.item {
                RolloutItem::TurnContext(_) => conversation.observe_context(span),
                RolloutItem::Event(EventMsg::ThreadRolledBack(_)) if strict => return Ok(None),
                item => conversation.observe(item),
            },
            Decoded::Skimmed(Skimmed::TurnContext) => conversation.observe_context(span),
            Decoded::Skimmed(_) | Decoded::Blank | Decoded::Unknown | Decoded::Damaged => {}
        }
    }
    let context = conversation
        .last_context()
        .and_then(|span| line_at(reader.file(), span));
    Ok(Some(Talk {
        context: match context {
            Some(RolloutItem::TurnContext(context)) => Some(context),
            _ => None,
        },
        window: conversation.window(),
        items: conversation.into_items(),
    }))
}

fn open(path: &Path, offset: u64, interest: Interest) -> Result<RolloutReader, StoreError> {
    RolloutReader::open_at(path, offset)
        .map(|reader| reader.asking_for(interest))
        .map_err(|error| StoreError::read(path, error))
}

/// What the lines at a thread's landmarks say.
#[derive(Debug, Default)]
pub(crate) struct HeadLines {
    pub(crate) meta: Option<Box<SessionMeta>>,
    pub(crate) usage: Option<(String, ThreadTokenUsage)>,
    pub(crate) rate_limits: Option<serde_json::Value>,
    pub(crate) context: Option<Box<TurnContextLine>>,
}

impl HeadLines {
    /// Reads the lines. One that is not what it was is missing.
    pub(crate) fn read(path: &Path, landmarks: &Landmarks) -> Result<Self, StoreError> {
        let file = files::open(path).map_err(|error| StoreError::read(path, error))?;
        let line = |span: Option<Span>| span.and_then(|span| line_at(&file, span));
        let count = |span| match line(span) {
            Some(RolloutItem::Event(EventMsg::TokenCount(count))) => Some(count),
            _ => None,
        };
        let usage = landmarks.usage.as_ref().and_then(|mark| {
            let info = count(Some(mark.line))?.info?;
            Some((mark.turn_id.clone(), ThreadTokenUsage::from(&info)))
        });
        Ok(HeadLines {
            meta: match line(landmarks.meta) {
                Some(RolloutItem::SessionMeta(meta)) => Some(meta),
                _ => None,
            },
            usage,
            rate_limits: count(landmarks.rate_limits).and_then(|count| count.rate_limits),
            context: match line(landmarks.context) {
                Some(RolloutItem::TurnContext(context)) => Some(context),
                _ => None,
            },
        })
    }
}

/// The line at a place.
fn line_at(file: &File, span: Span) -> Option<RolloutItem> {
    decode_line(&bytes_at(file, span)?).into_item()
}

/// The bytes at a place.
pub(super) fn bytes_at(file: &File, span: Span) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(span.len).ok()?];
    file.read_exact_at(&mut bytes, span.offset).ok()?;
    Some(bytes)
}
