//! thread/approveGuardianDeniedAction: the user allows what the automatic review of approvals has denied.
//!
//! The thread's model is told, and with it the judge, who reads what the model reads; the action is not carried out here.
//! The judgement comes in the form in which other programs keep it, or as `item/autoApprovalReview/completed` told it.

use serde_json::Value;

use crate::engine::guardian::consent;
use crate::engine::thread_ref::ThreadCommand;
use crate::methods::thread_lookup::{loaded, refused};
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `thread/approveGuardianDeniedAction`.
pub async fn approve(
    cx: RequestContext,
    params: ThreadApproveGuardianDeniedActionParams,
) -> Result<ThreadApproveGuardianDeniedActionResponse, RpcError> {
    let denied = denied(params.event)
        .map_err(|error| RpcError::invalid_request(format!("invalid Guardian denial event: {error}")))?;
    let thread = loaded(&cx, &params.thread_id)?;
    if let Some(action) = denied {
        thread
            .try_send(ThreadCommand::Told(consent(&action)))
            .map_err(refused)?;
    }
    Ok(ThreadApproveGuardianDeniedActionResponse {})
}

/// The action of a judgement that denied it; `None` when it did not.
fn denied(event: Value) -> serde_json::Result<Option<Value>> {
    if event.get("reviewId").is_some() {
        let told: ItemGuardianApprovalReviewCompletedNotification = serde_json::from_value(event)?;
        let denied = told.review.status == GuardianApprovalReviewStatus::Denied;
        return denied.then(|| serde_json::to_value(told.action)).transpose();
    }
    let event: GuardianAssessmentEvent = serde_json::from_value(event)?;
    let denied = event.status == GuardianAssessmentStatus::Denied;
    denied.then(|| serde_json::to_value(event.action)).transpose()
}
