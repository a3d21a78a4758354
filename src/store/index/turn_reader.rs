//! Reading turns and items from the index: pages by key, and what a recorder needs to go on. All methods block.
//!
//! Every answer is made in one read transaction and says for which state of the file it holds, so that a page never
//! mixes two states and the caller can tell whether the file has moved on.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::protocol::{SortDirection, ThreadId};
use crate::store::error::Missing;
use crate::store::index::connection::IndexError;
use crate::store::index::reader::IndexReader;
use crate::store::index::row::{ItemPlaceRow, ThreadRow, TurnRow, position};
use crate::store::index::schema::{items, threads, turns};
use crate::store::pages::{ItemAnchor, Page, TurnAnchor};
use crate::store::thread::StoredThread;
use crate::store::turns::Landmarks;
use crate::store::turns::builder::TurnMark;
use crate::store::turns::outline::{Outline, OutlineItem, OutlineTurn};

/// A thread's row with what the row knows of its turns.
#[derive(Debug)]
pub(crate) struct Indexed<T> {
    /// The row; its stamp tells for which state of the file the rest holds.
    pub(crate) thread: StoredThread,
    /// What was asked for.
    pub(crate) found: T,
}

/// A page's rows, or what is missing for there to be one; `None` when the index does not know the thread.
pub(crate) type Paged<T> = Result<Option<Indexed<Result<T, Missing>>>, IndexError>;

/// Items of a page, each with the id of its turn.
pub(crate) type ItemPlaces = Vec<(String, OutlineItem)>;

impl IndexReader {
    /// The row of a thread, and where the thread is to be taken up.
    pub(crate) fn landmarks(&self, id: ThreadId) -> Result<Option<Indexed<Landmarks>>, IndexError> {
        self.indexed(id, |_, _, landmarks| Ok(landmarks))
    }

    /// The outline of a thread's turns, as far as a recorder needs it.
    pub(crate) fn outline(&self, id: ThreadId) -> Result<Option<Indexed<Outline>>, IndexError> {
        self.indexed(id, |connection, key, landmarks| {
            let marks = turns::table
                .filter(turns::thread_key.eq(key))
                .order(turns::position)
                .select(turns::item_count)
                .load::<i32>(connection)?;
            let marks = marks
                .into_iter()
                .map(|items| TurnMark {
                    items: u32::try_from(items).unwrap_or_default(),
                })
                .collect::<Vec<_>>();
            let recent = marks.len().saturating_sub(Outline::RECENT);
            let rows = turns::table
                .filter(turns::thread_key.eq(key))
                .filter(turns::position.ge(position(recent)))
                .order(turns::position)
                .select(TurnRow::as_select())
                .load(connection)?;
            let recent = with_items(connection, key, rows)?;
            Ok(Outline::restore(landmarks.tail, marks, recent))
        })
    }

    /// The turns from `anchor` on, at most one more than `limit`.
    pub(crate) fn turn_page(&self, id: ThreadId, page: &Page<TurnAnchor>, items: bool) -> Paged<Vec<OutlineTurn>> {
        self.indexed(id, |connection, key, _| {
            let mut select = turns::table
                .filter(turns::thread_key.eq(key))
                .select(TurnRow::as_select())
                .limit(page.rows())
                .into_boxed();
            if let Some(anchor) = &page.anchor {
                let Some(at) = turn_position(connection, key, &anchor.turn_id)? else {
                    return Ok(Err(Missing::Anchor));
                };
                select = match (page.direction, anchor.include) {
                    (SortDirection::Asc, true) => select.filter(turns::position.ge(at)),
                    (SortDirection::Asc, false) => select.filter(turns::position.gt(at)),
                    (SortDirection::Desc, true) => select.filter(turns::position.le(at)),
                    (SortDirection::Desc, false) => select.filter(turns::position.lt(at)),
                };
            }
            let rows = match page.direction {
                SortDirection::Asc => select.order(turns::position.asc()).load(connection)?,
                SortDirection::Desc => select.order(turns::position.desc()).load(connection)?,
            };
            Ok(Ok(match items {
                true => with_items(connection, key, rows)?,
                false => rows.into_iter().map(OutlineTurn::from).collect(),
            }))
        })
    }

