//! config/* and configRequirements/read: the configuration, read with its layers and changed value by value.

use std::path::PathBuf;

use serde_json::json;

use crate::config::WritingError;
use crate::engine::thread_ref::ThreadCommand;
use crate::hooks::HookSet;
use crate::protocol::{
    ConfigBatchWriteParams, ConfigEdit, ConfigReadParams, ConfigReadResponse, ConfigRequirementsReadResponse,
    ConfigValueWriteParams, ConfigWriteResponse, NoParams,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `config/read`. Without a folder, no project's configuration counts.
pub async fn read(cx: RequestContext, params: ConfigReadParams) -> Result<ConfigReadResponse, RpcError> {
    let config = cx.services.config.clone();
    let cwd = params.cwd.map(PathBuf::from);
    let reading = tokio::task::spawn_blocking(move || config.reading(cwd.as_deref()))
        .await
        .map_err(|_| RpcError::internal("failed to read configuration layers"))?
        .map_err(|error| RpcError::internal(error.to_string()))?;
    Ok(ConfigReadResponse {
        config: serde_json::from_value(reading.config)
            .map_err(|error| RpcError::internal(format!("invalid configuration: {error}")))?,
        layers: params.include_layers.then_some(reading.layers),
        origins: reading.origins,
    })
}

/// `config/value/write`.
pub async fn write_value(cx: RequestContext, params: ConfigValueWriteParams) -> Result<ConfigWriteResponse, RpcError> {
    let edit = ConfigEdit {
        key_path: params.key_path,
        merge_strategy: params.merge_strategy,
        value: params.value,
    };
    write(&cx, vec![edit], params.file_path, params.expected_version).await
}

/// `config/batchWrite`: all of it or nothing.
pub async fn write_batch(cx: RequestContext, params: ConfigBatchWriteParams) -> Result<ConfigWriteResponse, RpcError> {
    let written = write(&cx, params.edits, params.file_path, params.expected_version).await?;
    if params.reload_user_config {
        reload(&cx).await;
    }
    Ok(written)
}

async fn write(
    cx: &RequestContext,
    edits: Vec<ConfigEdit>,
    file: Option<String>,
    expected: Option<String>,
) -> Result<ConfigWriteResponse, RpcError> {
    let config = cx.services.config.clone();
    let written = tokio::task::spawn_blocking(move || config.write(&edits, file.as_deref(), expected.as_deref())).await;
    cx.services.skills.forget();
    written
        .map_err(|_| RpcError::internal("failed to write the configuration"))?
        .map_err(|error: WritingError| match error.code() {
            Some(code) => {
                RpcError::invalid_request(error.to_string()).with_data(json!({"config_write_error_code": code}))
            }
            None => RpcError::internal(error.to_string()),
        })
}

/// Lets loaded threads have what may change while they are loaded: their hooks. What a thread was started with, model and
/// permissions above all, is the thread's own by now.
async fn reload(cx: &RequestContext) {
    for id in cx.services.threads.loaded_ids() {
        let Some(thread) = cx.services.threads.get(&id) else {
            continue;
        };
        let Ok(view) = thread.ask(ThreadCommand::View).await else {
            continue;
        };
        let (config, cwd) = (cx.services.config.clone(), view.settings.cwd);
        let discovered = tokio::task::spawn_blocking(move || {
            let enabled = config.feature("hooks");
            enabled.then(|| HookSet::discover(&config.layers(cwd.as_path())))
        });
        let hooks = discovered.await.ok().flatten().unwrap_or_default();
        if let Err(error) = thread.deliver(ThreadCommand::UseHooks(hooks)).await {
            tracing::debug!(thread.id = %id, "the thread keeps its hooks: {error}");
        }
    }
}

/// `configRequirements/read`.
pub async fn read_requirements(
    cx: RequestContext,
    _params: NoParams,
) -> Result<ConfigRequirementsReadResponse, RpcError> {
    let config = cx.services.config.clone();
    let requirements = tokio::task::spawn_blocking(move || config.requirements())
        .await
        .map_err(|_| RpcError::internal("failed to read the requirements"))?
        .map_err(|error| RpcError::internal(format!("failed to read configuration layers: {error}")))?;
    Ok(ConfigRequirementsReadResponse { requirements })
}
