//! A process of a session: its streams, its input, its end, and what is kept of it.
//!
//! A task pumps each stream; what it reads is numbered, kept and told to the client in one step, so that numbers reach
//! the client in order. The end of the process is told when it came, the end of its output when nobody holds its
//! streams any more: children may hold them for longer. Ending a process ends its whole group.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use super::retained::Retained;
use super::session::Session;
use crate::exec::spawn::{OutputEnd, ProcessGroup};
use crate::exec::streams::{InputEnd, Streams};
use crate::protocol::exec_server::{
    Base64Bytes, ClosedNotification, ExitedNotification, OutputNotification, OutputStream, PROCESS_CLOSED,
    PROCESS_EXITED, PROCESS_OUTPUT, ReadParams, ReadResponse, WriteStatus,
};

/// The most that is read at once.
const READ_SIZE: usize = 8 * 1024;
/// Bytes of input that a process may leave unread.
const INPUT_ROOM: usize = 4 << 20;
/// Pieces of input that a process may leave unread.
const INPUT_DEPTH: usize = 1024;
/// How long output that was written before the end may take to be told before the end.
const DRAIN: Duration = Duration::from_millis(50);
/// The longest that a read waits.
const MAX_WAIT: Duration = Duration::from_secs(600);

/// What is still to be written to a process, and the room that it takes.
type Input = mpsc::Sender<(Vec<u8>, OwnedSemaphorePermit)>;

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    id: String,
    terminal: bool,
    retained: Mutex<Retained>,
    /// Counts what was kept, for those who wait.
    changed: watch::Sender<u64>,
    /// Held while something is numbered and told.
    telling: AsyncMutex<()>,
    input: Mutex<Option<Input>>,
    input_room: Arc<Semaphore>,
    kill: CancellationToken,
}

impl Process {
    /// Takes charge of a process that was started for `session`.
    pub(super) fn watch(id: String, streams: Streams, pipe_stdin: bool, session: &Arc<Session>) -> Arc<Self> {
        let Streams {
            child,
            group,
            input,
            output,
            errors,
            terminal,
        } = streams;
        let terminal = terminal.is_some();
        let process = Arc::new(Process {
            id,
            terminal,
            retained: Mutex::default(),
            changed: watch::Sender::new(0),
            telling: AsyncMutex::default(),
            input: Mutex::default(),
            input_room: Arc::new(Semaphore::new(INPUT_ROOM)),
            kill: CancellationToken::new(),
        });
        if let Some(input) = input.filter(|_| terminal || pipe_stdin) {
            let (sender, pieces) = mpsc::channel(INPUT_DEPTH);
            process.set_input(Some(sender));
            tokio::spawn(type_in(Arc::clone(&process), input, pieces));
        }
        let first = if terminal {
            OutputStream::Pty
        } else {
            OutputStream::Stdout
        };
        let ends: Vec<_> = [Some((output, first)), errors.map(|end| (end, OutputStream::Stderr))]
            .into_iter()
            .flatten()
            .collect();
        tokio::spawn(Arc::clone(&process).run(Arc::clone(session), child, group, ends));
        process
    }

    /// What came after a number; waits for it as long as the client wants.
    pub(super) async fn read(&self, params: &ReadParams) -> ReadResponse {
        let wait = Duration::from_millis(params.wait_ms.unwrap_or(0)).min(MAX_WAIT);
        let deadline = Instant::now() + wait;
        let mut changed = self.changed.subscribe();
        loop {
            changed.mark_unchanged();
            let read = self
                .retained()
                .read(params.after_seq.unwrap_or(0), params.max_bytes.unwrap_or(usize::MAX));
            let something = !read.chunks.is_empty() || read.exited;
            if something || tokio::time::timeout_at(deadline, changed.changed()).await.is_err() {
                return read;
            }
        }
    }

    /// Whether a read could have to wait.
    pub(super) fn would_wait(&self, params: &ReadParams) -> bool {
        params.wait_ms.is_some_and(|wait| wait > 0) && !self.retained().has_exited()
    }

