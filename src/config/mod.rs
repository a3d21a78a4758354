//! The configuration of a home: config.toml and its layers, resolved into what a thread needs.
//!
//! Layers, from low to high: the system file, the user's `config.toml`, the trusted project's `.codex/config.toml` files
//! from the root down to the working folder, session flags (`-c`, `--enable`), the `config` of a request, the chosen
//! profile, and what a request names itself. Tables merge, everything else replaces. A broken file never stops the
//! server: no thread is started while it is broken, the server itself goes by what it said before, and a [`ConfigProblem`]
//! says what is wrong and where. Files are re-read only when they changed.

mod agent_roles;
mod agents;
mod checked;
mod edit;
pub mod features;
mod file;
mod layers;
mod loader;
mod merged;
mod merging;
mod model_catalog;
pub mod network;
mod permissions;
mod provider;
mod reading;
mod requirements;
mod resolved;
mod shape;
mod shell_environment;
mod skills;
mod strict;
mod trust;
mod web_search;
mod writing;

#[cfg(test)]
mod tests;

pub use agent_roles::OWN_KEYS;
pub use agents::{AgentRole, AgentsConfig};
pub use file::ConfigProblem;
pub use layers::{ConfigLayer, LayerKind};
pub use loader::{ConfigLoader, ThreadOverrides};
pub use model_catalog::{
    CatalogMeasure, CatalogModel, CatalogPatchTool, CatalogSearch, CatalogShell, CatalogVisibility, ModelsResponse,
};
pub use network::{NETWORK_PROXY, NetworkConfig, NetworkFilter};
pub use permissions::{PermissionsProfile, WORKSPACE_ROOTS};
pub use provider::{ProviderAuthCommand, ProviderConfig, builtin_providers};
pub use reading::{ConfigReading, ReadingError};
pub use resolved::{CompactionScope, ResolvedConfig, TrustLevel};
pub use shell_environment::{InheritEnvironment, ShellEnvironmentPolicy};
pub use skills::{SkillSwitch, SkillSwitches};
pub use strict::StrictError;
pub use trust::project_root;
pub use web_search::{OLD_SWITCHES, WebSearchMode, WebSearchOptions};
pub use writing::WritingError;

/// What can go wrong with a configuration. The texts are those a client sees after `failed to load configuration: `.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read or parsed.
    #[error("{0}")]
    File(ConfigProblem),
    /// The chosen provider is not defined anywhere.
    #[error("Model provider `{0}` not found")]
    UnknownProvider(String),
    /// A value has the wrong type or is not one of the allowed ones.
    #[error("{0}")]
    Invalid(String),
    /// The file could not be written.
    #[error("failed to write {path}: {source}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}
