//! Which hosts may be reached, and how: what several settings come to.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::domains::{Pattern, PatternError};
use super::host::Host;
use super::settings::{Listed, NetworkSettings};

/// What may be done with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Reading by plain HTTP: nothing that is sealed from this proxy's eyes.
    Limited,
    /// Everything.
    #[default]
    Full,
}

impl Mode {
    /// Whether a request by plain HTTP may have this method.
    pub fn allows(self, method: &str) -> bool {
        self == Mode::Full || matches!(method, "GET" | "HEAD" | "OPTIONS")
    }
}

/// What the lists say of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It may be reached.
    Allowed,
    /// It may not.
    Denied,
    /// Nothing.
    Absent,
}

/// What holds for a command's network.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy {
    allowed: Vec<Pattern>,
    denied: Vec<Pattern>,
    /// What may be done.
    pub mode: Mode,
    /// Whether this machine's own and private addresses count as others.
    pub local: bool,
    /// Whether a proxy that the server itself has is used.
    pub upstream: bool,
    /// Whether SOCKS5 is spoken.
    pub socks: bool,
}

impl NetworkPolicy {
    /// What the user's settings (the later ones win where both speak) and an administrator's come to.
    pub fn new(users: &[&NetworkSettings], managed: Option<&NetworkSettings>) -> Result<Self, PatternError> {
        let only_managed = managed.is_some_and(|managed| managed.managed_allowed_domains_only);
        let mut listed: BTreeMap<Pattern, Listed> = BTreeMap::new();
        for settings in users {
            for (pattern, says) in listing(settings)? {
                if says == Listed::Deny || !only_managed {
                    listed.insert(pattern, says);
                }
            }
        }
        for (pattern, says) in managed.map(listing).transpose()?.into_iter().flatten() {
            // What users close for themselves stays closed.
            let known = listed.entry(pattern).or_insert(says);
            if says == Listed::Deny {
                *known = says;
            }
        }
        let of = |wanted: Listed| {
            let found = listed.iter().filter(move |(_, says)| **says == wanted);
            found.map(|(pattern, _)| pattern.clone()).collect()
        };
        let last = |flag: fn(&NetworkSettings) -> Option<bool>, or: bool| {
            let said = users.iter().rev().find_map(|settings| flag(settings));
            managed.and_then(flag).or(said).unwrap_or(or)
        };
        let mode = users.iter().rev().find_map(|settings| settings.mode);
        Ok(NetworkPolicy {
            allowed: of(Listed::Allow),
            denied: of(Listed::Deny),
            mode: managed.and_then(|managed| managed.mode).or(mode).unwrap_or_default(),
            local: last(|settings| settings.allow_local_binding, false),
            upstream: last(|settings| settings.allow_upstream_proxy, true),
            socks: last(|settings| settings.enable_socks5, true),
        })
    }

    /// One that lets nothing through.
    pub fn closed() -> Self {
        NetworkPolicy {
            allowed: Vec::new(),
            denied: Vec::new(),
            mode: Mode::Limited,
            local: false,
            upstream: false,
            socks: false,
        }
    }

    /// What the lists say of a host. A host that may not be reached may not, whatever else is said of it.
    pub fn listing(&self, host: &Host) -> Listing {
        let on = |list: &[Pattern]| list.iter().any(|pattern| pattern.matches(host));
        match (on(&self.denied), on(&self.allowed)) {
            (true, _) => Listing::Denied,
            (false, true) => Listing::Allowed,
            (false, false) => Listing::Absent,
        }
    }

    /// The patterns of hosts that may be reached, and of those that may not, as texts in order.
    pub fn lists(&self) -> [Vec<String>; 2] {
        [&self.allowed, &self.denied].map(|list| {
            let mut texts: Vec<String> = list.iter().map(Pattern::to_string).collect();
            texts.sort_unstable();
            texts
        })
    }

    /// Adds what a rule says of a host.
    pub fn rule(&mut self, host: &Host, allow: bool) {
        let list = match allow {
            true => &mut self.allowed,
            false => &mut self.denied,
        };
        list.push(Pattern::host(host.clone()));
    }

    /// Whether a host was allowed by its own name or address.
    pub fn names(&self, host: &Host) -> bool {
        self.allowed.iter().any(|pattern| pattern.names(host))
    }
}

/// The patterns of some settings.
fn listing(settings: &NetworkSettings) -> Result<Vec<(Pattern, Listed)>, PatternError> {
    let listed = settings.domains.iter().map(|(text, says)| {
        let pattern = Pattern::parse(text)?;
        match *says == Listed::Deny && pattern.is_everything() {
            true => Err(PatternError::Everything),
            false => Ok((pattern, *says)),
        }
    });
    listed.collect()
}
