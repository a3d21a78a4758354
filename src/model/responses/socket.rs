//! The Responses API over WebSockets: one connection for each thread, used again from step to step.
//!
//! A connection is opened when the thread is loaded, and the provider told what is going to be asked. The first request
//! waits for that, for a while. While a connection lasts, the provider remembers its last answer: what a request adds to it is all that is sent. A
//! connection that rested too long, or broke while it rested, is replaced without anybody noticing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, stream};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::events;
use super::request::{self, Continuation};
use crate::model::error::ModelError;
use crate::model::http::{Endpoint, Socket, Upgrade, failure, headers};
use crate::model::provider::{InputItem, ModelEvent, ModelStream, ResponseHead, SamplingRequest, Way};
use crate::model::rate_limits;

/// Names the protocol that is spoken on the connection.
const BETA: (&str, &str) = ("openai-beta", "responses_websockets=2026-02-06");
/// Nobody answers pings meanwhile, and a connection that is half gone would cost a whole idle timeout.
const LONGEST_REST: Duration = Duration::from_secs(60);
/// How long a request waits for a connection that is being prepared for it.
const WARMING: Duration = Duration::from_secs(3);
/// Connections that rest at once.
const MOST_RESTING: usize = 256;
/// Threads that something is known of.
const MOST_KNOWN: usize = 4096;

/// The connections of a provider's threads.
#[derive(Debug)]
pub(super) struct Sockets {
    threads: Mutex<HashMap<String, Thread>>,
    open_limit: Duration,
}

#[derive(Debug)]
enum Thread {
    Resting(Box<Resting>),
    /// It is being prepared, until the other end is gone.
    Warming(watch::Receiver<()>),
    /// There are no WebSockets where one was asked for.
    Denied,
    /// It has gone over to requests.
    Requests,
}

#[derive(Debug)]
struct Resting {
    socket: Socket,
    since: Instant,
    answered: Answered,
    /// What was said when it was opened, until somebody has heard of it.
    head: ResponseHead,
}

/// What the other side remembers.
#[derive(Debug)]
struct Answered {
    response_id: String,
    /// The input of the request and what was answered.
    said: Vec<InputItem>,
    /// [`request::settings_digest`] of the request.
    settings: u64,
}

impl Answered {
    fn continued_by(&self, request: &SamplingRequest) -> Option<Continuation<'_>> {
        let mut pairs = self.said.iter().zip(&request.input);
        let goes_on = request.input.len() > self.said.len()
            && pairs.all(|(said, item)| Arc::ptr_eq(said, item) || said.get() == item.get())
            && self.settings == request::settings_digest(request);
        goes_on.then_some(Continuation {
            response_id: &self.response_id,
            covered: self.said.len(),
        })
    }
}

impl Sockets {
    /// No connections yet. `open_limit` is how long opening one may take.
    pub(super) fn new(open_limit: Duration) -> Self {
        Sockets {
            threads: Mutex::default(),
            open_limit,
        }
    }

    /// From now on the thread's answers are asked for by requests. False if they are already.
    pub(super) fn leave(&self, thread: &str) -> bool {
        let mut threads = self.lock();
        if threads.len() >= MOST_KNOWN {
            // Who is forgotten finds out again.
            threads.retain(|_, thread| !matches!(thread, Thread::Requests | Thread::Denied));
        }
        let before = threads.insert(thread.to_owned(), Thread::Requests);
        !matches!(before, Some(Thread::Requests))
    }

    /// How the thread's answers are asked for.
    pub(super) fn way(&self, thread: &str) -> Way {
        match self.lock().get(thread) {
            Some(Thread::Requests) => Way::Requests,
            Some(Thread::Denied) => Way::NoSocket,
            Some(Thread::Resting(_) | Thread::Warming(_)) | None => Way::Socket,
        }
    }

    /// Opens a connection for a thread that has none, and has the provider prepare for requests like this one.
    pub(super) async fn warm_up(self: &Arc<Self>, endpoint: &Endpoint, request: &SamplingRequest) {
        let thread = request.identity.thread_id.clone();
        let (done, warming) = watch::channel(());
        {
            let mut threads = self.lock();
            threads.retain(|_, thread| thread.lasts());
            if threads.contains_key(&thread) || connections(&threads) >= MOST_RESTING {
                return;
            }
            threads.insert(thread.clone(), Thread::Warming(warming));
        }
        let limit = self.open_limit.saturating_mul(2);
        let warmed = tokio::time::timeout(limit, self.warm(endpoint, request)).await;
        let outcome = match warmed {
            Ok(Ok(outcome)) => Some(outcome),
            Ok(Err(error)) => {
                tracing::debug!("a WebSocket could not be prepared: {error}");
                None
            }
            Err(_) => None,
        };
        let since = match &outcome {
            Some(Thread::Resting(resting)) => Some(resting.since),
            _ => None,
        };
        {
            let mut threads = self.lock();
            // Unless a request that waited long enough has taken its place.
            if matches!(threads.get(&thread), Some(Thread::Warming(_))) {
                match outcome {
                    Some(outcome) => threads.insert(thread.clone(), outcome),
                    None => threads.remove(&thread),
                };
            }
        }
        drop(done);
        if let Some(since) = since {
            tokio::spawn(Arc::clone(self).forget(thread, since));
        }
    }

