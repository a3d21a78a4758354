//! Wire payloads: plugin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::hooks::HookEventName;
use crate::protocol::ident::AbsolutePathBuf;

/// Parameters of `plugin/install`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginInstallParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketplace_path: Option<AbsolutePathBuf>,
    pub plugin_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_marketplace_name: Option<String>,
}

/// Result of `plugin/install`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginInstallResponse {
    pub apps_needing_auth: Vec<AppSummary>,
    pub auth_policy: PluginAuthPolicy,
}

/// Parameters of `plugin/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginListParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwds: Option<Vec<AbsolutePathBuf>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketplace_kinds: Option<Vec<PluginListMarketplaceKind>>,
}

/// Result of `plugin/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginListResponse {
    #[serde(default)]
    pub featured_plugin_ids: Vec<String>,
    #[serde(default)]
    pub marketplace_load_errors: Vec<MarketplaceLoadErrorInfo>,
    pub marketplaces: Vec<PluginMarketplaceEntry>,
}

/// Parameters of `plugin/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginReadParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marketplace_path: Option<AbsolutePathBuf>,
    pub plugin_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_marketplace_name: Option<String>,
}

/// Result of `plugin/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginReadResponse {
    pub plugin: PluginDetail,
}

/// Parameters of `plugin/skill/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginSkillReadParams {
    pub remote_marketplace_name: String,
    pub remote_plugin_id: String,
    pub skill_name: String,
}

/// Result of `plugin/skill/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginSkillReadResponse {
    #[serde(default)]
    pub contents: Option<String>,
}

/// Parameters of `plugin/uninstall`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginUninstallParams {
    pub plugin_id: String,
}

/// Result of `plugin/uninstall`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginUninstallResponse {}

/// Plugin list marketplace kind, carried by `plugin/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginListMarketplaceKind {
    #[serde(rename = "local")]
    Local,
    #[serde(rename = "workspace-directory")]
    WorkspaceDirectory,
    #[serde(rename = "shared-with-me")]
    SharedWithMe,
}

/// Plugin share discoverability, carried by `plugin/list`, `plugin/read`, `plugin/share/list` and 2 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginShareDiscoverability {
    #[serde(rename = "LISTED")]
    LISTED,
    #[serde(rename = "UNLISTED")]
    UNLISTED,
    #[serde(rename = "PRIVATE")]
    PRIVATE,
}

/// Plugin share principal type, carried by `plugin/list`, `plugin/read`, `plugin/share/list` and 2 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PluginSharePrincipalType {
    User,
    Group,
    Workspace,
}

/// App summary, carried by `plugin/install`, `plugin/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppSummary {
    #[serde(default)]
    pub description: Option<String>,
    pub id: String,
    #[serde(default)]
    pub install_url: Option<String>,
    pub name: String,
    pub needs_auth: bool,
}

/// Plugin auth policy, carried by `plugin/install`, `plugin/list`, `plugin/read` and 1 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginAuthPolicy {
    #[serde(rename = "ON_INSTALL")]
    ONINSTALL,
    #[serde(rename = "ON_USE")]
    ONUSE,
}

/// Marketplace interface, carried by `plugin/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketplaceInterface {
    #[serde(default)]
    pub display_name: Option<String>,
}

/// Marketplace load error info, carried by `plugin/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MarketplaceLoadErrorInfo {
    pub marketplace_path: AbsolutePathBuf,
    pub message: String,
}

/// Plugin availability, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
pub enum PluginAvailability {
    #[serde(rename = "DISABLED_BY_ADMIN")]
    DISABLEDBYADMIN,
    #[default]
    #[serde(rename = "AVAILABLE")]
    AVAILABLE,
}

/// Plugin install policy, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginInstallPolicy {
    #[serde(rename = "NOT_AVAILABLE")]
    NOTAVAILABLE,
    #[serde(rename = "AVAILABLE")]
    AVAILABLE,
    #[serde(rename = "INSTALLED_BY_DEFAULT")]
    INSTALLEDBYDEFAULT,
}

