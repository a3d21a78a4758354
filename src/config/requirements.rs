//! What an administrator demands: `/etc/codex/requirements.toml`, unless greenroom.toml names another file.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

use crate::config::reading::to_json;
use crate::config::{ConfigError, ConfigLoader, ConfigProblem};
use crate::network::{Listed, NetworkSettings};
use crate::protocol::{
    ApprovalsReviewer, AskForApproval, ConfigRequirements, ResidencyRequirement, SandboxMode, config,
};

/// What is demanded of the network.
const NETWORK: &str = "experimental_network";

/// `[experimental_network]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Network {
    allowed_domains: Option<Vec<String>>,
    denied_domains: Option<Vec<String>>,
    #[serde(flatten)]
    settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    allowed_approval_policies: Option<Vec<AskForApproval>>,
    allowed_approvals_reviewers: Option<Vec<ApprovalsReviewer>>,
    allowed_sandbox_modes: Option<Vec<SandboxMode>>,
    allowed_web_search_modes: Option<Vec<config::WebSearchMode>>,
    allow_managed_hooks_only: Option<bool>,
    enforce_residency: Option<ResidencyRequirement>,
    features: Option<BTreeMap<String, bool>>,
}

impl ConfigLoader {
    /// The requirements; none without the file. Blocking.
    pub fn requirements(&self) -> Result<Option<ConfigRequirements>, String> {
        let table = self
            .read(&self.requirements)
            .map_err(|problem: ConfigProblem| problem.to_string())?;
        match table.is_empty() {
            true => Ok(None),
            false => understood(&table).map(Some),
        }
    }
}

impl ConfigLoader {
    /// What is demanded of the network of commands; none when nothing is. Blocking.
    pub(super) fn demanded_network(&self) -> Result<Option<NetworkSettings>, ConfigError> {
        let table = self.read(&self.requirements).map_err(ConfigError::File)?;
        match table.get(NETWORK) {
            Some(network) => demanded(network.clone()).map_err(ConfigError::Invalid),
            None => Ok(None),
        }
    }
}

fn demanded(network: toml::Value) -> Result<Option<NetworkSettings>, String> {
    let network: Network =
        serde::Deserialize::deserialize(network).map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut settings = network.settings;
    if settings.enabled != Some(true) {
        return Ok(None);
    }
    let listed = [
        (network.allowed_domains, Listed::Allow),
        (network.denied_domains, Listed::Deny),
    ];
    if !settings.domains.is_empty() && listed.iter().any(|(domains, _)| domains.is_some()) {
        return Err(format!(
            "`{NETWORK}.domains` cannot be combined with legacy `allowed_domains` or `denied_domains`"
        ));
    }
    for (domains, says) in listed {
        settings
            .domains
            .extend(domains.into_iter().flatten().map(|domain| (domain, says)));
    }
    Ok(Some(settings))
}

fn understood(table: &toml::Table) -> Result<ConfigRequirements, String> {
    let file: File = serde::Deserialize::deserialize(toml::Value::Table(table.clone()))
        .map_err(|error: toml::de::Error| error.to_string())?;
    // Not searching is always allowed.
    let searching = file.allowed_web_search_modes.map(|mut modes| {
        if !modes.contains(&config::WebSearchMode::Disabled) {
            modes.push(config::WebSearchMode::Disabled);
        }
        modes
    });
    // These two are shown in the wire's own shape, as far as they have it.
    let section = |key: &str| table.get(key).map(|value| camel(to_json(value)));
    Ok(ConfigRequirements {
        allow_managed_hooks_only: file.allow_managed_hooks_only,
        allowed_approval_policies: file.allowed_approval_policies,
        allowed_approvals_reviewers: file.allowed_approvals_reviewers,
        allowed_sandbox_modes: file.allowed_sandbox_modes,
        allowed_web_search_modes: searching,
        enforce_residency: file.enforce_residency,
        feature_requirements: file.features,
        hooks: section("hooks").and_then(|hooks| serde_json::from_value(hooks).ok()),
        network: section(NETWORK).and_then(|network| serde_json::from_value(network).ok()),
    })
}

/// The keys of a table as the wire spells them.
fn camel(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let spelled = |key: String| {
        let mut words = key.split('_');
        let first = words.next().unwrap_or_default().to_owned();
        words.fold(first, |mut all, word| {
            let mut letters = word.chars();
            all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
            all.push_str(letters.as_str());
            all
        })
    };
    Value::Object(members.into_iter().map(|(key, value)| (spelled(key), value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_and_not_searching_is_always_allowed() {
        let text = "allowed_sandbox_modes = [\"read-only\"]\nallowed_web_search_modes = [\"cached\"]\nenforce_residency = \
                    \"us\"\n[features]\nmemories = false\n[experimental_network]\nenabled = true\nallow_upstream_proxy = true\n";
        let read = understood(&text.parse().unwrap()).unwrap();
        assert_eq!(read.allowed_sandbox_modes, Some(vec![SandboxMode::ReadOnly]));
        assert_eq!(read.allowed_web_search_modes.map(|modes| modes.len()), Some(2));
        assert_eq!(
            read.feature_requirements,
            Some(BTreeMap::from([("memories".to_owned(), false)]))
        );
        let network = read.network.unwrap();
        assert_eq!(
            (network.enabled, network.allow_upstream_proxy),
            (Some(true), Some(true))
        );
        let demand = |text: &str| demanded(text.parse::<toml::Table>().unwrap().into());
        assert_eq!(demand("enabled = false\n").unwrap(), None);
        let network = demand("enabled = true\nallowed_domains = [\"a.org\"]\ndenied_domains = [\"b.org\"]").unwrap();
        let network = network.unwrap();
        assert_eq!(network.domains.get("a.org"), Some(&Listed::Allow));
        assert_eq!(network.domains.get("b.org"), Some(&Listed::Deny));
        assert!(demand("enabled = true\nallowed_domains = []\ndomains = {\"a\" = \"allow\"}").is_err());
        assert!(understood(&"allowed_sandbox_modes = [\"x\"]".parse().unwrap()).is_err());
    }
}
