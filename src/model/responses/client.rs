//! The provider: what is asked of the Responses API, and where.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Url;
use tokio_util::sync::CancellationToken;

use super::socket::Sockets;
use super::{compact, events, request};
use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::http::{Endpoint, EventReader, headers};
use crate::model::provider::{InputItem, ModelEvent, ModelProvider, ModelStream, SamplingRequest, Way};
use crate::model::retry::RetryPolicy;

/// A configured provider of the Responses API.
#[derive(Debug)]
pub struct ResponsesProvider {
    endpoint: Endpoint,
    /// Where conversations are compacted, at a provider that does.
    compact_url: Option<Url>,
    /// The WebSockets, at a provider that has them.
    sockets: Option<Arc<Sockets>>,
}

impl ResponsesProvider {
    /// A provider from its configuration. `home` holds the stored login.
    ///
    /// # Errors
    /// The base URL is not a URL.
    pub fn new(id: &str, config: &ProviderConfig, home: &Path) -> Result<Self, ModelError> {
        let endpoint = Endpoint::new(id, config, home, "responses")?;
        let compact_url = compact::url(config, &endpoint.url);
        let open_limit = Duration::from_millis(config.websocket_connect_timeout_ms.unwrap_or(15_000));
        Ok(ResponsesProvider {
            endpoint,
            compact_url,
            sockets: config.supports_websockets.then(|| Arc::new(Sockets::new(open_limit))),
        })
    }
}

/// Every payload names its own type.
struct Reader;

impl EventReader for Reader {
    fn read(&mut self, payload: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        events.extend(events::read(payload)?);
        Ok(())
    }

    fn close(&mut self, _events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError> {
        Err(ModelError::disconnected("stream closed before response.completed"))
    }
}

impl ModelProvider for ResponsesProvider {
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
            if let Some(sockets) = &self.sockets
                && let Some(stream) = sockets.stream(&self.endpoint, &request, cancel.clone()).await?
            {
                return Ok(stream);
            }
            let body = request::body(&request);
            self.endpoint.stream(&request, body, Reader, cancel).await
        })
    }

    fn fall_back(&self, thread: &str) -> bool {
        self.sockets.as_ref().is_some_and(|sockets| sockets.leave(thread))
    }

    fn way(&self, thread: &str) -> Way {
        self.sockets
            .as_ref()
            .map_or(Way::Requests, |sockets| sockets.way(thread))
    }

    fn warms_up(&self) -> bool {
        self.sockets.is_some()
    }

    fn warm_up(&self, request: SamplingRequest) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some(sockets) = &self.sockets {
                sockets.warm_up(&self.endpoint, &request).await;
            }
        })
    }

    fn compacts(&self) -> bool {
        self.compact_url.is_some()
    }

    fn compact(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Vec<InputItem>, ModelError>> {
        Box::pin(async move {
            let url = self
                .compact_url
                .as_ref()
                .ok_or_else(|| compact::unsupported(&self.endpoint.id))?;
            let headers = headers::compaction(&self.endpoint.headers, &request);
            let answer = async {
                let response = self.endpoint.open(url, headers, request::compaction(&request)).await?;
                compact::read(response, self.endpoint.retry.stream_idle_timeout).await
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(ModelError::Interrupted),
                items = answer => items,
            }
        })
    }
}
