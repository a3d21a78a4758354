//! environment/add, and the environments that threads and turns are given.

use std::collections::HashSet;

use crate::engine::environments::EnvironmentChoice;
use crate::exec::Environments;
use crate::protocol::{AbsolutePathBuf, EnvironmentAddParams, EnvironmentAddResponse, TurnEnvironmentParams};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `environment/add`: an executor that later threads and turns can have. It is reached out to when it is first used.
pub async fn add(cx: RequestContext, params: EnvironmentAddParams) -> Result<EnvironmentAddResponse, RpcError> {
    let added = cx
        .services
        .environments
        .add(&params.environment_id, &params.exec_server_url);
    added.map_err(|error| RpcError::invalid_request(error.to_string()))?;
    Ok(EnvironmentAddResponse {})
}

/// Refuses environments that are not known, or named twice.
pub(crate) fn check(known: &Environments, named: Option<&[TurnEnvironmentParams]>) -> Result<(), RpcError> {
    let mut seen = HashSet::new();
    for environment in named.unwrap_or_default() {
        let id = environment.environment_id.as_str();
        if known.get(id).is_none() {
            return Err(RpcError::invalid_request(format!("unknown turn environment id `{id}`")));
        }
        if !seen.insert(id) {
            return Err(RpcError::invalid_request(format!(
                "duplicate turn environment id `{id}`"
            )));
        }
    }
    Ok(())
}

/// The environments of a thread: those that were named, else the default one and all others.
pub(crate) fn of_thread(
    known: &Environments,
    named: Option<&[TurnEnvironmentParams]>,
    cwd: &AbsolutePathBuf,
) -> Vec<EnvironmentChoice> {
    match named {
        Some(named) => named.iter().map(EnvironmentChoice::from).collect(),
        None => {
            let all = known.selection().into_iter();
            all.map(|id| EnvironmentChoice { id, cwd: cwd.clone() }).collect()
        }
    }
}