/// Plugin interface, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginInterface {
    #[serde(default)]
    pub brand_color: Option<String>,
    pub capabilities: Vec<String>,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub composer_icon: Option<AbsolutePathBuf>,
    #[serde(default)]
    pub composer_icon_url: Option<String>,
    #[serde(default)]
    pub default_prompt: Option<Vec<String>>,
    #[serde(default)]
    pub developer_name: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub logo: Option<AbsolutePathBuf>,
    #[serde(default)]
    pub logo_url: Option<String>,
    #[serde(default)]
    pub long_description: Option<String>,
    #[serde(default)]
    pub privacy_policy_url: Option<String>,
    pub screenshot_urls: Vec<String>,
    pub screenshots: Vec<AbsolutePathBuf>,
    #[serde(default)]
    pub short_description: Option<String>,
    #[serde(default)]
    pub terms_of_service_url: Option<String>,
    #[serde(default)]
    pub website_url: Option<String>,
}

/// Plugin marketplace entry, carried by `plugin/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginMarketplaceEntry {
    #[serde(default)]
    pub interface: Option<MarketplaceInterface>,
    pub name: String,
    #[serde(default)]
    pub path: Option<AbsolutePathBuf>,
    pub plugins: Vec<PluginSummary>,
}

/// Plugin share context, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareContext {
    #[serde(default)]
    pub creator_account_user_id: Option<String>,
    #[serde(default)]
    pub creator_name: Option<String>,
    #[serde(default)]
    pub discoverability: Option<PluginShareDiscoverability>,
    pub remote_plugin_id: String,
    #[serde(default)]
    pub remote_version: Option<String>,
    #[serde(default)]
    pub share_principals: Option<Vec<PluginSharePrincipal>>,
    #[serde(default)]
    pub share_url: Option<String>,
}

/// Plugin share principal, carried by `plugin/list`, `plugin/read`, `plugin/share/list` and 1 more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginSharePrincipal {
    pub name: String,
    pub principal_id: String,
    pub principal_type: PluginSharePrincipalType,
    pub role: PluginSharePrincipalRole,
}

/// Plugin share principal role, carried by `plugin/list`, `plugin/read`, `plugin/share/list` and 1 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PluginSharePrincipalRole {
    Reader,
    Editor,
    Owner,
}

/// Plugin source, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum PluginSource {
    #[serde(rename = "local")]
    Local { path: AbsolutePathBuf },
    #[serde(rename = "git", rename_all = "camelCase")]
    Git {
        #[serde(default)]
        path: Option<String>,
        #[serde(default)]
        ref_name: Option<String>,
        #[serde(default)]
        sha: Option<String>,
        url: String,
    },
    #[serde(rename = "remote")]
    Remote,
}

/// Plugin summary, carried by `plugin/list`, `plugin/read`, `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginSummary {
    pub auth_policy: PluginAuthPolicy,
    #[serde(default)]
    pub availability: PluginAvailability,
    pub enabled: bool,
    pub id: String,
    pub install_policy: PluginInstallPolicy,
    pub installed: bool,
    #[serde(default)]
    pub interface: Option<PluginInterface>,
    #[serde(default)]
    pub keywords: Vec<String>,
    #[serde(default)]
    pub local_version: Option<String>,
    pub name: String,
    #[serde(default)]
    pub remote_plugin_id: Option<String>,
    #[serde(default)]
    pub share_context: Option<PluginShareContext>,
    pub source: PluginSource,
}

/// Plugin detail, carried by `plugin/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginDetail {
    pub apps: Vec<AppSummary>,
    #[serde(default)]
    pub description: Option<String>,
    pub hooks: Vec<PluginHookSummary>,
    pub marketplace_name: String,
    #[serde(default)]
    pub marketplace_path: Option<AbsolutePathBuf>,
    pub mcp_servers: Vec<String>,
    pub skills: Vec<SkillSummary>,
    pub summary: PluginSummary,
}

/// Plugin hook summary, carried by `plugin/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginHookSummary {
    pub event_name: HookEventName,
    pub key: String,
}

/// Skill interface, carried by `plugin/read`, `skills/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkillInterface {
    #[serde(default)]
    pub brand_color: Option<String>,
    #[serde(default)]
    pub default_prompt: Option<String>,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub icon_large: Option<AbsolutePathBuf>,
    #[serde(default)]
    pub icon_small: Option<AbsolutePathBuf>,
    #[serde(default)]
    pub short_description: Option<String>,
}

/// Skill summary, carried by `plugin/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SkillSummary {
    pub description: String,
    pub enabled: bool,
    #[serde(default)]
    pub interface: Option<SkillInterface>,
    pub name: String,
    #[serde(default)]
    pub path: Option<AbsolutePathBuf>,
    #[serde(default)]
    pub short_description: Option<String>,
}
