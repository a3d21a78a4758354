//! What stays outside while a command runs inside mounts of its own.
//!
//! Three processes: this one waits, ends what is inside when it is told to, and tidies up; the first process inside the
//! process namespace arranges the mounts and reaps; the command is its child. When the first one ends, the kernel ends
//! everything that is left inside, daemons included, before it can be waited for: when this process ends, nothing of the
//! command runs. A server that vanishes ends this process, and with it the rest.
//!
//! Bubblewrap takes the place of the first process where it makes the mounts.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, sigaction, sigprocmask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getegid, geteuid, pipe2};

use super::order::{Files, Order};
use super::placeholders::Placeholders;
use super::plan::Plan;
use super::stage::{StageError, WORD, become_command, end_with, lead_session, no_new_privileges};
use super::{bubblewrap, capabilities, door, mounts};

/// How long what a command left running may take to end by itself.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How a process ended: by itself with a code, or by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Code(u8),
    Signal(Signal),
}

impl End {
    fn of(status: WaitStatus) -> Option<(Pid, End)> {
        match status {
            WaitStatus::Exited(pid, code) => Some((pid, End::Code(code as u8))),
            WaitStatus::Signaled(pid, signal, _) => Some((pid, End::Signal(signal))),
            _ => None,
        }
    }

    fn to_bytes(self) -> [u8; 2] {
        match self {
            End::Code(code) => [0, code],
            End::Signal(signal) => [1, signal as i32 as u8],
        }
    }

    fn from_bytes(bytes: [u8; 2]) -> Option<End> {
        match bytes {
            [0, code] => Some(End::Code(code)),
            [_, signal] => Signal::try_from(i32::from(signal)).ok().map(End::Signal),
        }
    }
}

/// Runs a command inside mounts of our own, and ends as it did.
pub(super) fn own(
    order: &Order,
    user_namespace: bool,
    line: Option<UnixStream>,
    argv: &[OsString],
) -> Result<u8, StageError> {
    begin(order)?;
    let placeholders = Placeholders::hold(&order.confinement)?;
    let plan = Plan::new(&order.confinement, &placeholders.paths());
    let folder = std::env::current_dir().map_err(StageError::Supervision)?;
    namespaces(user_namespace, line.is_some()).map_err(StageError::Namespace)?;
    if let Some(line) = &line {
        door::wake_loopback()?;
        door::open(line)?;
    }
    if let Some(parent) = order.parent {
        // Once more: new credentials may have taken the wish away.
        end_with(parent, Signal::SIGTERM)?;
    }
    let (told, tell) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(failed)?;
    let alive = own_descriptor().map_err(StageError::Supervision)?;
    let first = split(|| first_process(order, &plan, &folder, &alive, &tell, argv))?;
    drop(tell);
    let end = wait(first)?;
    let mut bytes = [0; 2];
    let end = match File::from(told).read_exact(&mut bytes) {
        Ok(()) => End::from_bytes(bytes).unwrap_or(end),
        // It could not start the command, or was killed.
        Err(_) => end,
    };
    drop(placeholders);
    Ok(end_as(end))
}

/// Runs a command inside mounts that bubblewrap makes, and ends as that does.
#[allow(
    clippy::disallowed_methods,
    reason = "this process starts the command, with the environment it was given"
)]
pub(super) fn bubblewrap(
    order: &Order,
    program: &Path,
    line: Option<UnixStream>,
    argv: &[OsString],
) -> Result<u8, StageError> {
    begin(order)?;
    let placeholders = Placeholders::hold(&order.confinement)?;
    let plan = Plan::new(&order.confinement, &placeholders.paths());
    let folder = std::env::current_dir().map_err(StageError::Supervision)?;
    // Whatever it leaves behind becomes ours, to be waited for.
    nix::sys::prctl::set_child_subreaper(true).map_err(failed)?;
    let inside = Order {
        probe: order.probe,
        line: order.line,
        ..Order::new(order.confinement.clone(), Files::Standing)
    };
    let inside = inside.sealed().map_err(StageError::Supervision)?;
    // Not by its path: that may lead to another program by now.
    let this = File::open("/proc/self/exe").map_err(StageError::Supervision)?;
    let line = line.as_ref();
    for descriptor in [inside.as_fd(), this.as_fd()].into_iter().chain(line.map(AsFd::as_fd)) {
        let keep = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
        nix::fcntl::fcntl(descriptor, keep).map_err(failed)?;
    }
    let mut command = std::process::Command::new(program);
    command
        .args(line.map(|_| "--unshare-net"))
        .args(bubblewrap::arguments(&plan, &folder)?)
        .arg(format!("/proc/self/fd/{}", this.as_raw_fd()))
        .arg(WORD)
        .arg(inside.as_raw_fd().to_string())
        .args(argv);
    let child = command.spawn().map_err(StageError::Supervision)?;
    let child = Pid::from_raw(i32::try_from(child.id()).map_err(|_| StageError::Usage)?);
    let end = wait(child)?;
    drop(placeholders);
    Ok(end_as(end))
}

/// Takes the signals that this process waits for, and binds it to the server.
fn begin(order: &Order) -> Result<(), StageError> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default takes no code of ours.
    #[allow(unsafe_code, reason = "setting a signal's action has no safe form")]
    unsafe { sigaction(Signal::SIGCHLD, &default) }.map_err(failed)?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).map_err(failed)?;
    match order.parent {
        Some(parent) => end_with(parent, Signal::SIGTERM),
        None => Ok(()),
    }
}

