//! Whether a patch may be applied: a pure function of policy, sandbox and paths.
//!
//! A path counts as inside when both its plain form and what it resolves to through links lie in a writable root and
//! in none of the protected folders; a link out of the workspace therefore does not widen it.

use std::path::{Path, PathBuf};

use crate::exec::sandbox::policy::PROTECTED_NAMES;
use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, AskForApproval, SandboxPolicy};

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
}

impl TouchedPath {
    /// Looks up what `plain` resolves to. Touches the disk.
    pub fn new(plain: PathBuf) -> Self {
        let resolved = resolved(&plain, 40);
        TouchedPath { plain, resolved }
    }
}

/// Where a sandbox lets a process write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writable {
    /// Everywhere.
    All,
    /// In these folders, without their protected ones.
    Roots(Vec<PathBuf>),
}

impl Writable {
    /// What `sandbox` allows for a workspace with these roots. Looks links of the roots up.
    pub fn of(sandbox: &SandboxPolicy, workspace_roots: &[AbsolutePathBuf]) -> Self {
        match sandbox {
            SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => Writable::All,
            SandboxPolicy::ReadOnly { .. } => Writable::Roots(Vec::new()),
            SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp,
                exclude_tmpdir_env_var,
                writable_roots,
                ..
            } => {
                let mut roots: Vec<PathBuf> = workspace_roots
                    .iter()
                    .chain(writable_roots)
                    .map(|root| normalised(root.as_path()))
                    .collect();
                if !exclude_slash_tmp {
                    roots.push("/tmp".into());
                }
                if let Some(folder) = std::env::var_os("TMPDIR").map(PathBuf::from)
                    && !exclude_tmpdir_env_var
                    && folder.is_absolute()
                {
                    roots.push(folder);
                }
                let links: Vec<PathBuf> = roots.iter().filter_map(|root| root.canonicalize().ok()).collect();
                roots.extend(links);
                roots.sort();
                roots.dedup();
                Writable::Roots(roots)
            }
        }
    }

    fn contains(&self, path: &Path) -> bool {
        match self {
            Writable::All => true,
            Writable::Roots(roots) => {
                let inside = |root: &PathBuf| path.starts_with(root);
                let protected = |root: &PathBuf| PROTECTED_NAMES.iter().any(|name| path.starts_with(root.join(name)));
                roots.iter().any(inside) && !roots.iter().any(protected)
            }
        }
    }
}

/// Decides on a patch that touches `paths`.
pub fn patch_decision(
    policy: &AskForApproval,
    sandbox: &SandboxPolicy,
    writable: &Writable,
    paths: &[TouchedPath],
) -> PatchDecision {
    if paths.is_empty() {
        return PatchDecision::Reject("patch rejected: empty patch");
    }
    if matches!(policy, AskForApproval::Untrusted) {
        return PatchDecision::Ask;
    }
    if paths
        .iter()
        .all(|path| writable.contains(&path.plain) && writable.contains(&path.resolved))
    {
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
