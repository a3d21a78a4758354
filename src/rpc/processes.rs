//! The processes that clients run (`process/*`, `command/exec*`), as handlers see them.
//!
//! Every process belongs to one connection and has a name there. What runs it is an actor; this is the seam between the
//! handlers and it. Names of the two families do not meet, and those of different connections never do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::exec::environment::Environment;
use crate::exec::pty::PtySize;
use crate::exec::sandbox::Launch;
use crate::rpc::client::{ClientHandle, ConnectionId};
use crate::rpc::directory::BoxFuture;

/// What a process is called on its connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ProcessName {
    /// The `processHandle` of `process/*`.
    Handle(String),
    /// The `processId` of `command/exec*`.
    Command(String),
    /// A command that its client did not name.
    Unnamed(u64),
}

/// A process, wherever it is asked for.
pub type ProcessKey = (ConnectionId, ProcessName);

/// What is to be started.
#[derive(Debug)]
pub struct ProcessStart {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The working folder.
    pub cwd: PathBuf,
    /// All of its environment.
    pub environment: Environment,
    /// The size of its terminal; none means pipes.
    pub terminal: Option<PtySize>,
    /// Whether its input can be written to. Under a terminal it always can.
    pub input: bool,
    /// How it is started when it is confined.
    pub confined: Option<Launch>,
}

/// A process to be run for a client.
pub struct ProcessSeed {
    /// Its name.
    pub name: ProcessName,
    /// Whose it is, and who is told of its output.
    pub client: ClientHandle,
    /// Ends it: the connection is gone.
    pub disconnected: CancellationToken,
    /// What is started.
    pub start: ProcessStart,
    /// Whether output is passed on as it comes; otherwise it is kept for the end.
    pub streamed: bool,
    /// How many bytes of each stream count; none means all.
    pub cap: Option<usize>,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// What is waited for before the client hears of anything.
    pub go: Option<oneshot::Receiver<()>>,
    /// Who is told the end; the client itself, by `process/exited`, when nobody is named.
    pub ended: Option<oneshot::Sender<ProcessEnd>>,
}

/// What was kept of one stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KeptOutput {
    /// The text; empty when it was passed on.
    pub text: String,
    /// Whether the cap was reached.
    pub cap_reached: bool,
}

/// How a process ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ProcessEnd {
    /// The exit code, or what stands for one.
    pub exit_code: i32,
    /// Standard output.
    pub stdout: KeptOutput,
    /// Standard error.
    pub stderr: KeptOutput,
}

/// Something for a process's input.
#[derive(Debug, Default)]
pub struct ProcessInput {
    /// What to write.
    pub bytes: Vec<u8>,
    /// Whether that was all.
    pub close: bool,
}

/// Why something could not be done with a process. The words for clients are the handlers'.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The name is taken.
    #[error("the name is taken")]
    Duplicate,
    /// There is no such process.
    #[error("there is no such process")]
    Unknown,
    /// It has ended, though its output is still being read.
    #[error("the process is no longer running")]
    NotRunning,
    /// Its input cannot be written to.
    #[error("its input cannot be written to")]
    NoInput,
    /// Its input was closed.
    #[error("stdin is already closed")]
    InputClosed,
    /// It has no terminal.
    #[error("process is not attached to a PTY")]
    NoTerminal,
    /// It did not start, or the system refused something.
    #[error("{0}")]
    System(#[from] io::Error),
    /// This connection runs as many processes as it may.
    #[error("this connection runs {0} processes already, the most that the server allows it; end one first")]
    TooManyHere(usize),
    /// The server runs as many processes as it may.
    #[error("the server runs {0} processes for its clients already, the most that it allows; retry later")]
    TooMany(usize),
    /// Too much waits for it already.
    #[error("too much waits for this process already; retry later")]
    Overloaded,
}

/// Resolves when there is room for more input; gone with the process.
pub type InputRoom = oneshot::Receiver<()>;

/// All processes that clients run.
pub trait ProcessDirectory: Send + Sync {
    /// Starts a process; resolves when it runs.
    fn spawn(&self, seed: ProcessSeed) -> BoxFuture<Result<(), ProcessError>>;

    /// Writes to a process's input, in the order of calls. Resolves when that is taken in hand; what is given back, if
    /// anything, resolves when there is room for more.
    fn write(&self, key: &ProcessKey, input: ProcessInput) -> BoxFuture<Result<Option<InputRoom>, ProcessError>>;

    /// Gives a process's terminal another size.
    fn resize(&self, key: &ProcessKey, size: PtySize) -> BoxFuture<Result<(), ProcessError>>;

    /// Kills a process and all of its group; resolves when that is under way.
    fn kill(&self, key: &ProcessKey) -> BoxFuture<Result<(), ProcessError>>;

    /// How many there are.
    fn running(&self) -> usize;

    /// Kills them all and starts no more; resolves when there are none.
    fn shutdown(&self) -> BoxFuture<()>;
}
