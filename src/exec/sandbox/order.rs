//! What the server wants done with a command, and how that reaches the stage: as a file in memory that nobody can change
//! any more, inherited by its number.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::policy::Confinement;
use super::stage::StageError;

/// The longest order that is read.
const LIMIT: u64 = 16 << 20;

/// Who looks after files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Files {
    /// Landlock alone.
    Landlock,
    /// Mounts of our own.
    Mounts {
        /// Whether the right to make them comes from a user namespace.
        user_namespace: bool,
    },
    /// Mounts that this program makes.
    Bubblewrap {
        /// Its path.
        program: PathBuf,
    },
    /// Mounts that stand already.
    Standing,
}

/// What the server wants done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    /// The version of the server; a binary that was replaced meanwhile does not take its orders.
    pub version: String,
    /// What holds for the command.
    pub confinement: Confinement,
    /// Who looks after files.
    pub files: Files,
    /// The server, if it is our parent: the command must not outlive it.
    pub parent: Option<i32>,
    /// The line by which the command's way to the proxy is handed over, as its number.
    #[serde(default)]
    pub line: Option<i32>,
    /// Whether to look if the confinement stands instead of running a command.
    pub probe: bool,
}

impl Order {
    /// An order of this version.
    pub(super) fn new(confinement: Confinement, files: Files) -> Self {
        Order {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            confinement,
            files,
            parent: None,
            line: None,
            probe: false,
        }
    }

    /// A file in memory that holds it.
    pub(super) fn sealed(&self) -> io::Result<OwnedFd> {
        let file = memfd_create("order", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        let mut file = File::from(file);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()?;
        let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        Ok(file.into())
    }

    /// Reads and closes the file that was inherited as `descriptor`.
    #[allow(unsafe_code, reason = "a descriptor that was inherited by number has no safe form")]
    pub(super) fn read(descriptor: i32) -> Result<Self, StageError> {
        if descriptor <= 2 {
            return Err(StageError::Usage);
        }
        // SAFETY: this process has just begun and has one thread; nobody here owns a descriptor above the standard ones.
        // One that is not open makes the calls below fail.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(descriptor) });
        let seals = fcntl(&file, FcntlArg::F_GET_SEALS).map_err(|errno| StageError::Order(errno.into()))?;
        if !SealFlag::from_bits_truncate(seals).contains(SealFlag::F_SEAL_WRITE) {
            return Err(StageError::Usage);
        }
        let mut text = Vec::new();
        file.take(LIMIT).read_to_end(&mut text).map_err(StageError::Order)?;
        let order: Order = serde_json::from_slice(&text).map_err(|error| StageError::Order(error.into()))?;
        match order.version == env!("CARGO_PKG_VERSION") {
            true => Ok(order),
            false => Err(StageError::Replaced),
        }
    }
}
