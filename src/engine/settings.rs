//! The settings of a turn: what a thread keeps between turns, what `turn/start` may override, and what the rollout's
//! `turn_context` line says of them.
//!
//! Invariant: overrides are sticky, so a turn's settings are the thread's settings at its start. The collaboration
//! mode wins over model and effort when one request names both. The output schema is not in here: it is the turn's own.
//! The environments that `turn/start` names hold for that turn alone.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{PermissionsProfile, ResolvedConfig};
use crate::engine::environments::EnvironmentChoice;
use crate::exec::environments::LOCAL;
use crate::exec::permissions::PlacedProfile;
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::Place;
use crate::protocol::{
    AbsolutePathBuf, ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode, ModeKind,
    NetworkAccess, Personality, ReasoningEffort, ReasoningSummary, SandboxPolicy, Settings, TurnEnvironmentParams,
    TurnStartParams,
};

/// What governs a turn. Cheap to clone: texts are shared.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnSettings {
    /// The model's name as sent to the provider.
    pub model: Arc<str>,
    /// The provider's id in the configuration.
    pub model_provider: Arc<str>,
    /// Where commands run and relative paths start.
    pub cwd: AbsolutePathBuf,
    /// The roots of the workspace; the cwd unless the client named others.
    pub workspace_roots: Vec<AbsolutePathBuf>,
    /// Where commands run and files are, the primary environment first; its folder is the cwd.
    pub environments: Arc<[EnvironmentChoice]>,
    /// When the user is asked.
    pub approval_policy: AskForApproval,
    /// Who is asked.
    pub approvals_reviewer: ApprovalsReviewer,
    /// What commands may touch.
    pub sandbox: SandboxPolicy,
    /// The named permission profile the sandbox came from.
    pub permission_profile: Option<ActivePermissionProfile>,
    /// The profile of the configuration that holds in place of the sandbox, which is then only what it looks like.
    pub profile: Option<Arc<PermissionsProfile>>,
    /// Reasoning effort; none means the model's default.
    pub effort: Option<ReasoningEffort>,
    /// Reasoning summary; none means the model's default.
    pub summary: Option<ReasoningSummary>,
    /// Service tier asked of the provider.
    pub service_tier: Option<Arc<str>>,
    /// The tone of voice.
    pub personality: Option<Personality>,
    /// The collaboration mode.
    pub mode: ModeKind,
    /// The text that explains the mode to the model; none until a client names a mode.
    pub mode_instructions: Option<Arc<str>>,
    /// The client's own developer instructions; fixed for the thread.
    pub developer_instructions: Option<Arc<str>>,
}

/// The settings that a request may change; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsOverrides {
    /// See [`TurnSettings::model`].
    pub model: Option<String>,
    /// See [`TurnSettings::cwd`]; the caller has checked that it is absolute. The workspace roots follow it.
    pub cwd: Option<AbsolutePathBuf>,
    /// See [`TurnSettings::workspace_roots`].
    pub workspace_roots: Option<Vec<AbsolutePathBuf>>,
    /// See [`TurnSettings::approval_policy`].
    pub approval_policy: Option<AskForApproval>,
    /// See [`TurnSettings::approvals_reviewer`].
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// See [`TurnSettings::sandbox`].
    pub sandbox: Option<SandboxPolicy>,
    /// A named permission profile in place of a sandbox.
    pub permissions: Option<ChosenPermissions>,
    /// See [`TurnSettings::effort`].
    pub effort: Option<ReasoningEffort>,
    /// See [`TurnSettings::summary`].
    pub summary: Option<ReasoningSummary>,
    /// See [`TurnSettings::service_tier`]; `Some(None)` clears it.
    pub service_tier: Option<Option<String>>,
    /// See [`TurnSettings::personality`].
    pub personality: Option<Personality>,
    /// Model, effort and mode in one; wins over `model` and `effort`.
    pub collaboration_mode: Option<CollaborationMode>,
}

/// A permission profile that was chosen by its name.
#[derive(Debug, Clone, PartialEq)]
pub struct ChosenPermissions {
    /// The name.
    pub id: String,
    /// What a built-in profile stands for.
    pub sandbox: SandboxPolicy,
    /// A profile of the configuration.
    pub profile: Option<Arc<PermissionsProfile>>,
}

impl ChosenPermissions {
    /// What a configuration chose; none when it names no profile.
    pub fn of(config: &ResolvedConfig) -> Option<Self> {
        Some(ChosenPermissions {
            id: config.permissions.clone()?,
            sandbox: config.sandbox.clone(),
            profile: config.profile.clone(),
        })
    }
}

