//! The handlers, one file for each family of methods. A handler validates, asks the actor or service that owns the state,
//! and answers; it holds no state of its own. The table in `protocol::methods` names each one by its path below here.

pub mod account;
pub mod collaboration_mode;
pub mod command_exec;
pub mod config;
pub mod feature;
pub mod fs;
pub mod fuzzy_file_search;
pub mod hook;
pub mod initialize;
pub mod mock;
pub mod model;
pub mod model_provider;
pub mod process;
pub mod review;
pub mod skill;
pub mod thread_archive;
pub mod thread_compact;
pub mod thread_edit;
pub mod thread_elicitation;
pub mod thread_fork;
pub mod thread_goal;
pub mod thread_guardian;
pub mod thread_list;
pub mod thread_metadata;
pub mod thread_read;
pub mod thread_resume;
pub mod thread_settings;
pub mod thread_shell;
pub mod thread_start;
pub mod thread_terminals;
pub mod thread_turns;
pub mod turn;

pub(crate) mod agents;
pub(crate) mod dynamic_tools;
mod git_base;
mod git_state;
mod process_setup;
mod review_target;
pub(crate) mod thread_events;
pub(crate) mod thread_load;
pub(crate) mod thread_lookup;
mod thread_overrides;
mod thread_permissions;
pub(crate) mod thread_setup;
mod thread_warnings;

use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// Answers for every method of the table that has no handler yet, by name.
pub async fn unbuilt<P, R>(cx: RequestContext, _params: P) -> Result<R, RpcError> {
    Err(RpcError::not_supported(format!(
        "{} is not built yet in this version of Greenroom",
        cx.method
    )))
}
