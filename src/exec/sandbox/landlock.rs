//! Landlock: the kernel's own access control, which any process may put on itself.
//!
//! What changes files is refused everywhere but below the writable roots and on a few harmless devices. Rules only add
//! to what is allowed, so nothing below a root can be taken away again: protected paths need mounts. Where the kernel
//! is new enough, the ends of TCP connections, abstract Unix sockets and signals to outsiders are refused as well.
//! Everything may be read and executed; that is not handled at all, so it costs nothing.

use std::path::Path;

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use nix::libc;

use super::policy::Confinement;
use super::stage::StageError;

/// The newest version whose file rights are used here.
const NEWEST: ABI = ABI::V6;
/// The first version with scopes.
pub(super) const SCOPES: u32 = 6;
/// Devices that programs write to and that keep nothing.
const DEVICES: [&str; 6] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
];

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

/// Rules for files, TCP and outsiders, ready to be put on this process.
pub(super) fn rules(confinement: &Confinement) -> Result<RulesetCreated, StageError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_write(ABI::V1))
        .map_err(StageError::landlock)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(NEWEST))
        .map_err(StageError::landlock)?
        .scope(Scope::from_all(NEWEST))
        .map_err(StageError::landlock)?;
    if !confinement.network {
        ruleset = ruleset
            .handle_access(AccessNet::from_all(NEWEST))
            .map_err(StageError::landlock)?;
    }
    let mut ruleset = ruleset.create().map_err(StageError::landlock)?;
    for root in &confinement.roots {
        ruleset = allow(ruleset, &root.path, in_root())?;
    }
    for device in DEVICES {
        ruleset = allow(ruleset, Path::new(device), AccessFs::from_write(NEWEST))?;
    }
    Ok(ruleset)
}

/// Rules for outsiders alone, for a process whose files somebody else looks after. None on kernels without them.
pub(super) fn scopes() -> Result<Option<RulesetCreated>, StageError> {
    if version().is_none_or(|version| version < SCOPES) {
        return Ok(None);
    }
    Ruleset::default()
        .scope(Scope::from_all(NEWEST))
        .and_then(Ruleset::create)
        .map(Some)
        .map_err(StageError::landlock)
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
