//! The moment between the start of a process and the command that it becomes: the confinement is put on, then the
//! command takes the process over.
//!
//! Runs in this program's own binary, called with [`WORD`], before anything else of it: one thread, no runtime, no
//! logging. What to do is read from a sealed file in memory that the server made, so nobody can have changed it, and no
//! trace of it is left when the command runs. Anything that does not work ends the process: the command is then not
//! run at all.
//!
//! Where files are looked after by mounts, this process stays ([`supervise`]) and the command is a descendant of it.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::statvfs::{FsFlags, statvfs};

use super::order::{Files, Order};
use super::seccomp::Filters;
use super::{capabilities, door, landlock, supervise};

/// The first argument that calls for this stage. No subcommand of the command line can have this name.
pub(super) const WORD: &str = "+sandbox";
/// The exit code of a process that could not be confined.
const FAILED: u8 = 125;
/// The exit code of a process that looked whether it is confined, and is.
pub(super) const CONFINED: u8 = 97;

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
    #[error("no namespace can be made: {}", unmade(.0))]
    Namespace(#[source] io::Error),
    #[error("{what}: {source}")]
    Mount { what: String, source: io::Error },
    #[error("{} cannot be kept from being made: {source}", .path.display())]
    Placeholder { path: PathBuf, source: io::Error },
    #[error("the working folder {} may not be read under this confinement", .0.display())]
    Folder(PathBuf),
    #[error("{} is a link, which bubblewrap cannot protect", .0.display())]
    Link(PathBuf),
    #[error("bubblewrap takes no {0} arguments; fewer places must be closed")]
    Long(usize),
    #[error("its way to the network cannot be opened: {0}")]
    Door(#[source] io::Error),
    #[error("it cannot be looked after: {0}")]
    Supervision(#[source] io::Error),
    #[error("it does not hold: {0}")]
    Probe(&'static str),
    #[error("{}: {source}", .program.display())]
    Exec { program: OsString, source: io::Error },
    #[error("{}: what it needs to be loaded is missing, or may not be read", .0.display())]
    Loader(OsString),
}

/// Why the kernel makes no namespaces, in words that help.
fn unmade(error: &io::Error) -> String {
    match error.raw_os_error() {
        // The kernel says that no space is left.
        Some(libc::ENOSPC) => "they are switched off, or their number is used up (user.max_user_namespaces)".to_owned(),
        Some(libc::EPERM | libc::EACCES) => format!("{error}; the system, or the container, does not let this user"),
        _ => error.to_string(),
    }
}

impl StageError {
    pub(super) fn landlock(error: impl Display) -> Self {
        StageError::Landlock(error.to_string())
    }

    pub(super) fn seccomp(error: impl Display) -> Self {
        StageError::Seccomp(error.to_string())
    }

    /// Says what went wrong, and gives the exit code for it.
    pub(super) fn tell(&self) -> u8 {
        let (code, line) = match self {
            // As a shell would say it.
            StageError::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => (127, self.to_string()),
            StageError::Exec { .. } | StageError::Loader(_) => (126, self.to_string()),
            _ => (
                FAILED,
                format!("the sandbox cannot be set up, so the command was not run: {self}"),
            ),
        };
        let _ = writeln!(io::stderr(), "greenroom: {line}");
        code
    }
}

/// Becomes or looks after a confined command if that is what this process was started for; none if it was not.
pub fn stage() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    Some(ExitCode::from(enter(arguments).unwrap_or_else(|error| error.tell())))
}

fn enter(mut arguments: impl Iterator<Item = OsString>) -> Result<u8, StageError> {
    let descriptor = arguments.next().and_then(|text| text.to_str()?.parse().ok());
    let order = Order::read(descriptor.ok_or(StageError::Usage)?)?;
    let argv: Vec<OsString> = arguments.collect();
    if argv.is_empty() && !order.probe {
        return Err(StageError::Usage);
    }
    close_all_but_standard(order.line).map_err(StageError::Descriptors)?;
    let line = order.line.map(door::line).transpose()?;
    let folder = std::env::current_dir().map_err(StageError::Supervision)?;
    // There always is a root, with what may be read in it.
    if order.confinement.hides(&folder, &folder) && folder.parent().is_some() {
        return Err(StageError::Folder(folder));
    }
    match &order.files {
        Files::Landlock => {
            if let Some(parent) = order.parent {
                end_with(parent, Signal::SIGKILL)?;
            }
            become_command(&order, &argv)
        }
        Files::Standing => supervise::inside(&order, line, &argv),
        Files::Mounts { user_namespace } => supervise::own(&order, *user_namespace, line, &argv),
        Files::Bubblewrap { program } => supervise::bubblewrap(&order, program, line, &argv),
    }
}

/// Asks for a signal when the parent ends, and looks whether it is there.
pub(super) fn end_with(parent: i32, signal: Signal) -> Result<(), StageError> {
    nix::sys::prctl::set_pdeathsig(signal).map_err(|errno| StageError::Privileges(errno.into()))?;
    match nix::unistd::getppid().as_raw() == parent {
        true => Ok(()),
        false => Err(StageError::Orphaned),
    }
}

/// Begins a session, so that signals to the own group stay inside, and takes the terminal if there is one.
#[allow(unsafe_code, reason = "taking a terminal has no safe form")]
pub(super) fn lead_session() -> Result<(), StageError> {
    let failed = |errno: nix::errno::Errno| StageError::Supervision(errno.into());
    nix::unistd::setsid().map_err(failed)?;
    // SAFETY: the calls take a number each; a descriptor that is no terminal makes them fail.
    if unsafe { libc::isatty(0) == 1 && libc::ioctl(0, libc::TIOCSCTTY as _, 0) == -1 } {
        return Err(StageError::Supervision(io::Error::last_os_error()));
    }
    Ok(())
}

/// Puts the confinement on this process and lets the command take it over. Returns when that failed, or for a probe.
pub(super) fn become_command(order: &Order, argv: &[OsString]) -> Result<u8, StageError> {
    confine(order)?;
    let Some((program, arguments)) = argv.split_first() else {
        look(order)?;
        return Ok(CONFINED);
    };
    let source = exec(program, arguments);
    let program = program.clone();
    let missing = source.kind() == io::ErrorKind::NotFound && std::path::Path::new(&program).is_file();
    Err(match missing {
        true => StageError::Loader(program),
        false => StageError::Exec { program, source },
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "this process becomes the command, with the environment it was given"
)]
fn exec(program: &OsString, arguments: &[OsString]) -> io::Error {
    std::process::Command::new(program).args(arguments).exec()
}

/// Puts the confinement on this process. What needs privileges comes first, the filter for system calls last.
fn confine(order: &Order) -> Result<(), StageError> {
    close_all_but_standard(None).map_err(StageError::Descriptors)?;
    no_new_privileges()?;
    let alone = order.files == Files::Landlock;
    // On top of mounts Landlock is a second wall, where there is one.
    let rules = match alone || landlock::version().is_some() {
        true => Some(landlock::rules(&order.confinement, !alone)?),
        false => None,
    };
    let filters = Filters::new(order.confinement.reach(), alone.then(landlock::version).flatten())?;
    capabilities::drop_all().map_err(StageError::Privileges)?;
    if let Some(rules) = rules {
        landlock::restrict(rules)?;
    }
    filters.apply()
}

/// No program that is started can give this process more rights.
pub(super) fn no_new_privileges() -> Result<(), StageError> {
    nix::sys::prctl::set_no_new_privs().map_err(|errno| StageError::Privileges(errno.into()))
}

/// Looks whether what mounts are to protect is protected, from inside.
fn look(order: &Order) -> Result<(), StageError> {
    let read_only = |path: &std::path::Path| {
        let found = statvfs(path).map_err(|errno| StageError::Supervision(errno.into()))?;
        Ok::<bool, StageError>(found.flags().contains(FsFlags::ST_RDONLY))
    };
    if order.files != Files::Landlock && !read_only(std::path::Path::new("/"))? {
        return Err(StageError::Probe("the root can be written to"));
    }
    for root in &order.confinement.roots {
        if read_only(&root.path)? {
            return Err(StageError::Probe("a writable folder cannot be written to"));
        }
    }
    Ok(())
}

/// Closes what the command is not meant to have, save for one descriptor.
fn close_all_but_standard(kept: Option<i32>) -> io::Result<()> {
    const FIRST: u32 = 3;
    match kept
        .and_then(|kept| u32::try_from(kept).ok())
        .filter(|kept| *kept >= FIRST)
    {
        None => close_range(FIRST, u32::MAX),
        Some(kept) => {
            if kept > FIRST {
                close_range(FIRST, kept - 1)?;
            }
            close_range(kept + 1, u32::MAX)
        }
    }
}

#[allow(unsafe_code, reason = "close_range has no safe form")]
fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: plain numbers; what this process opened in that range is not used after this point.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_that_are_switched_off_are_told_as_that() {
        for (number, part) in [
            (libc::ENOSPC, "switched off"),
            (libc::EPERM, "does not let this user"),
            (libc::EINVAL, "Invalid argument"),
        ] {
            let told = StageError::Namespace(io::Error::from_raw_os_error(number)).to_string();
            assert!(told.contains(part), "{told}");
        }
    }
}
