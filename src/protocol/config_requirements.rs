//! Wire payloads: what an administrator demands of every configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::config::WebSearchMode;
use crate::protocol::permissions::{ApprovalsReviewer, AskForApproval, SandboxMode};

/// Result of `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConfigRequirementsReadResponse {
    #[serde(default)]
    pub requirements: Option<ConfigRequirements>,
}

/// Config requirements, carried by `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigRequirements {
    #[serde(default)]
    pub allow_managed_hooks_only: Option<bool>,
    #[serde(default)]
    pub allowed_approval_policies: Option<Vec<AskForApproval>>,
    #[serde(default)]
    pub allowed_approvals_reviewers: Option<Vec<ApprovalsReviewer>>,
    #[serde(default)]
    pub allowed_sandbox_modes: Option<Vec<SandboxMode>>,
    #[serde(default)]
    pub allowed_web_search_modes: Option<Vec<WebSearchMode>>,
    #[serde(default)]
    pub enforce_residency: Option<ResidencyRequirement>,
    #[serde(default)]
    pub feature_requirements: Option<BTreeMap<String, bool>>,
    #[serde(default)]
    pub hooks: Option<ManagedHooksRequirements>,
    #[serde(default)]
    pub network: Option<NetworkRequirements>,
}

/// Configured hook handler, carried by `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ConfiguredHookHandler {
    #[serde(rename = "command", rename_all = "camelCase")]
    Command {
        r#async: bool,
        command: String,
        #[serde(default)]
        command_windows: Option<String>,
        #[serde(default)]
        status_message: Option<String>,
        #[serde(default)]
        timeout_sec: Option<u64>,
    },
    #[serde(rename = "prompt")]
    Prompt,
    #[serde(rename = "agent")]
    Agent,
}

/// Configured hook matcher group, carried by `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConfiguredHookMatcherGroup {
    pub hooks: Vec<ConfiguredHookHandler>,
    #[serde(default)]
    pub matcher: Option<String>,
}

/// Managed hooks requirements, carried by `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ManagedHooksRequirements {
    #[serde(rename = "PermissionRequest")]
    pub permission_request: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "PostCompact")]
    pub post_compact: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "PostToolUse")]
    pub post_tool_use: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "PreCompact")]
    pub pre_compact: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "PreToolUse")]
    pub pre_tool_use: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "SessionStart")]
    pub session_start: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "Stop")]
    pub stop: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "UserPromptSubmit")]
    pub user_prompt_submit: Vec<ConfiguredHookMatcherGroup>,
    #[serde(rename = "managedDir", default)]
    pub managed_dir: Option<String>,
    #[serde(rename = "windowsManagedDir", default)]
    pub windows_managed_dir: Option<String>,
}

/// Network domain permission, carried by `configRequirements/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkDomainPermission {
    Allow,
    Deny,
}

/// Network requirements, carried by `configRequirements/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkRequirements {
    #[serde(default)]
    pub allow_local_binding: Option<bool>,
    #[serde(default)]
    pub allow_unix_sockets: Option<Vec<String>>,
    #[serde(default)]
    pub allow_upstream_proxy: Option<bool>,
    #[serde(default)]
    pub allowed_domains: Option<Vec<String>>,
    #[serde(default)]
    pub dangerously_allow_all_unix_sockets: Option<bool>,
    #[serde(default)]
    pub dangerously_allow_non_loopback_proxy: Option<bool>,
    #[serde(default)]
    pub denied_domains: Option<Vec<String>>,
    #[serde(default)]
    pub domains: Option<BTreeMap<String, NetworkDomainPermission>>,
    #[serde(default)]
    pub enabled: Option<bool>,
    #[serde(default)]
    pub http_port: Option<u16>,
    #[serde(default)]
    pub managed_allowed_domains_only: Option<bool>,
    #[serde(default)]
    pub socks_port: Option<u16>,
    #[serde(default)]
    pub unix_sockets: Option<BTreeMap<String, NetworkUnixSocketPermission>>,
}

/// Network unix socket permission, carried by `configRequirements/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkUnixSocketPermission {
    Allow,
    None,
}

/// Residency requirement, carried by `configRequirements/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ResidencyRequirement {
    Us,
}
