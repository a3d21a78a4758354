//! Whether a patch may be applied: a pure function of policy, sandbox and paths.
//!
//! What holds for a confined command holds for a patch. A path counts as what it resolves to through links, so a link
//! out of the workspace does not widen it; and a protected folder is protected by its name, too, wherever its name leads.

use std::path::{Path, PathBuf};

use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::PROTECTED_NAMES;
use crate::files::normalised;
use crate::protocol::{AskForApproval, SandboxPolicy};

/// How many dangling links are followed.
const LINKS: usize = 40;

/// What becomes of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchDecision {
    /// Apply it without asking.
    Apply,
    /// Ask first.
    Ask,
    /// Refuse with this text.
    Reject(&'static str),
}

/// A path that a patch writes or removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedPath {
    /// The absolute path with `.` and `..` taken out.
    pub plain: PathBuf,
    /// The same with links resolved, as far as it exists.
    pub resolved: PathBuf,
    /// The folders on the way that have the name of a protected one: their real places, their names left as they are.
    named: Vec<PathBuf>,
}

impl TouchedPath {
    /// Looks up what `plain` resolves to. Touches the disk.
    pub fn new(plain: PathBuf) -> Self {
        let protected = |folder: &&Path| {
            let name = folder.file_name();
            name.is_some_and(|name| PROTECTED_NAMES.iter().any(|protected| name == *protected))
        };
        let place = |folder: &Path| Some(resolved(folder.parent()?, LINKS).join(folder.file_name()?));
        TouchedPath {
            resolved: resolved(&plain, LINKS),
            named: plain.ancestors().filter(protected).filter_map(place).collect(),
            plain,
        }
    }

    /// Whether a process held to `confinement` could write it.
    fn is_within(&self, confinement: &Confinement) -> bool {
        confinement.allows_writing(&self.resolved) && self.named.iter().all(|place| confinement.allows_writing(place))
    }
}

/// Decides on a patch that touches `paths`. `confinement` is what holds for a command; none holds when it is none.
pub fn patch_decision(
    policy: &AskForApproval,
    sandbox: &SandboxPolicy,
    confinement: Option<&Confinement>,
    paths: &[TouchedPath],
) -> PatchDecision {
    if paths.is_empty() {
        return PatchDecision::Reject("patch rejected: empty patch");
    }
    if matches!(policy, AskForApproval::Untrusted) {
        return PatchDecision::Ask;
    }
    if confinement.is_none_or(|confinement| paths.iter().all(|path| path.is_within(confinement))) {
        return PatchDecision::Apply;
    }
    match policy {
        AskForApproval::Never
        | AskForApproval::Granular {
            sandbox_approval: false,
            ..
        } => PatchDecision::Reject(match sandbox {
            SandboxPolicy::ReadOnly { .. } => {
                "patch rejected: writing is blocked by read-only sandbox; rejected by user approval settings"
            }
            _ => "patch rejected: writing outside of the project; rejected by user approval settings",
        }),
        _ => PatchDecision::Ask,
    }
}

/// `path` with the links of its existing part resolved; `links` bounds how many dangling ones are followed.
fn resolved(path: &Path, links: usize) -> PathBuf {
    let mut missing = Vec::new();
    let mut existing = path;
    let rest =
        |base: PathBuf, missing: &[std::ffi::OsString]| missing.iter().rev().fold(base, |at, name| at.join(name));
    loop {
        if let Ok(real) = existing.canonicalize() {
            return rest(real, &missing);
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            return path.to_owned();
        };
        // A write would go through a dangling link, so it counts as where it points.
        if let Ok(target) = existing.read_link()
            && links > 0
        {
            return rest(resolved(&normalised(&parent.join(target)), links - 1), &missing);
        }
        missing.push(name.to_owned());
        existing = parent;
    }
}
