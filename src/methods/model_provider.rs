//! `modelProvider/capabilities/read`: what the configured provider can be asked for.

use crate::config::ThreadOverrides;
use crate::protocol::{ModelProviderCapabilitiesReadParams, ModelProviderCapabilitiesReadResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `modelProvider/capabilities/read`.
pub async fn capabilities(
    cx: RequestContext,
    _params: ModelProviderCapabilitiesReadParams,
) -> Result<ModelProviderCapabilitiesReadResponse, RpcError> {
    let config = cx.services.config.clone();
    let config = tokio::task::spawn_blocking(move || config.resolve(&ThreadOverrides::default()))
        .await
        .map_err(|_| RpcError::internal("failed to read the configuration"))?
        .map_err(|error| RpcError::internal(format!("failed to resolve feature override precedence: {error}")))?;
    let hosted = config.provider.has_hosted_tools(&config.model_provider);
    Ok(ModelProviderCapabilitiesReadResponse {
        image_generation: hosted,
        namespace_tools: hosted,
        web_search: hosted,
    })
}
