//! What starting and resuming a thread have in common: the resolved configuration, the settings of its first turn, and
//! the answer that shows them.
//!
//! Everything that touches files (configuration layers, AGENTS.md, git) is done in one visit to the blocking pool.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{ConfigError, ConfigLoader, ResolvedConfig, ThreadOverrides};
use crate::engine::context::project_docs::{ProjectDocs, ProjectDocsQuery, root_in};
use crate::engine::settings::{ChosenPermissions, TurnSettings};
use crate::exec::files::{Files, LocalFiles};
use crate::exec::permissions::PlacedProfile;
use crate::exec::place::Place;
use crate::exec::sandbox::Confinement;
use crate::exec::{Environments, Sandbox};
use crate::files::normalised;
use crate::methods::{environment, git_state};
use crate::model::Models;
use crate::protocol::*;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::store::GitMeta;

/// What a request wants beside the configuration's overrides.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// What the configuration is to be overridden with.
    pub(crate) overrides: ThreadOverrides,
    /// The roots of the workspace; relative ones start at the working folder.
    pub(crate) roots: Option<Vec<String>>,
    /// Where its commands run; none leaves that to the server.
    pub(crate) environments: Option<Vec<TurnEnvironmentParams>>,
    /// The user named the folder: with a sandbox that writes, that is a decision to trust it.
    pub(crate) trust: bool,
}

/// A thread's settings before it is loaded.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) config: Arc<ResolvedConfig>,
    pub(crate) settings: TurnSettings,
    /// AGENTS.md: what applies, and where it stands.
    pub(crate) docs: ProjectDocs,
    pub(crate) git: Option<GitMeta>,
    /// What its commands are held to, when that comes from a profile of the configuration.
    pub(crate) confinement: Option<Confinement>,
}

impl Prepared {
    /// What the user is told when nothing here can hold commands to the thread's profile.
    pub(crate) fn unenforceable(&self, sandbox: &Sandbox) -> Option<String> {
        let profile = self.config.profile.as_ref()?;
        let what = sandbox.refuses(self.confinement.as_ref()?)?;
        Some(format!(
            "Permissions profile `{}` is {what}, which the sandbox of this machine cannot enforce. Commands that the user \
             does not let out of the sandbox are not run.",
            profile.id
        ))
    }
}

impl Wishes {
    /// Checks what cannot be wished for together.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        match self.overrides.permissions.is_some() && self.overrides.sandbox.is_some() {
            false => Ok(()),
            true => Err(RpcError::invalid_request(
                "`permissions` cannot be combined with `sandbox`",
            )),
        }
    }
}

/// Resolves the configuration for a thread.
pub(crate) async fn prepare(cx: &RequestContext, wishes: Wishes) -> Result<Prepared, RpcError> {
    let services = Arc::clone(&cx.services);
    services.models.catalog().refresh(&cx.asker()).await;
    tokio::task::spawn_blocking(move || resolve(&services.config, &services.models, &services.environments, wishes))
        .await
        .map_err(|_| RpcError::internal("the configuration could not be loaded"))?
        .map_err(|error| RpcError::invalid_request(format!("failed to load configuration: {error}")))
}

pub(crate) fn resolve(
    loader: &ConfigLoader,
    models: &Models,
    environments: &Environments,
    wishes: Wishes,
) -> Result<Prepared, ConfigError> {
    let mut config = loader.resolve(&wishes.overrides)?;
    let cwd = AbsolutePathBuf::rooted(normalised(&config.cwd));
    let policy = match &config.profile {
        Some(profile) => PlacedProfile::new(profile, &cwd, std::slice::from_ref(&cwd)).as_policy(),
        None => config.sandbox.clone(),
    };
    let writes = matches!(
        policy,
        SandboxPolicy::WorkspaceWrite { .. } | SandboxPolicy::DangerFullAccess
    );
    if wishes.trust && writes && config.trust.is_none() {
        match loader.trust_project(&config) {
            Ok(()) => config = loader.resolve(&wishes.overrides)?,
            // The decision only spares a question next time: the thread starts all the same.
            Err(error) => tracing::warn!(%error, "project.untrusted: the decision could not be written"),
        }
    }
    let workspace_roots = match &wishes.roots {
        Some(roots) => workspace_roots(&cwd, roots),
        None => vec![cwd.clone()],
    };
    let model = match &config.model {
        Some(model) => model.clone(),
        None => models.default_model(&config.model_provider),
    };
    let chosen = environment::of_thread(environments, wishes.environments.as_deref(), &cwd);
    let primary = chosen.first().and_then(|primary| environments.get(&primary.id));
    let mut settings = TurnSettings {
        environments: chosen.into(),
        model: model.into(),
        model_provider: config.model_provider.as_str().into(),
        workspace_roots,
        approval_policy: config.approval_policy.clone(),
        approvals_reviewer: config.approvals_reviewer,
        sandbox: config.sandbox.clone(),
        permission_profile: None,
        profile: None,
        effort: config.reasoning_effort,
        summary: config.reasoning_summary,
        service_tier: config.service_tier.as_deref().map(Arc::from),
        personality: config.personality,
        mode: ModeKind::Default,
        mode_instructions: None,
        developer_instructions: config.developer_instructions.as_deref().map(Arc::from),
        cwd,
    };
    if let Some(permissions) = ChosenPermissions::of(&config) {
        settings.choose(permissions);
    }
    Ok(Prepared {
        confinement: settings.placed_profile().and_then(|profile| profile.confinement()),
        docs: docs(&config, &settings, primary),
        git: git_state::read(settings.cwd.as_path()),
        config: Arc::new(config),
        settings,
    })
}

/// AGENTS.md of the home, and of the project where the thread works first.
fn docs(config: &ResolvedConfig, settings: &TurnSettings, primary: Option<Arc<dyn Place>>) -> ProjectDocs {
    let cwd = settings.cwd.as_path();
    let elsewhere = primary.filter(|place| place.is_remote()).map(|place| place.files(None));
    let (files, root): (&dyn Files, Option<PathBuf>) = match &elsewhere {
        None => (&LocalFiles, config.project_root.clone()),
        Some(files) => (&**files, root_in(&**files, cwd, &config.project_root_markers)),
    };
    ProjectDocs::read(&ProjectDocsQuery {
        home: &config.home,
        files,
        cwd,
        root: root.as_deref(),
        fallback_names: &config.project_doc_fallback_filenames,
        budget: config.project_doc_max_bytes,
    })
}

/// Roots as a request names them: absolute, each once.
pub(crate) fn workspace_roots(cwd: &AbsolutePathBuf, roots: &[String]) -> Vec<AbsolutePathBuf> {
    let mut all: Vec<AbsolutePathBuf> = Vec::with_capacity(roots.len());
    for root in roots {
        let root = AbsolutePathBuf::rooted(normalised(&cwd.as_path().join(root)));
        if !all.contains(&root) {
            all.push(root);
        }
    }
    all
}

/// The name clients are shown for who reviews approvals.
pub(crate) fn shown_reviewer(reviewer: ApprovalsReviewer) -> ApprovalsReviewer {
    match reviewer {
        ApprovalsReviewer::AutoReview => ApprovalsReviewer::GuardianSubagent,
        other => other,
    }
}

/// The name clients are shown for a service tier.
pub(crate) fn shown_tier(tier: &str) -> String {
    match tier {
        "fast" => "priority".to_owned(),
        other => other.to_owned(),
    }
}
