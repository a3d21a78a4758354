//! A process of the model: it runs on after the call that started it, and is read, typed to and waited for later.
//!
//! One task pumps its output into a bounded memory ([`HeadTail`]) for the next call to collect, and to a listener when
//! there is one. The listener's channel is bounded and the pump waits for it, so a process that floods is slowed down
//! by its own pipe. When the process ends, its output gets a short time to drain, then the rest of its process group
//! is killed: nothing of a command outlives it.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exec::output::HeadTail;
use crate::exec::pty::Pty;
use crate::exec::remote::{ProcessEvent, RemoteInput, RemoteProcess};
use crate::exec::sandbox::LaunchError;
use crate::exec::spawn::{GroupEnd, OutputEnd, ProcessGroup, SpawnRequest, Started, spawn};

/// How long output may still arrive after the end of the process, from children that share its pipe.
const DRAIN: Duration = Duration::from_millis(50);
/// The longest that output is read after the end of the process.
const MAX_DRAIN: Duration = Duration::from_secs(1);
/// The longest that a call waits for its listener to tell what was printed.
const CATCH_UP: Duration = Duration::from_millis(100);
/// The most that is read at once.
const READ_SIZE: usize = 8 * 1024;
/// Reads that a listener may lag behind before the pump waits for it.
const LISTENER_DEPTH: usize = 32;
/// The exit code told when a signal ended the process.
const KILLED: i32 = -1;

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
#[error("Failed to create unified exec process: {0}")]
pub struct SpawnError(#[from] pub std::io::Error);

impl From<LaunchError> for SpawnError {
    fn from(error: LaunchError) -> Self {
        SpawnError(match error {
            LaunchError::Program(error) => error,
            other => std::io::Error::other(other),
        })
    }
}

/// Why typing into a process failed.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It has no terminal.
    #[error("stdin is closed for this session; rerun exec_command with tty=true to keep stdin open")]
    Closed,
    /// It is gone, or its terminal is.
    #[error("failed to write to stdin: {0}")]
    Io(#[from] std::io::Error),
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It runs.
    Running,
    /// It ended with this code; output may still arrive.
    Exited(i32),
    /// It ended with this code, and all output is here.
    Drained(i32),
}

/// What a call learns about a process.
#[derive(Debug)]
pub struct Collected {
    /// What it printed since the last call.
    pub output: String,
    /// Its exit code, once it ended.
    pub exit_code: Option<i32>,
    /// Why nobody knows how it ended, if nobody does.
    pub failure: Option<String>,
}

#[derive(Default)]
struct Buffers {
    /// Printed and not collected yet.
    unread: HeadTail,
    /// Who hears each read.
    listener: Option<mpsc::Sender<Bytes>>,
    /// How many reads the listener was sent.
    sent: u64,
}

/// A process and its output.
pub struct Session {
    id: u32,
    /// The item that shows the process to clients.
    item_id: Arc<str>,
    buffers: Mutex<Buffers>,
    phase: watch::Sender<Phase>,
    /// How many reads the listener has passed on.
    passed_on: watch::Sender<u64>,
    input: Option<SessionInput>,
    failure: OnceLock<String>,
    kill: CancellationToken,
}

/// How a process is typed to.
enum SessionInput {
    Terminal(Pty),
    Remote(RemoteInput),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({}, {:?})", self.id, *self.phase.borrow())
    }
}

impl Session {
    /// Starts a process and its pump. Must run on a thread that lives as long as the server (see [`spawn`]).
    pub fn start(id: u32, item_id: Arc<str>, request: &SpawnRequest<'_>) -> Result<Arc<Session>, SpawnError> {
        let Started { child, group, output } = spawn(request)?;
        let input = match &output {
            OutputEnd::Terminal(pty) => Some(SessionInput::Terminal(pty.clone())),
            OutputEnd::Pipe(_) => None,
        };
        let session = Session::new(id, item_id, input);
        tokio::spawn(pump(Arc::clone(&session), child, group, output));
        Ok(session)
    }

    /// Takes charge of a process on an executor. Only one with a terminal can be typed to.
    pub(super) fn of_remote(id: u32, item_id: Arc<str>, process: RemoteProcess, terminal: bool) -> Arc<Session> {
        let input = terminal.then(|| SessionInput::Remote(process.input()));
        let session = Session::new(id, item_id, input);
        tokio::spawn(follow(Arc::clone(&session), process));
        session
    }

