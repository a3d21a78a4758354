//! Wire payloads: config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::ident::AbsolutePathBuf;
use crate::protocol::permissions::{ApprovalsReviewer, AskForApproval, SandboxMode};
use crate::protocol::turn::{ReasoningEffort, ReasoningSummary};

/// Parameters of `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigBatchWriteParams {
    pub edits: Vec<ConfigEdit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reload_user_config: bool,
}

/// Parameters of `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigReadParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(default)]
    pub include_layers: bool,
}

/// Result of `config/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigReadResponse {
    pub config: Config,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers: Option<Vec<ConfigLayer>>,
    pub origins: BTreeMap<String, ConfigLayerMetadata>,
}

/// Parameters of `config/value/write`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigValueWriteParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_path: Option<String>,
    pub key_path: String,
    pub merge_strategy: MergeStrategy,
    pub value: serde_json::Value,
}

/// Payload of the notification `configWarning`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConfigWarningNotification {
    #[serde(default)]
    pub details: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<TextRange>,
    pub summary: String,
}

/// Result of `config/value/write`. Result of `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigWriteResponse {
    pub file_path: AbsolutePathBuf,
    #[serde(default)]
    pub overridden_metadata: Option<OverriddenMetadata>,
    pub status: WriteStatus,
    pub version: String,
}

/// Config edit, carried by `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigEdit {
    pub key_path: String,
    pub merge_strategy: MergeStrategy,
    pub value: serde_json::Value,
}

/// Merge strategy, carried by `config/batchWrite`, `config/value/write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum MergeStrategy {
    Replace,
    Upsert,
}

/// Text position, carried by `configWarning`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct TextPosition {
    pub column: usize,
    pub line: usize,
}

/// Text range, carried by `configWarning`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TextRange {
    pub end: TextPosition,
    pub start: TextPosition,
}

/// Analytics config, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AnalyticsConfig {
    #[serde(default)]
    pub enabled: Option<bool>,
    #[serde(flatten)]
    pub additional: BTreeMap<String, serde_json::Value>,
}

/// App tools config: part of another payload of this file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppToolsConfig {}

/// Apps config, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppsConfig {
    #[serde(rename = "_default", default)]
    pub default: Option<AppsDefaultConfig>,
    /// The apps, by id. They are no part of the published schema.
    #[serde(flatten)]
    #[schemars(skip)]
    pub apps: BTreeMap<String, serde_json::Value>,
}

/// Apps default config, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AppsDefaultConfig {
    #[serde(default = "crate::protocol::default_true")]
    pub destructive_enabled: bool,
    #[serde(default = "crate::protocol::default_true")]
    pub enabled: bool,
    #[serde(default = "crate::protocol::default_true")]
    pub open_world_enabled: bool,
}

/// Config, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    #[serde(default)]
    pub analytics: Option<AnalyticsConfig>,
    #[serde(default)]
    pub approval_policy: Option<AskForApproval>,
    #[serde(default)]
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    #[serde(default)]
    pub apps: Option<AppsConfig>,
    #[serde(default)]
    pub compact_prompt: Option<String>,
    #[serde(default)]
    pub desktop: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default)]
    pub developer_instructions: Option<String>,
    #[serde(default)]
    pub forced_chatgpt_workspace_id: Option<ForcedChatgptWorkspaceIds>,
    #[serde(default)]
    pub forced_login_method: Option<ForcedLoginMethod>,
    #[serde(default)]
    pub instructions: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub model_auto_compact_token_limit: Option<i64>,
    #[serde(default)]
    pub model_context_window: Option<i64>,
    #[serde(default)]
    pub model_provider: Option<String>,
    #[serde(default)]
    pub model_reasoning_effort: Option<ReasoningEffort>,
    #[serde(default)]
    pub model_reasoning_summary: Option<ReasoningSummary>,
    #[serde(default)]
    pub model_verbosity: Option<Verbosity>,
    #[serde(default)]
    pub profile: Option<String>,
    #[serde(default)]
    pub profiles: BTreeMap<String, ProfileV2>,
    #[serde(default)]
    pub review_model: Option<String>,
    #[serde(default)]
    pub sandbox_mode: Option<SandboxMode>,
    #[serde(default)]
    pub sandbox_workspace_write: Option<SandboxWorkspaceWrite>,
    #[serde(default)]
    pub service_tier: Option<String>,
    #[serde(default)]
    pub tools: Option<ToolsV2>,
    #[serde(default)]
    pub web_search: Option<WebSearchMode>,
    #[serde(flatten)]
    pub additional: BTreeMap<String, serde_json::Value>,
}

