//! thread/turns/list: the turns of a thread, newest first, a page at a time, with as much of their items as asked for.
//!
//! A cursor names a turn, not a number, so that pages hold together while turns are added. It is JSON text to clients
//! that look inside, and opaque to all others.

use serde::{Deserialize, Serialize};

use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_load::read_error;
use crate::methods::thread_lookup::{not_loaded, parse, refused};
use crate::methods::thread_read::not_materialised;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::{StoreError, ThreadStore};

const DEFAULT_LIMIT: u32 = 25;
const MAX_LIMIT: u32 = 100;

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    turn_id: String,
    /// The page shows this turn too.
    include_anchor: bool,
}

/// `thread/turns/list`.
pub async fn list(cx: RequestContext, params: ThreadTurnsListParams) -> Result<ThreadTurnsListResponse, RpcError> {
    let id = parse(&params.thread_id)?;
    let cursor = match &params.cursor {
        Some(text) => Some(
            serde_json::from_str::<Cursor>(text)
                .map_err(|_| RpcError::invalid_request(format!("invalid cursor: {text}")))?,
        ),
        None => None,
    };
    let mut live_turn = None;
    if let Some(thread) = cx.services.threads.get(&id) {
        let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
        if view.thread.path.is_none() {
            return Err(RpcError::invalid_request(
                "ephemeral threads do not support thread/turns/list",
            ));
        }
        if !view.materialised {
            return Err(not_materialised(id, "thread/turns/list"));
        }
        live_turn = view.active_turn;
    }
    let history = cx.services.store.history(id, live_turn.as_deref()).await;
    let mut turns = history.map_err(|error| match error {
        StoreError::NotFound(_) => not_loaded(id),
        other => read_error(other),
    })?;
    if params.sort_direction.unwrap_or(SortDirection::Desc) == SortDirection::Desc {
        turns.turns.reverse();
    }
    let view = params.items_view.unwrap_or(TurnItemsView::Summary);
    page(turns.turns, cursor.as_ref(), params.limit, view)
}

/// Cuts the page that `cursor` begins out of ordered turns.
fn page(
    mut turns: Vec<Turn>,
    cursor: Option<&Cursor>,
    limit: Option<u32>,
    view: TurnItemsView,
) -> Result<ThreadTurnsListResponse, RpcError> {
    if let Some(cursor) = cursor {
        let place = turns.iter().position(|turn| turn.id == cursor.turn_id);
        let place =
            place.ok_or_else(|| RpcError::invalid_request("invalid cursor: anchor turn is no longer present"))?;
        turns.drain(..place + usize::from(!cursor.include_anchor));
    }
    let limit = limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize;
    let more = turns.len() > limit;
    turns.truncate(limit);
    let mark = |turn: &Turn, include_anchor| {
        let cursor = Cursor {
            turn_id: turn.id.clone(),
            include_anchor,
        };
        serde_json::to_string(&cursor).ok()
    };
    let next_cursor = turns.last().filter(|_| more).and_then(|turn| mark(turn, false));
    let backwards_cursor = turns.first().and_then(|turn| mark(turn, true));
    Ok(ThreadTurnsListResponse {
        backwards_cursor,
        data: turns.into_iter().map(|turn| shown(turn, view)).collect(),
        next_cursor,
    })
}

/// A turn with as much of its items as the view shows.
fn shown(mut turn: Turn, view: TurnItemsView) -> Turn {
    turn.items_view = view;
    match view {
        TurnItemsView::Full => {}
        TurnItemsView::NotLoaded => turn.items.clear(),
        TurnItemsView::Summary => {
            let asked = turn
                .items
                .iter()
                .position(|item| matches!(item, ThreadItem::UserMessage { .. }));
            let answered = turn
                .items
                .iter()
                .rposition(|item| matches!(item, ThreadItem::AgentMessage { .. }));
            let mut place = 0;
            turn.items.retain(|_| {
                let kept = Some(place) == asked || Some(place) == answered;
                place += 1;
                kept
            });
        }
    }
    turn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(id: &str) -> Turn {
        let said = |text: &str| ThreadItem::AgentMessage {
            id: text.into(),
            memory_citation: None,
            phase: None,
            text: text.into(),
        };
        let asked = |id: &str| ThreadItem::UserMessage {
            content: vec![],
            id: id.into(),
        };
        Turn {
            completed_at: None,
            duration_ms: None,
            error: None,
            id: id.into(),
            items: vec![asked("u1"), said("a1"), asked("u2"), said("a2")],
            items_view: TurnItemsView::Full,
            started_at: None,
            status: TurnStatus::Completed,
        }
    }

    fn ids(response: &ThreadTurnsListResponse) -> Vec<&str> {
        response.data.iter().map(|turn| turn.id.as_str()).collect()
    }

    fn cursor(text: Option<String>) -> Cursor {
        serde_json::from_str(&text.unwrap()).unwrap()
    }

    #[test]
    fn pages_follow_each_other_and_lead_back() {
        let turns = || vec![turn("c"), turn("b"), turn("a")];
        let first = page(turns(), None, Some(2), TurnItemsView::NotLoaded).unwrap();
        assert_eq!(ids(&first), ["c", "b"]);
        let next = cursor(first.next_cursor);
        let second = page(turns(), Some(&next), Some(2), TurnItemsView::NotLoaded).unwrap();
        assert_eq!((ids(&second), &second.next_cursor), (vec!["a"], &None));
        let back = cursor(second.backwards_cursor);
        let mut reversed = turns();
        reversed.reverse();
        let again = page(reversed, Some(&back), Some(2), TurnItemsView::NotLoaded).unwrap();
        assert_eq!(ids(&again), ["a", "b"], "the boundary shows again");
    }

    #[test]
    fn a_turn_that_is_gone_is_no_anchor() {
        let gone = Cursor {
            turn_id: "x".into(),
            include_anchor: true,
        };
        assert!(page(vec![turn("a")], Some(&gone), None, TurnItemsView::Full).is_err());
    }

    #[test]
    fn a_summary_is_the_first_question_and_the_last_answer() {
        let items = shown(turn("a"), TurnItemsView::Summary).items;
        assert!(matches!(&items[0], ThreadItem::UserMessage { id, .. } if id == "u1"));
        assert!(matches!(&items[1], ThreadItem::AgentMessage { id, .. } if id == "a2"));
        assert_eq!(items.len(), 2);
    }
}
