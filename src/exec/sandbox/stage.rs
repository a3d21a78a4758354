//! The moment between the start of a process and the command that it becomes: the confinement is put on, then the
//! command takes the process over.
//!
//! Runs in this program's own binary, called with [`WORD`], before anything else of it: one thread, no runtime, no
//! logging. What to do is read from a sealed file in memory that the server made, so nobody can have changed it, and no
//! trace of it is left when the command runs. Anything that does not work ends the process: the command is then not
//! run at all.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::policy::Confinement;
use super::seccomp::Filters;
use super::{capabilities, landlock};

/// The first argument that calls for this stage. No subcommand of the command line can have this name.
pub(super) const WORD: &str = "+sandbox";
/// The exit code of a process that could not be confined.
const FAILED: u8 = 125;
/// The longest order that is read.
const ORDER_LIMIT: u64 = 1 << 20;

/// What the server wants done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The version of the server; a binary that was replaced meanwhile does not take its orders.
    pub version: String,
    /// What holds for the command.
    pub confinement: Confinement,
    /// Whether files are looked after here, or by mounts that stand already.
    pub files: bool,
    /// The server, if it is our parent: the command must not outlive it.
    pub parent: Option<i32>,
}

/// Why a process could not be confined.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    #[error("it was called in a way that it is not meant to be")]
    Usage,
    #[error("its order cannot be read: {0}")]
    Order(#[source] io::Error),
    #[error("the server's program was replaced by another version; restart the server")]
    Replaced,
    #[error("the server is gone")]
    Orphaned,
    #[error("descriptors cannot be closed: {0}")]
    Descriptors(#[source] io::Error),
    #[error("privileges cannot be given up: {0}")]
    Privileges(#[source] io::Error),
    #[error("Landlock: {0}")]
    Landlock(String),
    #[error("seccomp: {0}")]
    Seccomp(String),
    #[error("{}: {source}", .program.display())]
    Exec { program: OsString, source: io::Error },
}

impl StageError {
    pub(super) fn landlock(error: impl Display) -> Self {
        StageError::Landlock(error.to_string())
    }

    pub(super) fn seccomp(error: impl Display) -> Self {
        StageError::Seccomp(error.to_string())
    }
}

/// Becomes a confined command if that is what this process was started for; none if it was not.
pub fn stage() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let error = match enter(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let (code, line) = match &error {
        // As a shell would say it.
        StageError::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => (127, error.to_string()),
        StageError::Exec { .. } => (126, error.to_string()),
        _ => (
            FAILED,
            format!("the sandbox cannot be set up, so the command was not run: {error}"),
        ),
    };
    let _ = writeln!(io::stderr(), "greenroom: {line}");
    Some(ExitCode::from(code))
}

fn enter(mut arguments: impl Iterator<Item = OsString>) -> Result<Infallible, StageError> {
    let descriptor = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let order = read(descriptor.ok_or(StageError::Usage)?)?;
    let program = arguments.next().ok_or(StageError::Usage)?;
    close_all_but_standard().map_err(StageError::Descriptors)?;
    confine(&order)?;
    let source = exec(&program, arguments);
    Err(StageError::Exec { program, source })
}

#[allow(
    clippy::disallowed_methods,
    reason = "this process becomes the command, with the environment it was given"
)]
fn exec(program: &OsString, arguments: impl Iterator<Item = OsString>) -> io::Error {
    std::process::Command::new(program).args(arguments).exec()
}

/// Puts the confinement on this process. What needs privileges comes first, the filter for system calls last.
fn confine(order: &Order) -> Result<(), StageError> {
    nix::sys::prctl::set_no_new_privs().map_err(|errno| StageError::Privileges(errno.into()))?;
    let rules = match order.files {
        true => Some(landlock::rules(&order.confinement)?),
        false => landlock::scopes()?,
    };
    let filters = Filters::new(order.confinement.network, order.files.then(landlock::version).flatten())?;
    capabilities::drop_all().map_err(StageError::Privileges)?;
    if let Some(parent) = order.parent {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| StageError::Privileges(errno.into()))?;
        if nix::unistd::getppid().as_raw() != parent {
            return Err(StageError::Orphaned);
        }
    }
    if let Some(rules) = rules {
        landlock::restrict(rules)?;
    }
    filters.apply()
}

/// Reads and closes the order.
#[allow(unsafe_code, reason = "a descriptor that was inherited by number has no safe form")]
fn read(descriptor: i32) -> Result<Order, StageError> {
    if descriptor <= 2 {
        return Err(StageError::Usage);
    }
    // SAFETY: this process has just begun and has one thread; nobody here owns a descriptor above the standard ones. One
    // that is not open makes the calls below fail.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
    let seals = fcntl(&file, FcntlArg::F_GET_SEALS).map_err(|errno| StageError::Order(errno.into()))?;
    if !SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE) {
        return Err(StageError::Usage);
    }
    let mut text = Vec::new();
    file.take(ORDER_LIMIT)
        .read_to_end(&mut text)
        .map_err(StageError::Order)?;
    let order: Order = serde_json::from_slice(&text).map_err(|error| StageError::Order(error.into()))?;
    match order.version == env!("CARGO_PKG_VERSION") {
        true => Ok(order),
        false => Err(StageError::Replaced),
    }
}

/// Closes what the command is not meant to have.
#[allow(unsafe_code, reason = "close_range has no safe form")]
fn close_all_but_standard() -> io::Result<()> {
    // SAFETY: plain numbers; nothing in this process uses a descriptor above the standard ones at this point.
    match unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