    /// Hands input to the process.
    pub(super) fn write(&self, bytes: Vec<u8>) -> Result<WriteStatus, Refusal> {
        let Some(input) = self.input.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(WriteStatus::StdinClosed);
        };
        let full = || {
            Refusal::invalid_request(format!(
                "process {} does not read its input; wait until it does",
                self.id
            ))
        };
        let size = u32::try_from(bytes.len()).map_err(|_| full())?;
        let room = Arc::clone(&self.input_room)
            .try_acquire_many_owned(size)
            .map_err(|_| full())?;
        match input.try_send((bytes, room)) {
            Ok(()) => Ok(WriteStatus::Accepted),
            Err(mpsc::error::TrySendError::Full(_)) => Err(full()),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(WriteStatus::StdinClosed),
        }
    }

    /// Ends it and its children. Whether it ran.
    pub(super) fn end(&self) -> bool {
        let running = !self.retained().has_exited();
        self.kill.cancel();
        running
    }

    async fn run(
        self: Arc<Self>,
        session: Arc<Session>,
        mut child: Child,
        group: ProcessGroup,
        ends: Vec<(OutputEnd, OutputStream)>,
    ) {
        let mut group = GroupEnd(Some(group));
        let pumps = ends.into_iter().map(|(end, stream)| self.pump(&session, end, stream));
        let pumps = futures_util::future::join_all(pumps);
        tokio::pin!(pumps);
        let (mut open, mut killed) = (true, false);
        let code = loop {
            tokio::select! {
                status = child.wait() => break self.code(status),
                _ = &mut pumps, if open => open = false,
                () = self.kill.cancelled(), if !killed => {
                    killed = true;
                    group.kill();
                }
            }
        };
        self.set_input(None);
        if open && tokio::time::timeout(DRAIN, &mut pumps).await.is_ok() {
            open = false;
        }
        self.tell(&session, Event::Exited(code)).await;
        if open {
            tokio::select! {
                _ = &mut pumps => {}
                () = self.kill.cancelled() => {
                    group.kill();
                    let _ = tokio::time::timeout(DRAIN, &mut pumps).await;
                }
            }
        }
        group.forget();
        self.tell(&session, Event::Closed).await;
        session.forget_later(&self.id);
    }

    /// Reads a stream to its end.
    async fn pump(&self, session: &Session, end: OutputEnd, stream: OutputStream) {
        let mut buffer = vec![0; READ_SIZE];
        while end.readable().await.is_ok() {
            match end.try_fill(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.tell(session, Event::Output(stream, &buffer[..count])).await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Keeps something and tells the client, before anything else of this process is told.
    async fn tell(&self, session: &Session, event: Event<'_>) {
        let _first_come = self.telling.lock().await;
        let seq = {
            let mut kept = self.retained();
            match event {
                Event::Output(stream, bytes) => kept.push(stream, bytes),
                Event::Exited(code) => kept.exited(code),
                Event::Closed => kept.close(),
            }
        };
        self.changed.send_modify(|count| *count += 1);
        let Some(outbox) = session.outbox() else { return };
        let process_id = self.id.clone();
        match event {
            Event::Output(stream, bytes) => {
                let chunk = Base64Bytes(bytes.to_vec());
                let params = OutputNotification {
                    process_id,
                    seq,
                    stream,
                    chunk,
                };
                outbox.notify(PROCESS_OUTPUT, &params).await;
            }
            Event::Exited(exit_code) => {
                let params = ExitedNotification {
                    process_id,
                    seq,
                    exit_code,
                };
                outbox.notify(PROCESS_EXITED, &params).await;
            }
            Event::Closed => {
                outbox
                    .notify(PROCESS_CLOSED, &ClosedNotification { process_id, seq })
                    .await;
            }
        }
    }

    /// The exit code that clients are told. A signal has none: -1, or 1 under a terminal.
    fn code(&self, status: io::Result<std::process::ExitStatus>) -> i32 {
        let killed = if self.terminal { 1 } else { -1 };
        status.ok().and_then(|status| status.code()).unwrap_or(killed)
    }

    fn set_input(&self, input: Option<Input>) {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = input;
    }

    fn retained(&self) -> MutexGuard<'_, Retained> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it ended and its output did.
    pub(super) fn is_closed(&self) -> bool {
        self.retained().is_closed()
    }
}

/// Writes input as the process takes it.
async fn type_in(
    process: Arc<Process>,
    mut input: InputEnd,
    mut pieces: mpsc::Receiver<(Vec<u8>, OwnedSemaphorePermit)>,
) {
    while let Some((bytes, _room)) = pieces.recv().await {
        if input.write_all(&bytes).await.is_err() {
            return process.set_input(None);
        }
    }
}

/// What clients are told of a process.
#[derive(Clone, Copy)]
enum Event<'a> {
    Output(OutputStream, &'a [u8]),
    Exited(i32),
    Closed,
}

/// Kills a process group when its watch ends before its time.
struct GroupEnd(Option<ProcessGroup>);

impl GroupEnd {
    fn kill(&self) {
        if let Some(group) = self.0 {
            group.kill();
        }
    }

    /// Nobody holds its streams any more: its number may soon be another's.
    fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for GroupEnd {
    fn drop(&mut self) {
        self.kill();
    }
}
