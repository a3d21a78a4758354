//! `[shell_environment_policy]`: which variables reach a command.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Where a command's environment starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InheritEnvironment {
    /// Everything the server has.
    #[default]
    All,
    /// HOME, PATH, SHELL, USER and their like.
    Core,
    /// Nothing.
    None,
}

/// The policy; patterns are case-insensitive globs over names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ShellEnvironmentPolicy {
    /// Where to start from.
    pub inherit: InheritEnvironment,
    /// When false, names like `*KEY*`, `*SECRET*`, `*TOKEN*` are dropped.
    pub ignore_default_excludes: bool,
    /// Names to drop.
    pub exclude: Vec<String>,
    /// Values to set.
    pub set: BTreeMap<String, String>,
    /// When not empty, the only names kept.
    pub include_only: Vec<String>,
    /// Accepted: commands always run through the login shell's profile unless the model says otherwise.
    pub experimental_use_profile: bool,
}

impl Default for ShellEnvironmentPolicy {
    fn default() -> Self {
        ShellEnvironmentPolicy {
            inherit: InheritEnvironment::All,
            ignore_default_excludes: true,
            exclude: Vec::new(),
            set: BTreeMap::new(),
            include_only: Vec::new(),
            experimental_use_profile: false,
        }
    }
}