impl SettingsOverrides {
    /// What `turn/start` overrides. `cwd` and `workspace_roots` come resolved, because the request has plain strings.
    pub fn from_turn_start(
        params: &TurnStartParams,
        cwd: Option<AbsolutePathBuf>,
        workspace_roots: Option<Vec<AbsolutePathBuf>>,
    ) -> Self {
        SettingsOverrides {
            model: params.model.clone(),
            cwd,
            workspace_roots,
            approval_policy: params.approval_policy.clone(),
            approvals_reviewer: params.approvals_reviewer,
            sandbox: params.sandbox_policy.clone(),
            permissions: None,
            effort: params.effort,
            summary: params.summary,
            service_tier: params.service_tier.clone(),
            personality: params.personality,
            collaboration_mode: params.collaboration_mode.clone(),
        }
    }
}

impl TurnSettings {
    /// The tone of voice where nobody chose one.
    pub const PLAIN_VOICE: Personality = Personality::Pragmatic;

    /// The tone of voice in force.
    pub fn voice(&self) -> Personality {
        self.personality.unwrap_or(Self::PLAIN_VOICE)
    }

    /// Takes over what `overrides` names. A mode without a text of its own gets the built-in one.
    pub fn apply(&mut self, overrides: SettingsOverrides) {
        if let Some(cwd) = overrides.cwd {
            if overrides.workspace_roots.is_none() {
                self.workspace_roots = vec![cwd.clone()];
            }
            self.cwd = cwd;
        }
        if let Some(roots) = overrides.workspace_roots {
            self.workspace_roots = roots;
        }
        if let Some(policy) = overrides.approval_policy {
            self.approval_policy = policy;
        }
        if let Some(reviewer) = overrides.approvals_reviewer {
            self.approvals_reviewer = reviewer;
        }
        if let Some(sandbox) = overrides.sandbox {
            self.sandbox = sandbox;
            self.permission_profile = None;
            self.profile = None;
        }
        if let Some(permissions) = overrides.permissions {
            self.choose(permissions);
        }
        self.place_profile();
        if let Some(summary) = overrides.summary {
            self.summary = Some(summary);
        }
        if let Some(tier) = overrides.service_tier {
            self.service_tier = tier.map(Arc::from);
        }
        if let Some(personality) = overrides.personality {
            self.personality = Some(personality);
        }
        if let Some(mode) = overrides.collaboration_mode {
            self.mode = mode.mode;
            self.model = mode.settings.model.into();
            self.effort = mode.settings.reasoning_effort;
            self.mode_instructions = Some(match mode.settings.developer_instructions {
                Some(text) => text.into(),
                None => super::context::mode::built_in(mode.mode).into(),
            });
            return;
        }
        if let Some(model) = overrides.model {
            self.model = model.into();
        }
        if let Some(effort) = overrides.effort {
            self.effort = Some(effort);
        }
    }

    /// Takes over a permission profile.
    pub fn choose(&mut self, permissions: ChosenPermissions) {
        self.sandbox = permissions.sandbox;
        self.profile = permissions.profile;
        self.permission_profile = Some(ActivePermissionProfile {
            extends: None,
            id: permissions.id,
        });
        self.place_profile();
    }

    /// The profile of the configuration that holds, where it holds.
    pub fn placed_profile(&self) -> Option<PlacedProfile<'_>> {
        let profile = self.profile.as_deref()?;
        Some(PlacedProfile::new(profile, &self.cwd, &self.workspace_roots))
    }

    /// What a profile looks like depends on the folders.
    fn place_profile(&mut self) {
        if let Some(policy) = self.placed_profile().map(|profile| profile.as_policy()) {
            self.sandbox = policy;
        }
    }

    /// What a command is held to, without what was granted; none when nothing confines it. Touches the disk.
    pub fn confinement(&self, home: &Path) -> Option<Confinement> {
        match self.placed_profile() {
            Some(profile) => profile.confinement(),
            None => Confinement::resolve(
                &self.sandbox,
                &Place {
                    workspace_roots: &self.workspace_roots,
                    home,
                },
            ),
        }
    }

    /// Whether commands are held to anything, so that a sandbox of ours has to enforce it.
    pub fn restricts_commands(&self) -> bool {
        match self.placed_profile() {
            Some(profile) => !profile.is_unrestricted(),
            None => match self.sandbox {
                SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => false,
                SandboxPolicy::ReadOnly { .. } | SandboxPolicy::WorkspaceWrite { .. } => true,
            },
        }
    }

    /// Whether everything may be read.
    pub fn reads_all(&self) -> bool {
        self.placed_profile().is_none_or(|profile| profile.reads_all())
    }

    /// The mode in the form of the wire.
    pub fn collaboration_mode(&self) -> CollaborationMode {
        CollaborationMode {
            mode: self.mode,
            settings: Settings {
                developer_instructions: self.mode_instructions.as_deref().map(str::to_owned),
                model: self.model.to_string(),
                reasoning_effort: self.effort,
            },
        }
    }

    /// The payload of the rollout's `turn_context` line.
    pub fn to_turn_context(&self, turn_id: &str, clock: &WallClock, truncation: Option<Truncation>) -> TurnContext {
        TurnContext {
            turn_id: Some(turn_id.to_owned()),
            cwd: self.cwd.clone(),
            workspace_roots: if self.workspace_roots == [self.cwd.clone()] {
                Vec::new()
            } else {
                self.workspace_roots.clone()
            },
            environments: (!self.is_plainly_local()).then(|| self.told_environments()),
            current_date: Some(clock.date.clone()),
            timezone: Some(clock.timezone.clone()),
            approval_policy: self.approval_policy.clone(),
            sandbox_policy: (&self.sandbox).into(),
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

    /// Whether commands run on this machine, and nowhere else.
    fn is_plainly_local(&self) -> bool {
        matches!(&*self.environments, [only] if &*only.id == LOCAL)
    }

    /// The environments with the folders that they have in a turn.
    pub(crate) fn told_environments(&self) -> Vec<EnvironmentChoice> {
        let mut told = self.environments.to_vec();
        if let Some(primary) = told.first_mut() {
            primary.cwd = self.cwd.clone();
        }
        told
    }

    /// The settings of a turn for which a client named other environments.
    #[must_use]
    pub fn within(mut self, environments: &[TurnEnvironmentParams]) -> Self {
        self.environments = environments.iter().map(EnvironmentChoice::from).collect();
        if let Some(primary) = self.environments.first() {
            self.cwd = primary.cwd.clone();
        }
        self
    }
}

/// Date and time zone as the model is told; taken once per turn, so that a turn has one date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallClock {
    /// `YYYY-MM-DD` in local time.
    pub date: String,
    /// The IANA name of the zone.
    pub timezone: String,
}

