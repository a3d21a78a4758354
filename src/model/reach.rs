//! Asking whether a provider can be reached, without asking its model anything.
//!
//! The list of models is asked for, with the credentials of a turn. Many providers have none and answer 404, which shows
//! all the same that somebody is there.

use std::path::Path;
use std::time::Duration;

use reqwest::Url;

use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::http::Endpoint;
use crate::model::rehearsal;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// The offline model: there is nothing to reach.
    Offline,
    /// Somebody answered, with this HTTP status.
    Answered(u16),
}

/// Asks the provider called `id`, as `config` describes it.
///
/// # Errors
/// Credentials are missing, or nobody answers in time. The text holds no secret.
pub async fn reach(id: &str, config: &ProviderConfig, home: &Path, patience: Duration) -> Result<Reached, ModelError> {
    if id == rehearsal::ID && config.base_url.is_none() {
        return Ok(Reached::Offline);
    }
    let endpoint = Endpoint::new(id, config, home, "models")?;
    let answer = tokio::time::timeout(patience, endpoint.look()).await;
    let silent = || ModelError::disconnected(format!("no answer within {} s", patience.as_secs()));
    answer.map_err(|_| silent())?.map(Reached::Answered)
}

/// Where a provider is, without what could be a secret in its URL.
pub fn address(config: &ProviderConfig) -> Option<String> {
    let mut url: Url = config.base_url.as_deref()?.parse().ok()?;
    let hidden = url.set_username("").and_then(|()| url.set_password(None));
    url.set_query(None);
    // A URL without a host has no user either.
    hidden.ok().map(|()| url.to_string())
}
