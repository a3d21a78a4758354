//! Merges the layers of a configuration and resolves them for a thread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::config::agent_roles::{self, RoleLayer};
use crate::config::file::{ConfigProblem, FileCache};
use crate::config::merging::{lay, set_path, to_toml};
use crate::config::reading::MANAGED_FILE;
use crate::config::resolved::{ConfigToml, ResolvedConfig, TrustLevel};
use crate::config::{
    AgentsConfig, ConfigError, NETWORK_PROXY, NetworkConfig, features, model_catalog, permissions, provider, trust,
    web_search,
};
use crate::protocol::{ApprovalsReviewer, AskForApproval, Personality, SandboxMode, SandboxPolicy};

/// The system layer, read when it exists.
pub(super) const SYSTEM_FILE: &str = "/etc/codex/config.toml";

/// Keys that a project's own file may not set: they would let a repository redirect requests or run programs.
pub(super) const NOT_FOR_PROJECTS: &[&str] = &[
    "openai_base_url",
    "chatgpt_base_url",
    "apps_mcp_product_sku",
    "model_provider",
    "model_providers",
    "notify",
    "profile",
    "profiles",
    "experimental_realtime_ws_base_url",
    "otel",
];

/// What a request asks to be different. `None` keeps what the configuration says.
#[derive(Debug, Clone, Default)]
pub struct ThreadOverrides {
    /// The working folder; relative paths are taken from the server's own.
    pub cwd: Option<PathBuf>,
    /// The model's slug.
    pub model: Option<String>,
    /// The provider's id.
    pub model_provider: Option<String>,
    /// When to ask.
    pub approval_policy: Option<AskForApproval>,
    /// Who is asked.
    pub approvals_reviewer: Option<ApprovalsReviewer>,
    /// What commands may touch.
    pub sandbox: Option<SandboxMode>,
    /// The same by the name of a permission profile; counts more.
    pub permissions: Option<String>,
    /// `Some(None)` clears the tier.
    pub service_tier: Option<Option<String>>,
    /// Replaces the base instructions.
    pub base_instructions: Option<String>,
    /// Replaces the configured developer instructions.
    pub developer_instructions: Option<String>,
    /// The tone.
    pub personality: Option<Personality>,
    /// Any configuration keys, dotted paths allowed.
    pub config: BTreeMap<String, serde_json::Value>,
}

/// Reads and merges configuration for one home. Shared by the whole process; safe to call from any thread.
///
/// Its methods touch files (a few `stat` calls when nothing changed), so they belong on the blocking pool unless the
/// caller can afford microseconds.
#[derive(Debug)]
pub struct ConfigLoader {
    home: PathBuf,
    server_cwd: PathBuf,
    session_flags: toml::Table,
    /// What an administrator demands.
    pub(super) requirements: PathBuf,
    files: FileCache,
    /// Held while the user's file is changed.
    pub(super) editing: Mutex<()>,
    /// Features switched while the server runs; whatever the configuration says about one counts more.
    switched: RwLock<BTreeMap<String, bool>>,
}

impl ConfigLoader {
    /// A loader for `home`. `flags` are `key=value` pairs from the command line; a value that is not TOML is a string.
    pub fn new(home: PathBuf, server_cwd: PathBuf, flags: &[(String, String)]) -> Self {
        let mut session_flags = toml::Table::new();
        for (key, value) in flags {
            let value = format!("value = {value}")
                .parse::<toml::Table>()
                .ok()
                .and_then(|mut table| table.remove("value"))
                .unwrap_or_else(|| toml::Value::String(value.clone()));
            set_path(&mut session_flags, key, value);
        }
        ConfigLoader {
            home,
            server_cwd,
            session_flags,
            requirements: PathBuf::from(crate::settings::REQUIREMENTS),
            files: FileCache::default(),
            editing: Mutex::default(),
            switched: RwLock::default(),
        }
    }

    /// The same with an administrator's demands from another file.
    #[must_use]
    pub fn with_requirements(mut self, file: PathBuf) -> Self {
        self.requirements = file;
        self
    }

    /// The home.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// The folder threads run in unless they say otherwise.
    pub fn server_cwd(&self) -> &Path {
        &self.server_cwd
    }

    /// The user's configuration file.
    pub fn user_file(&self) -> PathBuf {
        self.home.join("config.toml")
    }

    /// What is wrong with the files that apply to every thread: shown to clients as `configWarning` after initialize.
    pub fn problems(&self) -> Vec<ConfigProblem> {
        self.common_files()
            .iter()
            .filter_map(|path| self.files.read(path).err())
            .collect()
    }

    /// The files that apply to every thread, lowest layer first.
    pub(super) fn common_files(&self) -> [PathBuf; 2] {
        [PathBuf::from(SYSTEM_FILE), self.user_file()]
    }

