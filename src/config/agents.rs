//! `[agents]`: how many agents a session may have, how deep they may nest, and the roles they can be given.
//!
//! Members of the table that are tables are roles. A role's file holds configuration keys that its agents run with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::ConfigError;

/// Limits and roles of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentsConfig {
    /// How many agents of one session are loaded at most.
    pub max_threads: usize,
    /// How many levels of agents there are below a user's thread.
    pub max_depth: u32,
    /// The roles by name, beside the built-in ones.
    pub roles: BTreeMap<String, AgentRole>,
}

/// What agents of a role are like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AgentRole {
    /// What models are told about it.
    pub description: Option<String>,
    /// The file with its configuration.
    pub config_file: Option<PathBuf>,
    /// What its agents are called.
    pub nickname_candidates: Vec<String>,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        AgentsConfig {
            max_threads: 6,
            max_depth: 1,
            roles: BTreeMap::new(),
        }
    }
}

impl AgentsConfig {
    /// Reads the table. Files of roles are relative to `home`.
    pub(super) fn read(table: &toml::Table, home: &Path) -> Result<Self, ConfigError> {
        let mut config = AgentsConfig::default();
        if let Some(most) = positive(table, "max_threads")? {
            config.max_threads = usize::try_from(most).unwrap_or(usize::MAX);
        }
        if let Some(depth) = positive(table, "max_depth")? {
            config.max_depth = depth;
        }
        for (name, value) in table {
            let toml::Value::Table(_) = value else { continue };
            let mut role = AgentRole::deserialize(value.clone())
                .map_err(|error| ConfigError::Invalid(format!("agents.{name}: {}", error.message())))?;
            role.config_file = role.config_file.map(|file| home.join(file));
            config.roles.insert(name.clone(), role);
        }
        Ok(config)
    }
}

fn positive(table: &toml::Table, key: &str) -> Result<Option<u32>, ConfigError> {
    let Some(value) = table.get(key) else { return Ok(None) };
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) if number > 0 => Ok(Some(number)),
        _ => Err(ConfigError::Invalid(format!("agents.{key} must be at least 1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<AgentsConfig, ConfigError> {
        AgentsConfig::read(&text.parse().unwrap(), Path::new("/home"))
    }

    #[test]
    fn limits_and_roles_stand_in_one_table() {
        let config = read(
            "max_threads = 2\ninterrupt_message = false\n[reviewer]\ndescription = \"reviews\"\nconfig_file = \"r.toml\"\n\
             nickname_candidates = [\"Zed\"]",
        );
        let config = config.unwrap();
        assert_eq!((config.max_threads, config.max_depth), (2, 1));
        let role = &config.roles["reviewer"];
        assert_eq!(role.config_file.as_deref(), Some(Path::new("/home/r.toml")));
        assert_eq!(role.nickname_candidates, ["Zed"]);
        assert_eq!(config.roles.len(), 1);
    }

    #[test]
    fn limits_are_at_least_one() {
        let why = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(why("max_threads = 0"), "agents.max_threads must be at least 1");
        assert_eq!(why("max_depth = \"deep\""), "agents.max_depth must be at least 1");
    }
}
