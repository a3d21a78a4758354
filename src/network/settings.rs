//! What configurations and administrators say of the network.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::policy::Mode;

/// Whether a host may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listed {
    /// It may.
    Allow,
    /// It may not, whatever else is said.
    Deny,
}

/// `[permissions.<name>.network]`, `[features.network_proxy]`, and what an administrator demands. What is left out is left
/// to the others.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    /// Whether there is any network, or a proxy.
    pub enabled: Option<bool>,
    /// What may be done there.
    pub mode: Option<Mode>,
    /// Hosts, by patterns.
    pub domains: BTreeMap<String, Listed>,
    /// Whether this machine's own and private addresses count as others.
    pub allow_local_binding: Option<bool>,
    /// Whether a proxy that the server itself has is used.
    pub allow_upstream_proxy: Option<bool>,
    /// Whether SOCKS5 is spoken.
    pub enable_socks5: Option<bool>,
    /// Whether only an administrator's hosts may be reached.
    pub managed_allowed_domains_only: bool,
    // Never granted here: told as a warning.
    unix_sockets: BTreeMap<String, toml::Value>,
    dangerously_allow_all_unix_sockets: bool,
}

impl NetworkSettings {
    /// Whether it says something that only a proxy can see to.
    pub fn limits(&self) -> bool {
        self.mode.is_some_and(|mode| mode != Mode::Full) || !self.domains.is_empty()
    }

    /// Names the settings that have no effect here because they would let commands past the proxy.
    pub fn unheeded(&self) -> Option<&'static str> {
        match (self.unix_sockets.is_empty(), self.dangerously_allow_all_unix_sockets) {
            (false, _) => Some("unix_sockets"),
            (true, true) => Some("dangerously_allow_all_unix_sockets"),
            (true, false) => None,
        }
    }
}