    fn new(id: u32, item_id: Arc<str>, input: Option<SessionInput>) -> Arc<Session> {
        Arc::new(Session {
            id,
            item_id,
            buffers: Mutex::default(),
            phase: watch::Sender::new(Phase::Running),
            passed_on: watch::Sender::new(0),
            input,
            failure: OnceLock::new(),
            kill: CancellationToken::new(),
        })
    }

    /// The number by which the model knows it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The item that shows it.
    pub fn item_id(&self) -> &Arc<str> {
        &self.item_id
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Gives what was printed and not collected yet (and leaves it where it is), and hears everything read from then
    /// on, until the channel ends with the output. Only the last listener is served.
    pub fn listen(&self) -> (String, mpsc::Receiver<Bytes>) {
        let (sender, receiver) = mpsc::channel(LISTENER_DEPTH);
        let mut buffers = self.buffers();
        // Checked under the lock: the pump drops the listener under the same lock when it ends.
        if !matches!(self.phase(), Phase::Drained(_)) {
            buffers.listener = Some(sender);
        }
        (buffers.unread.text(), receiver)
    }

    /// What was printed and not collected yet; it is left where it is.
    pub fn printed(&self) -> String {
        self.buffers().unread.text()
    }

    /// Told by the listener when it has passed on so many more reads.
    pub fn passed_on(&self, reads: u64) {
        self.passed_on.send_modify(|count| *count += reads);
    }

    /// Waits until the listener has passed on all that was read so far, for a short time at most: what clients hear
    /// next then comes after the output that it is about.
    pub async fn caught_up(&self) {
        let (sent, listened) = {
            let buffers = self.buffers();
            (
                buffers.sent,
                buffers.listener.is_some() || matches!(self.phase(), Phase::Drained(_)),
            )
        };
        if listened {
            let mut passed_on = self.passed_on.subscribe();
            let _ = tokio::time::timeout(CATCH_UP, passed_on.wait_for(|count| *count >= sent)).await;
        }
    }

    /// Waits until it has ended and all its output is here; gives the exit code.
    pub async fn ended(&self) -> i32 {
        let mut phase = self.phase.subscribe();
        let drained = phase.wait_for(|phase| matches!(phase, Phase::Drained(_))).await;
        match drained.as_deref() {
            Ok(Phase::Drained(code)) => *code,
            _ => KILLED,
        }
    }

    /// Waits for the end, but no longer than `patience`; whether it came.
    pub async fn ended_within(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ended()).await.is_ok()
    }

    /// Waits for the end or the deadline, then hands over what was printed since the last time.
    pub async fn collect(&self, deadline: Instant) -> Collected {
        let _ = tokio::time::timeout_at(deadline, self.ended()).await;
        if matches!(self.phase(), Phase::Exited(_)) {
            self.ended().await;
        }
        let unread = self.buffers().unread.take();
        Collected {
            output: unread.text(),
            exit_code: match self.phase() {
                Phase::Drained(code) => Some(code),
                Phase::Running | Phase::Exited(_) => None,
            },
            failure: self.failure.get().cloned(),
        }
    }

    /// Types into its terminal.
    pub async fn write(&self, text: &str) -> Result<(), InputError> {
        match self.input.as_ref().ok_or(InputError::Closed)? {
            SessionInput::Terminal(terminal) => Ok(terminal.write_all(text.as_bytes()).await?),
            SessionInput::Remote(input) => match input.write(text).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(InputError::Closed),
                Err(error) => Err(InputError::Io(error.into())),
            },
        }
    }

    /// Kills it because it did what it may not; `why` is told in place of how it ended.
    pub fn fail(&self, why: String) {
        if matches!(self.phase(), Phase::Running) {
            let _ = self.failure.set(why);
            self.kill();
        }
    }

    /// Why nobody is told how it ended, if that is so.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Kills it and its children. The pump sees to the rest.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// The exit code when a signal has ended it: a terminal's other end knows of no signals (as the peer tells it).
    fn killed_code(&self) -> i32 {
        if self.input.is_some() { 1 } else { KILLED }
    }

    fn buffers(&self) -> MutexGuard<'_, Buffers> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was read, and lets the listener have it too.
    async fn took(&self, bytes: &[u8]) {
        let listener = {
            let mut buffers = self.buffers();
            buffers.unread.push(bytes);
            buffers.sent += u64::from(buffers.listener.is_some());
            buffers.listener.clone()
        };
        let Some(listener) = listener else { return };
        // A killed process does not wait for those who listen.
        let served = tokio::select! {
            sent = listener.send(Bytes::copy_from_slice(bytes)) => sent.is_ok(),
            () = self.kill.cancelled() => listener.try_send(Bytes::copy_from_slice(bytes)).is_ok(),
        };
        if !served {
            self.buffers().listener = None;
        }
    }
}

