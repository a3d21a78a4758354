//! A command as it is started when it is to be confined: another command line, and the order that goes with it.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use super::policy::Confinement;
use super::way::{Sandbox, Way};

/// A confined command, ready to be started.
#[derive(Debug)]
pub struct Launch {
    /// The program that goes first.
    pub program: OsString,
    /// Its arguments, the command among them.
    pub arguments: Vec<OsString>,
    /// A descriptor that it inherits, by its number here.
    pub order: OwnedFd,
}

/// Why a command cannot be confined.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no sandbox.
    #[error("no sandbox is available on this machine")]
    Unavailable,
    /// A profile says what no sandbox here can enforce.
    #[error("the sandbox of this machine cannot enforce {0}, so the command was not run")]
    Unenforceable(&'static str),
    /// There is no such program.
    #[error("{0}")]
    Program(#[source] io::Error),
    /// The system refused something.
    #[error("the sandbox cannot be prepared: {0}")]
    System(#[source] io::Error),
}

impl Sandbox {
    /// Prepares a command to be started confined. Touches the disk.
    pub fn launch(&self, argv: &[String], confinement: Confinement) -> Result<Launch, LaunchError> {
        let way = self.way().ok_or(LaunchError::Unavailable)?;
        // Told as without a sandbox, where the start itself would fail.
        if let Some(program) = argv.first().filter(|program| program.contains('/')) {
            Path::new(program).metadata().map_err(LaunchError::Program)?;
        }
        build(way, argv, confinement)
    }
}

#[cfg(target_os = "linux")]
fn build(way: &Way, argv: &[String], confinement: Confinement) -> Result<Launch, LaunchError> {
    use std::os::fd::AsRawFd;

    use super::stage::{Order, WORD};

    let Way::Landlock { .. } = way;
    let order = Order {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        confinement,
        files: true,
        parent: Some(nix::unistd::getpid().as_raw()),
    };
    let order = sealed(&order).map_err(LaunchError::System)?;
    let first = [WORD.into(), order.as_raw_fd().to_string().into()];
    Ok(Launch {
        // Not by its path: that may lead to another program by now.
        program: "/proc/self/exe".into(),
        arguments: first.into_iter().chain(argv.iter().map(OsString::from)).collect(),
        order,
    })
}

#[cfg(not(target_os = "linux"))]
fn build(_way: &Way, _argv: &[String], _confinement: Confinement) -> Result<Launch, LaunchError> {
    Err(LaunchError::Unavailable)
}

/// A file in memory that nobody can change any more.
#[cfg(target_os = "linux")]
fn sealed(order: &super::stage::Order) -> io::Result<OwnedFd> {
    use std::io::{Seek, Write};

    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};

    let file = memfd_create("order", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = std::fs::File::from(file);
    file.write_all(&serde_json::to_vec(order)?)?;
    file.rewind()?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}
