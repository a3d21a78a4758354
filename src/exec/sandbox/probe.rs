//! Trying a way: a process is confined by it and looks whether that holds.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::landlock::version;
use super::order::{Files, Order};
use super::policy::{Confinement, WritableRoot};
use super::stage::{CONFINED, WORD};
use super::way::{Trial, Way};

/// How long a trial may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Mounts by the rights that this process has.
pub(super) fn mounts() -> Trial {
    own(false)
}

/// Mounts by the rights that a user namespace gives.
pub(super) fn mounts_by_user_namespace() -> Trial {
    own(true)
}

fn own(user_namespace: bool) -> Trial {
    Trial {
        name: "mounts",
        result: attempt(Files::Mounts { user_namespace }).map(|()| Way::Mounts { user_namespace }),
    }
}

/// Mounts that bubblewrap makes.
pub(super) fn bubblewrap() -> Trial {
    let found = super::bubblewrap::find().ok_or("no bwrap on PATH that root installed".to_owned());
    let result = found.and_then(|program| {
        let way = Way::Bubblewrap {
            program: program.clone(),
        };
        attempt(Files::Bubblewrap { program }).map(|()| way)
    });
    Trial {
        name: "bubblewrap",
        result,
    }
}

/// Landlock alone.
pub(super) fn landlock() -> Trial {
    let result = version().ok_or("the kernel has no Landlock, or it is switched off".to_owned());
    let result = result.and_then(|abi| attempt(Files::Landlock).map(|()| Way::Landlock { abi }));
    Trial {
        name: "landlock",
        result,
    }
}

fn attempt(files: Files) -> Result<(), String> {
    run(files).unwrap_or_else(|error| Err(error.to_string()))
}

#[allow(unsafe_code, reason = "pre_exec has no safe form")]
#[allow(
    clippy::disallowed_methods,
    reason = "this is our own program, asked to confine itself"
)]
fn run(files: Files) -> io::Result<Result<(), String>> {
    let order = Order {
        probe: true,
        ..Order::new(confinement(), files)
    };
    let order = order.sealed()?;
    let number = order.as_raw_fd();
    let mut command = Command::new("/proc/self/exe");
    command
        .args([WORD, &number.to_string()])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // SAFETY: one system call that may be made between fork and exec.
    unsafe {
        command.pre_exec(move || match libc::fcntl(number, libc::F_SETFD, 0) {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        });
    }
    let mut child = command.spawn()?;
    let mut said = Vec::new();
    if let Some(mut errors) = child.stderr.take() {
        let deadline = Instant::now() + PATIENCE;
        let mut chunk = [0; 512];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
            if poll(&mut [PollFd::new(errors.as_fd(), PollFlags::POLLIN)], timeout)? == 0 {
                child.kill()?;
                child.wait()?;
                return Ok(Err("it did not answer".to_owned()));
            }
            match errors.read(&mut chunk)? {
                0 => break,
                count => said.extend_from_slice(&chunk[..count]),
            }
        }
    }
    let status = child.wait()?;
    let said = String::from_utf8_lossy(&said);
    let why = said.trim().rsplit("was not run: ").next().unwrap_or_default();
    Ok(match (status.code() == Some(CONFINED.into()), why) {
        (true, _) => Ok(()),
        (false, "") => Err(status.to_string()),
        (false, why) => Err(why.lines().next().unwrap_or_default().to_owned()),
    })
}

/// Everything is read-only but the folder for temporary files, where that is not read-only anyway.
fn confinement() -> Confinement {
    let folder = std::env::temp_dir().canonicalize().ok();
    let writable = folder.filter(|folder| {
        let found = statvfs(folder.as_path());
        folder.is_dir() && found.is_ok_and(|found| !found.flags().contains(FsFlags::ST_RDONLY))
    });
    let roots = writable.map(|path| WritableRoot {
        path,
        protected: Vec::new(),
        shared: true,
    });
    Confinement {
        roots: roots.into_iter().collect(),
        ..Confinement::default()
    }
}
