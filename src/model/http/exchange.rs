//! Sending a request, and reading the answer's events as they come.
//!
//! The request is repeated here when it did not get through (transport faults and 5xx); a stream that breaks is the
//! engine's to repeat. A connection is used again once an answer was read to its end, so the few bytes behind the last
//! event are read even though nobody waits for them.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use tokio_util::sync::CancellationToken;

use super::auth::Auth;
use super::client::{self, Purpose};
use super::sse::{Decoder, MAX_EVENT};
use super::{failure, headers};
use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::provider::{ModelEvent, ModelStream, SamplingRequest};
use crate::model::retry::{RetryPolicy, backoff};

const OPENAI: &str = "openai";
const OPENAI_URL: &str = "https://api.openai.com/v1";
/// The least time a provider gets to begin its answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How much of an error's body is read.
const ERROR_BODY: usize = 1 << 20;
/// How long the rest of an answer may take to come, before its connection is given up.
const REST_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes events of an answer's payloads. One for each answer.
pub(in crate::model) trait EventReader: Send + 'static {
    /// Adds what `payload`, the data of one server-sent event, means; nothing when it means nothing here.
    ///
    /// # Errors
    /// The payload says that the answer failed.
    fn read(&mut self, payload: &[u8], events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError>;

    /// The provider closed the stream: adds what was still held back.
    ///
    /// # Errors
    /// The answer was not whole.
    fn close(&mut self, events: &mut VecDeque<ModelEvent>) -> Result<(), ModelError>;
}

/// What is constant for a configured provider: its address, fixed headers, credentials and limits.
#[derive(Debug)]
pub(in crate::model) struct Endpoint {
    /// The provider's id in the configuration.
    pub(in crate::model) id: String,
    /// Where answers are asked for.
    pub(in crate::model) url: Url,
    /// The headers that never change.
    pub(in crate::model) headers: HeaderMap,
    /// The limits.
    pub(in crate::model) retry: RetryPolicy,
    pub(super) auth: Auth,
}

impl Endpoint {
    /// The endpoint `path` of a provider, from its configuration. `home` holds the stored login.
    ///
    /// # Errors
    /// The base URL is not a URL.
    pub(in crate::model) fn new(
        id: &str,
        config: &ProviderConfig,
        home: &Path,
        path: &str,
    ) -> Result<Self, ModelError> {
        let base = config.base_url.as_deref().unwrap_or(OPENAI_URL).trim_end_matches('/');
        let mut url = Url::parse(&format!("{base}/{path}"))
            .map_err(|error| ModelError::Provider(format!("model_providers.{id}.base_url `{base}`: {error}")))?;
        if !config.query_params.is_empty() {
            url.query_pairs_mut().extend_pairs(&config.query_params);
        }
        Ok(Endpoint {
            id: id.to_owned(),
            url,
            headers: headers::fixed(id, &config.http_headers, &config.env_http_headers),
            auth: Auth::new(config, home, id == OPENAI),
            retry: RetryPolicy::new(
                config.request_max_retries,
                config.stream_max_retries,
                config.stream_idle_timeout_ms,
            ),
        })
    }

    /// Asks for an answer, and returns once it has begun. `reader` makes events of it.
    pub(in crate::model) async fn stream(
        &self,
        request: &SamplingRequest,
        body: Bytes,
        reader: impl EventReader,
        cancel: CancellationToken,
    ) -> Result<ModelStream, ModelError> {
        let started = Instant::now();
        let headers = headers::request(&self.headers, request);
        let response = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ModelError::Interrupted),
            response = self.open(&self.url, headers, body) => response?,
        };
        let head = headers::head(response.headers());
        let answer = Box::new(Answer {
            response: Some(response),
            decoder: Decoder::default(),
            reader,
            ready: VecDeque::new(),
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
    }

    /// Whether the provider has a list of models for who comes with these credentials.
    pub(in crate::model) fn lists_models(&self) -> bool {
        self.auth.lists_models()
    }

    /// Asks for what is there, and gives the status of whatever answer comes.
    pub(in crate::model) async fn look(&self) -> Result<u16, ModelError> {
        let answer = self.get(self.headers.clone()).await?;
        Ok(answer.status().as_u16())
    }

    /// Asks for what is there, once, and gives whatever answer comes.
    pub(in crate::model) async fn get(&self, mut headers: HeaderMap) -> Result<Response, ModelError> {
        let client = client::client(&self.url, Purpose::Requests).await?;
        if let Some(token) = self.auth.header(false).await? {
            headers.insert(AUTHORIZATION, token);
        }
        let sent = client.get(self.url.clone()).headers(headers).send().await;
        sent.map_err(|error| {
            // The outer texts say that a request failed; the innermost says why.
            let error = error.without_url();
            let mut why: &dyn std::error::Error = &error;
            while let Some(inner) = why.source() {
                why = inner;
            }
            ModelError::disconnected(why.to_string())
        })
    }

    /// Posts to the provider until it answers with a success, or for good with a fault.
    pub(in crate::model) async fn open(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response, ModelError> {
        let client = client::client(url, Purpose::Requests).await?;
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

    /// What an answer that is no success means.
    pub(in crate::model) async fn refusal(&self, response: Response) -> ModelError {
        let url = response.url().to_string();
        self.refusal_at(&url, response).await
    }

    /// The same, of an answer from somewhere that goes by this address.
    pub(super) async fn refusal_at(&self, url: &str, mut response: Response) -> ModelError {
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
        failure::of_response(response.status(), response.headers(), &body, url)
    }
}

/// An answer being read.
struct Answer<R> {
    /// Gone once nothing more is to be read.
    response: Option<Response>,
    decoder: Decoder,
    reader: R,
    /// Events that were read and not handed out yet.
    ready: VecDeque<ModelEvent>,
    idle: Duration,
    /// When the last event came.
    heard: tokio::time::Instant,
    cancel: CancellationToken,
    /// When the request was sent.
    started: Instant,
    /// Whether there was an event.
    begun: bool,
}

impl<R: EventReader> Answer<R> {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(self.hand_out(event)));
            }
            self.response.as_ref()?;
            if let Some(payload) = self.decoder.next() {
                self.heard = tokio::time::Instant::now();
                if let Err(error) = self.reader.read(payload, &mut self.ready) {
                    return Some(Err(self.end(error)));
                }
                continue;
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
                    self.response = None;
                    if let Err(early) = self.reader.close(&mut self.ready) {
                        return Some(Err(self.end(early)));
                    }
                }
                Ok(Err(error)) => {
                    let broken = ModelError::disconnected(format!("Transport error: network error: {error}"));
                    return Some(Err(self.end(broken)));
                }
                Err(_) => return Some(Err(self.end(idle()))),
            }
        }
    }

    fn hand_out(&mut self, event: ModelEvent) -> ModelEvent {
        if !self.begun {
            self.begun = true;
            metrics::histogram!("greenroom_provider_first_event_seconds").record(self.started.elapsed());
        }
        if matches!(event, ModelEvent::Completed { .. }) {
            metrics::histogram!("greenroom_provider_seconds").record(self.started.elapsed());
            self.ready.clear();
            self.read_rest();
        }
        event
    }

    fn end(&mut self, error: ModelError) -> ModelError {
        self.response = None;
        self.ready.clear();
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
pub(in crate::model) async fn by<T>(
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
