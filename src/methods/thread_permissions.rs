//! Named permission profiles as requests give them.

use std::path::PathBuf;

use crate::config::{ConfigLoader, ThreadOverrides};
use crate::engine::settings::ChosenPermissions;
use crate::engine::thread_ref::{ThreadCommand, ThreadRef};
use crate::methods::thread_lookup::refused;
use crate::protocol::TurnStartParams;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// The profile that a turn names, by the configuration of the folder that it runs in.
pub(crate) async fn of_turn(
    cx: &RequestContext,
    thread: &ThreadRef,
    params: &TurnStartParams,
) -> Result<Option<Box<ChosenPermissions>>, RpcError> {
    let Some(name) = params.permissions.clone() else {
        return Ok(None);
    };
    if params.sandbox_policy.is_some() {
        let message = "`permissions` cannot be combined with `sandboxPolicy`";
        return Err(RpcError::invalid_request(message));
    }
    let view = thread.ask(ThreadCommand::View).await.map_err(refused)?;
    let cwd = view.settings.cwd.as_path();
    let cwd = params
        .cwd
        .as_ref()
        .map_or_else(|| cwd.to_path_buf(), |folder| cwd.join(folder));
    let services = cx.services.clone();
    tokio::task::spawn_blocking(move || named(&services.config, name, cwd))
        .await
        .map_err(|_| RpcError::internal("the configuration could not be loaded"))?
        .map(|found| found.map(Box::new))
}

fn named(loader: &ConfigLoader, name: String, cwd: PathBuf) -> Result<Option<ChosenPermissions>, RpcError> {
    let overrides = ThreadOverrides {
        cwd: Some(cwd),
        permissions: Some(name),
        ..ThreadOverrides::default()
    };
    loader
        .resolve(&overrides)
        .map(|config| ChosenPermissions::of(&config))
        .map_err(|error| RpcError::invalid_request(format!("failed to load configuration: {error}")))
}
