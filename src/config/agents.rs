//! `[agents]`: how many agents a session may have, how deep they may nest, and the roles they can be given.
//!
//! Members of the table that are tables are roles (`agent_roles`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::config::ConfigError;
use crate::config::agent_roles::FoundRoles;
use crate::protocol::ReasoningEffort;

/// Limits and roles of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsConfig {
    /// How many agents of one session are loaded at most.
    pub max_threads: usize,
    /// How many levels of agents there are below a user's thread.
    pub max_depth: u32,
    /// The roles by name, beside the built-in ones.
    pub roles: BTreeMap<String, AgentRole>,
    /// Why roles do not count.
    pub warnings: Vec<String>,
}

/// What agents of a role are like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentRole {
    /// What models are told about it.
    pub description: Option<String>,
    /// The file with its configuration.
    pub config_file: Option<PathBuf>,
    /// What its agents are called; empty where it does not say.
    pub nickname_candidates: Vec<String>,
    /// The model that its file sets.
    pub model: Option<String>,
    /// The effort that its file sets.
    pub effort: Option<ReasoningEffort>,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        AgentsConfig {
            max_threads: 6,
            max_depth: 1,
            roles: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }
}

/// The table as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentsToml {
    max_threads: Option<usize>,
    max_depth: Option<i32>,
    /// Of jobs, which are not built: checked, and nothing more.
    job_max_runtime_seconds: Option<u64>,
    pub(super) interrupt_message: Option<bool>,
    #[serde(flatten)]
    pub(super) roles: BTreeMap<String, AgentRoleToml>,
}

/// A role as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AgentRoleToml {
    pub(super) description: Option<String>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) nickname_candidates: Option<Vec<String>>,
}

impl AgentsConfig {
    /// Checks the limits, and takes over the roles that were found.
    pub(super) fn read(toml: &AgentsToml, found: FoundRoles) -> Result<Self, ConfigError> {
        let too_small = |key: &str, is: bool| match is {
            true => Err(ConfigError::Invalid(format!("agents.{key} must be at least 1"))),
            false => Ok(()),
        };
        too_small("max_threads", toml.max_threads == Some(0))?;
        too_small("max_depth", toml.max_depth.is_some_and(|depth| depth < 1))?;
        too_small("job_max_runtime_seconds", toml.job_max_runtime_seconds == Some(0))?;
        let usual = AgentsConfig::default();
        Ok(AgentsConfig {
            max_threads: toml.max_threads.unwrap_or(usual.max_threads),
            max_depth: toml
                .max_depth
                .and_then(|depth| u32::try_from(depth).ok())
                .unwrap_or(usual.max_depth),
            roles: found.roles,
            warnings: found.warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AgentsConfig, ConfigError> {
        AgentsConfig::read(&toml::from_str(text).unwrap(), FoundRoles::default())
    }

    #[test]
    fn limits_are_at_least_one() {
        let config = read("max_threads = 2\ninterrupt_message = false\n[reviewer]\ndescription = \"reviews\"").unwrap();
        assert_eq!((config.max_threads, config.max_depth), (2, 1));
        for key in ["max_threads", "max_depth", "job_max_runtime_seconds"] {
            let why = read(&format!("{key} = 0")).unwrap_err().to_string();
            assert_eq!(why, format!("agents.{key} must be at least 1"));
        }
    }
}
