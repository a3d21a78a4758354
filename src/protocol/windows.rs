//! Wire payloads: windows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::AbsolutePathBuf;

/// Result of `windowsSandbox/readiness`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowsSandboxReadinessResponse {
    pub status: WindowsSandboxReadiness,
}

/// Payload of the notification `windowsSandbox/setupCompleted`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowsSandboxSetupCompletedNotification {
    #[serde(default)]
    pub error: Option<String>,
    pub mode: WindowsSandboxSetupMode,
    pub success: bool,
}

/// Parameters of `windowsSandbox/setupStart`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowsSandboxSetupStartParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsolutePathBuf>,
    pub mode: WindowsSandboxSetupMode,
}

/// Result of `windowsSandbox/setupStart`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WindowsSandboxSetupStartResponse {
    pub started: bool,
}

/// Payload of the notification `windows/worldWritableWarning`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowsWorldWritableWarningNotification {
    pub extra_count: usize,
    pub failed_scan: bool,
    pub sample_paths: Vec<String>,
}

/// Windows sandbox setup mode, carried by `windowsSandbox/setupCompleted`, `windowsSandbox/setupStart`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WindowsSandboxSetupMode {
    Elevated,
    Unelevated,
}

/// Windows sandbox readiness, carried by `windowsSandbox/readiness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WindowsSandboxReadiness {
    Ready,
    NotConfigured,
    UpdateRequired,
}
