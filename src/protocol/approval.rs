//! Wire payloads: approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::protocol::ident::AbsolutePathBuf;
use crate::protocol::item::CommandAction;
use crate::protocol::permissions::FileSystemSandboxEntry;

/// Parameters of the server request `item/commandExecution/requestApproval`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandExecutionRequestApprovalParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_permissions: Option<AdditionalPermissionProfile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    #[serde(default)]
    pub available_decisions: Option<Vec<CommandExecutionApprovalDecision>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_actions: Option<Vec<CommandAction>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsolutePathBuf>,
    pub item_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_approval_context: Option<NetworkApprovalContext>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_execpolicy_amendment: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_network_policy_amendments: Option<Vec<NetworkPolicyAmendment>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub started_at_ms: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// What a client answers to `item/commandExecution/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandExecutionRequestApprovalResponse {
    pub decision: CommandExecutionApprovalDecision,
}

/// Parameters of the server request `item/fileChange/requestApproval`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChangeRequestApprovalParams {
    #[serde(default)]
    pub grant_root: Option<String>,
    pub item_id: String,
    #[serde(default)]
    pub reason: Option<String>,
    pub started_at_ms: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// What a client answers to `item/fileChange/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FileChangeRequestApprovalResponse {
    pub decision: FileChangeApprovalDecision,
}

/// Parameters of the server request `item/permissions/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionsRequestApprovalParams {
    pub cwd: AbsolutePathBuf,
    pub item_id: String,
    pub permissions: RequestPermissionProfile,
    #[serde(default)]
    pub reason: Option<String>,
    pub started_at_ms: i64,
    pub thread_id: String,
    pub turn_id: String,
}

/// What a client answers to `item/permissions/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PermissionsRequestApprovalResponse {
    pub permissions: GrantedPermissionProfile,
    #[serde(default)]
    pub scope: PermissionGrantScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_auto_review: Option<bool>,
}

/// Parameters of the server request `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolRequestUserInputParams {
    pub item_id: String,
    pub questions: Vec<ToolRequestUserInputQuestion>,
    pub thread_id: String,
    pub turn_id: String,
}

/// What a client answers to `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ToolRequestUserInputResponse {
    pub answers: BTreeMap<String, ToolRequestUserInputAnswer>,
}

/// Payload of the notification `item/autoApprovalReview/completed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemGuardianApprovalReviewCompletedNotification {
    pub action: GuardianApprovalReviewAction,
    pub completed_at_ms: i64,
    pub decision_source: AutoReviewDecisionSource,
    pub review: GuardianApprovalReview,
    pub review_id: String,
    pub started_at_ms: i64,
    #[serde(default)]
    pub target_item_id: Option<String>,
    pub thread_id: String,
    pub turn_id: String,
}

/// Payload of the notification `item/autoApprovalReview/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemGuardianApprovalReviewStartedNotification {
    pub action: GuardianApprovalReviewAction,
    pub review: GuardianApprovalReview,
    pub review_id: String,
    pub started_at_ms: i64,
    #[serde(default)]
    pub target_item_id: Option<String>,
    pub thread_id: String,
    pub turn_id: String,
}

/// Network policy amendment, carried by `applyPatchApproval`, `item/commandExecution/requestApproval`, `execCommandApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkPolicyAmendment {
    pub action: NetworkPolicyRuleAction,
    pub host: String,
}

/// Network policy rule action, carried by `applyPatchApproval`, `item/commandExecution/requestApproval`, `execCommandApproval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkPolicyRuleAction {
    Allow,
    Deny,
}

/// Additional file system permissions, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `item/autoApprovalReview/completed` and 1 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalFileSystemPermissions {
    #[serde(default)]
    pub entries: Option<Vec<FileSystemSandboxEntry>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glob_scan_max_depth: Option<usize>,
    #[serde(default)]
    pub read: Option<Vec<AbsolutePathBuf>>,
    #[serde(default)]
    pub write: Option<Vec<AbsolutePathBuf>>,
}

/// Additional network permissions, carried by `item/commandExecution/requestApproval`, `item/permissions/requestApproval`, `item/autoApprovalReview/completed` and 1 more.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AdditionalNetworkPermissions {
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// Additional permission profile, carried by `item/commandExecution/requestApproval`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalPermissionProfile {
    #[serde(default)]
    pub file_system: Option<AdditionalFileSystemPermissions>,
    #[serde(default)]
    pub network: Option<AdditionalNetworkPermissions>,
}