impl WallClock {
    /// The local date now.
    pub fn now() -> Self {
        static ZONE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        WallClock {
            date: chrono::Local::now().format("%Y-%m-%d").to_string(),
            timezone: ZONE
                .get_or_init(|| iana_time_zone::get_timezone().unwrap_or_else(|_| "Etc/UTC".to_owned()))
                .clone(),
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
    /// See [`TurnSettings::workspace_roots`]; empty when it is the cwd alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace_roots: Vec<AbsolutePathBuf>,
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
    pub sandbox_policy: StoredSandbox,
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
        if self.workspace_roots.is_empty() {
            return vec![self.cwd.clone()];
        }
        self.workspace_roots.clone()
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

/// A sandbox policy as rollout files spell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum StoredSandbox {
    /// No limits.
    DangerFullAccess,
    /// Nothing is writable.
    ReadOnly {
        /// Whether the network is open.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        network_access: bool,
    },
    /// Somebody else confines the process.
    ExternalSandbox {
        /// Whether the network is open.
        #[serde(default)]
        network_access: NetworkAccess,
    },
    /// The workspace and temporary folders are writable.
    WorkspaceWrite {
        /// Further writable folders.
        #[serde(default)]
        writable_roots: Vec<AbsolutePathBuf>,
        /// Whether the network is open.
        #[serde(default)]
        network_access: bool,
        /// `$TMPDIR` is not writable.
        #[serde(default)]
        exclude_tmpdir_env_var: bool,
        /// `/tmp` is not writable.
        #[serde(default)]
        exclude_slash_tmp: bool,
    },
}

impl From<&SandboxPolicy> for StoredSandbox {
    fn from(policy: &SandboxPolicy) -> Self {
        match policy {
            SandboxPolicy::DangerFullAccess => StoredSandbox::DangerFullAccess,
            SandboxPolicy::ReadOnly { network_access } => StoredSandbox::ReadOnly {
                network_access: *network_access,
            },
            SandboxPolicy::ExternalSandbox { network_access } => StoredSandbox::ExternalSandbox {
                network_access: *network_access,
            },
            SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp,
                exclude_tmpdir_env_var,
                network_access,
                writable_roots,
            } => StoredSandbox::WorkspaceWrite {
                writable_roots: writable_roots.clone(),
                network_access: *network_access,
                exclude_tmpdir_env_var: *exclude_tmpdir_env_var,
                exclude_slash_tmp: *exclude_slash_tmp,
            },
        }
    }
}

impl From<&StoredSandbox> for SandboxPolicy {
    fn from(policy: &StoredSandbox) -> Self {
        match policy {
            StoredSandbox::DangerFullAccess => SandboxPolicy::DangerFullAccess,
            StoredSandbox::ReadOnly { network_access } => SandboxPolicy::ReadOnly {
                network_access: *network_access,
            },
            StoredSandbox::ExternalSandbox { network_access } => SandboxPolicy::ExternalSandbox {
                network_access: *network_access,
            },
            StoredSandbox::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp: *exclude_slash_tmp,
                exclude_tmpdir_env_var: *exclude_tmpdir_env_var,
                network_access: *network_access,
                writable_roots: writable_roots.clone(),
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
