//! Wire payloads: external agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `externalAgentConfig/detect`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAgentConfigDetectParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwds: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_home: bool,
}

/// Result of `externalAgentConfig/detect`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExternalAgentConfigDetectResponse {
    pub items: Vec<ExternalAgentConfigMigrationItem>,
}

/// Payload of the notification `externalAgentConfig/import/completed`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExternalAgentConfigImportCompletedNotification {}

/// Parameters of `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAgentConfigImportParams {
    pub migration_items: Vec<ExternalAgentConfigMigrationItem>,
}

/// Result of `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ExternalAgentConfigImportResponse {}

/// Command migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct CommandMigration {
    pub name: String,
}

/// External agent config migration item, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAgentConfigMigrationItem {
    #[serde(default)]
    pub cwd: Option<String>,
    pub description: String,
    #[serde(default)]
    pub details: Option<MigrationDetails>,
    pub item_type: ExternalAgentConfigMigrationItemType,
}

/// External agent config migration item type, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ExternalAgentConfigMigrationItemType {
    #[serde(rename = "AGENTS_MD")]
    AGENTSMD,
    #[serde(rename = "CONFIG")]
    CONFIG,
    #[serde(rename = "SKILLS")]
    SKILLS,
    #[serde(rename = "PLUGINS")]
    PLUGINS,
    #[serde(rename = "MCP_SERVER_CONFIG")]
    MCPSERVERCONFIG,
    #[serde(rename = "SUBAGENTS")]
    SUBAGENTS,
    #[serde(rename = "HOOKS")]
    HOOKS,
    #[serde(rename = "COMMANDS")]
    COMMANDS,
    #[serde(rename = "SESSIONS")]
    SESSIONS,
}

/// Hook migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HookMigration {
    pub name: String,
}

/// Mcp server migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct McpServerMigration {
    pub name: String,
}

/// Migration details, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MigrationDetails {
    #[serde(default)]
    pub commands: Vec<CommandMigration>,
    #[serde(default)]
    pub hooks: Vec<HookMigration>,
    #[serde(default)]
    pub mcp_servers: Vec<McpServerMigration>,
    #[serde(default)]
    pub plugins: Vec<PluginsMigration>,
    #[serde(default)]
    pub sessions: Vec<SessionMigration>,
    #[serde(default)]
    pub subagents: Vec<SubagentMigration>,
}

/// Plugins migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PluginsMigration {
    pub marketplace_name: String,
    pub plugin_names: Vec<String>,
}

/// Session migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SessionMigration {
    pub cwd: String,
    pub path: String,
    #[serde(default)]
    pub title: Option<String>,
}

/// Subagent migration, carried by `externalAgentConfig/detect`, `externalAgentConfig/import`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SubagentMigration {
    pub name: String,
}
