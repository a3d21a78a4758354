//! Wire payloads: item delta.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::item::FileUpdateChange;
use crate::protocol::response_item::ResponseItem;

/// Payload of the notification `item/agentMessage/delta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentMessageDeltaNotification {
    pub delta: String,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/commandExecution/outputDelta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandExecutionOutputDeltaNotification {
    pub delta: String,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/fileChange/outputDelta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChangeOutputDeltaNotification {
    pub delta: String,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/fileChange/patchUpdated`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChangePatchUpdatedNotification {
    pub changes: Vec<FileUpdateChange>,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/plan/delta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanDeltaNotification {
    pub delta: String,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `rawResponseItem/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RawResponseItemCompletedNotification {
    pub item: ResponseItem,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/reasoning/summaryPartAdded`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningSummaryPartAddedNotification {
    pub item_id: String,
    pub summary_index: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/reasoning/summaryTextDelta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningSummaryTextDeltaNotification {
    pub delta: String,
    pub item_id: String,
    pub summary_index: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/reasoning/textDelta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReasoningTextDeltaNotification {
    pub delta: String,
    pub content_index: i64,
    pub item_id: String,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/commandExecution/terminalInteraction`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TerminalInteractionNotification {
    pub item_id: String,
    pub process_id: String,
    pub stdin: String,
    pub thread_id: String,
    pub turn_id: String,
}
