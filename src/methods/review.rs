//! review/start: a turn in which a reviewer looks at code changes, in the thread itself or in a copy of it.
//!
//! The review takes the place of the running turn, as a compaction does; one of a copy leaves the thread alone. What is
//! to be reviewed is found out before the answer, and the thread is told when it cannot be.

use crate::engine::review::Review;
use crate::engine::thread_ref::{ThreadCommand, ThreadRef};
use crate::engine::turn::TurnOpening;
use crate::methods::thread_fork;
use crate::methods::thread_lookup::{loaded, not_found, refused};
use crate::methods::turn::after_response;
use crate::methods::{review_target, thread_lookup};
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `review/start`.
pub async fn start(cx: RequestContext, params: ReviewStartParams) -> Result<ReviewStartResponse, RpcError> {
    let thread = loaded(&cx, &params.thread_id)?;
    let target = review_target::checked(params.target)?;
    let thread = match params.delivery.unwrap_or(ReviewDelivery::Inline) {
        ReviewDelivery::Inline => thread,
        ReviewDelivery::Detached => copy_of(&cx, &thread).await?,
    };
    let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
    let hint = review_target::hint(&target);
    let review = Review {
        prompt: review_target::prompt(&target, view.settings.cwd.as_path()).await,
        hint: hint.clone(),
        target,
    };
    let opening = TurnOpening::Review(Box::new(review));
    let go = after_response(&cx);
    let turn_id = thread
        .ask(|reply| ThreadCommand::Replace { opening, go, reply })
        .await
        .and_then(|answer| answer)
        .map_err(refused)?;
    Ok(ReviewStartResponse {
        review_thread_id: thread.id().to_string(),
        turn: Turn {
            completed_at: None,
            duration_ms: None,
            error: None,
            id: turn_id.to_string(),
            items: vec![ThreadItem::UserMessage {
                content: vec![UserInput::Text {
                    text: hint,
                    text_elements: Vec::new(),
                }],
                id: turn_id.to_string(),
            }],
            items_view: TurnItemsView::NotLoaded,
            started_at: None,
            status: TurnStatus::InProgress,
        },
    })
}

/// A copy of a thread, loaded, for a review of its own. It goes on with the model of reviews.
async fn copy_of(cx: &RequestContext, thread: &ThreadRef) -> Result<ThreadRef, RpcError> {
    let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
    if view.thread.path.is_none() {
        return Err(RpcError::internal(format!(
            "failed to load parent thread {}: thread-store internal error: Session persistence is disabled; cannot load \
             history.",
            thread.id()
        )));
    }
    let copy = thread_fork::for_review(cx, &view).await?;
    let id = thread_lookup::parse(&copy.id)?;
    cx.services.threads.get(&id).ok_or_else(|| not_found(id))
}
