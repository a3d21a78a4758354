//! The settings of a turn: what a thread keeps between turns, and what `turn/start` may override. What the rollout's
//! `turn_context` line says of them is in `stored`.
//!
//! Invariant: overrides are sticky, so a turn's settings are the thread's settings at its start. The collaboration
//! mode wins over model and effort when one request names both. The output schema is not in here: it is the turn's own.
//! The environments that `turn/start` names hold for that turn alone.

use std::path::Path;
use std::sync::Arc;

use crate::config::{PermissionsProfile, ResolvedConfig};
use crate::engine::environments::EnvironmentChoice;
use crate::exec::environments::LOCAL;
use crate::exec::permissions::PlacedProfile;
use crate::exec::sandbox::Confinement;
use crate::exec::sandbox::policy::Place;
use crate::protocol::{
    AbsolutePathBuf, ActivePermissionProfile, ApprovalsReviewer, AskForApproval, CollaborationMode, ModeKind,
    Personality, ReasoningEffort, ReasoningSummary, SandboxPolicy, Settings, TurnEnvironmentParams, TurnStartParams,
};

mod roots;
mod stored;

pub use stored::{StoredProfile, Truncation, TurnContext};

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
    /// See [`TurnSettings::cwd`]. The workspace root that was the folder goes with it; other roots stay.
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
            let roots = std::mem::take(&mut self.workspace_roots);
            for root in roots {
                let root = if root == self.cwd { cwd.clone() } else { root };
                if !self.workspace_roots.contains(&root) {
                    self.workspace_roots.push(root);
                }
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

#[cfg(test)]
pub(crate) mod tests;
