//! The handlers, one file for each family of methods. A handler validates, asks the actor or service that owns the state,
//! and answers; it holds no state of its own. The table in `protocol::methods` names each one by its path below here.

pub mod fs;
pub mod initialize;
pub mod mock;
pub mod model;

// Families that are named in the table and not yet here.
pub mod thread_list {
    //! Lists of threads.
    pub use super::{unbuilt as list, unbuilt as loaded_list};
}
pub mod thread_read {
    //! Reading threads.
    pub use super::unbuilt as read;
}
pub mod thread_resume {
    //! Resuming threads.
    pub use super::unbuilt as resume;
}
pub mod thread_settings {
    //! Small changes of threads.
    pub use super::{unbuilt as set_name, unbuilt as unsubscribe};
}
pub mod thread_start {
    //! Starting threads.
    pub use super::unbuilt as start;
}
pub mod turn {
    //! Turns.
    pub use super::{unbuilt as interrupt, unbuilt as start, unbuilt as steer};
}

use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// Answers for every method of the table that has no handler yet, by name.
pub async fn unbuilt<P, R>(cx: RequestContext, _params: P) -> Result<R, RpcError> {
    Err(RpcError::not_supported(format!(
        "{} is not built yet in this version of Greenroom",
        cx.method
    )))
}
