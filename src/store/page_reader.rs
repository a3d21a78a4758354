//! Answering pages of turns and items: places from the index, contents from the lines they point at.
//!
//! A thread that is being recorded is brought into the index first, which costs a commit at most. Where the index
//! cannot be believed, the places come from a pass over the file: the same answer, more slowly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::protocol::{SortDirection, ThreadId, ThreadItem, Turn, TurnItemsView, TurnStatus};
use crate::store::core::StoreCore;
use crate::store::counters::Caller;
use crate::store::error::Missing;
use crate::store::index::IndexReader;
use crate::store::index::turn_reader::{ItemPlaces, Paged};
use crate::store::pages::{ItemPage, ItemQuery, TurnPage, TurnQuery, summary};
use crate::store::recorder::blocking;
use crate::store::turns::item_lines::read_item;
use crate::store::turns::outline::{OutlineItem, OutlineTurn};
use crate::store::{Scope, StoreError, scan};

/// What the index says for a page, when it can be believed.
enum Answer<T> {
    Found(T),
    /// The row and its file disagree.
    Stale,
    /// The index does not know, or is out of reach.
    Unknown,
}

impl StoreCore {
    /// A page of turns.
    pub(crate) async fn turn_page(self: &Arc<Self>, id: ThreadId, query: TurnQuery) -> Result<TurnPage, StoreError> {
        let query = Arc::new(query);
        let asked = Arc::clone(&query);
        let found = self
            .ask_index(id, move |core, reader| {
                let items = asked.view != TurnItemsView::NotLoaded;
                core.believed(id, reader.turn_page(id, &asked.page, items), |path, turns| {
                    core.indexed_turns(path, turns, &asked)
                })
            })
            .await?;
        if let Some(page) = found {
            return Ok(page);
        }
        self.fell_back(Caller::ListTurns);
        let core = Arc::clone(self);
        blocking(move || core.turns_of_file(id, &query)).await
    }

    /// A page of items.
    pub(crate) async fn item_page(self: &Arc<Self>, id: ThreadId, query: ItemQuery) -> Result<ItemPage, StoreError> {
        let query = Arc::new(query);
        let asked = Arc::clone(&query);
        let found = self
            .ask_index(id, move |core, reader| {
                let places = reader.item_page(id, asked.turn_id.as_deref(), &asked.page);
                core.believed(id, places, |path, places| indexed_items(path, places, &asked))
            })
            .await?;
        if let Some(page) = found {
            return Ok(page);
        }
        self.fell_back(Caller::ListItems);
        let core = Arc::clone(self);
        blocking(move || core.items_of_file(id, &query)).await
    }

