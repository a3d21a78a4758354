//! What config.toml says about the search that the provider runs: `web_search`, `[tools.web_search]`, and two switches of
//! `[features]` from before there was a mode.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `web_search`: whether and how the model may search the web.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WebSearchMode {
    /// Not offered.
    Disabled,
    /// From an index only.
    Cached,
    /// From the live web.
    Live,
}

/// The switches of `[features]` that `web_search` took the place of, and what each of them means.
pub const OLD_SWITCHES: [(&str, WebSearchMode); 2] = [
    ("web_search_cached", WebSearchMode::Cached),
    ("web_search_request", WebSearchMode::Live),
];

/// What an old switch that is on says; a mode that is set says more.
pub(super) fn mode_of(set: Option<WebSearchMode>, features: &BTreeMap<String, bool>) -> Option<WebSearchMode> {
    let switched = || {
        OLD_SWITCHES
            .into_iter()
            .find(|(key, _)| features.get(*key) == Some(&true))
    };
    set.or_else(|| switched().map(|(_, mode)| mode))
}

/// How much of what it finds a search may bring along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchContextSize {
    /// Little.
    Low,
    /// The provider's default.
    Medium,
    /// Much.
    High,
}

/// Roughly where the user is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchLocation {
    /// The country's two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The state or canton.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The time zone's IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// `[tools.web_search]`: what a search is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(default)]
pub struct WebSearchOptions {
    /// How much it may bring along.
    pub context_size: Option<SearchContextSize>,
    /// The only domains that it looks at.
    pub allowed_domains: Option<Vec<String>>,
    /// Where the user is.
    pub location: Option<SearchLocation>,
}

/// `[tools]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolsToml {
    web_search: Option<WebSearchToml>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum WebSearchToml {
    /// An old form, which says nothing of how to search.
    Switch(#[allow(dead_code, reason = "read so that it is no error")] bool),
    Options(WebSearchOptions),
}

impl ToolsToml {
    pub(super) fn web_search(self) -> WebSearchOptions {
        match self.web_search {
            Some(WebSearchToml::Options(options)) => options,
            Some(WebSearchToml::Switch(_)) | None => WebSearchOptions::default(),
        }
    }
}
