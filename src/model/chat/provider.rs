//! The provider: one POST to `{base_url}/chat/completions` for each step.

use std::path::Path;

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::chunks::Chunks;
use super::request;
use super::tools::Tools;
use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::http::Endpoint;
use crate::model::provider::{ModelProvider, ModelStream, SamplingRequest};
use crate::model::retry::RetryPolicy;

/// Parts of refusals by which servers say that the conversation does not fit: OpenAI and vLLM, llama.cpp.
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "exceed_context_size_error",
    "maximum context length",
];

/// A configured provider of Chat Completions.
#[derive(Debug)]
pub struct ChatProvider {
    endpoint: Endpoint,
}

impl ChatProvider {
    /// A provider from its configuration. `home` holds the stored login.
    ///
    /// # Errors
    /// The base URL is not a URL.
    pub fn new(id: &str, config: &ProviderConfig, home: &Path) -> Result<Self, ModelError> {
        Ok(ChatProvider {
            endpoint: Endpoint::new(id, config, home, "chat/completions")?,
        })
    }
}

impl ModelProvider for ChatProvider {
    fn id(&self) -> &str {
        &self.endpoint.id
    }

    fn retry(&self) -> &RetryPolicy {
        &self.endpoint.retry
    }

    fn stream(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let tools = Tools::read(&request.tools);
            let body = request::body(&request, &tools);
            let answer = self.endpoint.stream(&request, body, Chunks::new(tools), cancel).await;
            answer.map_err(|error| match error {
                ModelError::InvalidRequest(body) if TOO_LONG.iter().any(|part| body.contains(part)) => {
                    ModelError::ContextWindow
                }
                other => other,
            })
        })
    }
}