    /// A thread that says nothing keeps no connection.
    async fn forget(self: Arc<Self>, thread: String, since: Instant) {
        tokio::time::sleep(LONGEST_REST).await;
        let mut threads = self.lock();
        if matches!(threads.get(&thread), Some(Thread::Resting(resting)) if resting.since == since) {
            threads.remove(&thread);
        }
    }

    async fn warm(&self, endpoint: &Endpoint, request: &SamplingRequest) -> Result<Thread, ModelError> {
        let (mut socket, told) = match endpoint.upgrade(asked(endpoint, request), self.open_limit).await? {
            Upgrade::Open(socket, told) => (*socket, told),
            Upgrade::Refused => return Ok(Thread::Requests),
            Upgrade::Denied(_) => return Ok(Thread::Denied),
        };
        let message = request::warming(request);
        socket.send(Message::text(message)).await.map_err(broken)?;
        loop {
            let payload = payload(&mut socket, self.open_limit).await?.ok_or_else(early)?;
            if let Some(ModelEvent::Completed { response_id, .. }) = read(&payload)? {
                return Ok(Thread::Resting(Box::new(Resting {
                    socket,
                    since: Instant::now(),
                    answered: Answered {
                        response_id,
                        said: Vec::new(),
                        settings: request::settings_digest(request),
                    },
                    head: headers::head(&told),
                })));
            }
        }
    }

    /// Takes what is known of a thread's connection, once that is settled.
    async fn take(&self, thread: &str) -> Option<Thread> {
        let warming = match self.lock().get(thread) {
            Some(Thread::Warming(warming)) => Some(warming.clone()),
            _ => None,
        };
        if let Some(mut warming) = warming {
            let settled = async { while warming.changed().await.is_ok() {} };
            // Slower than opening another one would be: let it go.
            let _ = tokio::time::timeout(WARMING, settled).await;
        }
        self.lock().remove(thread)
    }

    /// Asks for an answer, and returns once it has begun; none where the provider wants requests instead.
    pub(super) async fn stream(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        request: &SamplingRequest,
        cancel: CancellationToken,
    ) -> Result<Option<ModelStream>, ModelError> {
        let started = Instant::now();
        let thread = &request.identity.thread_id;
        let known = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ModelError::Interrupted),
            known = self.take(thread) => known,
        };
        let resting = match known {
            Some(Thread::Requests) => {
                self.leave(thread);
                return Ok(None);
            }
            Some(Thread::Resting(resting)) => Some(resting),
            Some(Thread::Warming(_) | Thread::Denied) | None => None,
        };
        let begun = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(ModelError::Interrupted),
            begun = self.begin(endpoint, request, resting) => begun?,
        };
        let Some((socket, first, head)) = begun else {
            self.leave(thread);
            return Ok(None);
        };
        let answer = Answer {
            socket: Some(socket),
            first: Some(first),
            sockets: Arc::clone(self),
            thread: thread.clone(),
            answered: Answered {
                response_id: String::new(),
                said: request.input.clone(),
                settings: request::settings_digest(request),
            },
            idle: endpoint.retry.stream_idle_timeout,
            cancel,
            started,
            begun: false,
        };
        let events = stream::unfold(Box::new(answer), |mut answer| async move {
            let event = answer.next().await?;
            Some((event, answer))
        });
        Ok(Some(ModelStream::new(head, events)))
    }

    /// Sends the request, on the resting connection if that goes on well, and waits for the first payload.
    async fn begin(
        &self,
        endpoint: &Endpoint,
        request: &SamplingRequest,
        resting: Option<Box<Resting>>,
    ) -> Result<Option<(Socket, Utf8Bytes, ResponseHead)>, ModelError> {
        let idle = endpoint.retry.stream_idle_timeout;
        if let Some(mut resting) = resting.filter(|resting| resting.since.elapsed() < LONGEST_REST) {
            let message = request::message(request, resting.answered.continued_by(request));
            if resting.socket.send(Message::text(message)).await.is_ok()
                && let Ok(Some(first)) = payload(&mut resting.socket, idle).await
                // It may have forgotten its answer, or be about to close the connection.
                && fault(&first).is_none()
            {
                return Ok(Some((resting.socket, first, resting.head)));
            }
        }
        let (mut socket, told) = match endpoint.upgrade(asked(endpoint, request), self.open_limit).await? {
            Upgrade::Open(socket, told) => (*socket, told),
            Upgrade::Refused => return Ok(None),
            Upgrade::Denied(error) => {
                self.lock().insert(request.identity.thread_id.clone(), Thread::Denied);
                return Err(error);
            }
        };
        let message = request::message(request, None);
        socket.send(Message::text(message)).await.map_err(broken)?;
        let first = payload(&mut socket, idle).await?.ok_or_else(early)?;
        Ok(Some((socket, first, headers::head(&told))))
    }

    fn rest(&self, thread: String, resting: Resting) {
        let mut threads = self.lock();
        if connections(&threads) >= MOST_RESTING {
            threads.retain(|_, thread| thread.lasts());
        }
        if connections(&threads) < MOST_RESTING * 2 {
            threads.insert(thread, Thread::Resting(Box::new(resting)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    /// Whether it is worth knowing any longer.
    fn lasts(&self) -> bool {
        match self {
            Thread::Resting(resting) => resting.since.elapsed() < LONGEST_REST,
            Thread::Warming(_) | Thread::Denied | Thread::Requests => true,
        }
    }
}

/// How many threads have a connection that rests or is being prepared.
fn connections(threads: &HashMap<String, Thread>) -> usize {
    let connected = |thread: &&Thread| matches!(thread, Thread::Resting(_) | Thread::Warming(_));
    threads.values().filter(connected).count()
}

/// The headers of a connection for such requests.
fn asked(endpoint: &Endpoint, request: &SamplingRequest) -> HeaderMap {
    let mut asked = headers::request(&endpoint.headers, request);
    asked.insert(HeaderName::from_static(BETA.0), HeaderValue::from_static(BETA.1));
    asked
}

/// An answer being read.
struct Answer {
    /// Gone once nothing more is to be read.
    socket: Option<Socket>,
    first: Option<Utf8Bytes>,
    sockets: Arc<Sockets>,
    thread: String,
    answered: Answered,
    idle: Duration,
    cancel: CancellationToken,
    /// When the request was sent.
    started: Instant,
    /// Whether there was an event.
    begun: bool,
}

impl Answer {
    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            let socket = self.socket.as_mut()?;
            let payload = match self.first.take() {
                Some(first) => Ok(Some(first)),
                None => tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => Err(ModelError::Interrupted),
                    payload = payload(socket, self.idle) => payload,
                },
            };
            let read = match payload {
                Ok(Some(payload)) => read(&payload),
                Ok(None) => Err(early()),
                Err(error) => Err(error),
            };
            match read {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(self.hand_out(event))),
                Err(error) => {
                    self.socket = None;
                    return Some(Err(error));
                }
            }
        }
    }

    fn hand_out(&mut self, event: ModelEvent) -> ModelEvent {
        if !self.begun {
            self.begun = true;
            metrics::histogram!("greenroom_provider_first_event_seconds").record(self.started.elapsed());
        }
        match &event {
            ModelEvent::ItemDone(item) => self.answered.said.extend(item.history()),
            ModelEvent::Completed { response_id, .. } => {
                metrics::histogram!("greenroom_provider_seconds").record(self.started.elapsed());
                if let Some(socket) = self.socket.take() {
                    let answered = Answered {
                        response_id: response_id.clone(),
                        said: std::mem::take(&mut self.answered.said),
                        settings: self.answered.settings,
                    };
                    let since = Instant::now();
                    self.sockets.rest(
                        std::mem::take(&mut self.thread),
                        Resting {
                            socket,
                            since,
                            answered,
                            head: ResponseHead::default(),
                        },
                    );
                }
            }
            _ => {}
        }
        event
    }
}

