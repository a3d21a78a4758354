//! Starting a process: its own session and process group, bound to this server's life, its output on one descriptor.
//!
//! A confined command is started by way of its [`Launch`], which confines itself and becomes the command. No child
//! inherits a descriptor beyond the standard ones, save for the order that a launch takes with it.
//!
//! With [`spawn`] standard output and error share a descriptor, so their order is the order of writing, and without a
//! terminal standard input is empty; `streams.rs` keeps them apart. What a child does between fork and exec has no safe form, so that `unsafe` is kept here.
//!
//! On Linux the child gets a signal when the *thread* that started it ends; so call this on a thread that lives as long
//! as the server (an arbiter), never on the blocking pool.

use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::exec::environment::Environment;
use crate::exec::pty::{Pty, PtySize};
use crate::exec::sandbox::Launch;

/// What to start.
#[derive(Debug, Clone, Copy)]
pub struct SpawnRequest<'a> {
    /// Program and arguments.
    pub argv: &'a [String],
    /// The working folder.
    pub cwd: &'a Path,
    /// All of its environment.
    pub environment: &'a Environment,
    /// The size of its terminal; none means pipes and no input.
    pub terminal: Option<PtySize>,
    /// How it is started when it is confined; then `argv` is what it becomes.
    pub confined: Option<&'a Launch>,
}

/// A process that runs.
#[derive(Debug)]
pub struct Started {
    /// To wait for.
    pub child: Child,
    /// To signal.
    pub group: ProcessGroup,
    /// Where its output arrives.
    pub output: OutputEnd,
}

/// Our end of a process's output.
#[derive(Debug)]
pub enum OutputEnd {
    /// A pipe.
    Pipe(tokio::net::unix::pipe::Receiver),
    /// A terminal.
    Terminal(Pty),
}

/// The group that a started process leads.
#[derive(Debug, Clone, Copy)]
pub struct ProcessGroup {
    leader: Pid,
    /// Whether the leader looks after the others, which are out of reach from here.
    supervised: bool,
}

impl ProcessGroup {
    /// The group that a child leads, while it runs.
    pub(super) fn of(child: &Child) -> Option<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok())?;
        Some(ProcessGroup {
            leader: Pid::from_raw(id),
            supervised: false,
        })
    }

    /// Ends every process of the group. A group that is gone is fine.
    pub fn kill(self) {
        match self.supervised {
            // It kills the others, and tidies up before it ends itself.
            true => {
                let _ = kill(self.leader, Signal::SIGTERM);
            }
            false => self.force(),
        }
    }

    /// Kills every process of the group at once.
    pub fn force(self) {
        let _ = killpg(self.leader, Signal::SIGKILL);
    }

    /// Kills what the leader left of its group, now that it has ended.
    pub fn sweep(self) {
        // A supervisor leaves nothing behind, and its number may be somebody else's by now.
        if !self.supervised {
            self.force();
        }
    }
}

/// Ends a process group when dropped, however that comes.
#[derive(Debug)]
pub struct GroupEnd {
    group: ProcessGroup,
    /// Whether its leader was waited for.
    over: bool,
}

impl GroupEnd {
    /// How long a group that is asked to end may take.
    pub const STUBBORN: Duration = Duration::from_secs(5);

    /// For a group whose leader runs.
    pub fn of(group: ProcessGroup) -> Self {
        GroupEnd { group, over: false }
    }

    /// The leader has ended, and was waited for.
    pub fn leader_ended(&mut self) {
        self.over = true;
    }

    /// Ends the group, or what its leader left of it.
    pub fn kill(&self) {
        match self.over {
            true => self.group.sweep(),
            false => self.group.kill(),
        }
    }

    /// Kills a group that did not end when it was asked to.
    pub fn force(&self) {
        if !self.over {
            self.group.force();
        }
    }
}

