//! The settings a thread runs with, typed, after all layers were merged.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::agents::AgentsToml;
use crate::config::network::NetworkConfig;
use crate::config::permissions::Profiles;
use crate::config::web_search::{ToolsToml, WebSearchMode, WebSearchOptions};
use crate::config::{AgentsConfig, PermissionsProfile, ProviderConfig, ShellEnvironmentPolicy, features};
use crate::protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, Personality, ReasoningEffort, ReasoningSummary, SandboxMode,
    SandboxPolicy, Verbosity,
};

/// Whether the user decided about a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustLevel {
    /// Its configuration counts; commands may write in it.
    Trusted,
    /// Every command asks.
    Untrusted,
}

/// `[skills]`, as far as threads are concerned.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SkillsToml {
    pub(super) include_instructions: Option<bool>,
}

/// What config.toml may say, as far as threads are concerned. Other keys are left to their own readers.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConfigToml {
    pub(super) model: Option<String>,
    pub(super) model_provider: Option<String>,
    pub(super) model_catalog_json: Option<PathBuf>,
    pub(super) model_providers: BTreeMap<String, ProviderConfig>,
    pub(super) openai_base_url: Option<String>,
    pub(super) approval_policy: Option<AskForApproval>,
    pub(super) approvals_reviewer: Option<ApprovalsReviewer>,
    pub(super) sandbox_mode: Option<SandboxMode>,
    pub(super) default_permissions: Option<String>,
    pub(super) permissions: Profiles,
    pub(super) sandbox_workspace_write: WorkspaceWriteToml,
    pub(super) model_reasoning_effort: Option<ReasoningEffort>,
    pub(super) plan_mode_reasoning_effort: Option<ReasoningEffort>,
    pub(super) model_reasoning_summary: Option<ReasoningSummary>,
    pub(super) model_supports_reasoning_summaries: Option<bool>,
    pub(super) model_verbosity: Option<Verbosity>,
    pub(super) model_context_window: Option<i64>,
    pub(super) model_auto_compact_token_limit: Option<i64>,
    pub(super) model_auto_compact_token_limit_scope: Option<CompactionScope>,
    pub(super) compact_prompt: Option<String>,
    pub(super) experimental_compact_prompt_file: Option<PathBuf>,
    pub(super) review_model: Option<String>,
    pub(super) auto_review: AutoReviewToml,
    pub(super) tool_output_token_limit: Option<usize>,
    pub(super) service_tier: Option<String>,
    pub(super) personality: Option<Personality>,
    pub(super) instructions: Option<String>,
    pub(super) model_instructions_file: Option<PathBuf>,
    pub(super) developer_instructions: Option<String>,
    pub(super) project_doc_max_bytes: Option<usize>,
    pub(super) project_doc_fallback_filenames: Vec<String>,
    pub(super) include_permissions_instructions: Option<bool>,
    pub(super) include_environment_context: Option<bool>,
    pub(super) skills: SkillsToml,
    pub(super) allow_login_shell: Option<bool>,
    pub(super) background_terminal_max_timeout: Option<u64>,
    pub(super) shell_environment_policy: ShellEnvironmentPolicy,
    pub(super) web_search: Option<WebSearchMode>,
    pub(super) tools: ToolsToml,
    pub(super) features: BTreeMap<String, toml::Value>,
    pub(super) suppress_unstable_features_warning: bool,
    pub(super) agents: AgentsToml,
    pub(super) notify: Option<Vec<String>>,
}

/// `model_auto_compact_token_limit_scope`: which tokens count towards the limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompactionScope {
    /// All of them.
    #[default]
    Total,
    /// Those behind what the conversation began with.
    BodyAfterPrefix,
}

/// `[auto_review]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AutoReviewToml {
    pub(super) policy: Option<String>,
}

/// `[sandbox_workspace_write]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct WorkspaceWriteToml {
    pub(super) writable_roots: Vec<PathBuf>,
    pub(super) network_access: bool,
    pub(super) exclude_tmpdir_env_var: bool,
    pub(super) exclude_slash_tmp: bool,
}

