//! One line of a rollout: `{"timestamp": …, "type": …, "payload": …}`, to bytes and back.
//!
//! Decoding never fails as a whole: a line is an item, blank, of an unknown kind, or damaged. A line that begins with
//! the rest of a torn write still gives the whole line that follows it, so damage never costs what came after.

use std::borrow::Cow;

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::store::rollout::event::EventMsg;
use crate::store::rollout::item::RolloutItem;
use crate::store::rollout::skim::Skimmed;

/// How every line begins. Inside strings quotes are escaped, so it is nothing but the start of a line.
pub(super) const LINE_MARK: &[u8] = b"{\"timestamp\":\"";

/// A decoded line.
#[derive(Debug, Clone)]
pub struct RolloutLine {
    /// When the line was written, as it stands in the file.
    pub timestamp: String,
    /// What it says.
    pub item: RolloutItem,
}

/// What the bytes of a line turned out to be.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// A line that is understood.
    Line(RolloutLine),
    /// Nothing but white space.
    Blank,
    /// A whole line of a kind that this version does not know.
    Unknown,
    /// A line that the reader was not asked for.
    Skimmed(Skimmed),
    /// Not a line: torn, not JSON, not UTF-8, or of a known kind with a payload that does not parse.
    Damaged,
}

impl Decoded {
    /// The item, if there is one.
    pub fn into_item(self) -> Option<RolloutItem> {
        match self {
            Decoded::Line(line) => Some(line.item),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    timestamp: Cow<'a, str>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Serialize)]
struct Encoded<'a, P> {
    timestamp: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    payload: &'a P,
}

/// The time now as lines carry it: RFC 3339, UTC, milliseconds.
pub fn now_timestamp() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Appends the line and its newline to `out`.
pub fn encode_line(out: &mut Vec<u8>, timestamp: &str, item: &RolloutItem) -> serde_json::Result<()> {
    fn write<P: Serialize>(
        out: &mut Vec<u8>,
        timestamp: &str,
        kind: &'static str,
        payload: &P,
    ) -> serde_json::Result<()> {
        serde_json::to_writer(
            out,
            &Encoded {
                timestamp,
                kind,
                payload,
            },
        )
    }
    let kind = item.kind();
    let start = out.len();
    let result = match item {
        RolloutItem::SessionMeta(meta) => write(out, timestamp, kind, meta),
        RolloutItem::TurnContext(context) => write(out, timestamp, kind, context),
        RolloutItem::ResponseItem(raw) => write(out, timestamp, kind, raw),
        RolloutItem::Event(event) => write(out, timestamp, kind, event),
        RolloutItem::Compacted(compacted) => write(out, timestamp, kind, compacted),
        RolloutItem::Greenroom(line) => write(out, timestamp, kind, line),
    };
    if let Err(error) = result {
        out.truncate(start);
        return Err(error);
    }
    // Raw text may hold newlines between its tokens; inside strings JSON never does.
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.push(b'\n');
    Ok(())
}

/// Decodes the bytes of a line, with or without its newline.
pub fn decode_line(bytes: &[u8]) -> Decoded {
    let trimmed = bytes.trim_ascii();
    if trimmed.is_empty() {
        return Decoded::Blank;
    }
    match decode_whole(trimmed) {
        Decoded::Damaged => rescue(trimmed),
        decoded => decoded,
    }
}

fn decode_whole(bytes: &[u8]) -> Decoded {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Decoded::Damaged;
    };
    let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else {
        return Decoded::Damaged;
    };
    let payload = envelope.payload;
    let item = match envelope.kind.as_ref() {
        "session_meta" => serde_json::from_str(payload.get()).map(RolloutItem::SessionMeta),
        "turn_context" => serde_json::from_str(payload.get()).map(RolloutItem::TurnContext),
        // Read as if they were not there: nothing is numbered by them either.
        "response_item" if is_ghost(payload.get().as_bytes()) => return Decoded::Unknown,
        "response_item" => Ok(RolloutItem::ResponseItem(payload.to_owned().into())),
        "event_msg" => EventMsg::decode(payload).map(RolloutItem::Event),
        "compacted" => serde_json::from_str(payload.get()).map(RolloutItem::Compacted),
        "greenroom" => match serde_json::from_str(payload.get()) {
            Ok(line) => Ok(RolloutItem::Greenroom(line)),
            // A later version's own line, not damage.
            Err(_) => return Decoded::Unknown,
        },
        _ => return Decoded::Unknown,
    };
    match item {
        Ok(item) => Decoded::Line(RolloutLine {
            timestamp: envelope.timestamp.into_owned(),
            item,
        }),
        Err(_) => Decoded::Damaged,
    }
}

/// Whether an item is a snapshot of the working tree, as older versions put between the items of the conversation.
pub(super) fn is_ghost(item: &[u8]) -> bool {
    item.starts_with(b"{\"type\":\"ghost_snapshot\"")
}

/// Finds a whole line behind the remains of a torn one.
fn rescue(bytes: &[u8]) -> Decoded {
    let mut end = bytes.len();
    while let Some(at) = memchr::memmem::rfind(&bytes[..end], LINE_MARK) {
        if at == 0 {
            break;
        }
        match decode_whole(&bytes[at..]) {
            Decoded::Damaged => end = at,
            decoded => return decoded,
        }
    }
    Decoded::Damaged
}