/// The next text; none when the other side closed. Pings and the like are no sign of life.
async fn payload(socket: &mut Socket, idle: Duration) -> Result<Option<Utf8Bytes>, ModelError> {
    let text = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(Some(text)),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(error)),
            }
        }
    };
    let silent = || ModelError::disconnected("idle timeout waiting for the WebSocket");
    tokio::time::timeout(idle, text).await.map_err(|_| silent())?
}

fn read(payload: &Utf8Bytes) -> Result<Option<ModelEvent>, ModelError> {
    if let Some(event) = events::read(payload.as_bytes())? {
        return Ok(Some(event));
    }
    if let Some(fault) = fault(payload) {
        return Err(fault);
    }
    Ok(rate_limits::from_event(payload).map(ModelEvent::RateLimits))
}

/// The fault that a payload of the type `error` tells: the same as the answer to a request would be.
fn fault(payload: &str) -> Option<ModelError> {
    #[derive(Deserialize)]
    struct Fault {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default, alias = "status_code")]
        status: Option<u16>,
        #[serde(default)]
        error: Value,
        #[serde(default)]
        headers: HashMap<String, Value>,
    }
    let fault: Fault = serde_json::from_str(payload)
        .ok()
        .filter(|fault: &Fault| fault.kind == "error")?;
    let status = fault.status.and_then(|status| StatusCode::from_u16(status).ok());
    let Some(status) = status.filter(|_| fault.error["code"] != "websocket_connection_limit_reached") else {
        let message = fault.error["message"]
            .as_str()
            .unwrap_or("the provider ended the WebSocket");
        return Some(ModelError::disconnected(message));
    };
    let mut told = HeaderMap::new();
    for (name, value) in &fault.headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(text)) {
            told.insert(name, value);
        }
    }
    let body = serde_json::json!({ "error": fault.error }).to_string();
    Some(failure::of_response(status, &told, &body, "the WebSocket"))
}

fn broken(error: impl std::fmt::Display) -> ModelError {
    ModelError::disconnected(format!("WebSocket: {error}"))
}

fn early() -> ModelError {
    ModelError::disconnected("websocket closed by server before response.completed")
}
