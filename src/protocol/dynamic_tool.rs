//! Wire payloads: dynamic tool.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::item::DynamicToolCallOutputContentItem;

/// Parameters of the server request `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallParams {
    pub arguments: serde_json::Value,
    pub call_id: String,
    #[serde(default)]
    pub namespace: Option<String>,
    pub thread_id: String,
    pub tool: String,
    pub turn_id: String,
}

/// What a client answers to `item/tool/call`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DynamicToolCallResponse {
    pub content_items: Vec<DynamicToolCallOutputContentItem>,
    pub success: bool,
}
