//! Compaction by the provider: which providers do it, where, and what they hand back.

use std::time::Duration;

use reqwest::{Response, Url};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::provider::InputItem;

/// The most that an answer may be.
const LIMIT: usize = 64 << 20;

/// Parts of the addresses under which Azure serves models.
const AZURE: &[&str] = &[
    "openai.azure.",
    "cognitiveservices.azure.",
    "aoai.azure.",
    "azure-api.",
    "azurefd.",
];

/// Where a provider compacts; `None` when it does not. `url` is the address of its answers.
pub(super) fn url(config: &ProviderConfig, url: &Url) -> Option<Url> {
    let azure = config.name.eq_ignore_ascii_case("azure") || AZURE.iter().any(|part| url.as_str().contains(part));
    if config.name != "OpenAI" && !azure {
        return None;
    }
    let mut compact = url.clone();
    compact.path_segments_mut().ok()?.push("compact");
    Some(compact)
}

/// The error of a provider that does not compact.
pub(super) fn unsupported(id: &str) -> ModelError {
    ModelError::Provider(format!("the provider `{id}` does not compact conversations"))
}

#[derive(Deserialize)]
struct Answer {
    output: Vec<Box<RawValue>>,
}

/// The items of an answer.
pub(super) async fn read(mut response: Response, idle: Duration) -> Result<Vec<InputItem>, ModelError> {
    let mut body = Vec::new();
    loop {
        let chunk = tokio::time::timeout(idle, response.chunk())
            .await
            .map_err(|_| ModelError::disconnected("idle timeout waiting for the compacted conversation"))?
            .map_err(|error| ModelError::disconnected(format!("Transport error: network error: {error}")))?;
        let Some(chunk) = chunk else { break };
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            return Err(ModelError::Provider(
                "the compacted conversation is too large".to_owned(),
            ));
        }
    }
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|error| ModelError::Provider(format!("the compacted conversation is not readable: {error}")))?;
    Ok(answer.output.into_iter().map(InputItem::from).collect())
}
