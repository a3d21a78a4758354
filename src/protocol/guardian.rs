//! Wire payloads: a judgement as clients hand it back to allow what was denied.
//!
//! The one place of the protocol with names in snake_case: other programs keep judgements in this form.

use serde::{Deserialize, Serialize};

use crate::protocol::approval::{GuardianRiskLevel, GuardianUserAuthorization};
use crate::protocol::ident::AbsolutePathBuf;

/// A judgement of an action.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GuardianAssessmentEvent {
    pub id: String,
    #[serde(default)]
    pub target_item_id: Option<String>,
    #[serde(default)]
    pub turn_id: String,
    #[serde(default)]
    pub started_at_ms: i64,
    #[serde(default)]
    pub completed_at_ms: Option<i64>,
    pub status: GuardianAssessmentStatus,
    #[serde(default)]
    pub risk_level: Option<GuardianRiskLevel>,
    #[serde(default)]
    pub user_authorization: Option<GuardianUserAuthorization>,
    #[serde(default)]
    pub rationale: Option<String>,
    #[serde(default)]
    pub decision_source: Option<GuardianDecisionSource>,
    pub action: GuardianAssessmentAction,
}

/// How a judgement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianAssessmentStatus {
    InProgress,
    Approved,
    Denied,
    TimedOut,
    Aborted,
}

/// Who judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianDecisionSource {
    Agent,
}

/// What was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GuardianAssessmentAction {
    Command {
        source: GuardianAssessmentSource,
        command: String,
        cwd: AbsolutePathBuf,
    },
    Execve {
        source: GuardianAssessmentSource,
        program: String,
        argv: Vec<String>,
        cwd: AbsolutePathBuf,
    },
    ApplyPatch {
        cwd: AbsolutePathBuf,
        files: Vec<AbsolutePathBuf>,
    },
    NetworkAccess {
        target: String,
        host: String,
        protocol: GuardianAssessmentProtocol,
        port: u16,
    },
    McpToolCall {
        server: String,
        tool_name: String,
        #[serde(default)]
        connector_id: Option<String>,
        #[serde(default)]
        connector_name: Option<String>,
        #[serde(default)]
        tool_title: Option<String>,
    },
    RequestPermissions {
        #[serde(default)]
        reason: Option<String>,
        permissions: serde_json::Map<String, serde_json::Value>,
    },
}

/// Which tool a command came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianAssessmentSource {
    Shell,
    UnifiedExec,
}

/// How a host was to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardianAssessmentProtocol {
    Http,
    #[serde(alias = "http-connect", alias = "https_connect")]
    Https,
    Socks5Tcp,
    Socks5Udp,
}
