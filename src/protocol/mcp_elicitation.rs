//! Wire payloads: what an MCP server asks of the user, and the forms it asks with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a client answers to `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct McpServerElicitationRequestResponse {
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
    pub action: McpServerElicitationAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<serde_json::Value>,
}

/// Mcp elicitation array type, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpElicitationArrayType {
    Array,
}

/// Mcp elicitation boolean schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationBooleanSchema {
    #[serde(default)]
    pub default: Option<bool>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationBooleanType,
}

/// Mcp elicitation boolean type, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpElicitationBooleanType {
    Boolean,
}

/// Mcp elicitation const option, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationConstOption {
    pub r#const: String,
    pub title: String,
}

/// Mcp elicitation enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum McpElicitationEnumSchema {
    McpElicitationSingleSelectEnumSchema(McpElicitationSingleSelectEnumSchema),
    McpElicitationMultiSelectEnumSchema(McpElicitationMultiSelectEnumSchema),
    McpElicitationLegacyTitledEnumSchema(McpElicitationLegacyTitledEnumSchema),
}

/// Mcp elicitation legacy titled enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationLegacyTitledEnumSchema {
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    pub r#enum: Vec<String>,
    #[serde(rename = "enumNames", default)]
    pub enum_names: Option<Vec<String>>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationStringType,
}

/// Mcp elicitation multi select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum McpElicitationMultiSelectEnumSchema {
    McpElicitationUntitledMultiSelectEnumSchema(McpElicitationUntitledMultiSelectEnumSchema),
    McpElicitationTitledMultiSelectEnumSchema(McpElicitationTitledMultiSelectEnumSchema),
}

/// Mcp elicitation number schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationNumberSchema {
    #[serde(default)]
    pub default: Option<f64>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub maximum: Option<f64>,
    #[serde(default)]
    pub minimum: Option<f64>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationNumberType,
}

/// Mcp elicitation number type, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpElicitationNumberType {
    Number,
    Integer,
}

/// Mcp elicitation object type, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpElicitationObjectType {
    Object,
}

/// Mcp elicitation primitive schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum McpElicitationPrimitiveSchema {
    McpElicitationEnumSchema(McpElicitationEnumSchema),
    McpElicitationStringSchema(McpElicitationStringSchema),
    McpElicitationNumberSchema(McpElicitationNumberSchema),
    McpElicitationBooleanSchema(McpElicitationBooleanSchema),
}

/// Mcp elicitation schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationSchema {
    #[serde(rename = "$schema", default)]
    pub _schema: Option<String>,
    pub properties: BTreeMap<String, McpElicitationPrimitiveSchema>,
    #[serde(default)]
    pub required: Option<Vec<String>>,
    #[serde(rename = "type")]
    pub kind: McpElicitationObjectType,
}

/// Mcp elicitation single select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum McpElicitationSingleSelectEnumSchema {
    McpElicitationUntitledSingleSelectEnumSchema(McpElicitationUntitledSingleSelectEnumSchema),
    McpElicitationTitledSingleSelectEnumSchema(McpElicitationTitledSingleSelectEnumSchema),
}

/// Mcp elicitation string format, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum McpElicitationStringFormat {
    #[serde(rename = "email")]
    Email,
    #[serde(rename = "uri")]
    Uri,
    #[serde(rename = "date")]
    Date,
    #[serde(rename = "date-time")]
    DateTime,
}

/// Mcp elicitation string schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationStringSchema {
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub format: Option<McpElicitationStringFormat>,
    #[serde(rename = "maxLength", default)]
    pub max_length: Option<u32>,
    #[serde(rename = "minLength", default)]
    pub min_length: Option<u32>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationStringType,
}

/// Mcp elicitation string type, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpElicitationStringType {
    String,
}

/// Mcp elicitation titled enum items, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct McpElicitationTitledEnumItems {
    pub any_of: Vec<McpElicitationConstOption>,
}

/// Mcp elicitation titled multi select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationTitledMultiSelectEnumSchema {
    #[serde(default)]
    pub default: Option<Vec<String>>,
    #[serde(default)]
    pub description: Option<String>,
    pub items: McpElicitationTitledEnumItems,
    #[serde(rename = "maxItems", default)]
    pub max_items: Option<u64>,
    #[serde(rename = "minItems", default)]
    pub min_items: Option<u64>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationArrayType,
}

/// Mcp elicitation titled single select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationTitledSingleSelectEnumSchema {
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(rename = "oneOf")]
    pub one_of: Vec<McpElicitationConstOption>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationStringType,
}

/// Mcp elicitation untitled enum items, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationUntitledEnumItems {
    pub r#enum: Vec<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationStringType,
}

/// Mcp elicitation untitled multi select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationUntitledMultiSelectEnumSchema {
    #[serde(default)]
    pub default: Option<Vec<String>>,
    #[serde(default)]
    pub description: Option<String>,
    pub items: McpElicitationUntitledEnumItems,
    #[serde(rename = "maxItems", default)]
    pub max_items: Option<u64>,
    #[serde(rename = "minItems", default)]
    pub min_items: Option<u64>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationArrayType,
}

/// Mcp elicitation untitled single select enum schema, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct McpElicitationUntitledSingleSelectEnumSchema {
    #[serde(default)]
    pub default: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    pub r#enum: Vec<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(rename = "type")]
    pub kind: McpElicitationStringType,
}

/// Mcp server elicitation action, carried by `mcpServer/elicitation/request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpServerElicitationAction {
    Accept,
    Decline,
    Cancel,
}

/// Parameters of the server request `mcpServer/elicitation/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct McpServerElicitationRequestParams {
    pub server_name: String,
    pub thread_id: String,
    #[serde(default)]
    pub turn_id: Option<String>,
    #[serde(flatten)]
    pub request: McpServerElicitation,
}

/// What the MCP server asks for: a form to fill in, or a page to open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode")]
pub enum McpServerElicitation {
    #[serde(rename = "form", rename_all = "camelCase")]
    Form {
        #[serde(rename = "_meta", default)]
        meta: Option<serde_json::Value>,
        message: String,
        requested_schema: McpElicitationSchema,
    },
    #[serde(rename = "url", rename_all = "camelCase")]
    Url {
        #[serde(rename = "_meta", default)]
        meta: Option<serde_json::Value>,
        elicitation_id: String,
        message: String,
        url: String,
    },
}