/// Reads until the process has ended and nothing more comes.
async fn pump(session: Arc<Session>, mut child: Child, group: ProcessGroup, mut output: OutputEnd) {
    let mut group = GroupEnd::of(group);
    let mut buffer = vec![0; READ_SIZE];
    let mut ended: Option<(i32, Instant)> = None;
    let mut open = true;
    let mut killed: Option<Instant> = None;
    while open || ended.is_none() {
        let since_end = ended.map(|(_, at)| at);
        // What is in the pipe comes first; but a child that floods it must not keep a dead command alive.
        if since_end.is_some_and(|at| at.elapsed() > MAX_DRAIN) {
            break;
        }
        tokio::select! {
            biased;
            () = session.kill.cancelled(), if killed.is_none() && ended.is_none() => {
                killed = Some(Instant::now());
                group.kill();
            }
            () = tokio::time::sleep_until(killed.unwrap_or_else(Instant::now) + GroupEnd::STUBBORN), if killed.is_some() && ended.is_none() => {
                killed = Some(Instant::now());
                group.force();
            }
            status = child.wait(), if ended.is_none() => {
                group.leader_ended();
                let code = status.ok().and_then(|status| status.code()).unwrap_or(session.killed_code());
                ended = Some((code, Instant::now()));
                session.phase.send_replace(Phase::Exited(code));
            }
            read = output.read(&mut buffer), if open => match read {
                Ok(0) | Err(_) => open = false,
                Ok(count) => session.took(&buffer[..count]).await,
            },
            () = tokio::time::sleep_until(since_end.unwrap_or_else(Instant::now) + DRAIN), if ended.is_some() => break,
        }
    }
    drop(group);
    let code = ended.map_or(KILLED, |(code, _)| code);
    let mut buffers = session.buffers();
    buffers.listener = None;
    session.phase.send_replace(Phase::Drained(code));
}

/// Follows a process on an executor until it has ended and nothing more comes.
async fn follow(session: Arc<Session>, mut process: RemoteProcess) {
    let mut ended: Option<(i32, Instant)> = None;
    let mut killed = false;
    loop {
        let since_end = ended.map_or_else(Instant::now, |(_, at)| at);
        tokio::select! {
            biased;
            () = session.kill.cancelled(), if !killed => {
                killed = true;
                process.end();
            }
            event = process.next() => match event {
                ProcessEvent::Output(bytes) => session.took(&bytes).await,
                ProcessEvent::Exited(code) => {
                    ended = Some((code, Instant::now()));
                    session.phase.send_replace(Phase::Exited(code));
                }
                ProcessEvent::Closed => break,
                ProcessEvent::Lost(why) => {
                    if ended.is_none() {
                        let _ = session.failure.set(why);
                    }
                    break;
                }
            },
            // What holds its streams goes on without it here, as everywhere: dropping it ends that.
            () = tokio::time::sleep_until(since_end + MAX_DRAIN), if ended.is_some() => break,
        }
    }
    drop(process);
    let code = ended.map_or(KILLED, |(code, _)| code);
    let mut buffers = session.buffers();
    buffers.listener = None;
    session.phase.send_replace(Phase::Drained(code));
}

impl OutputEnd {
    async fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            OutputEnd::Pipe(pipe) => pipe.read(buffer).await,
            OutputEnd::Terminal(pty) => pty.read(buffer).await,
        }
    }
}

#[cfg(test)]
mod tests;
