//! The built-in offline provider.

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::model::error::ModelError;
use crate::model::provider::{ModelProvider, ModelStream, SamplingRequest};
use crate::model::retry::RetryPolicy;

/// The id of the provider and of its model.
pub const ID: &str = "rehearsal";

/// The provider `rehearsal`.
#[derive(Debug, Default)]
pub struct RehearsalProvider {
    retry: RetryPolicy,
}

impl ModelProvider for RehearsalProvider {
    fn id(&self) -> &str {
        ID
    }

    fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    fn stream(
        &self,
        _request: SamplingRequest,
        _cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async { Err(ModelError::Provider("the rehearsal model is not built yet".into())) })
    }
}
