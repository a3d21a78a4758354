//! The environment of a process: what its policy lets through of this process's own, and what the client sets.
//!
//! Without a policy nothing is inherited. With one, the variables that belong to this server itself never get through.

use std::collections::BTreeMap;

use crate::config::{InheritEnvironment, ShellEnvironmentPolicy};
use crate::exec::environment::{Environment, filtered};
use crate::protocol::exec_server::{EnvPolicy, Inherit};

/// The whole environment of a process.
pub(super) fn child_environment(policy: Option<EnvPolicy>, set: BTreeMap<String, String>) -> Environment {
    let mut environment = match policy {
        None => Environment::new(),
        Some(policy) => filtered(std::env::vars_os(), &policy.into()),
    };
    environment.extend(set.into_iter().map(|(name, value)| (name.into(), value.into())));
    environment
}

impl From<EnvPolicy> for ShellEnvironmentPolicy {
    fn from(policy: EnvPolicy) -> Self {
        ShellEnvironmentPolicy {
            inherit: match policy.inherit {
                Inherit::Core => InheritEnvironment::Core,
                Inherit::All => InheritEnvironment::All,
                Inherit::None => InheritEnvironment::None,
            },
            ignore_default_excludes: policy.ignore_default_excludes,
            exclude: policy.exclude,
            set: policy.set,
            include_only: policy.include_only,
            ..ShellEnvironmentPolicy::default()
        }
    }
}
