//! Thread methods whose effect is not built yet: they check what the request says, then say so.
//!
//! The checks are the final ones, in their order, so a client learns of its mistakes first; a correct request for a
//! thread that is there answers that the method is not built in this version.

use crate::methods::thread_lookup::loaded;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

fn not_built<T>(cx: &RequestContext) -> Result<T, RpcError> {
    Err(RpcError::not_supported(format!(
        "{} is not built yet in this version of Greenroom",
        cx.method
    )))
}

/// `review/start`.
pub async fn review(cx: RequestContext, params: ReviewStartParams) -> Result<ReviewStartResponse, RpcError> {
    loaded(&cx, &params.thread_id)?;
    not_built(&cx)
}
