//! The rules that a client names for one command: a sandbox policy, or a permission profile.
//!
//! A profile can say more than this machine's sandbox can hold a command to. What it cannot is refused, never left out:
//! files that may not be read, patterns, and files that stay as they are below a folder that may be written.

use std::path::PathBuf;

use super::launch::LaunchError;
use super::policy::{Confinement, Place, writable};
use crate::protocol::{
    FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath, NetworkAccess,
    PermissionProfile, PermissionProfileFileSystemPermissions, SandboxPolicy,
};

/// What holds for a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Rules {
    /// A sandbox policy.
    Policy(SandboxPolicy),
    /// A permission profile.
    Profile(PermissionProfile),
}

impl Rules {
    /// Whether the command may use the network.
    pub fn network(&self) -> bool {
        match self {
            Rules::Policy(SandboxPolicy::DangerFullAccess) | Rules::Profile(PermissionProfile::Disabled) => true,
            Rules::Policy(SandboxPolicy::ExternalSandbox { network_access }) => {
                *network_access == NetworkAccess::Enabled
            }
            Rules::Policy(
                SandboxPolicy::ReadOnly { network_access } | SandboxPolicy::WorkspaceWrite { network_access, .. },
            ) => *network_access,
            Rules::Profile(PermissionProfile::Managed { network, .. } | PermissionProfile::External { network }) => {
                network.enabled
            }
        }
    }

    /// What they come to; none when they confine nothing, or leave that to somebody else. Touches the disk.
    pub fn resolve(&self, place: &Place<'_>) -> Result<Option<Confinement>, LaunchError> {
        let (file_system, network) = match self {
            Rules::Policy(policy) => return Ok(Confinement::resolve(policy, place)),
            Rules::Profile(PermissionProfile::Disabled | PermissionProfile::External { .. }) => return Ok(None),
            Rules::Profile(PermissionProfile::Managed { file_system, network }) => (file_system, network.enabled),
        };
        let roots = match file_system {
            PermissionProfileFileSystemPermissions::Unrestricted if network => return Ok(None),
            PermissionProfileFileSystemPermissions::Unrestricted => vec![("/".into(), true)],
            PermissionProfileFileSystemPermissions::Restricted { entries, .. } => roots_of(entries, place)?,
        };
        Ok(Some(Confinement {
            roots: writable(roots),
            network,
        }))
    }
}

/// The folders that entries let a command write in, and whether others share them.
fn roots_of(entries: &[FileSystemSandboxEntry], place: &Place<'_>) -> Result<Vec<(PathBuf, bool)>, LaunchError> {
    let (mut roots, mut read) = (Vec::new(), Vec::new());
    for entry in entries {
        let paths = paths_of(&entry.path, place)?;
        match entry.access {
            FileSystemAccessMode::None => return Err(LaunchError::Unenforceable("files that may not be read")),
            FileSystemAccessMode::Write => roots.extend(paths),
            FileSystemAccessMode::Read => read.extend(paths.into_iter().map(|(path, _)| path)),
        }
    }
    let all = |path: &PathBuf| path.parent().is_none();
    if !read.iter().chain(roots.iter().map(|(path, _)| path)).any(all) {
        return Err(LaunchError::Unenforceable("files that may not be read"));
    }
    let below = |path: &PathBuf| roots.iter().any(|(root, _)| path != root && path.starts_with(root));
    if read.iter().any(below) {
        return Err(LaunchError::Unenforceable(
            "files that stay as they are below a folder that may be written",
        ));
    }
    Ok(roots)
}

/// The paths that an entry stands for, and whether others share them. One that this version does not know stands for none.
fn paths_of(path: &FileSystemPath, place: &Place<'_>) -> Result<Vec<(PathBuf, bool)>, LaunchError> {
    let special = match path {
        FileSystemPath::Path { path } => return Ok(vec![(path.as_path().to_owned(), false)]),
        FileSystemPath::GlobPattern { .. } => return Err(LaunchError::Unenforceable("patterns of paths")),
        FileSystemPath::Special { value } => value,
    };
    Ok(match special {
        FileSystemSpecialPath::Root => vec![("/".into(), true)],
        FileSystemSpecialPath::ProjectRoots { subpath } => {
            let below = subpath.as_deref().unwrap_or_default();
            let roots = place.workspace_roots.iter();
            roots.map(|root| (root.as_path().join(below), false)).collect()
        }
        FileSystemSpecialPath::SlashTmp => vec![("/tmp".into(), true)],
        FileSystemSpecialPath::Tmpdir => {
            let folder = std::env::var_os("TMPDIR").map(PathBuf::from);
            let folder = folder.filter(|folder| folder.is_absolute());
            folder.map(|folder| (folder, true)).into_iter().collect()
        }
        FileSystemSpecialPath::Minimal | FileSystemSpecialPath::Unknown { .. } => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::protocol::AbsolutePathBuf;

    fn resolve(profile: serde_json::Value) -> Result<Option<Confinement>, LaunchError> {
        let profile: PermissionProfile = serde_json::from_value(profile).unwrap();
        let roots = [AbsolutePathBuf::rooted("/work")];
        let place = Place {
            workspace_roots: &roots,
            home: Path::new("/h"),
        };
        Rules::Profile(profile).resolve(&place)
    }

    fn restricted(entries: serde_json::Value) -> Result<Option<Confinement>, LaunchError> {
        let file_system = json!({"type": "restricted", "entries": entries});
        resolve(json!({"type": "managed", "fileSystem": file_system, "network": {"enabled": false}}))
    }

    fn root(access: &str) -> serde_json::Value {
        json!({"access": access, "path": {"type": "special", "value": {"kind": "root"}}})
    }

    #[test]
    fn profiles_come_to_what_may_be_written() {
        let confinement = restricted(json!([root("read")])).unwrap().unwrap();
        assert!(confinement.roots.is_empty() && !confinement.network);
        let work =
            json!({"access": "write", "path": {"type": "special", "value": {"kind": "project_roots", "subpath": "a"}}});
        let other = json!({"access": "write", "path": {"type": "path", "path": "/other"}});
        let confinement = restricted(json!([root("read"), work, other])).unwrap().unwrap();
        let paths: Vec<&Path> = confinement.roots.iter().map(|root| root.path.as_path()).collect();
        assert_eq!(paths, [Path::new("/work/a"), Path::new("/other")]);
        assert_eq!(resolve(json!({"type": "disabled"})).unwrap(), None);
        assert_eq!(
            resolve(json!({"type": "external", "network": {"enabled": false}})).unwrap(),
            None
        );
        let open = |network: bool| {
            resolve(json!({"type": "managed", "fileSystem": {"type": "unrestricted"}, "network": {"enabled": network}}))
        };
        assert_eq!(open(true).unwrap(), None);
        assert!(
            open(false)
                .unwrap()
                .unwrap()
                .allows_writing(Path::new("/anywhere/at/all"))
        );
    }

    #[test]
    fn what_cannot_be_enforced_is_refused() {
        let path = |access: &str, path: &str| json!({"access": access, "path": {"type": "path", "path": path}});
        let glob = json!({"access": "none", "path": {"type": "glob_pattern", "pattern": "**/*.key"}});
        for entries in [
            json!([]),
            json!([path("read", "/usr")]),
            json!([root("read"), path("none", "/secret")]),
            json!([root("read"), glob]),
            json!([root("read"), path("write", "/w"), path("read", "/w/kept")]),
        ] {
            assert!(
                matches!(restricted(entries.clone()), Err(LaunchError::Unenforceable(_))),
                "{entries}"
            );
        }
    }
}
