//! thread/turns/list and thread/turns/items/list: the turns and items of a thread, a page at a time.
//!
//! A cursor names a turn or an item, not a number, so that pages hold together while a thread grows. It is JSON text to
//! clients that look inside, and opaque to all others. docs/pages.md says what a client may rely on.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_load::read_error;
use crate::methods::thread_lookup::{not_loaded, parse, refused};
use crate::methods::thread_read::not_materialised;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::turns::items;
use crate::store::{ItemAnchor, ItemQuery, Missing, Page, StoreError, TurnAnchor, TurnQuery};

/// Where a page of turns begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TurnCursor {
    turn_id: String,
    /// The page shows this turn too.
    include_anchor: bool,
}

/// Where a page of items begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ItemCursor {
    turn_id: String,
    item_id: String,
    /// The page shows this item too.
    include_anchor: bool,
}

/// `thread/turns/list`.
pub async fn list(cx: RequestContext, params: ThreadTurnsListParams) -> Result<ThreadTurnsListResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let cursor: Option<TurnCursor> = cursor(params.cursor.as_deref())?;
    let live_turn = live_turn(&cx, id, "thread/turns/list").await?;
    let query = TurnQuery {
        page: Page {
            anchor: cursor.map(|cursor| TurnAnchor {
                turn_id: cursor.turn_id,
                include: cursor.include_anchor,
            }),
            direction: params.sort_direction.unwrap_or(SortDirection::Desc),
            limit: params.limit,
        },
        view: params.items_view.unwrap_or(TurnItemsView::Summary),
        live_turn,
    };
    let page = cx.services.store.list_turns(id, query).await;
    let page = page.map_err(|error| page_error(error, id, "turn"))?;
    let mark = |turn: &Turn, include_anchor| {
        text(&TurnCursor {
            turn_id: turn.id.clone(),
            include_anchor,
        })
    };
    Ok(ThreadTurnsListResponse {
        backwards_cursor: page.turns.first().and_then(|turn| mark(turn, true)),
        next_cursor: page
            .turns
            .last()
            .filter(|_| page.more)
            .and_then(|turn| mark(turn, false)),
        data: page.turns,
    })
}

/// `thread/turns/items/list`. An empty turn id means all turns.
pub async fn list_items(
    cx: RequestContext,
    params: ThreadTurnsItemsListParams,
) -> Result<ThreadTurnsItemsListResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let cursor: Option<ItemCursor> = cursor(params.cursor.as_deref())?;
    live_turn(&cx, id, "thread/turns/items/list").await?;
    let turn_id = Some(params.turn_id).filter(|turn_id| !turn_id.is_empty());
    let query = ItemQuery {
        turn_id: turn_id.clone(),
        page: Page {
            anchor: cursor.map(|cursor| ItemAnchor {
                turn_id: cursor.turn_id,
                item_id: cursor.item_id,
                include: cursor.include_anchor,
            }),
            direction: params.sort_direction.unwrap_or(SortDirection::Asc),
            limit: params.limit,
        },
    };
    let page = cx.services.store.list_items(id, query).await;
    let page = page.map_err(|error| match (error, turn_id) {
        (StoreError::Missing(Missing::Turn), Some(turn)) => {
            RpcError::invalid_request(format!("turn not found: {turn}"))
        }
        (other, _) => page_error(other, id, "item"),
    })?;
    let mark = |(turn_id, item): &(String, ThreadItem), include_anchor| {
        text(&ItemCursor {
            turn_id: turn_id.clone(),
            item_id: items::id(item).to_owned(),
            include_anchor,
        })
    };
    Ok(ThreadTurnsItemsListResponse {
        backwards_cursor: page.items.first().and_then(|item| mark(item, true)),
        next_cursor: page
            .items
            .last()
            .filter(|_| page.more)
            .and_then(|item| mark(item, false)),
        data: page.items.into_iter().map(|(_, item)| item).collect(),
    })
}

fn cursor<C: DeserializeOwned>(text: Option<&str>) -> Result<Option<C>, RpcError> {
    text.map(|text| {
        serde_json::from_str(text).map_err(|_| RpcError::invalid_request(format!("invalid cursor: {text}")))
    })
    .transpose()
}

fn text(cursor: &impl Serialize) -> Option<String> {
    serde_json::to_string(cursor).ok()
}

/// The running turn of a loaded thread; refuses threads that keep nothing, or nothing yet.
async fn live_turn(cx: &RequestContext, id: ThreadId, method: &str) -> Result<Option<String>, RpcError> {
    let Some(thread) = cx.services.threads.get(&id) else {
        return Ok(None);
    };
    let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
    if view.thread.path.is_none() {
        let message = format!("ephemeral threads do not support {method}");
        return Err(RpcError::invalid_request(message));
    }
    if !view.materialised {
        return Err(not_materialised(id, method));
    }
    Ok(view.active_turn.as_deref().map(str::to_owned))
}

fn page_error(error: StoreError, id: ThreadId, what: &str) -> RpcError {
    match error {
        StoreError::NotFound(_) => not_loaded(id),
        StoreError::Missing(_) => {
            RpcError::invalid_request(format!("invalid cursor: anchor {what} is no longer present"))
        }
        StoreError::Unsupported(operation) => RpcError::not_supported(format!("{operation} is not supported")),
        other => read_error(other),
    }
}
