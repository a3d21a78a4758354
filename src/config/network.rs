//! What limits the network of confined commands: the profile that holds, the feature `network_proxy`, and what an
//! administrator demands.

use std::sync::Arc;

use crate::config::{ConfigError, PermissionsProfile};
use crate::network::{NetworkPolicy, NetworkSettings};

/// The feature that lets confined commands reach the network through the proxy alone.
pub const NETWORK_PROXY: &str = "network_proxy";

/// What a configuration says of the network, besides its profiles.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetworkConfig {
    /// What the feature's own table says; none when the feature is off.
    feature: Option<NetworkSettings>,
    /// What an administrator demands.
    managed: Option<NetworkSettings>,
}

/// What looks at the network of commands.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkFilter {
    /// Which hosts may be reached.
    pub policy: Arc<NetworkPolicy>,
    /// Whether an administrator wants it so: every confined command has this network then, and about hosts that are on no
    /// list somebody is asked.
    pub managed: bool,
    /// Whether the administrator's hosts are all: rules allow no others, and nobody is asked.
    pub exclusive: bool,
    /// Whether a profile that holds opens the network to those hosts.
    pub opened: bool,
}

impl NetworkConfig {
    /// Reads `[features.network_proxy]`. `on`: the feature is.
    pub(super) fn read(
        table: Option<&toml::Value>,
        on: bool,
        managed: Option<NetworkSettings>,
    ) -> Result<Self, ConfigError> {
        let own = table.filter(|value| value.is_table()).cloned();
        let own = own.map(serde::Deserialize::deserialize).transpose();
        let own: NetworkSettings = own
            .map_err(|error: toml::de::Error| ConfigError::Invalid(error.message().to_owned()))?
            .unwrap_or_default();
        NetworkPolicy::new(&[&own], managed.as_ref()).map_err(|error| ConfigError::Invalid(error.to_string()))?;
        Ok(NetworkConfig {
            feature: on.then_some(own),
            managed,
        })
    }

    /// What looks at the network of commands under a profile; none when nothing does.
    pub fn filter(&self, profile: Option<&PermissionsProfile>) -> Option<NetworkFilter> {
        let profile = profile.map(|profile| &profile.filter);
        let limited = profile.is_some_and(NetworkSettings::limits);
        if self.feature.is_none() && self.managed.is_none() && !limited {
            return None;
        }
        let users: Vec<&NetworkSettings> = self.feature.iter().chain(profile).collect();
        // Each was looked at when it was read.
        let policy = NetworkPolicy::new(&users, self.managed.as_ref()).unwrap_or_else(|error| {
            tracing::error!(%error, "the network is closed to commands");
            NetworkPolicy::closed()
        });
        Some(NetworkFilter {
            policy: Arc::new(policy),
            managed: self.managed.is_some(),
            exclusive: self
                .managed
                .as_ref()
                .is_some_and(|managed| managed.managed_allowed_domains_only),
            opened: profile.is_some_and(|profile| profile.enabled == Some(true)),
        })
    }
}
