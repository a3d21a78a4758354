//! Wire payloads: permissions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::AbsolutePathBuf;

/// Approvals reviewer, carried by `config/read`, `configRequirements/read`, `thread/fork` and 3 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ApprovalsReviewer {
    #[serde(rename = "user")]
    User,
    #[serde(rename = "auto_review")]
    AutoReview,
    #[serde(rename = "guardian_subagent")]
    GuardianSubagent,
}

/// Ask for approval, carried by `config/read`, `configRequirements/read`, `thread/fork` and 3 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum AskForApproval {
    #[serde(rename = "untrusted")]
    Untrusted,
    #[serde(rename = "on-failure")]
    OnFailure,
    #[serde(rename = "on-request")]
    OnRequest,
    #[serde(rename = "never")]
    Never,
    #[serde(rename = "granular")]
    Granular {
        mcp_elicitations: bool,
        #[serde(default)]
        request_permissions: bool,
        rules: bool,
        sandbox_approval: bool,
        #[serde(default)]
        skill_approval: bool,
    },
}

/// File system access mode, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `command/exec` and 2 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileSystemAccessMode {
    Read,
    Write,
    None,
}

/// File system path, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `command/exec` and 2 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum FileSystemPath {
    #[serde(rename = "path")]
    Path { path: AbsolutePathBuf },
    #[serde(rename = "glob_pattern")]
    GlobPattern { pattern: String },
    #[serde(rename = "special")]
    Special { value: FileSystemSpecialPath },
}

/// File system sandbox entry, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `command/exec` and 2 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileSystemSandboxEntry {
    pub access: FileSystemAccessMode,
    pub path: FileSystemPath,
}

/// File system special path, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `command/exec` and 2 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind")]
pub enum FileSystemSpecialPath {
    #[serde(rename = "root")]
    Root,
    #[serde(rename = "minimal")]
    Minimal,
    #[serde(rename = "project_roots")]
    ProjectRoots {
        #[serde(default)]
        subpath: Option<String>,
    },
    #[serde(rename = "tmpdir")]
    Tmpdir,
    #[serde(rename = "slash_tmp")]
    SlashTmp,
    #[serde(rename = "unknown")]
    Unknown {
        path: String,
        #[serde(default)]
        subpath: Option<String>,
    },
}

/// Network access, carried by `command/exec`, `thread/fork`, `thread/resume` and 2 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkAccess {
    #[default]
    Restricted,
    Enabled,
}

/// Permission profile, carried by `command/exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum PermissionProfile {
    #[serde(rename = "managed", rename_all = "camelCase")]
    Managed {
        file_system: PermissionProfileFileSystemPermissions,
        network: PermissionProfileNetworkPermissions,
    },
    #[serde(rename = "disabled")]
    Disabled,
    #[serde(rename = "external")]
    External {
        network: PermissionProfileNetworkPermissions,
    },
}

/// Permission profile file system permissions, carried by `command/exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum PermissionProfileFileSystemPermissions {
    #[serde(rename = "restricted", rename_all = "camelCase")]
    Restricted {
        entries: Vec<FileSystemSandboxEntry>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob_scan_max_depth: Option<usize>,
    },
    #[serde(rename = "unrestricted")]
    Unrestricted,
}

/// Permission profile network permissions, carried by `command/exec`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PermissionProfileNetworkPermissions {
    pub enabled: bool,
}

/// Sandbox mode, carried by `config/read`, `configRequirements/read`, `thread/fork` and 2 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SandboxMode {
    #[serde(rename = "read-only")]
    ReadOnly,
    #[serde(rename = "workspace-write")]
    WorkspaceWrite,
    #[serde(rename = "danger-full-access")]
    DangerFullAccess,
}

/// Sandbox policy, carried by `command/exec`, `thread/fork`, `thread/resume` and 2 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum SandboxPolicy {
    #[serde(rename = "dangerFullAccess")]
    DangerFullAccess,
    #[serde(rename = "readOnly", rename_all = "camelCase")]
    ReadOnly {
        #[serde(default)]
        network_access: bool,
    },
    #[serde(rename = "externalSandbox", rename_all = "camelCase")]
    ExternalSandbox {
        #[serde(default)]
        network_access: NetworkAccess,
    },
    #[serde(rename = "workspaceWrite", rename_all = "camelCase")]
    WorkspaceWrite {
        #[serde(default)]
        exclude_slash_tmp: bool,
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        #[serde(default)]
        network_access: bool,
        #[serde(default)]
        writable_roots: Vec<AbsolutePathBuf>,
    },
}

/// Reads the selection of a permission profile: its name, or an object that holds it (`{"type": "profile", "id": …}`).
pub(crate) fn permission_selection<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "camelCase", deny_unknown_fields)]
    enum Selected {
        Profile { id: String },
    }
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "data did not match any variant of untagged enum Wire")]
    enum Selection {
        Name(String),
        Object(Selected),
    }
    Ok(
        Option::<Selection>::deserialize(deserializer)?.map(|selection| match selection {
            Selection::Name(name) | Selection::Object(Selected::Profile { id: name }) => name,
        }),
    )
}

/// Active permission profile, carried by `thread/fork`, `thread/resume`, `thread/start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ActivePermissionProfile {
    #[serde(default)]
    pub extends: Option<String>,
    pub id: String,
}