    /// What a file says; nothing when it is missing.
    pub(super) fn read(&self, file: &Path) -> Result<Arc<toml::Table>, ConfigProblem> {
        self.files.read(file)
    }

    /// Forgets what a file said, after it was written.
    pub(super) fn forget(&self, file: &Path) {
        self.files.forget(file);
    }

    /// What the command line sets.
    pub(super) fn session_flags(&self) -> &toml::Table {
        &self.session_flags
    }

    /// The provider a thread gets when neither it nor the configuration names one.
    ///
    /// `openai` when a key or a stored login is there, else the offline `rehearsal` model.
    pub fn default_provider(&self) -> &'static str {
        let has_key = std::env::var("OPENAI_API_KEY").is_ok_and(|key| !key.trim().is_empty());
        if has_key || self.home.join("auth.json").exists() {
            "openai"
        } else {
            "rehearsal"
        }
    }

    /// The merged table for `cwd` and a request's `config` overrides, with the project root and trust level found.
    pub(super) fn merged(
        &self,
        cwd: &Path,
        overrides: &BTreeMap<String, serde_json::Value>,
    ) -> (toml::Table, Option<PathBuf>, Option<TrustLevel>) {
        let mut merged = toml::Table::new();
        for file in self.common_files() {
            // A broken file counts as empty; `problems` reports it.
            if let Ok(table) = self.files.read(&file) {
                let folder = file.parent().unwrap_or(&self.home);
                lay(&mut merged, &model_catalog::rooted(&table, folder));
            }
        }
        if let Some(profile) = merged.get("profile").and_then(|name| name.as_str()).map(str::to_string)
            && let Some(values) = merged
                .get("profiles")
                .and_then(|all| all.get(&profile))
                .and_then(|p| p.as_table())
        {
            let values = model_catalog::rooted(values, &self.home).into_owned();
            lay(&mut merged, &values);
        }
        let markers = root_markers(&merged);
        let root = trust::project_root(cwd, &markers);
        let trust = trust::trust_level(&merged, cwd, root.as_deref());
        if trust == Some(TrustLevel::Trusted) {
            for folder in project_folders(cwd, root.as_deref()) {
                let folder = folder.join(".codex");
                if let Ok(table) = self.files.read(&folder.join("config.toml")) {
                    let mut table = model_catalog::rooted(&table, &folder).into_owned();
                    // By then it is found where the project begins.
                    table.retain(|key, _| !NOT_FOR_PROJECTS.contains(&key) && key != "project_root_markers");
                    lay(&mut merged, &table);
                }
            }
        }
        lay(
            &mut merged,
            &model_catalog::rooted(&self.session_flags, &self.server_cwd),
        );
        lay(&mut merged, &model_catalog::rooted(&asked(overrides), cwd));
        if let Ok(managed) = self.files.read(Path::new(MANAGED_FILE)) {
            lay(&mut merged, &managed);
        }
        (merged, root, trust)
    }

    /// Resolves the configuration for a thread.
    ///
    /// # Errors
    /// A value of the wrong type, or a provider that is not defined.
    pub fn resolve(&self, overrides: &ThreadOverrides) -> Result<ResolvedConfig, ConfigError> {
        let cwd = match &overrides.cwd {
            Some(cwd) => self.server_cwd.join(cwd),
            None => self.server_cwd.clone(),
        };
        let (merged, project_root, trust) = self.merged(&cwd, &overrides.config);
        let project_root_markers = root_markers(&merged);
        let mut layers: Vec<RoleLayer> = self
            .layers_in(&cwd, project_root.as_deref(), trust)
            .iter()
            .map(RoleLayer::of)
            .collect();
        layers.push(RoleLayer::loose(&asked(&overrides.config), &self.home));
        let toml: ConfigToml = serde::Deserialize::deserialize(toml::Value::Table(merged))
            .map_err(|error: toml::de::Error| self.misread(&error))?;
        let roles = agent_roles::find(layers);
        let provider_id = overrides.model_provider.clone().or_else(|| toml.model_provider.clone());
        let provider_id = provider_id.unwrap_or_else(|| self.default_provider().to_string());
        let provider = provider::find(&provider_id, &toml)?;
        if let Some(catalog) = &toml.model_catalog_json {
            model_catalog::read(catalog)?;
        }
        let (default_approval, default_sandbox) = match trust {
            None => (AskForApproval::OnRequest, SandboxMode::ReadOnly),
            Some(TrustLevel::Trusted) => (AskForApproval::OnRequest, SandboxMode::WorkspaceWrite),
            Some(TrustLevel::Untrusted) => (AskForApproval::Untrusted, SandboxMode::WorkspaceWrite),
        };
        let sandbox_mode = overrides.sandbox.or(toml.sandbox_mode);
        let named = match (&overrides.permissions, &toml.default_permissions) {
            (Some(named), _) => Some(named.clone()),
            (None, Some(named)) if overrides.sandbox.is_none() => Some(named.clone()),
            (None, None) if sandbox_mode.is_none() && toml.permissions.as_ref().is_some_and(|all| !all.is_empty()) => {
                let why = "config defines `[permissions]` profiles but does not set `default_permissions`";
                return Err(ConfigError::Invalid(why.to_owned()));
            }
            _ => None,
        };
        let profile = match &named {
            Some(named) => permissions::select(named, &toml.permissions, &self.home)?,
            None => None,
        };
        let sandbox = match named.as_deref() {
            Some(built_in) if profile.is_none() => ResolvedConfig::built_in(built_in, &self.home),
            _ => ResolvedConfig::sandbox_of(
                sandbox_mode.unwrap_or(default_sandbox),
                &toml.sandbox_workspace_write,
                &self.home,
            ),
        };
        let features = self.switches(
            toml.features
                .iter()
                .filter_map(|(key, value)| Some((key.as_str(), switch(value)?))),
        );
        let network = NetworkConfig::read(
            toml.features.get(NETWORK_PROXY),
            features.get(NETWORK_PROXY).copied().unwrap_or_default(),
            self.demanded_network()?,
        )?;
        let instructions_file = toml.model_instructions_file.as_ref().map(|file| self.home.join(file));
        let base_instructions = match (&overrides.base_instructions, &toml.instructions, &instructions_file) {
            (Some(text), _, _) | (None, Some(text), _) => Some(text.clone()),
            (None, None, Some(file)) => Some(read_text("model instructions", file)?),
            (None, None, None) => None,
        };
        let compact_prompt = match (toml.compact_prompt, &toml.experimental_compact_prompt_file) {
            (None, Some(file)) => Some(read_text("compact prompt", &self.home.join(file))?),
            (prompt, _) => prompt,
        };
        let compact_prompt = compact_prompt.filter(|prompt| !prompt.trim().is_empty());
        let said = toml.features.iter();
        let features = self.switches(said.filter_map(|(key, value)| Some((key.as_str(), value.as_bool()?))));
        Ok(ResolvedConfig {
            home: self.home.clone(),
            project_root,
            project_root_markers,
            trust,
            model: overrides.model.clone().or(toml.model),
            model_provider: provider_id,
            provider,
            approval_policy: overrides
                .approval_policy
                .clone()
                .or(toml.approval_policy)
                .unwrap_or(default_approval),
            approvals_reviewer: overrides
                .approvals_reviewer
                .or(toml.approvals_reviewer)
                .unwrap_or(ApprovalsReviewer::User),
            sandbox,
            permissions: named,
            profile: profile.map(Arc::new),
            reasoning_effort: toml.model_reasoning_effort,
            plan_mode_reasoning_effort: toml.plan_mode_reasoning_effort,
            reasoning_summary: toml.model_reasoning_summary,
            supports_reasoning_summaries: toml.model_supports_reasoning_summaries,
            verbosity: toml.model_verbosity,
            context_window: toml.model_context_window,
            auto_compact_token_limit: toml.model_auto_compact_token_limit,
            auto_compact_scope: toml.model_auto_compact_token_limit_scope.unwrap_or_default(),
            compact_prompt,
            review_model: toml.review_model,
            auto_review_policy: toml.auto_review.policy,
            tool_output_token_limit: toml.tool_output_token_limit,
            service_tier: overrides.service_tier.clone().unwrap_or(toml.service_tier),
            personality: overrides.personality.or(toml.personality),
            base_instructions,
            developer_instructions: overrides.developer_instructions.clone().or(toml.developer_instructions),
            project_doc_max_bytes: toml.project_doc_max_bytes.unwrap_or(32 * 1024),
            project_doc_fallback_filenames: toml.project_doc_fallback_filenames,
            include_permissions_instructions: toml.include_permissions_instructions.unwrap_or(true),
            include_environment_context: toml.include_environment_context.unwrap_or(true),
            include_skill_instructions: toml.skills.include_instructions.unwrap_or(true),
            allow_login_shell: toml.allow_login_shell.unwrap_or(true),
            background_terminal_max_timeout_ms: toml.background_terminal_max_timeout.unwrap_or(300_000),
            shell_environment_policy: toml.shell_environment_policy,
            web_search: web_search::mode_of(toml.web_search, &features),
            web_search_options: Arc::new(toml.tools.web_search()),
            features,
            network,
            unstable_features_warning: !toml.suppress_unstable_features_warning,
            notify: toml.notify,
            interrupt_message: toml.agents.interrupt_message.unwrap_or(true),
            agents: AgentsConfig::read(&toml.agents, roles)?,
            cwd,
        })
    }

    /// A value of the wrong type: with its place, when it stands in a file that every thread reads.
    fn misread(&self, error: &toml::de::Error) -> ConfigError {
        let found = self.common_files().into_iter().find_map(|file| {
            let text = crate::files::read_text(&file).ok()?;
            let error = toml::from_str::<ConfigToml>(&text).err()?;
            Some(ConfigProblem::parsing(&file, &text, &error))
        });
        match found {
            Some(problem) => ConfigError::File(problem),
            None => ConfigError::Invalid(error.message().to_string()),
        }
    }

    /// The sandbox policy of `mode` for `cwd`, with the configured writable roots.
    pub fn sandbox_policy(&self, mode: SandboxMode, cwd: &Path) -> Result<SandboxPolicy, ConfigError> {
        let overrides = ThreadOverrides {
            cwd: Some(cwd.into()),
            sandbox: Some(mode),
            ..ThreadOverrides::default()
        };
        self.resolve(&overrides).map(|config| config.sandbox)
    }

    /// Writes `[projects."<root or cwd>"] trust_level = "trusted"` for a project nobody decided about yet.
    ///
    /// Does nothing when a decision stands already. Blocking.
    pub fn trust_project(&self, config: &ResolvedConfig) -> Result<(), ConfigError> {
        if config.trust.is_some() {
            return Ok(());
        }
        let project = config.project_root.as_deref().unwrap_or(&config.cwd);
        self.edit_user_file(|document| trust::set_trusted(document, project))
    }

    /// Whether a feature is switched on for the whole server: by its flags, by the user's file, or while it runs.
    pub fn feature(&self, key: &str) -> bool {
        let user = self.user_table();
        let said = [&self.session_flags, &*user]
            .into_iter()
            .find_map(|table| switch(table.get("features")?.get(key)?));
        said.or_else(|| self.switched().get(key).copied())
            .unwrap_or_else(|| features::find(key).is_some_and(|feature| feature.default))
    }

    /// The features that are not left to their defaults, by key, for threads in the server's own folder.
    pub fn features(&self) -> BTreeMap<String, bool> {
        let (merged, ..) = self.merged(&self.server_cwd, &BTreeMap::new());
        let table = merged.get("features").and_then(|features| features.as_table());
        let said = table.into_iter().flatten();
        self.switches(said.filter_map(|(key, value)| Some((key.as_str(), switch(value)?))))
    }

    /// Switches features for as long as the server runs. What the configuration says about one still counts more.
    pub fn switch_features(&self, switches: &BTreeMap<String, bool>) {
        let mut switched = self.switched.write().unwrap_or_else(PoisonError::into_inner);
        switched.extend(switches.iter().map(|(key, on)| (key.clone(), *on)));
    }

    fn switched(&self) -> BTreeMap<String, bool> {
        self.switched.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was switched while the server ran, overlaid with what the configuration says; old names are replaced.
    fn switches<'a>(&self, said: impl Iterator<Item = (&'a str, bool)>) -> BTreeMap<String, bool> {
        let mut switches = self.switched();
        switches.extend(said.map(|(key, on)| (features::renamed(key).unwrap_or(key).to_owned(), on)));
        switches
    }

    /// The raw table of the user's file, for readers of other keys; empty when it is missing or broken.
    pub fn user_table(&self) -> Arc<toml::Table> {
        self.files.read(&self.user_file()).unwrap_or_default()
    }
}

