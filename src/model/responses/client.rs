//! Sending a request, and reading the answer's events as they come.
//!
//! The request is repeated here when it did not get through (transport faults and 5xx); a stream that breaks is the
//! engine's to repeat. A connection is used again once an answer was read to its end, so the few bytes behind
//! `response.completed` are read even though nobody waits for them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use tokio_util::sync::CancellationToken;

use super::auth::Auth;
use super::sse::{Decoder, MAX_EVENT};
use super::{events, failure, headers, http, request};
use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::provider::{InputItem, ModelEvent, ModelProvider, ModelStream, SamplingRequest};
use crate::model::retry::{RetryPolicy, backoff};

const OPENAI: &str = "openai";
const OPENAI_URL: &str = "https://api.openai.com/v1";
/// The least time a provider gets to begin its answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How much of an error's body is read.
const ERROR_BODY: usize = 1 << 20;
/// How long the rest of an answer may take to come, before its connection is given up.
const REST_TIMEOUT: Duration = Duration::from_secs(2);

/// A configured provider of the Responses API.
#[derive(Debug)]
pub struct ResponsesProvider {
    id: String,
    url: Url,
    /// Where conversations are compacted, at a provider that does.
    compact_url: Option<Url>,
    headers: HeaderMap,
    auth: Auth,
    retry: RetryPolicy,
}

impl ResponsesProvider {
    /// A provider from its configuration. `home` holds the stored login.
    ///
    /// # Errors
    /// The base URL is not a URL.
    pub fn new(id: &str, config: &ProviderConfig, home: &std::path::Path) -> Result<Self, ModelError> {
        let base = config.base_url.as_deref().unwrap_or(OPENAI_URL).trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}/responses"))
            .map_err(|error| ModelError::Provider(format!("model_providers.{id}.base_url `{base}`: {error}")))?;
        if !config.query_params.is_empty() {
            url.query_pairs_mut().extend_pairs(&config.query_params);
        }
        let compact_url = super::compact::url(config, &url);
        Ok(ResponsesProvider {
            id: id.to_owned(),
            url,
            compact_url,
            headers: headers::fixed(id, &config.http_headers, &config.env_http_headers),
            auth: Auth::new(config, home, id == OPENAI),
            retry: RetryPolicy::new(
                config.request_max_retries,
                config.stream_max_retries,
                config.stream_idle_timeout_ms,
            ),
        })
    }

    /// Posts to the provider until it answers with a success, or for good with a fault.
    async fn open(&self, url: &Url, headers: HeaderMap, body: Bytes) -> Result<Response, ModelError> {
        let client = http::client(url).await?;
        let (mut attempt, mut renewed) = (0, false);
        loop {
            let failed = match self.post(&client, url, headers.clone(), body.clone(), renewed).await? {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(refused) => refused,
                Err(_) if attempt < self.retry.request_max_retries => {
                    attempt += 1;
                    tokio::time::sleep(backoff(attempt)).await;
                    continue;
                }
                Err(error) => return Err(ModelError::disconnected(error.to_string())),
            };
            let status = failed.status();
            if status == StatusCode::UNAUTHORIZED && self.auth.renewable() && !renewed {
                renewed = true;
            } else if status.is_server_error() && attempt < self.retry.request_max_retries {
                attempt += 1;
                tokio::time::sleep(backoff(attempt)).await;
            } else {
                return Err(self.refusal(failed).await);
            }
        }
    }

    /// One POST. The outer error ends the step; the inner one is a fault of the transport.
    async fn post(
        &self,
        client: &reqwest::Client,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
        renew: bool,
    ) -> Result<Result<Response, reqwest::Error>, ModelError> {
        if let Some(token) = self.auth.header(renew).await? {
            headers.insert(AUTHORIZATION, token);
        }
        let sent = client.post(url.clone()).headers(headers).body(body).send();
        let limit = HEAD_TIMEOUT.max(self.retry.stream_idle_timeout);
        tokio::time::timeout(limit, sent).await.map_err(|_| idle())
    }

    async fn refusal(&self, mut response: Response) -> ModelError {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk);
                if body.len() > ERROR_BODY {
                    break;
                }
            }
        };
        // What came so far has to do when the rest does not come.
        let _ = tokio::time::timeout(self.retry.stream_idle_timeout, read).await;
        let body = String::from_utf8_lossy(&body);
        failure::of_response(response.status(), response.headers(), &body, response.url().as_str())
    }
}

