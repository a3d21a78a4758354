//! What an agent runs with: its parent's configuration and settings, what its role changes of them, and what the call
//! asks for. A role cannot change what the agent may do: folder, sandbox and approvals are its parent's.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{AgentRole, ConfigLoader, OWN_KEYS, ResolvedConfig, ThreadOverrides};
use crate::engine::agents::{AgentError, AgentWish};
use crate::engine::settings::TurnSettings;
use crate::files;
use crate::model::catalog::{Catalog, ModelInfo};
use crate::protocol::{ReasoningEffort, SandboxMode};

/// The roles that need no configuration.
const BUILT_IN: &[&str] = &["default", "explorer", "worker"];

const FORK_IS_A_COPY: &str = "Full-history forked agents inherit the parent agent type, model, and reasoning effort; omit \
                              agent_type, model, and reasoning_effort, or spawn without a full-history fork.";

/// Checks a wish against itself and takes over what it names.
pub(super) fn apply_wish(
    wish: &AgentWish,
    config: &ResolvedConfig,
    catalog: &Catalog,
    settings: &mut TurnSettings,
) -> Result<AgentRole, AgentError> {
    if wish.fork_context && (wish.role.is_some() || wish.model.is_some() || wish.effort.is_some()) {
        return Err(AgentError::Refused(FORK_IS_A_COPY.to_owned()));
    }
    if let Some(model) = &wish.model {
        let models = catalog.list();
        if !models.has(model) && **model != *settings.model {
            let names: Vec<&str> = models.available().map(|model| &*model.slug).collect();
            return Err(AgentError::Refused(format!(
                "Unknown model `{model}` for spawn_agent. Available models: {}",
                names.join(", ")
            )));
        }
        settings.model = model.as_str().into();
        settings.effort = models.find(model).default_effort;
    }
    let model = catalog.find(&settings.model);
    if let Some(effort) = wish.effort {
        check_effort(effort, &model)?;
        settings.effort = Some(effort);
    }
    let role = match wish.role.as_deref() {
        None => AgentRole::default(),
        Some(name) => match config.agents.roles.get(name) {
            Some(role) => role.clone(),
            None if BUILT_IN.contains(&name) => AgentRole::default(),
            None => return Err(AgentError::Refused(format!("unknown agent_type '{name}'"))),
        },
    };
    if let Some(tier) = &wish.service_tier {
        if model.service_tier(tier).is_none() {
            let tiers = listed(model.service_tiers.iter().map(|tier| tier.id.to_string()), "none");
            return Err(AgentError::Refused(format!(
                "Service tier `{tier}` is not supported for model `{}`. Supported service tiers: {tiers}",
                model.slug
            )));
        }
        settings.service_tier = Some(tier.as_str().into());
    }
    Ok(role)
}

fn check_effort(effort: ReasoningEffort, model: &ModelInfo) -> Result<(), AgentError> {
    if model.efforts.iter().any(|known| known.effort == effort) {
        return Ok(());
    }
    let efforts = listed(model.efforts.iter().map(|known| name_of(known.effort)), "");
    Err(AgentError::Refused(format!(
        "Reasoning effort `{}` is not supported for model `{}`. Supported reasoning efforts: {efforts}",
        name_of(effort),
        model.slug
    )))
}

fn name_of(effort: ReasoningEffort) -> String {
    let name = serde_json::to_value(effort).ok();
    name.and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn listed(names: impl Iterator<Item = String>, none: &str) -> String {
    let names: Vec<String> = names.collect();
    match names.is_empty() {
        true => none.to_owned(),
        false => names.join(", "),
    }
}

/// The configuration of a role's file, laid over the parent's. Reads files: belongs on the blocking pool.
pub(super) fn apply_role_file(
    loader: &ConfigLoader,
    file: &Path,
    parent: &ResolvedConfig,
    catalog: &Catalog,
    settings: &mut TurnSettings,
) -> Result<Arc<ResolvedConfig>, String> {
    let unusable = |why: String| format!("the role's file {} cannot be used: {why}", file.display());
    let text = files::read_text(file).map_err(|error| unusable(error.to_string()))?;
    let mut table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| unusable(error.message().to_owned()))?;
    table.retain(|key, _| !OWN_KEYS.contains(&key));
    let config: BTreeMap<String, serde_json::Value> = table
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), serde_json::to_value(value).ok()?)))
        .collect();
    let overrides = ThreadOverrides {
        cwd: Some(settings.cwd.as_path().to_path_buf()),
        model_provider: Some(parent.model_provider.clone()).filter(|_| !table.contains_key("model_provider")),
        config,
        // What commands may touch stays the parent's: nothing that is said of it here counts.
        sandbox: Some(SandboxMode::ReadOnly),
        ..ThreadOverrides::default()
    };
    let fresh = loader
        .resolve(&overrides)
        .map_err(|error| unusable(error.to_string()))?;
    let says = |key: &str| table.contains_key(key);
    let mut config = parent.clone();
    if says("model_provider") {
        config.model_provider.clone_from(&fresh.model_provider);
        config.provider.clone_from(&fresh.provider);
        settings.model_provider = fresh.model_provider.as_str().into();
    }
    if let Some(model) = fresh.model.as_deref().filter(|_| says("model")) {
        settings.model = model.into();
        settings.effort = catalog.find(model).default_effort;
    }
    if says("model_reasoning_effort") {
        settings.effort = fresh.reasoning_effort;
    }
    if says("model_reasoning_summary") {
        settings.summary = fresh.reasoning_summary;
    }
    if says("service_tier") {
        settings.service_tier = fresh.service_tier.as_deref().map(Arc::from);
    }
    if says("personality") {
        settings.personality = fresh.personality;
    }
    if says("developer_instructions") {
        settings.developer_instructions = fresh.developer_instructions.as_deref().map(Arc::from);
        config.developer_instructions.clone_from(&fresh.developer_instructions);
    }
    if says("instructions") || says("model_instructions_file") {
        config.base_instructions.clone_from(&fresh.base_instructions);
    }
    if says("model_verbosity") {
        config.verbosity = fresh.verbosity;
    }
    if says("tool_output_token_limit") {
        config.tool_output_token_limit = fresh.tool_output_token_limit;
    }
    if says("web_search") {
        config.web_search = fresh.web_search;
    }
    if says("features") {
        config.features.extend(fresh.features);
    }
    Ok(Arc::new(config))
}
