//! Executors behind a connection: an exec-server, ours or another that speaks its protocol.
//!
//! The connection is opened when it is first needed, and again after it was lost: its session is taken up where it was,
//! so that processes go on and nothing that they printed is missed (see `link.rs`, `process.rs`).

mod feed;
mod files;
mod link;
mod place;
mod process;
mod wire;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

pub use place::RemotePlace;
pub(in crate::exec) use process::{ProcessEvent, RemoteInput, RemoteProcess};

use link::{Call, Command, Resend};

use crate::protocol::exec_server::{Capabilities, NOT_FOUND};

/// Requests that may wait to be sent.
const DEPTH: usize = 64;

/// How an executor is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// A WebSocket.
    Url {
        /// Its address.
        url: String,
        /// The file that holds the bearer token that it wants.
        token_file: Option<PathBuf>,
    },
    /// A program that speaks the protocol on its stdin and stdout.
    Program {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
        /// Further variables.
        env: BTreeMap<String, String>,
        /// Its working folder; the server's if there is none.
        cwd: Option<PathBuf>,
    },
}

/// An executor as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteSpec {
    /// How it is reached.
    pub route: Route,
    /// How long reaching it may take.
    pub connect_timeout: Duration,
    /// How long it may take to open a session.
    pub initialize_timeout: Duration,
}

impl RemoteSpec {
    /// How long either may take if nobody says.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// An executor at a URL.
    pub fn at(url: &str) -> Self {
        RemoteSpec {
            route: Route::Url {
                url: url.to_owned(),
                token_file: None,
            },
            connect_timeout: Self::PATIENCE,
            initialize_timeout: Self::PATIENCE,
        }
    }
}

/// Why an executor did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It refused.
    #[error("exec-server rejected request ({code}): {message}")]
    Rejected {
        /// The code of the error.
        code: i64,
        /// Its message.
        message: String,
    },
    /// It cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The connection was lost and could not be taken up again.
    #[error("exec-server transport disconnected: {0}")]
    Disconnected(String),
    /// It did not answer in time.
    #[error("exec-server did not answer `{0}` in time")]
    Silent(String),
    /// It said what nobody understands.
    #[error("exec-server protocol error: {0}")]
    Protocol(String),
}

impl From<RemoteError> for std::io::Error {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Rejected { code, message } => {
                let kind = match code {
                    NOT_FOUND => std::io::ErrorKind::NotFound,
                    _ => std::io::ErrorKind::Other,
                };
                std::io::Error::new(kind, message)
            }
            other => std::io::Error::other(other),
        }
    }
}

/// The connection to one executor.
#[derive(Debug)]
pub(in crate::exec) struct Remote {
    spec: RemoteSpec,
    /// The way to the task that has the connection; it ends with it.
    link: Mutex<Option<mpsc::Sender<Command>>>,
    /// The ids that processes had: an executor does not take one twice.
    used: Mutex<HashSet<String>>,
}

impl Remote {
    fn new(spec: RemoteSpec) -> Arc<Self> {
        Arc::new(Remote {
            spec,
            link: Mutex::default(),
            used: Mutex::default(),
        })
    }

    /// Asks, and waits for the answer.
    async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
        resend: Resend,
    ) -> Result<R, RemoteError> {
        let (command, answer) = prepared(method, params, resend)?;
        self.tell(command).await?;
        understood(answer.await.map_err(|_| ended())?)
    }

    /// The same for a thread that may block.
    fn call_blocking<P: Serialize, R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &P,
        resend: Resend,
    ) -> Result<R, RemoteError> {
        let (command, answer) = prepared(method, params, resend)?;
        self.link().blocking_send(command).map_err(|_| ended())?;
        understood(answer.blocking_recv().map_err(|_| ended())?)
    }

    /// What the executor can do beyond the protocol. Opens the connection.
    async fn capabilities(&self) -> Result<Capabilities, RemoteError> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::Capabilities(reply)).await?;
        answer.await.map_err(|_| ended())?
    }

    async fn tell(&self, command: Command) -> Result<(), RemoteError> {
        self.link().send(command).await.map_err(|_| ended())
    }

    /// Says something that nobody waits for; what finds no room, or no connection, is not said.
    fn mention(&self, command: Command) {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = link.as_ref() {
            let _ = link.try_send(command);
        }
    }

    /// The link; a new one if there is none or the last one ended. Needs a runtime around it.
    fn link(&self) -> mpsc::Sender<Command> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match link.as_ref().filter(|link| !link.is_closed()) {
            Some(link) => link.clone(),
            None => {
                let (sender, commands) = mpsc::channel(DEPTH);
                tokio::spawn(link::run(self.spec.clone(), commands));
                link.insert(sender).clone()
            }
        }
    }

    /// An id for a process that is known here by `number`.
    fn process_id(&self, number: u32) -> String {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let plain = number.to_string();
        let id = match used.contains(&plain) {
            false => plain,
            true => format!("{number}-{}", uuid::Uuid::new_v4()),
        };
        used.insert(id.clone());
        id
    }
}

type Answer = oneshot::Receiver<Result<serde_json::Value, RemoteError>>;

fn prepared<P: Serialize>(method: &'static str, params: &P, resend: Resend) -> Result<(Command, Answer), RemoteError> {
    let params = serde_json::to_value(params).map_err(|error| RemoteError::Protocol(error.to_string()))?;
    let (reply, answer) = oneshot::channel();
    let call = Call {
        method,
        params,
        resend,
        reply: Some(reply),
        feed: None,
    };
    Ok((Command::Call(call), answer))
}

fn understood<R: DeserializeOwned>(answer: Result<serde_json::Value, RemoteError>) -> Result<R, RemoteError> {
    serde_json::from_value(answer?).map_err(|error| RemoteError::Protocol(error.to_string()))
}

fn ended() -> RemoteError {
    RemoteError::Disconnected("the connection ended".to_owned())
}
