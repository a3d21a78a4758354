//! Starting a process whose streams stay apart: standard output, standard error, and an input that can be written to.
//!
//! Nothing here reads ahead: a stream is read when its owner asks for it, and while nobody does, the process waits at its
//! full pipe. Under a terminal there is one stream for all of them.

use std::io;
use std::os::fd::AsRawFd;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::Child;

use crate::exec::pty::Pty;
use crate::exec::spawn::{OutputEnd, ProcessGroup, SpawnRequest, command, on_terminal, start};

/// What a pipe may hold for a stream that is passed on as it comes, the widest that the system allows: whoever prints into
/// it goes on for a while before somebody has to read, and what is read then comes in large pieces.
const WIDE_PIPES: [i32; 2] = [1024 * 1024, 256 * 1024];

/// A process that runs, and our ends of its streams.
#[derive(Debug)]
pub struct Streams {
    /// To wait for.
    pub child: Child,
    /// To signal.
    pub group: ProcessGroup,
    /// Standard input, when it was asked for.
    pub input: Option<InputEnd>,
    /// Standard output; under a terminal everything that is printed.
    pub output: OutputEnd,
    /// Standard error, without a terminal.
    pub errors: Option<OutputEnd>,
    /// The terminal.
    pub terminal: Option<Pty>,
}

/// Which streams a process gets when it has no terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamWishes {
    /// Whether its input can be written to; otherwise it is empty.
    pub input: bool,
    /// Whether much output is expected to be passed on quickly.
    pub wide: bool,
}

/// Starts a process. Must run on a thread that lives as long as the server (see `spawn.rs`).
pub fn spawn(request: &SpawnRequest<'_>, wishes: StreamWishes) -> io::Result<Streams> {
    spawn_as(request, wishes, None)
}

/// The same, of a process that is told another name for itself than its program's.
pub fn spawn_as(request: &SpawnRequest<'_>, wishes: StreamWishes, arg0: Option<&str>) -> io::Result<Streams> {
    let mut command = command(request)?;
    if let Some(arg0) = arg0 {
        command.arg0(arg0);
    }
    if let Some(size) = request.terminal {
        let pty = on_terminal(&mut command, size)?;
        let (child, group) = start(command, request)?;
        return Ok(Streams {
            child,
            group,
            input: Some(InputEnd::Terminal(pty.clone())),
            output: OutputEnd::Terminal(pty.clone()),
            errors: None,
            terminal: Some(pty),
        });
    }
    let mut input = None;
    let theirs = match wishes.input {
        true => {
            let (theirs, ours) = io::pipe()?;
            input = Some(InputEnd::Pipe(Sender::from_owned_fd(ours.into())?));
            Stdio::from(theirs)
        }
        false => Stdio::null(),
    };
    let (output, their_output) = output_pipe(wishes.wide)?;
    let (errors, their_errors) = output_pipe(false)?;
    command.stdin(theirs).stdout(their_output).stderr(their_errors);
    let (child, group) = start(command, request)?;
    Ok(Streams {
        child,
        group,
        input,
        output,
        errors: Some(errors),
        terminal: None,
    })
}

fn output_pipe(wide: bool) -> io::Result<(OutputEnd, Stdio)> {
    let (ours, theirs) = io::pipe()?;
    if wide {
        // The system may refuse them all: then the pipe is as wide as pipes are.
        let widen = |width: i32| fcntl(&ours, FcntlArg::F_SETPIPE_SZ(width)).is_ok();
        let _ = WIDE_PIPES.into_iter().any(widen);
    }
    Ok((
        OutputEnd::Pipe(Receiver::from_owned_fd(ours.into())?),
        Stdio::from(theirs),
    ))
}

impl OutputEnd {
    /// Waits until there is something to read, or the end.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            OutputEnd::Pipe(pipe) => pipe.readable().await,
            OutputEnd::Terminal(pty) => pty.readable().await,
        }
    }

    /// How many bytes could be read now; as many as you like where the system does not tell.
    #[allow(unsafe_code, reason = "this request has no safe form in the crates at hand")]
    pub fn available(&self) -> usize {
        let descriptor = match self {
            OutputEnd::Pipe(pipe) => pipe.as_raw_fd(),
            OutputEnd::Terminal(pty) => pty.as_raw_fd(),
        };
        let mut count: nix::libc::c_int = 0;
        // SAFETY: the descriptor is open for as long as `self` lives, and the request writes one number, which lives until
        // the call returns.
        match unsafe { nix::libc::ioctl(descriptor, nix::libc::FIONREAD as _, &raw mut count) } {
            -1 => usize::MAX,
            _ => usize::try_from(count).unwrap_or_default(),
        }
    }

    /// Reads what is there, as far as there is room; 0 at the end, `WouldBlock` when there is nothing yet.
    pub fn try_fill(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = match self {
                OutputEnd::Pipe(pipe) => pipe.try_read(&mut buffer[filled..]),
                OutputEnd::Terminal(pty) => pty.try_read(&mut buffer[filled..]),
            };
            match read {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What was read counts first; the error comes again.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Our end of a process's input.
#[derive(Debug)]
pub enum InputEnd {
    /// A pipe.
    Pipe(Sender),
    /// A terminal.
    Terminal(Pty),
}

impl InputEnd {
    /// Writes all of it. Waits while the process does not read; to be given up by dropping the future.
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            InputEnd::Pipe(pipe) => pipe.write_all(bytes).await,
            InputEnd::Terminal(pty) => pty.write_all(bytes).await,
        }
    }

    /// Ends the input: the process reads what is left, then the end.
    pub async fn close(self) -> io::Result<()> {
        match self {
            InputEnd::Pipe(_) => Ok(()),
            InputEnd::Terminal(pty) => pty.end_input().await,
        }
    }
}