    /// Asks the index, and once more after it has read the file again.
    async fn ask_index<T: Send + 'static>(
        self: &Arc<Self>,
        id: ThreadId,
        ask: impl Fn(&StoreCore, &IndexReader) -> Result<Answer<T>, StoreError> + Send + Sync + 'static,
    ) -> Result<Option<T>, StoreError> {
        let Some(reader) = self.index.reader() else {
            return Ok(None);
        };
        if let Some(live) = self.live.get(id)
            && live.ahead().is_some()
        {
            self.index_live(id, &live);
            if self.apply(Vec::new()).await.is_err() {
                return Ok(None);
            }
        }
        let ask = Arc::new(ask);
        for fresh in [false, true] {
            let (core, reader, ask) = (Arc::clone(self), Arc::clone(&reader), Arc::clone(&ask));
            match blocking(move || ask(&core, &reader)).await? {
                Answer::Found(page) => return Ok(Some(page)),
                Answer::Stale if !fresh => self.renew(id).await?,
                Answer::Stale | Answer::Unknown => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Reads a thread's file into the index.
    async fn renew(self: &Arc<Self>, id: ThreadId) -> Result<(), StoreError> {
        let core = Arc::clone(self);
        let file = blocking(move || Ok(core.find_path(id, Scope::All))).await?;
        let file = file.ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        if let Err(error) = self.index_files(vec![file]).await {
            tracing::warn!(%error, thread.id = %id, "the index did not take a thread");
        }
        Ok(())
    }

    /// Reads what the index points at, if it can be believed. `read` has `None` for lines that are not what they were.
    fn believed<P, T>(
        &self,
        id: ThreadId,
        indexed: Paged<P>,
        read: impl FnOnce(&Path, P) -> Option<T>,
    ) -> Result<Answer<T>, StoreError> {
        let indexed = match indexed {
            Ok(Some(indexed)) => indexed,
            Ok(None) => return Ok(Answer::Stale),
            Err(error) => {
                self.index.failed_to_read(&error);
                tracing::warn!(%error, "a page falls back to the file");
                return Ok(Answer::Unknown);
            }
        };
        // What is being recorded only grows, so that what the index says of it stays true.
        let path = match self.live.get(id) {
            Some(live) => live.path(),
            None if self.is_current(&indexed.thread) => indexed.thread.path,
            None => return Ok(Answer::Stale),
        };
        let (Some(path), found) = (path, indexed.found.map_err(StoreError::Missing)?) else {
            return Ok(Answer::Unknown);
        };
        Ok(read(&path, found).map_or(Answer::Stale, Answer::Found))
    }

    fn indexed_turns(&self, path: &Path, mut turns: Vec<OutlineTurn>, query: &TurnQuery) -> Option<TurnPage> {
        let more = query.page.cut(&mut turns);
        let file = files::open(path).ok()?;
        let turns = turns
            .into_iter()
            .map(|turn| {
                let wanted = wanted(&turn.items, query.view);
                let items = wanted
                    .map(|place| read_item(&file, place))
                    .collect::<Option<Vec<_>>>()?;
                Some(turn_of(turn, items, query))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(TurnPage { turns, more })
    }

    fn turns_of_file(&self, id: ThreadId, query: &TurnQuery) -> Result<TurnPage, StoreError> {
        let (path, mut turns) = self.outline_of_file(id)?;
        if query.page.direction == SortDirection::Desc {
            turns.reverse();
        }
        if let Some(anchor) = &query.page.anchor {
            begin_at(&mut turns, anchor.include, |turn| turn.id == anchor.turn_id)?;
        }
        self.indexed_turns(&path, turns, query)
            .ok_or_else(|| StoreError::read(&path, "it changed while it was read"))
    }

    fn items_of_file(&self, id: ThreadId, query: &ItemQuery) -> Result<ItemPage, StoreError> {
        let (path, mut turns) = self.outline_of_file(id)?;
        if let Some(turn_id) = &query.turn_id {
            turns.retain(|turn| turn.id == *turn_id);
            if turns.is_empty() {
                return Err(StoreError::Missing(Missing::Turn));
            }
        }
        let mut places: ItemPlaces = turns
            .into_iter()
            .flat_map(|turn| {
                let id = turn.id;
                turn.items.into_iter().map(move |item| (id.clone(), item))
            })
            .collect();
        if query.page.direction == SortDirection::Desc {
            places.reverse();
        }
        if let Some(anchor) = &query.page.anchor {
            begin_at(&mut places, anchor.include, |(turn_id, item)| {
                *turn_id == anchor.turn_id && item.id == anchor.item_id
            })?;
        }
        indexed_items(&path, places, query).ok_or_else(|| StoreError::read(&path, "it changed while it was read"))
    }

    /// What the index would say of a thread, from its file.
    fn outline_of_file(&self, id: ThreadId) -> Result<(PathBuf, Vec<OutlineTurn>), StoreError> {
        let (path, archived) = self
            .find_path(id, Scope::All)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let scanned = scan::whole(&path, archived)?.ok_or_else(|| StoreError::empty(&path))?;
        Ok((path, scanned.outline.turns))
    }
}

fn indexed_items(path: &Path, mut places: ItemPlaces, query: &ItemQuery) -> Option<ItemPage> {
    let file = files::open(path).ok()?;
    let more = query.page.cut(&mut places);
    let items = places
        .into_iter()
        .map(|(turn_id, place)| Some((turn_id, read_item(&file, &place)?)))
        .collect::<Option<Vec<_>>>()?;
    Some(ItemPage { items, more })
}

/// The items that a view shows, in order.
fn wanted(items: &[OutlineItem], view: TurnItemsView) -> impl Iterator<Item = &OutlineItem> {
    let kept = match view {
        TurnItemsView::Summary => {
            let kinds: Vec<_> = items.iter().map(|item| item.kind).collect();
            Some(summary(&kinds))
        }
        TurnItemsView::NotLoaded => Some([None; 2]),
        TurnItemsView::Full => None,
    };
    items
        .iter()
        .enumerate()
        .filter(move |(at, _)| kept.is_none_or(|kept| kept.contains(&Some(*at))))
        .map(|(_, item)| item)
}

fn turn_of(turn: OutlineTurn, items: Vec<ThreadItem>, query: &TurnQuery) -> Turn {
    let live = query.live_turn.as_deref() == Some(turn.id.as_str());
    Turn {
        completed_at: turn.completed_at,
        duration_ms: turn.duration_ms,
        error: turn.error,
        items,
        items_view: query.view,
        started_at: turn.started_at,
        status: match turn.status {
            TurnStatus::InProgress if !live => TurnStatus::Interrupted,
            status => status,
        },
        id: turn.id,
    }
}

/// Drops what stands before the anchor.
fn begin_at<T>(found: &mut Vec<T>, include: bool, is_anchor: impl Fn(&T) -> bool) -> Result<(), StoreError> {
    let at = found
        .iter()
        .position(is_anchor)
        .ok_or(StoreError::Missing(Missing::Anchor))?;
    found.drain(..at + usize::from(!include));
    Ok(())
}