/// Command execution approval decision, carried by `item/commandExecution/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum CommandExecutionApprovalDecision {
    #[serde(rename = "accept")]
    Accept,
    #[serde(rename = "acceptForSession")]
    AcceptForSession,
    #[serde(rename = "acceptWithExecpolicyAmendment")]
    AcceptWithExecpolicyAmendment { execpolicy_amendment: Vec<String> },
    #[serde(rename = "applyNetworkPolicyAmendment")]
    ApplyNetworkPolicyAmendment {
        network_policy_amendment: NetworkPolicyAmendment,
    },
    #[serde(rename = "decline")]
    Decline,
    #[serde(rename = "cancel")]
    Cancel,
}

/// Network approval context, carried by `item/commandExecution/requestApproval`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkApprovalContext {
    pub host: String,
    pub protocol: NetworkApprovalProtocol,
}

/// Network approval protocol, carried by `item/commandExecution/requestApproval`, `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NetworkApprovalProtocol {
    Http,
    Https,
    Socks5Tcp,
    Socks5Udp,
}

/// File change approval decision, carried by `item/fileChange/requestApproval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum FileChangeApprovalDecision {
    Accept,
    AcceptForSession,
    Decline,
    Cancel,
}

/// Request permission profile, carried by `item/permissions/requestApproval`, `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestPermissionProfile {
    #[serde(default)]
    pub file_system: Option<AdditionalFileSystemPermissions>,
    #[serde(default)]
    pub network: Option<AdditionalNetworkPermissions>,
}

/// Granted permission profile, carried by `item/permissions/requestApproval`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrantedPermissionProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_system: Option<AdditionalFileSystemPermissions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<AdditionalNetworkPermissions>,
}

/// Permission grant scope, carried by `item/permissions/requestApproval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PermissionGrantScope {
    #[default]
    Turn,
    Session,
}

/// Auto review decision source, carried by `item/autoApprovalReview/completed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AutoReviewDecisionSource {
    Agent,
}

/// Guardian approval review, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GuardianApprovalReview {
    #[serde(default)]
    pub rationale: Option<String>,
    #[serde(default)]
    pub risk_level: Option<GuardianRiskLevel>,
    pub status: GuardianApprovalReviewStatus,
    #[serde(default)]
    pub user_authorization: Option<GuardianUserAuthorization>,
}

/// Guardian approval review action, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum GuardianApprovalReviewAction {
    #[serde(rename = "command")]
    Command {
        command: String,
        cwd: AbsolutePathBuf,
        source: GuardianCommandSource,
    },
    #[serde(rename = "execve")]
    Execve {
        argv: Vec<String>,
        cwd: AbsolutePathBuf,
        program: String,
        source: GuardianCommandSource,
    },
    #[serde(rename = "applyPatch")]
    ApplyPatch {
        cwd: AbsolutePathBuf,
        files: Vec<AbsolutePathBuf>,
    },
    #[serde(rename = "networkAccess")]
    NetworkAccess {
        host: String,
        port: u16,
        protocol: NetworkApprovalProtocol,
        target: String,
    },
    #[serde(rename = "mcpToolCall", rename_all = "camelCase")]
    McpToolCall {
        #[serde(default)]
        connector_id: Option<String>,
        #[serde(default)]
        connector_name: Option<String>,
        server: String,
        tool_name: String,
        #[serde(default)]
        tool_title: Option<String>,
    },
    #[serde(rename = "requestPermissions")]
    RequestPermissions {
        permissions: RequestPermissionProfile,
        #[serde(default)]
        reason: Option<String>,
    },
}

/// Guardian approval review status, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GuardianApprovalReviewStatus {
    InProgress,
    Approved,
    Denied,
    TimedOut,
    Aborted,
}

/// Guardian command source, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GuardianCommandSource {
    Shell,
    UnifiedExec,
}

/// Guardian risk level, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GuardianRiskLevel {
    Low,
    Medium,
    High,
    Critical,
}

/// Guardian user authorization, carried by `item/autoApprovalReview/completed`, `item/autoApprovalReview/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GuardianUserAuthorization {
    Unknown,
    Low,
    Medium,
    High,
}

/// Tool request user input option, carried by `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ToolRequestUserInputOption {
    pub description: String,
    pub label: String,
}

/// Tool request user input question, carried by `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolRequestUserInputQuestion {
    pub header: String,
    pub id: String,
    #[serde(default)]
    pub is_other: bool,
    #[serde(default)]
    pub is_secret: bool,
    #[serde(default)]
    pub options: Option<Vec<ToolRequestUserInputOption>>,
    pub question: String,
}

/// Tool request user input answer, carried by `item/tool/requestUserInput`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ToolRequestUserInputAnswer {
    pub answers: Vec<String>,
}