    /// The items from `anchor` on, of one turn or of the whole thread, at most one more than `limit`.
    pub(crate) fn item_page(&self, id: ThreadId, turn_id: Option<&str>, page: &Page<ItemAnchor>) -> Paged<ItemPlaces> {
        self.indexed(id, |connection, key, _| {
            let mut select = items::table
                .inner_join(
                    turns::table.on(turns::thread_key
                        .eq(items::thread_key)
                        .and(turns::position.eq(items::turn_position))),
                )
                .filter(items::thread_key.eq(key))
                .select((turns::turn_id, ItemPlaceRow::as_select()))
                .limit(page.rows())
                .into_boxed();
            if let Some(turn_id) = turn_id {
                let Some(at) = turn_position(connection, key, turn_id)? else {
                    return Ok(Err(Missing::Turn));
                };
                select = select.filter(items::turn_position.eq(at));
            }
            if let Some(anchor) = &page.anchor {
                let Some((turn, item)) = item_position(connection, key, anchor)? else {
                    return Ok(Err(Missing::Anchor));
                };
                let same = items::turn_position.eq(turn);
                select = match (page.direction, anchor.include) {
                    (SortDirection::Asc, true) => {
                        select.filter(items::turn_position.gt(turn).or(same.and(items::position.ge(item))))
                    }
                    (SortDirection::Asc, false) => {
                        select.filter(items::turn_position.gt(turn).or(same.and(items::position.gt(item))))
                    }
                    (SortDirection::Desc, true) => {
                        select.filter(items::turn_position.lt(turn).or(same.and(items::position.le(item))))
                    }
                    (SortDirection::Desc, false) => {
                        select.filter(items::turn_position.lt(turn).or(same.and(items::position.lt(item))))
                    }
                };
                // The range the primary key can be searched by; the rest is decided above.
                select = match page.direction {
                    SortDirection::Asc => select.filter(items::turn_position.ge(turn)),
                    SortDirection::Desc => select.filter(items::turn_position.le(turn)),
                };
            }
            let rows: Vec<(String, ItemPlaceRow)> = match page.direction {
                SortDirection::Asc => select
                    .order((items::turn_position.asc(), items::position.asc()))
                    .load(connection)?,
                SortDirection::Desc => select
                    .order((items::turn_position.desc(), items::position.desc()))
                    .load(connection)?,
            };
            Ok(Ok(rows
                .into_iter()
                .filter_map(|(turn_id, row)| Some((turn_id, row.into_item()?)))
                .collect()))
        })
    }

    fn indexed<T>(
        &self,
        id: ThreadId,
        find: impl FnOnce(&mut SqliteConnection, i32, Landmarks) -> QueryResult<T>,
    ) -> Result<Option<Indexed<T>>, IndexError> {
        let mut connection = self.connection()?;
        let found = connection.transaction(|connection| {
            let row: Option<(i32, ThreadRow)> = threads::table
                .filter(threads::id.eq(id.to_string()))
                .select((threads::key, ThreadRow::as_select()))
                .first(connection)
                .optional()?;
            let Some((key, row)) = row else { return Ok(None) };
            // A row without landmarks was made by an earlier version; its file is read again.
            let Some(landmarks) = row.landmarks() else {
                return Ok(None);
            };
            let found = find(connection, key, landmarks)?;
            Ok::<_, diesel::result::Error>(Some(Indexed {
                thread: row.into(),
                found,
            }))
        })?;
        Ok(found)
    }
}

fn turn_position(connection: &mut SqliteConnection, key: i32, turn_id: &str) -> QueryResult<Option<i32>> {
    turns::table
        .filter(turns::thread_key.eq(key))
        .filter(turns::turn_id.eq(turn_id))
        .select(turns::position)
        .order(turns::position.desc())
        .first(connection)
        .optional()
}

fn item_position(connection: &mut SqliteConnection, key: i32, anchor: &ItemAnchor) -> QueryResult<Option<(i32, i32)>> {
    let Some(turn) = turn_position(connection, key, &anchor.turn_id)? else {
        return Ok(None);
    };
    let item = items::table
        .filter(items::thread_key.eq(key))
        .filter(items::turn_position.eq(turn))
        .filter(items::item_id.eq(&anchor.item_id))
        .select(items::position)
        .first(connection)
        .optional()?;
    Ok(item.map(|item| (turn, item)))
}

/// The turns of neighbouring rows with their items.
fn with_items(connection: &mut SqliteConnection, key: i32, rows: Vec<TurnRow>) -> QueryResult<Vec<OutlineTurn>> {
    let mut turns: Vec<OutlineTurn> = rows.into_iter().map(OutlineTurn::from).collect();
    let positions = turns.iter().map(|turn| turn.position);
    let (Some(first), Some(last)) = (positions.clone().min(), positions.max()) else {
        return Ok(turns);
    };
    let rows = items::table
        .filter(items::thread_key.eq(key))
        .filter(items::turn_position.between(position(first), position(last)))
        .order((items::turn_position, items::position))
        .select(ItemPlaceRow::as_select())
        .load(connection)?;
    let mut places: HashMap<i32, Vec<OutlineItem>> = HashMap::new();
    for row in rows {
        let turn = row.turn_position;
        places.entry(turn).or_default().extend(row.into_item());
    }
    for turn in &mut turns {
        turn.items = places.remove(&position(turn.position)).unwrap_or_default();
    }
    Ok(turns)
}