/// Whether a feature is on: some have settings of their own beside their switch.
fn switch(feature: &toml::Value) -> Option<bool> {
    feature.as_bool().or_else(|| feature.get("enabled")?.as_bool())
}

/// What a request sets.
fn asked(overrides: &BTreeMap<String, serde_json::Value>) -> toml::Table {
    let mut asked = toml::Table::new();
    for (key, value) in overrides {
        if let Some(value) = to_toml(value) {
            set_path(&mut asked, key, value);
        }
    }
    asked
}

/// A file whose text is a setting.
fn read_text(what: &str, file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file)
        .map_err(|error| ConfigError::Invalid(format!("failed to read {what} file {}: {error}", file.display())))
}

/// What shows that a folder is the top of a project.
fn root_markers(config: &toml::Table) -> Vec<String> {
    match config.get("project_root_markers").and_then(|value| value.as_array()) {
        Some(markers) => markers.iter().filter_map(|m| m.as_str()).map(str::to_string).collect(),
        None => vec![".git".into()],
    }
}

/// The folders between the project root and `cwd`, root first; `cwd` alone without a root.
pub(super) fn project_folders(cwd: &Path, root: Option<&Path>) -> Vec<PathBuf> {
    let Some(root) = root else {
        return vec![cwd.to_path_buf()];
    };
    let mut folders: Vec<PathBuf> = cwd
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(Path::to_path_buf)
        .collect();
    folders.reverse();
    folders
}
