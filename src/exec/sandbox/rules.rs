//! The rules for one command of a client: a sandbox policy, a permission profile that the client spells out, or one of the
//! configuration.
//!
//! A profile can say more than this machine's sandbox can hold a command to. What it cannot is refused when the command
//! is to be started, never left out.

use std::sync::Arc;

use super::policy::{Confinement, Place};
use crate::config::PermissionsProfile;
use crate::exec::permissions::PlacedProfile;
use crate::network::NetworkSettings;
use crate::protocol::{
    AbsolutePathBuf, NetworkAccess, PermissionProfile, PermissionProfileFileSystemPermissions, SandboxPolicy,
};

/// What holds for a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Rules {
    /// A sandbox policy.
    Policy(SandboxPolicy),
    /// A permission profile.
    Profile(PermissionProfile),
    /// A permission profile of the configuration.
    Configured(Arc<PermissionsProfile>),
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
            Rules::Configured(profile) => profile.network,
        }
    }

    /// What they come to; none when they confine nothing, or leave that to somebody else. Touches the disk.
    pub fn resolve(&self, place: &Place<'_>) -> Option<Confinement> {
        let cwd = place.workspace_roots.first().cloned();
        let cwd = cwd.unwrap_or_else(|| AbsolutePathBuf::rooted("/"));
        let (file_system, network) = match self {
            Rules::Policy(policy) => return Confinement::resolve(policy, place),
            Rules::Profile(PermissionProfile::Disabled | PermissionProfile::External { .. }) => return None,
            Rules::Profile(PermissionProfile::Managed { file_system, network }) => (file_system, network.enabled),
            Rules::Configured(profile) => {
                return PlacedProfile::new(profile, &cwd, place.workspace_roots).confinement();
            }
        };
        match file_system {
            PermissionProfileFileSystemPermissions::Unrestricted if network => None,
            PermissionProfileFileSystemPermissions::Unrestricted => Some(Confinement::offline()),
            PermissionProfileFileSystemPermissions::Restricted {
                entries,
                glob_scan_max_depth,
            } => {
                let profile = PermissionsProfile {
                    id: String::new(),
                    entries: entries.clone(),
                    scan_depth: *glob_scan_max_depth,
                    network,
                    filter: NetworkSettings::default(),
                    workspace_roots: Vec::new(),
                    home: place.home.to_owned(),
                    warnings: Vec::new(),
                };
                PlacedProfile::new(&profile, &cwd, place.workspace_roots).confinement_of_entries()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::protocol::AbsolutePathBuf;

    fn resolve(profile: serde_json::Value) -> Option<Confinement> {
        let profile: PermissionProfile = serde_json::from_value(profile).unwrap();
        let roots = [AbsolutePathBuf::rooted("/work")];
        let place = Place {
            workspace_roots: &roots,
            home: Path::new("/h"),
        };
        Rules::Profile(profile).resolve(&place)
    }

    fn restricted(entries: serde_json::Value) -> Confinement {
        let file_system = json!({"type": "restricted", "entries": entries});
        let profile = json!({"type": "managed", "fileSystem": file_system, "network": {"enabled": false}});
        resolve(profile).expect("something to enforce")
    }

    fn root(access: &str) -> serde_json::Value {
        json!({"access": access, "path": {"type": "special", "value": {"kind": "root"}}})
    }

    fn path(access: &str, path: &str) -> serde_json::Value {
        json!({"access": access, "path": {"type": "path", "path": path}})
    }

    #[test]
    fn profiles_come_to_what_may_be_written() {
        let confinement = restricted(json!([root("read")]));
        assert!(confinement.roots.is_empty() && !confinement.network && confinement.readable.is_none());
        let place = json!({"type": "special", "value": {"kind": "project_roots", "subpath": "a"}});
        let work = json!({"access": "write", "path": place});
        let confinement = restricted(json!([root("read"), work, path("write", "/other")]));
        let paths: Vec<&Path> = confinement.roots.iter().map(|root| root.path.as_path()).collect();
        assert_eq!(paths, [Path::new("/work/a"), Path::new("/other")]);
        assert_eq!(confinement.beyond_rules(), None);
        assert_eq!(resolve(json!({"type": "disabled"})), None);
        assert_eq!(
            resolve(json!({"type": "external", "network": {"enabled": false}})),
            None
        );
        let open = |network: bool| {
            resolve(json!({"type": "managed", "fileSystem": {"type": "unrestricted"}, "network": {"enabled": network}}))
        };
        assert_eq!(open(true), None);
        let offline = open(false).unwrap();
        assert!(offline.allows_writing(Path::new("/anywhere/at/.git")) && !offline.network);
    }

    #[test]
    fn what_not_every_sandbox_enforces_is_kept_apart() {
        let confinement = restricted(json!([root("read"), path("none", "/secret")]));
        assert_eq!(confinement.hidden, [Path::new("/secret")]);
        let confinement = restricted(json!([root("read"), path("write", "/w"), path("read", "/w/kept")]));
        assert!(confinement.read_only.contains(&"/w/kept".into()));
        assert!(confinement.allows_writing(Path::new("/w/x")) && !confinement.allows_writing(Path::new("/w/kept/x")));
        let glob = json!({"access": "none", "path": {"type": "glob_pattern", "pattern": "**/*.key"}});
        let confinement = restricted(json!([root("read"), glob]));
        assert!(confinement.hides(Path::new("/work/a/b.key"), Path::new("/work/a/b.key")));
        assert!(!confinement.hides(Path::new("/else/b.key"), Path::new("/else/b.key")));
        assert!(confinement.beyond_rules().is_some());
    }

    #[test]
    fn profiles_without_the_root_show_what_they_name() {
        let hides = |entries: serde_json::Value, place: &str| {
            let place = Path::new(place);
            restricted(entries).hides(place, place)
        };
        let minimal = json!({"access": "read", "path": {"type": "special", "value": {"kind": "minimal"}}});
        assert!(hides(json!([]), "/usr/bin/env"));
        assert!(!hides(json!([path("read", "/opt/x"), minimal.clone()]), "/usr/bin/env"));
        assert!(hides(json!([minimal.clone(), root("none")]), "/root"));
        assert!(!hides(json!([path("write", "/opt/x"), root("none")]), "/opt/x/y"));
        assert!(restricted(json!([minimal, root("none")])).hidden.is_empty());
    }
}
