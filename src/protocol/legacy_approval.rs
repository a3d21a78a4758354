//! Wire payloads: legacy approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::approval::NetworkPolicyAmendment;
use crate::protocol::ident::ThreadId;

/// Parameters of the server request `applyPatchApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplyPatchApprovalParams {
    pub call_id: String,
    pub conversation_id: ThreadId,
    pub file_changes: BTreeMap<String, FileChange>,
    #[serde(default)]
    pub grant_root: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// What a client answers to `applyPatchApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApplyPatchApprovalResponse {
    pub decision: ReviewDecision,
}

/// Parameters of the server request `execCommandApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecCommandApprovalParams {
    #[serde(default)]
    pub approval_id: Option<String>,
    pub call_id: String,
    pub command: Vec<String>,
    pub conversation_id: ThreadId,
    pub cwd: String,
    pub parsed_cmd: Vec<ParsedCommand>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// What a client answers to `execCommandApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExecCommandApprovalResponse {
    pub decision: ReviewDecision,
}

/// File change, carried by `applyPatchApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum FileChange {
    #[serde(rename = "add")]
    Add { content: String },
    #[serde(rename = "delete")]
    Delete { content: String },
    #[serde(rename = "update")]
    Update {
        #[serde(default)]
        move_path: Option<String>,
        unified_diff: String,
    },
}

/// Review decision, carried by `applyPatchApproval`, `execCommandApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ReviewDecision {
    #[serde(rename = "approved")]
    Approved,
    #[serde(rename = "approved_execpolicy_amendment")]
    ApprovedExecpolicyAmendment { proposed_execpolicy_amendment: Vec<String> },
    #[serde(rename = "approved_for_session")]
    ApprovedForSession,
    #[serde(rename = "network_policy_amendment")]
    NetworkPolicyAmendment {
        network_policy_amendment: NetworkPolicyAmendment,
    },
    #[serde(rename = "denied")]
    Denied,
    #[serde(rename = "timed_out")]
    TimedOut,
    #[serde(rename = "abort")]
    Abort,
}

/// Parsed command, carried by `execCommandApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ParsedCommand {
    #[serde(rename = "read")]
    Read { cmd: String, name: String, path: String },
    #[serde(rename = "list_files")]
    ListFiles {
        cmd: String,
        #[serde(default)]
        path: Option<String>,
    },
    #[serde(rename = "search")]
    Search {
        cmd: String,
        #[serde(default)]
        path: Option<String>,
        #[serde(default)]
        query: Option<String>,
    },
    #[serde(rename = "unknown")]
    Unknown { cmd: String },
}
