//! `mock/experimentalMethod`: echoes a text, so that clients can test how they handle the experimental API.

use crate::protocol::{MockExperimentalMethodParams, MockExperimentalMethodResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// Answers with what it was sent.
pub async fn experimental_method(
    _cx: RequestContext,
    params: MockExperimentalMethodParams,
) -> Result<MockExperimentalMethodResponse, RpcError> {
    Ok(MockExperimentalMethodResponse { echoed: params.value })
}