impl ModelProvider for ResponsesProvider {
    fn id(&self) -> &str {
        &self.id
    }

    fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    fn stream(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            let started = Instant::now();
            let headers = headers::request(&self.headers, &request);
            let response = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(ModelError::Interrupted),
                response = self.open(&self.url, headers, request::body(&request)) => response?,
            };
            let head = headers::head(response.headers());
            let answer = Box::new(Answer {
                response: Some(response),
                decoder: Decoder::default(),
                idle: self.retry.stream_idle_timeout,
                heard: tokio::time::Instant::now(),
                cancel,
                started,
                begun: false,
            });
            let events = stream::unfold(answer, |mut answer| async move {
                let event = answer.next().await?;
                Some((event, answer))
            });
            Ok(ModelStream::new(head, events))
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
                .ok_or_else(|| super::compact::unsupported(&self.id))?;
            let headers = headers::compaction(&self.headers, &request);
            let answer = async {
                let response = self.open(url, headers, request::compaction(&request)).await?;
                super::compact::read(response, self.retry.stream_idle_timeout).await
            };
            tokio::select! {
                biased;
                () = cancel.cancelled() => Err(ModelError::Interrupted),
                items = answer => items,
            }
        })
    }
}

/// An answer being read.
struct Answer {
    /// Gone once the last event was handed out.
    response: Option<Response>,
    decoder: Decoder,
    idle: Duration,
    /// When the last event came.
    heard: tokio::time::Instant,
    cancel: CancellationToken,
    /// When the request was sent.
    started: Instant,
    /// Whether there was an event.
    begun: bool,
}

impl Answer {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            self.response.as_ref()?;
            while let Some(payload) = self.decoder.next() {
                self.heard = tokio::time::Instant::now();
                match events::read(payload) {
                    Ok(None) => {}
                    Ok(Some(event)) => {
                        if !self.begun {
                            self.begun = true;
                            metrics::histogram!("greenroom_provider_first_event_seconds")
                                .record(self.started.elapsed());
                        }
                        if matches!(event, ModelEvent::Completed { .. }) {
                            metrics::histogram!("greenroom_provider_seconds").record(self.started.elapsed());
                            self.read_rest();
                        }
                        return Some(Ok(event));
                    }
                    Err(error) => return Some(Err(self.end(error))),
                }
            }
            if self.decoder.is_overfull() {
                let endless = ModelError::disconnected(format!("an event is longer than {} MiB", MAX_EVENT >> 20));
                return Some(Err(self.end(endless)));
            }
            let response = self.response.as_mut()?;
            // Bytes that make no event (comments to keep a proxy awake) are no sign of life.
            let silent_until = self.heard.checked_add(self.idle);
            let chunk = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Some(Err(self.end(ModelError::Interrupted))),
                chunk = by(silent_until, response.chunk()) => chunk,
            };
            match chunk {
                Ok(Ok(Some(chunk))) => self.decoder.push(&chunk),
                Ok(Ok(None)) => {
                    let early = ModelError::disconnected("stream closed before response.completed");
                    return Some(Err(self.end(early)));
                }
                Ok(Err(error)) => {
                    let broken = ModelError::disconnected(format!("Transport error: network error: {error}"));
                    return Some(Err(self.end(broken)));
                }
                Err(_) => return Some(Err(self.end(idle()))),
            }
        }
    }

    fn end(&mut self, error: ModelError) -> ModelError {
        self.response = None;
        error
    }

    /// Reads the answer to its end on the side, so that its connection can be used again.
    fn read_rest(&mut self) {
        if let Some(mut response) = self.response.take() {
            tokio::spawn(tokio::time::timeout(REST_TIMEOUT, async move {
                while let Ok(Some(_)) = response.chunk().await {}
            }));
        }
    }
}

/// Waits up to a moment; for ever, where it lies too far ahead to be told.
async fn by<T>(
    end: Option<tokio::time::Instant>,
    wait: impl Future<Output = T>,
) -> Result<T, tokio::time::error::Elapsed> {
    match end {
        Some(end) => tokio::time::timeout_at(end, wait).await,
        None => Ok(wait.await),
    }
}

fn idle() -> ModelError {
    ModelError::disconnected("idle timeout waiting for SSE")
}
