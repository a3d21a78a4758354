//! Wire payloads: plugin share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::AbsolutePathBuf;
use crate::protocol::plugin::{
    PluginShareDiscoverability, PluginSharePrincipal, PluginSharePrincipalType, PluginSummary,
};

/// Parameters of `plugin/share/checkout`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareCheckoutParams {
    pub remote_plugin_id: String,
}

/// Result of `plugin/share/checkout`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareCheckoutResponse {
    pub marketplace_name: String,
    pub marketplace_path: AbsolutePathBuf,
    pub plugin_id: String,
    pub plugin_name: String,
    pub plugin_path: AbsolutePathBuf,
    pub remote_plugin_id: String,
    #[serde(default)]
    pub remote_version: Option<String>,
}

/// Parameters of `plugin/share/delete`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareDeleteParams {
    pub remote_plugin_id: String,
}

/// Result of `plugin/share/delete`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginShareDeleteResponse {}

/// Parameters of `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginShareListParams {}

/// Result of `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PluginShareListResponse {
    pub data: Vec<PluginShareListItem>,
}

/// Parameters of `plugin/share/save`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareSaveParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discoverability: Option<PluginShareDiscoverability>,
    pub plugin_path: AbsolutePathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_plugin_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_targets: Option<Vec<PluginShareTarget>>,
}

/// Result of `plugin/share/save`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareSaveResponse {
    pub remote_plugin_id: String,
    pub share_url: String,
}

/// Parameters of `plugin/share/updateTargets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareUpdateTargetsParams {
    pub discoverability: PluginShareUpdateDiscoverability,
    pub remote_plugin_id: String,
    pub share_targets: Vec<PluginShareTarget>,
}

/// Result of `plugin/share/updateTargets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PluginShareUpdateTargetsResponse {
    pub discoverability: PluginShareDiscoverability,
    pub principals: Vec<PluginSharePrincipal>,
}

/// Plugin share target, carried by `plugin/share/save`, `plugin/share/updateTargets`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareTarget {
    pub principal_id: String,
    pub principal_type: PluginSharePrincipalType,
    pub role: PluginShareTargetRole,
}

/// Plugin share target role, carried by `plugin/share/save`, `plugin/share/updateTargets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PluginShareTargetRole {
    Reader,
    Editor,
}

/// Plugin share update discoverability, carried by `plugin/share/updateTargets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PluginShareUpdateDiscoverability {
    #[serde(rename = "UNLISTED")]
    UNLISTED,
    #[serde(rename = "PRIVATE")]
    PRIVATE,
}

/// Plugin share list item, carried by `plugin/share/list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginShareListItem {
    #[serde(default)]
    pub local_plugin_path: Option<AbsolutePathBuf>,
    pub plugin: PluginSummary,
}
