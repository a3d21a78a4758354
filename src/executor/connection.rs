//! One connection: the handshake, and each message to whoever answers it.
//!
//! Processes are started, written to and ended in the order of the messages. Operations on files run one after the
//! other, beside the rest; reads that wait and relayed requests run beside everything, up to a limit, past which the
//! connection waits. A message that is no request and no known notification ends the connection.

use std::collections::HashSet;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::Executor;
use super::files::{self, FileJob};
use super::http;
use super::outbox::Outbox;
use super::refusal::Refusal;
use super::session::{Session, Sessions};
use crate::protocol::exec_server::*;
use crate::protocol::{JSONRPCMessage, JSONRPCRequest, RequestId};

/// Reads that wait, and relayed requests, at a time.
const MAX_BESIDE: usize = 64;
/// Operations on files that may wait for their turn.
const FILE_DEPTH: usize = 64;

/// The id of answers to what is no request.
const NO_REQUEST: i64 = -1;

/// A connection.
pub(super) struct Connection {
    executor: Arc<Executor>,
    outbox: Outbox,
    session: Option<Arc<Session>>,
    /// Whether the client has said that it is initialized.
    ready: bool,
    files: mpsc::Sender<(RequestId, FileJob)>,
    /// The relayed requests whose bodies are being streamed, by the client's names.
    streaming: Arc<Mutex<HashSet<String>>>,
    beside: Arc<Semaphore>,
    /// Ends what runs beside when the connection is gone.
    gone: CancellationToken,
    /// How errors name this connection.
    label: String,
}

impl Connection {
    pub(super) fn new(executor: &Arc<Executor>, outbox: Outbox, label: String) -> Self {
        let (files, jobs) = mpsc::channel(FILE_DEPTH);
        tokio::spawn(files::work(jobs, outbox.clone(), Arc::clone(&executor.sandbox)));
        Connection {
            executor: Arc::clone(executor),
            outbox,
            session: None,
            ready: false,
            files,
            streaming: Arc::default(),
            beside: Arc::new(Semaphore::new(MAX_BESIDE)),
            gone: CancellationToken::new(),
            label,
        }
    }

    /// Takes a message. `Break` ends the connection.
    pub(super) async fn receive(&mut self, text: &str) -> ControlFlow<()> {
        match serde_json::from_str(text) {
            Ok(JSONRPCMessage::Request(request)) => self.request(request).await,
            Ok(JSONRPCMessage::Notification(told)) if told.method == INITIALIZED && self.session.is_some() => {
                self.ready = true;
            }
            Ok(_) => return ControlFlow::Break(()),
            Err(error) => {
                let refusal = Refusal::invalid_request(format!("failed to parse {}: {error}", self.label));
                let id = RequestId::Integer(NO_REQUEST);
                self.outbox.answer::<()>(&id, Err(refusal)).await;
            }
        }
        ControlFlow::Continue(())
    }

    async fn request(&mut self, request: JSONRPCRequest) {
        let JSONRPCRequest { id, method, params, .. } = request;
        let params = params.unwrap_or(Value::Null);
        match method.as_str() {
            INITIALIZE => {
                let outcome = self.initialize(params);
                self.outbox.answer(&id, outcome).await;
            }
            PROCESS_START => {
                let outcome = match self.of_session(params, "exec") {
                    Ok((session, params)) => session.start(&self.executor, params).await,
                    Err(refusal) => Err(refusal),
                };
                self.outbox.answer(&id, outcome).await;
            }
            PROCESS_READ => self.read(id, params).await,
            PROCESS_WRITE => {
                let outcome = self.of_session(params, "exec");
                let outcome = outcome.and_then(|(session, params)| session.write(params));
                self.outbox.answer(&id, outcome).await;
            }
            PROCESS_TERMINATE => {
                let outcome = self.of_session(params, "exec");
                let outcome =
                    outcome.map(|(session, params): (_, TerminateParams)| session.terminate(&params.process_id));
                self.outbox.answer(&id, outcome).await;
            }
            FS_READ_FILE => self.file(id, params, FileJob::Read).await,
            FS_WRITE_FILE => self.file(id, params, FileJob::Write).await,
            FS_CREATE_DIRECTORY => self.file(id, params, FileJob::CreateDirectory).await,
            FS_GET_METADATA => self.file(id, params, FileJob::Metadata).await,
            FS_READ_DIRECTORY => self.file(id, params, FileJob::ReadDirectory).await,
            FS_REMOVE => self.file(id, params, FileJob::Remove).await,
            FS_COPY => self.file(id, params, FileJob::Copy).await,
            HTTP_REQUEST => self.relay(id, params).await,
            other => {
                let refusal = Refusal::unknown_method(other);
                self.outbox.answer::<()>(&id, Err(refusal)).await;
            }
        }
    }

