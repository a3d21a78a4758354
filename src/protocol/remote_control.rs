//! Wire payloads: remote control.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Result of `remoteControl/disable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlDisableResponse {
    #[serde(default)]
    pub environment_id: Option<String>,
    pub installation_id: String,
    pub server_name: String,
    pub status: RemoteControlConnectionStatus,
}

/// Result of `remoteControl/enable`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlEnableResponse {
    #[serde(default)]
    pub environment_id: Option<String>,
    pub installation_id: String,
    pub server_name: String,
    pub status: RemoteControlConnectionStatus,
}

/// Payload of the notification `remoteControl/status/changed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlStatusChangedNotification {
    #[serde(default)]
    pub environment_id: Option<String>,
    pub installation_id: String,
    pub server_name: String,
    pub status: RemoteControlConnectionStatus,
}

/// Result of `remoteControl/status/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteControlStatusReadResponse {
    #[serde(default)]
    pub environment_id: Option<String>,
    pub installation_id: String,
    pub server_name: String,
    pub status: RemoteControlConnectionStatus,
}

/// Remote control connection status, carried by `remoteControl/disable`, `remoteControl/enable`, `remoteControl/status/changed` and 1 more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RemoteControlConnectionStatus {
    Disabled,
    Connecting,
    Connected,
    Errored,
}
