//! `collaborationMode/list`: the ways of working together that a turn can be started in.

use crate::protocol::{
    CollaborationModeListParams, CollaborationModeListResponse, CollaborationModeMask, ModeKind, ReasoningEffort,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `collaborationMode/list`: what choosing each mode sets, `null` where it leaves things as they are.
pub async fn list(
    _cx: RequestContext,
    _params: CollaborationModeListParams,
) -> Result<CollaborationModeListResponse, RpcError> {
    let mask = |name: &str, mode, reasoning_effort| CollaborationModeMask {
        mode: Some(mode),
        model: None,
        name: name.to_owned(),
        reasoning_effort,
    };
    Ok(CollaborationModeListResponse {
        data: vec![
            mask("Plan", ModeKind::Plan, Some(ReasoningEffort::Medium)),
            mask("Default", ModeKind::Default, None),
        ],
    })
}
