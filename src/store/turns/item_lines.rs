//! Reads one item from its lines in a rollout. Blocks.

use std::fs::File;

use crate::protocol::ThreadItem;
use crate::store::rollout::decode_line;
use crate::store::turns::builder::{Detail, TurnBuilder};
use crate::store::turns::history::bytes_at;
use crate::store::turns::items;
use crate::store::turns::landmarks::Span;
use crate::store::turns::outline::OutlineItem;

/// The item, with the id that clients know it by. `None` when the lines do not make such an item any more.
pub(crate) fn read_item(file: &File, place: &OutlineItem) -> Option<ThreadItem> {
    let span = Span {
        offset: place.offset,
        len: place.len,
    };
    let bytes = bytes_at(file, span)?;
    let mut builder = TurnBuilder::new(Detail::Full);
    for line in bytes.split(|byte| *byte == b'\n') {
        if let Some(item) = decode_line(line).into_item() {
            builder.observe(&item, 0, 0);
        }
    }
    let turns = builder.into_turns(None);
    let mut found = turns
        .into_iter()
        .flat_map(|turn| turn.items)
        .find(|item| items::kind(item) == place.kind)?;
    items::set_id(&mut found, &place.id);
    Some(found)
}