/// Namespaces of processes and of shared memory for the children of this process, and a network without anybody in it if
/// it is asked for.
fn namespaces(user_namespace: bool, network: bool) -> io::Result<()> {
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    if network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (user, group) = (geteuid(), getegid());
    if user_namespace {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    unshare(flags)?;
    if user_namespace {
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    }
    Ok(())
}

/// A descriptor that becomes readable when this process ends.
#[allow(unsafe_code, reason = "pidfd_open has no safe form")]
fn own_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: plain numbers; the descriptor that a success returns is ours.
    unsafe {
        match libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor as i32)),
        }
    }
}

/// Starts a process that does `child` and ends; what that could not do it says itself.
#[allow(unsafe_code, reason = "fork has no safe form")]
fn split(child: impl FnOnce() -> Result<u8, StageError>) -> Result<Pid, StageError> {
    // SAFETY: this process has one thread, so the child may do whatever it likes.
    match unsafe { fork() }.map_err(|errno| StageError::Namespace(errno.into()))? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let code = match child() {
                Ok(code) => code.into(),
                Err(error) => error.tell().into(),
            };
            // Nothing of the parent's is tidied up here.
            // SAFETY: ends the process, and nothing else.
            unsafe { libc::_exit(code) }
        }
    }
}

/// The life of the first process inside.
fn first_process(
    order: &Order,
    plan: &Plan,
    folder: &Path,
    parent: &OwnedFd,
    tell: &OwnedFd,
    argv: &[OsString],
) -> Result<u8, StageError> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(failed)?;
    // The parent cannot be named from in here.
    let mut ended = [PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ended, PollTimeout::ZERO).map_err(failed)? > 0 {
        return Err(StageError::Orphaned);
    }
    mounts::arrange(plan)?;
    std::env::set_current_dir(folder).map_err(|source| StageError::Mount {
        what: format!("the working folder {}", folder.display()),
        source,
    })?;
    let end = attend(order, argv, || capabilities::drop_all().map_err(StageError::Privileges))?;
    nix::unistd::write(tell, &end.to_bytes()).map_err(failed)?;
    Ok(0)
}

/// Runs a command inside mounts that stand already, and ends as it did.
pub(super) fn inside(order: &Order, line: Option<UnixStream>, argv: &[OsString]) -> Result<u8, StageError> {
    if let Some(line) = &line {
        door::open(line)?;
    }
    // This is the first process in here: what the command leaves behind becomes ours.
    attend(order, argv, || Ok(())).map(end_as)
}

/// Starts the command and waits for its end, and for a moment for those that it started: they may have something to
/// say still.
fn attend(order: &Order, argv: &[OsString], lock: impl FnOnce() -> Result<(), StageError>) -> Result<End, StageError> {
    let command = split(|| {
        lead_session()?;
        become_command(order, argv)
    })?;
    no_new_privileges()?;
    nix::sys::prctl::set_dumpable(false).map_err(failed)?;
    lock()?;
    let end = loop {
        match waitpid(None, None).map(End::of) {
            Ok(Some((pid, end))) if pid == command => break end,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    };
    let deadline = Instant::now() + LAST_WORDS;
    while Instant::now() < deadline {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => sleep(LOOK),
            Ok(_) => {}
            Err(_) => break,
        }
    }
    Ok(end)
}

#[allow(
    clippy::disallowed_methods,
    reason = "this process has one thread and nothing else to do"
)]
fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until a child and whatever else became ours has ended. When this process is asked to end, they are killed.
fn wait(child: Pid) -> Result<End, StageError> {
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGCHLD);
    wanted.add(Signal::SIGTERM);
    let mut end = None;
    let mut ending = false;
    loop {
        // All that ended: one signal may stand for several.
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(status) => {
                    end = End::of(status)
                        .filter(|(pid, _)| *pid == child)
                        .map(|(_, end)| end)
                        .or(end)
                }
                Err(nix::errno::Errno::ECHILD) => return Ok(end.unwrap_or(End::Signal(Signal::SIGKILL))),
                Err(nix::errno::Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
        if ending {
            // What was left by one of them is ours only now.
            children().into_iter().for_each(|child| {
                let _ = kill(child, Signal::SIGKILL);
            });
        }
        ending |= wanted.wait().map_err(failed)? == Signal::SIGTERM;
    }
}

/// The processes that this one has to wait for.
fn children() -> Vec<Pid> {
    let text = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let numbers = text.split_ascii_whitespace().filter_map(|number| number.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// Ends as a command did: by the same signal, so that whoever waits sees no difference.
fn end_as(end: End) -> u8 {
    match end {
        End::Code(code) => code,
        End::Signal(signal) => {
            let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
            // SAFETY: the default takes no code of ours. It may not be changed for the signals that cannot be caught.
            #[allow(unsafe_code, reason = "setting a signal's action has no safe form")]
            let _ = unsafe { sigaction(signal, &default) };
            let _ = kill(Pid::this(), signal);
            let mut mask = SigSet::empty();
            mask.add(signal);
            let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&mask), None);
            128 + signal as i32 as u8
        }
    }
}

fn failed(errno: nix::errno::Errno) -> StageError {
    StageError::Supervision(errno.into())
}
