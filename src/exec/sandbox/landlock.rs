//! Landlock: the kernel's own access control, which any process may put on itself.
//!
//! What changes files is refused everywhere but below the writable roots and on a few harmless devices. Rules only add
//! to what is allowed, so nothing below a root can be taken away again: protected paths need mounts. Where the kernel
//! is new enough, the ends of TCP connections, abstract Unix sockets and signals to outsiders are refused as well.
//! Where everything may be read and executed that is not handled at all, so it costs nothing; otherwise what may be read
//! has rules too. They keep contents from being read, not the names, sizes and times of files.

use std::io::IsTerminal;
use std::path::Path;

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use nix::libc;

use super::mounts::DEVICES;
use super::policy::{Confinement, Reach};
use super::stage::StageError;

/// The newest version whose file rights are used here.
const NEWEST: ABI = ABI::V6;
/// What a command with mounts of its own has for itself.
const OWN: [&str; 3] = ["/dev/shm", "/dev/pts", "/dev/ptmx"];
/// The terminal of the command, if it has one.
const TERMINAL: &str = "/proc/self/fd/0";
/// What programs look up about themselves. Landlock keeps them from looking into other processes.
const PROCESSES: &str = "/proc";

/// The version of Landlock that this kernel has; none when there is no Landlock here.
#[allow(unsafe_code, reason = "asking for the version has no safe form")]
pub(super) fn version() -> Option<u32> {
    const ASK_FOR_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no memory and makes no descriptor.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0usize,
            ASK_FOR_VERSION,
        )
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Rules for files, TCP and outsiders, ready to be put on this process. With mounts of its own it has some devices more.
pub(super) fn rules(confinement: &Confinement, own_mounts: bool) -> Result<RulesetCreated, StageError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_write(ABI::V1))
        .map_err(StageError::landlock)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(NEWEST))
        .map_err(StageError::landlock)?
        .scope(Scope::from_all(NEWEST))
        .map_err(StageError::landlock)?;
    // In a network of its own there is nothing to keep it from.
    if confinement.reach() == Reach::Nothing {
        ruleset = ruleset
            .handle_access(AccessNet::from_all(NEWEST))
            .map_err(StageError::landlock)?;
    }
    // With mounts of its own it sees nothing else anyway.
    let readable = confinement.readable.as_ref().filter(|_| !own_mounts);
    let mut reading = BitFlags::empty();
    if readable.is_some() {
        reading = AccessFs::from_read(ABI::V1);
        ruleset = ruleset
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(reading)
            .map_err(StageError::landlock)?;
    }
    let mut ruleset = ruleset.create().map_err(StageError::landlock)?;
    for place in readable.into_iter().flatten() {
        ruleset = allow(ruleset, place, reading)?;
    }
    if readable.is_some() {
        ruleset = allow(ruleset, Path::new(PROCESSES), reading & !AccessFs::Execute)?;
    }
    for root in &confinement.roots {
        ruleset = allow(ruleset, &root.path, in_root() | reading)?;
    }
    for device in DEVICES {
        ruleset = allow(ruleset, Path::new(device), AccessFs::from_write(NEWEST) | reading)?;
    }
    if own_mounts {
        for path in OWN {
            ruleset = allow(ruleset, Path::new(path), in_root())?;
        }
    }
    if std::io::stdin().is_terminal() {
        ruleset = allow(ruleset, Path::new(TERMINAL), AccessFs::from_write(NEWEST) | reading)?;
    }
    Ok(ruleset)
}

/// Puts rules on this process and all that it will start.
pub(super) fn restrict(rules: RulesetCreated) -> Result<(), StageError> {
    let status = rules.restrict_self().map_err(StageError::landlock)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(StageError::landlock("the kernel does not enforce its rules")),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// What may be done below a root: all that changes files, without making devices.
fn in_root() -> BitFlags<AccessFs> {
    AccessFs::from_write(NEWEST) & !(AccessFs::MakeChar | AccessFs::MakeBlock)
}

/// Adds a rule, with what makes sense for a file if it is one. What does not exist needs none.
fn allow(ruleset: RulesetCreated, path: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, StageError> {
    let Ok(opened) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let access = match path.is_dir() {
        true => access,
        false => access & AccessFs::from_file(NEWEST),
    };
    ruleset
        .add_rule(PathBeneath::new(opened, access))
        .map_err(StageError::landlock)
}
