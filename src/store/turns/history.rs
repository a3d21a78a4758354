//! Reads a whole rollout once, as a stream, into everything that taking a thread up needs. Blocks.

use std::path::Path;

use crate::protocol::ThreadTokenUsage;
use crate::store::StoreError;
use crate::store::digest::Digest;
use crate::store::rollout::writer::FileStamp;
use crate::store::rollout::{EventMsg, RolloutItem, RolloutReader};
use crate::store::thread::ThreadHistory;
use crate::store::turns::builder::{Detail, TurnBuilder};
use crate::store::turns::conversation::Conversation;
use crate::store::turns::outline::Outline;

/// A rollout read to its end.
#[derive(Debug)]
pub struct LoadedRollout {
    /// What was recorded.
    pub history: ThreadHistory,
    /// Where the recorder's outline goes on.
    pub outline: Outline,
}

/// Reads the rollout at `path`. `live_turn` is the turn that runs now, if the thread is loaded.
pub fn load(path: &Path, archived: bool, live_turn: Option<&str>) -> Result<LoadedRollout, StoreError> {
    let mut reader = RolloutReader::open(path).map_err(|error| StoreError::read(path, error))?;
    let mut digest = Digest::of_file(path, archived);
    let mut turns = TurnBuilder::new(Detail::Full);
    let mut outline = Outline::default();
    let mut conversation = Conversation::default();
    let mut meta = None;
    let mut usage = None;
    let mut rate_limits = None;
    let mut last_context = None;
    loop {
        let Some(line) = reader.next_line().map_err(|error| StoreError::read(path, error))? else {
            break;
        };
        if matches!(line.decoded, crate::store::rollout::Decoded::Damaged) {
            digest.damage();
        }
        let Some(item) = line.decoded.into_item() else { continue };
        digest.observe(&item);
        turns.observe(&item, line.offset, line.len);
        outline.observe(&item, line.offset, line.len);
        conversation.observe(&item);
        match item {
            RolloutItem::SessionMeta(found) if meta.is_none() && found.id == digest.thread().id => meta = Some(found),
            RolloutItem::TurnContext(context) => last_context = Some(context),
            RolloutItem::Event(EventMsg::TokenCount(count)) => {
                if let Some(info) = &count.info {
                    let turn_id = turns.last_turn_id().unwrap_or_default().to_owned();
                    usage = Some((turn_id, ThreadTokenUsage::from(info)));
                }
                if count.rate_limits.is_some() {
                    rate_limits = count.rate_limits;
                }
            }
            _ => {}
        }
    }
    let stamp = reader.file().metadata().map(|metadata| FileStamp::of(&metadata));
    digest.stamp(stamp.map_err(|error| StoreError::read(path, error))?);
    if !digest.is_thread() {
        return Err(StoreError::read(
            path,
            format_args!("rollout at {} is empty", path.display()),
        ));
    }
    // The rows of the index stand as they are; only what comes now is a change.
    outline.take_change();
    Ok(LoadedRollout {
        history: ThreadHistory {
            thread: digest.thread().clone(),
            meta,
            turns: turns.into_turns(live_turn),
            conversation: conversation.into_items(),
            usage,
            rate_limits,
            last_context,
            damaged_lines: reader.damaged(),
        },
        outline,
    })
}
