//! Wire payloads: notice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::protocol::ident::RequestId;
use crate::protocol::turn::TurnError;

/// Payload of the notification `deprecationNotice`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeprecationNoticeNotification {
    #[serde(default)]
    pub details: Option<String>,
    pub summary: String,
}

/// Payload of the notification `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorNotification {
    pub error: TurnError,
    pub thread_id: String,
    pub turn_id: String,
    pub will_retry: bool,
}

/// Payload of the notification `guardianWarning`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardianWarningNotification {
    pub message: String,
    pub thread_id: String,
}

/// Payload of the notification `serverRequest/resolved`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerRequestResolvedNotification {
    pub request_id: RequestId,
    pub thread_id: String,
}

/// Payload of the notification `warning`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WarningNotification {
    pub message: String,
    #[serde(default)]
    pub thread_id: Option<String>,
}
