//! The exec-server: this process as a place where others run commands, read and write files, and reach the network.
//!
//! Speaks the executor protocol (`protocol/exec_server.rs`) over a WebSocket or its own stdin and stdout. A connection
//! opens a session; the session owns processes and outlives its connection for a few seconds, so that a client that was
//! cut off can come back and lose nothing. When a session ends, so do its processes. docs/executors.md says who may
//! connect and what a client is trusted with.

mod address;
mod confined;
mod connection;
mod environment;
mod files;
mod http;
mod outbox;
mod pipe;
mod process;
mod refusal;
mod registration;
mod retained;
mod session;
mod socket;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::exec::Sandbox;
use crate::http::auth::AuthPolicy;

pub use address::{ExecListen, ExecListenError};
pub use confined::stage;
pub use registration::{Registration, RegistrationError};

use session::Sessions;

/// What a process needs to serve as an executor.
#[derive(Debug)]
pub struct Executor {
    /// The open sessions.
    sessions: Sessions,
    /// What confines processes and operations on files, where a client wants that.
    sandbox: Arc<Sandbox>,
    /// The state root: a confined process may write its memories.
    home: PathBuf,
}

impl Executor {
    /// An executor without sessions.
    pub fn new(sandbox: Arc<Sandbox>, home: PathBuf) -> Arc<Self> {
        Arc::new(Executor {
            sessions: Sessions::default(),
            sandbox,
            home,
        })
    }

    /// Serves until the process is told to end. `announce` is called with the address that a WebSocket listener got.
    /// Must be called on a thread that lives as long as the process: children are bound to it.
    pub async fn serve(
        self: Arc<Self>,
        listen: &ExecListen,
        auth: AuthPolicy,
        announce: impl FnOnce(std::net::SocketAddr),
    ) -> io::Result<()> {
        let outcome = match listen {
            ExecListen::Stdio => pipe::serve(&self).await,
            ExecListen::WebSocket(address) => socket::serve(&self, *address, auth, announce).await,
        };
        self.sessions.end_all();
        outcome
    }
}
