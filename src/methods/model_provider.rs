//! `modelProvider/capabilities/read`: what the configured provider can be asked for.

use crate::config::ThreadOverrides;
use crate::protocol::{ModelProviderCapabilitiesReadParams, ModelProviderCapabilitiesReadResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `modelProvider/capabilities/read`. A configuration that does not resolve counts as the default provider.
pub async fn capabilities(
    cx: RequestContext,
    _params: ModelProviderCapabilitiesReadParams,
) -> Result<ModelProviderCapabilitiesReadResponse, RpcError> {
    let config = cx.services.config.clone();
    let resolved = tokio::task::spawn_blocking(move || config.resolve(&ThreadOverrides::default()))
        .await
        .map_err(|_| RpcError::internal("failed to read the configuration"))?;
    let hosted = resolved.map_or(true, |config| config.provider.has_hosted_tools(&config.model_provider));
    Ok(ModelProviderCapabilitiesReadResponse {
        image_generation: hosted,
        namespace_tools: hosted,
        web_search: hosted,
    })
}