impl Drop for GroupEnd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts a process.
pub fn spawn(request: &SpawnRequest<'_>) -> io::Result<Started> {
    let mut command = command(request)?;
    let output = match request.terminal {
        Some(size) => OutputEnd::Terminal(on_terminal(&mut command, size)?),
        None => {
            let (ours, theirs) = io::pipe()?;
            command
                .stdin(Stdio::null())
                .stdout(Stdio::from(theirs.try_clone()?))
                .stderr(Stdio::from(theirs));
            OutputEnd::Pipe(tokio::net::unix::pipe::Receiver::from_owned_fd(ours.into())?)
        }
    };
    let (child, group) = start(command, request)?;
    Ok(Started { child, group, output })
}

/// The command of a request, in its folder and with its environment; its streams are not connected yet.
#[allow(clippy::disallowed_methods, reason = "this is the place where commands are started")]
pub(super) fn command(request: &SpawnRequest<'_>) -> io::Result<Command> {
    let (program, arguments) = request
        .argv
        .split_first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program given"))?;
    let supervised = request.confined.is_some_and(|launch| launch.supervised);
    let mut command = match request.confined {
        Some(launch) => {
            let mut command = Command::new(&launch.program);
            command.args(&launch.arguments);
            command
        }
        None => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
    };
    command
        .current_dir(request.cwd)
        .env_clear()
        .envs(request.environment)
        .kill_on_drop(!supervised);
    Ok(command)
}

/// Connects all streams of a command to a new terminal, whose other end is returned.
pub(super) fn on_terminal(command: &mut Command, size: PtySize) -> io::Result<Pty> {
    let (pty, terminal) = Pty::open(size)?;
    command
        .stdin(Stdio::from(terminal.try_clone()?))
        .stdout(Stdio::from(terminal.try_clone()?))
        .stderr(Stdio::from(terminal));
    Ok(pty)
}

/// Starts a command whose streams are connected.
pub(super) fn start(mut command: Command, request: &SpawnRequest<'_>) -> io::Result<(Child, ProcessGroup)> {
    let inherited = request.confined.map(Launch::inherited).unwrap_or_default();
    let supervised = request.confined.is_some_and(|launch| launch.supervised);
    // Who is supervised takes its terminal itself.
    prepare_child(&mut command, request.terminal.is_some() && !supervised, inherited);
    let child = command.spawn()?;
    let group = ProcessGroup::of(&child).ok_or_else(|| io::Error::other("the process ended before it was known"))?;
    Ok((child, ProcessGroup { supervised, ..group }))
}

/// Makes the child lead a session of its own, take its terminal, inherit nothing but what is named, and not
/// outlive us.
#[allow(unsafe_code, reason = "pre_exec has no safe form")]
pub(super) fn prepare_child(command: &mut Command, terminal: bool, inherited: [Option<RawFd>; 2]) {
    let parent = nix::unistd::getpid();
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls: setsid, ioctl,
    // prctl, getppid, close_range, fcntl. It does not allocate, lock or touch memory shared with other threads.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid()?;
            if terminal && nix::libc::ioctl(0, nix::libc::TIOCSCTTY as _, 0) == -1 {
                return Err(io::Error::last_os_error());
            }
            #[cfg(target_os = "linux")]
            {
                nix::sys::prctl::set_pdeathsig(Signal::SIGTERM)?;
                // The parent may have died before the call above: nobody would send the signal then.
                if nix::unistd::getppid() != parent {
                    return Err(io::Error::from(io::ErrorKind::BrokenPipe));
                }
                // Not every descriptor in this process was opened by us, with the flag that closes it. Kernels without
                // this call answer so; what was opened by us is closed there too.
                let close = nix::libc::CLOSE_RANGE_CLOEXEC;
                nix::libc::syscall(nix::libc::SYS_close_range, 3, nix::libc::c_uint::MAX, close);
            }
            #[cfg(not(target_os = "linux"))]
            let _ = parent;
            for descriptor in inherited.into_iter().flatten() {
                if nix::libc::fcntl(descriptor, nix::libc::F_SETFD, 0) == -1 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}
