//! Named permission profiles as requests give them: the built-in ones.
//!
//! Profiles of the configuration's `[permissions]` table are not built yet; naming one answers what the configuration
//! would say without such a table.

use std::path::Path;

use crate::protocol::{AbsolutePathBuf, ActivePermissionProfile, SandboxMode, SandboxPolicy};
use crate::rpc::RpcError;

/// The sandbox mode that a profile stands for.
pub(crate) fn mode_of(profile: &str) -> Result<SandboxMode, RpcError> {
    match profile {
        ":read-only" => Ok(SandboxMode::ReadOnly),
        ":workspace" => Ok(SandboxMode::WorkspaceWrite),
        ":danger-full-access" => Ok(SandboxMode::DangerFullAccess),
        other if other.starts_with(':') => Err(RpcError::invalid_request(format!(
            "failed to load configuration: default_permissions refers to unknown built-in profile `{other}`"
        ))),
        _ => Err(RpcError::invalid_request(
            "failed to load configuration: default_permissions requires a `[permissions]` table",
        )),
    }
}

/// The sandbox policy that a profile stands for; the workspace profile lets the home's memories be written.
pub(crate) fn sandbox_of(profile: &str, home: &Path) -> Result<SandboxPolicy, RpcError> {
    Ok(match mode_of(profile)? {
        SandboxMode::ReadOnly => SandboxPolicy::ReadOnly { network_access: false },
        SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
        SandboxMode::WorkspaceWrite => SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp: false,
            exclude_tmpdir_env_var: false,
            network_access: false,
            writable_roots: AbsolutePathBuf::new(home.join("memories")).into_iter().collect(),
        },
    })
}

/// The profile as responses name it.
pub(crate) fn active(profile: &str) -> ActivePermissionProfile {
    ActivePermissionProfile {
        extends: None,
        id: profile.to_owned(),
    }
}