    fn initialize(&mut self, params: Value) -> Result<InitializeResponse, Refusal> {
        let params: InitializeParams = parse(params)?;
        if self.session.is_some() {
            return Err(Refusal::invalid_request(
                "initialize may only be sent once per connection",
            ));
        }
        let sessions = &self.executor.sessions;
        let session = match &params.resume_session_id {
            Some(id) => sessions.resume(id, &self.outbox)?,
            None => sessions.open(&self.outbox)?,
        };
        let capabilities = params.capabilities.map(|_| Capabilities {
            confine: self.executor.sandbox.way().is_some(),
        });
        let session_id = session.id().to_owned();
        self.session = Some(session);
        Ok(InitializeResponse {
            session_id,
            capabilities,
        })
    }

    /// The session, once the handshake is over, and the parameters. `family` is what errors call the method's like.
    fn of_session<P: DeserializeOwned>(&self, params: Value, family: &str) -> Result<(Arc<Session>, P), Refusal> {
        let params = parse(params)?;
        let wanted = match &self.session {
            Some(session) if self.ready => return Ok((Arc::clone(session), params)),
            Some(_) => "send initialized",
            None => "call initialize",
        };
        Err(Refusal::invalid_request(format!(
            "client must {wanted} before using {family} methods"
        )))
    }

    async fn read(&self, id: RequestId, params: Value) {
        let found = self
            .of_session(params, "exec")
            .and_then(|(session, params): (_, ReadParams)| Ok((session.readable(&params)?, params)));
        match found {
            Ok((process, params)) if process.would_wait(&params) => {
                self.beside(id, async move { Ok(process.read(&params).await) }).await;
            }
            Ok((process, params)) => {
                let read = process.read(&params).await;
                self.outbox.answer(&id, Ok(read)).await;
            }
            Err(refusal) => self.outbox.answer::<()>(&id, Err(refusal)).await,
        }
    }

    async fn file<P: DeserializeOwned>(&self, id: RequestId, params: Value, job: fn(P) -> FileJob) {
        match self.of_session(params, "filesystem") {
            Ok((_, params)) => {
                // Only the end of the worker could refuse it, and that comes after ours.
                let _ = self.files.send((id, job(params))).await;
            }
            Err(refusal) => self.outbox.answer::<()>(&id, Err(refusal)).await,
        }
    }

    async fn relay(&self, id: RequestId, params: Value) {
        let prepared = self
            .of_session(params, "http")
            .and_then(|(_, params)| http::Relay::prepare(params, Arc::clone(&self.streaming)));
        match prepared {
            Ok(relay) => {
                let (outbox, answer_to) = (self.outbox.clone(), id.clone());
                // It answers itself, since the body may follow the answer.
                self.spawn_beside(async move { relay.run(answer_to, outbox).await })
                    .await;
            }
            Err(refusal) => self.outbox.answer::<()>(&id, Err(refusal)).await,
        }
    }

    /// Answers a request when its work is done, without holding up what comes after it.
    async fn beside<T: Serialize + Send + 'static>(
        &self,
        id: RequestId,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) {
        let outbox = self.outbox.clone();
        self.spawn_beside(async move {
            let outcome = work.await;
            outbox.answer(&id, outcome).await;
        })
        .await;
    }

    async fn spawn_beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(place) = Arc::clone(&self.beside).acquire_owned().await else {
            return;
        };
        let gone = self.gone.clone();
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = work => {}
                () = gone.cancelled() => {}
            }
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gone.cancel();
        if let Some(session) = self.session.take() {
            Sessions::detach(&self.executor, session);
        }
    }
}

fn parse<P: DeserializeOwned>(params: Value) -> Result<P, Refusal> {
    serde_json::from_value(params).map_err(|error| Refusal::invalid_params(error.to_string()))
}