/// Config layer, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigLayer {
    pub config: serde_json::Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    pub name: ConfigLayerSource,
    pub version: String,
}

/// Config layer metadata, carried by `config/read`, `config/value/write`, `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigLayerMetadata {
    pub name: ConfigLayerSource,
    pub version: String,
}

/// Config layer source, carried by `config/read`, `config/value/write`, `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ConfigLayerSource {
    #[serde(rename = "mdm")]
    Mdm { domain: String, key: String },
    #[serde(rename = "system")]
    System { file: AbsolutePathBuf },
    #[serde(rename = "user")]
    User {
        file: AbsolutePathBuf,
        #[serde(default)]
        profile: Option<String>,
    },
    #[serde(rename = "project", rename_all = "camelCase")]
    Project { dot_codex_folder: AbsolutePathBuf },
    #[serde(rename = "sessionFlags")]
    SessionFlags,
    #[serde(rename = "legacyManagedConfigTomlFromFile")]
    LegacyManagedConfigTomlFromFile { file: AbsolutePathBuf },
    #[serde(rename = "legacyManagedConfigTomlFromMdm")]
    LegacyManagedConfigTomlFromMdm,
}

/// Forced chatgpt workspace ids, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ForcedChatgptWorkspaceIds {
    Text(String),
    List(Vec<String>),
}

/// Forced login method, carried by `config/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ForcedLoginMethod {
    Chatgpt,
    Api,
}

/// Profile v2, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProfileV2 {
    #[serde(default)]
    pub approval_policy: Option<AskForApproval>,
    #[serde(default)]
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    #[serde(default)]
    pub chatgpt_base_url: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub model_provider: Option<String>,
    #[serde(default)]
    pub model_reasoning_effort: Option<ReasoningEffort>,
    #[serde(default)]
    pub model_reasoning_summary: Option<ReasoningSummary>,
    #[serde(default)]
    pub model_verbosity: Option<Verbosity>,
    #[serde(default)]
    pub service_tier: Option<String>,
    #[serde(default)]
    pub tools: Option<ToolsV2>,
    #[serde(default)]
    pub web_search: Option<WebSearchMode>,
    #[serde(flatten)]
    pub additional: BTreeMap<String, serde_json::Value>,
}

/// Sandbox workspace write, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SandboxWorkspaceWrite {
    #[serde(default)]
    pub exclude_slash_tmp: bool,
    #[serde(default)]
    pub exclude_tmpdir_env_var: bool,
    #[serde(default)]
    pub network_access: bool,
    #[serde(default)]
    pub writable_roots: Vec<String>,
}

/// Tools v2, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ToolsV2 {
    #[serde(default)]
    pub web_search: Option<WebSearchToolConfig>,
}

/// Verbosity, carried by `config/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Verbosity {
    Low,
    Medium,
    High,
}

/// Web search context size, carried by `config/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WebSearchContextSize {
    Low,
    Medium,
    High,
}

/// Web search location, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSearchLocation {
    #[serde(default)]
    pub city: Option<String>,
    #[serde(default)]
    pub country: Option<String>,
    #[serde(default)]
    pub region: Option<String>,
    #[serde(default)]
    pub timezone: Option<String>,
}

/// Web search mode, carried by `config/read`, `configRequirements/read`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WebSearchMode {
    Disabled,
    Cached,
    Live,
}

/// Web search tool config, carried by `config/read`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSearchToolConfig {
    #[serde(default)]
    pub allowed_domains: Option<Vec<String>>,
    #[serde(default)]
    pub context_size: Option<WebSearchContextSize>,
    #[serde(default)]
    pub location: Option<WebSearchLocation>,
}

/// Overridden metadata, carried by `config/value/write`, `config/batchWrite`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverriddenMetadata {
    pub effective_value: serde_json::Value,
    pub message: String,
    pub overriding_layer: ConfigLayerMetadata,
}

/// Write status, carried by `config/value/write`, `config/batchWrite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    Ok,
    OkOverridden,
}
