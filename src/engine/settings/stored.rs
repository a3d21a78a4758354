//! Settings as a rollout keeps them: the payload of `turn_context` lines. It also tells, in a later turn, what the model
//! knows already.

use serde::{Deserialize, Serialize};

use super::{TurnSettings, WallClock};
use crate::config::PermissionsProfile;
use crate::engine::environments::EnvironmentChoice;
use crate::protocol::{
    AbsolutePathBuf, AskForApproval, CollaborationMode, Personality, ReasoningEffort, ReasoningSummary, SandboxPolicy,
};
use crate::store::rollout::source;

impl TurnSettings {
    /// The payload of the rollout's `turn_context` line.
    pub fn to_turn_context(&self, turn_id: &str, clock: &WallClock, truncation: Option<Truncation>) -> TurnContext {
        TurnContext {
            turn_id: Some(turn_id.to_owned()),
            cwd: self.cwd.clone(),
            workspace_roots: (self.workspace_roots != [self.cwd.clone()]).then(|| self.workspace_roots.clone()),
            environments: (!self.is_plainly_local()).then(|| self.told_environments()),
            current_date: Some(clock.date.clone()),
            timezone: Some(clock.timezone.clone()),
            approval_policy: self.approval_policy.clone(),
            sandbox_policy: self.sandbox.clone(),
            permission_profile: self.profile.as_deref().map(StoredProfile::from),
            model: self.model.to_string(),
            personality: Some(self.voice()),
            collaboration_mode: Some(self.collaboration_mode()),
            realtime_active: Some(false),
            effort: self.effort,
            summary: self.summary.unwrap_or(ReasoningSummary::Auto),
            developer_instructions: self.developer_instructions.as_deref().map(str::to_owned),
            truncation_policy: truncation,
        }
    }
}

/// How much of a tool's output the model gets, as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "limit", rename_all = "snake_case")]
pub enum Truncation {
    /// So many bytes.
    Bytes(usize),
    /// So many tokens.
    Tokens(usize),
}

/// The payload of a `turn_context` line: the wire's names in snake_case, policies in kebab-case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnContext {
    /// The turn it opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// See [`TurnSettings::cwd`].
    pub cwd: AbsolutePathBuf,
    /// See [`TurnSettings::workspace_roots`]; none when it is the cwd alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_roots: Option<Vec<AbsolutePathBuf>>,
    /// See [`TurnSettings::environments`]; none when that is this machine alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<EnvironmentChoice>>,
    /// The date the model was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_date: Option<String>,
    /// The zone the model was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// See [`TurnSettings::approval_policy`].
    pub approval_policy: AskForApproval,
    /// See [`TurnSettings::sandbox`].
    #[serde(with = "source::sandbox")]
    pub sandbox_policy: SandboxPolicy,
    /// See [`TurnSettings::profile`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission_profile: Option<StoredProfile>,
    /// See [`TurnSettings::model`].
    pub model: String,
    /// See [`TurnSettings::personality`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<Personality>,
    /// See [`TurnSettings::collaboration_mode`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collaboration_mode: Option<CollaborationMode>,
    /// Whether a voice session was on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_active: Option<bool>,
    /// See [`TurnSettings::effort`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<ReasoningEffort>,
    /// See [`TurnSettings::summary`].
    #[serde(default = "auto")]
    pub summary: ReasoningSummary,
    /// See [`TurnSettings::developer_instructions`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer_instructions: Option<String>,
    /// How much of a tool's output the model got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncation_policy: Option<Truncation>,
}

impl TurnContext {
    /// The roots of the workspace.
    pub fn roots(&self) -> Vec<AbsolutePathBuf> {
        let roots = self.workspace_roots.clone();
        roots.unwrap_or_else(|| vec![self.cwd.clone()])
    }
}

fn auto() -> ReasoningSummary {
    ReasoningSummary::Auto
}

/// A permission profile as rollout files spell it. One that was written by another program stays what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredProfile(serde_json::Value);

impl From<&PermissionsProfile> for StoredProfile {
    fn from(profile: &PermissionsProfile) -> Self {
        StoredProfile(serde_json::json!({
            "type": "managed",
            "file_system": {"type": "restricted", "entries": profile.entries},
            "network": if profile.network { "enabled" } else { "restricted" },
        }))
    }
}