/// Everything a thread needs to know from the configuration. Cheap to share behind an `Arc`.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedConfig {
    /// The home the configuration belongs to.
    pub home: PathBuf,
    /// The working folder, absolute.
    pub cwd: PathBuf,
    /// The project's root, when one of the markers was found.
    pub project_root: Option<PathBuf>,
    /// What shows that a folder is the top of a project.
    pub project_root_markers: Vec<String>,
    /// What the user decided about the project.
    pub trust: Option<TrustLevel>,
    /// The model's slug; `None` = the provider's default.
    pub model: Option<String>,
    /// The provider's id.
    pub model_provider: String,
    /// The chosen provider's entry.
    pub provider: ProviderConfig,
    /// When to ask.
    pub approval_policy: AskForApproval,
    /// Who is asked.
    pub approvals_reviewer: ApprovalsReviewer,
    /// What commands may touch, unless a profile says it.
    pub sandbox: SandboxPolicy,
    /// The name of the permission profile that was chosen, a built-in one or one of the configuration.
    pub permissions: Option<String>,
    /// The profile of the configuration that says what commands may touch.
    pub profile: Option<Arc<PermissionsProfile>>,
    /// How hard the model thinks; `None` = the model's default.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The same in plan mode.
    pub plan_mode_reasoning_effort: Option<ReasoningEffort>,
    /// How the model's reasoning is summarised; `None` = the model's default.
    pub reasoning_summary: Option<ReasoningSummary>,
    /// Overrides the catalog on whether the model has reasoning summaries.
    pub supports_reasoning_summaries: Option<bool>,
    /// How long answers are; `None` = the model's default.
    pub verbosity: Option<Verbosity>,
    /// Overrides the catalog's context window, in tokens.
    pub context_window: Option<i64>,
    /// Tokens after which the history is compacted.
    pub auto_compact_token_limit: Option<i64>,
    /// Which tokens count towards it.
    pub auto_compact_scope: CompactionScope,
    /// Asks the model for a summary in place of the built-in prompt.
    pub compact_prompt: Option<String>,
    /// The model of reviews; `None` = the thread's.
    pub review_model: Option<String>,
    /// What automatic reviews of approvals are to heed besides their own rules.
    pub auto_review_policy: Option<String>,
    /// Budget of one tool output, in tokens; `None` = the model's policy.
    pub tool_output_token_limit: Option<usize>,
    /// `fast`, `flex` …
    pub service_tier: Option<String>,
    /// The tone of answers.
    pub personality: Option<Personality>,
    /// Replaces the base instructions.
    pub base_instructions: Option<String>,
    /// Added to the developer message.
    pub developer_instructions: Option<String>,
    /// Budget of AGENTS.md files below the project, in bytes; 0 = none are read.
    pub project_doc_max_bytes: usize,
    /// File names tried after AGENTS.md.
    pub project_doc_fallback_filenames: Vec<String>,
    /// Whether the model is told about permissions.
    pub include_permissions_instructions: bool,
    /// Whether the model is told about its environment.
    pub include_environment_context: bool,
    /// Whether the model is told which skills there are.
    pub include_skill_instructions: bool,
    /// Whether commands may run in a login shell.
    pub allow_login_shell: bool,
    /// The longest an empty poll of a running command may wait, in milliseconds.
    pub background_terminal_max_timeout_ms: u64,
    /// Which variables reach commands.
    pub shell_environment_policy: ShellEnvironmentPolicy,
    /// Web search; `None` = by sandbox (live with full access, else cached).
    pub web_search: Option<WebSearchMode>,
    /// What a search is told.
    pub web_search_options: Arc<WebSearchOptions>,
    /// Features that are not left to their defaults, by key.
    pub features: BTreeMap<String, bool>,
    /// What confined commands may reach of the network, as far as profiles leave it open.
    pub network: NetworkConfig,
    /// Whether clients are warned of features under development that are on.
    pub unstable_features_warning: bool,
    /// The user's program that is told of turns that came to their end: itself and its first arguments.
    pub notify: Option<Vec<String>>,
    /// Limits and roles of agents.
    pub agents: AgentsConfig,
    /// Whether an interrupt leaves a marker in the history (`agents.interrupt_message`).
    pub interrupt_message: bool,
}

impl ResolvedConfig {
    /// The sandbox policy of a mode, with the `[sandbox_workspace_write]` settings this configuration was made of.
    pub(super) fn sandbox_of(mode: SandboxMode, write: &WorkspaceWriteToml, home: &std::path::Path) -> SandboxPolicy {
        match mode {
            SandboxMode::ReadOnly => SandboxPolicy::ReadOnly { network_access: false },
            SandboxMode::DangerFullAccess => SandboxPolicy::DangerFullAccess,
            SandboxMode::WorkspaceWrite => {
                let mut roots: Vec<AbsolutePathBuf> =
                    write.writable_roots.iter().filter_map(AbsolutePathBuf::new).collect();
                roots.extend(AbsolutePathBuf::new(home.join("memories")));
                SandboxPolicy::WorkspaceWrite {
                    exclude_slash_tmp: write.exclude_slash_tmp,
                    exclude_tmpdir_env_var: write.exclude_tmpdir_env_var,
                    network_access: write.network_access,
                    writable_roots: roots,
                }
            }
        }
    }

    /// The sandbox policy of a built-in permission profile; the workspace's lets the home's memories be written.
    pub(super) fn built_in(name: &str, home: &std::path::Path) -> SandboxPolicy {
        let mode = match name {
            ":danger-full-access" => SandboxMode::DangerFullAccess,
            ":workspace" => SandboxMode::WorkspaceWrite,
            _ => SandboxMode::ReadOnly,
        };
        ResolvedConfig::sandbox_of(mode, &WorkspaceWriteToml::default(), home)
    }

    /// Whether a feature is switched on.
    pub fn feature(&self, key: &str) -> bool {
        let said = self.features.get(key).copied();
        said.unwrap_or_else(|| features::find(key).is_some_and(|feature| feature.default))
    }

    /// The features in beta that are on, joined by commas, as providers are told of them.
    pub fn beta_features(&self) -> String {
        let beta = features::ALL.iter().filter(|feature| feature.shown.is_some());
        let on: Vec<&str> = beta
            .map(|feature| feature.key)
            .filter(|key| self.feature(key))
            .collect();
        on.join(",")
    }
}
