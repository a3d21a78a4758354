//! The headers of a request, and what the headers of an answer say.
//!
//! A value that cannot be a header (a line break in a client's name) is left out rather than failing the turn.

use std::collections::BTreeMap;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::model::provider::{ResponseHead, SamplingRequest};
use crate::model::rate_limits;

/// The version that the `openai` provider is told: the protocol generation that Greenroom implements.
pub(in crate::model) const VERSION: &str = "0.131.0";

/// The headers that never change for a provider: its own, and those whose values the environment holds.
pub(in crate::model) fn fixed(
    id: &str,
    own: &BTreeMap<String, String>,
    from_environment: &BTreeMap<String, String>,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if id == "openai" {
        headers.insert("version", HeaderValue::from_static(VERSION));
    }
    for (name, value) in own {
        put(&mut headers, name, value);
    }
    for (name, variable) in from_environment {
        if let Ok(value) = std::env::var(variable)
            && !value.trim().is_empty()
        {
            put(&mut headers, name, &value);
        }
    }
    headers
}

/// The headers of a question that is none of a thread, on top of the `fixed` ones.
pub(in crate::model) fn asking(fixed: &HeaderMap, originator: &str, user_agent: &str) -> HeaderMap {
    let mut headers = fixed.clone();
    put_known(&mut headers, "originator", originator);
    put_known(&mut headers, "user-agent", user_agent);
    headers
}

/// The headers of one request, on top of the `fixed` ones.
pub(in crate::model) fn request(fixed: &HeaderMap, request: &SamplingRequest) -> HeaderMap {
    let identity = &request.identity;
    let mut headers = fixed.clone();
    headers.reserve(16);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    put_known(&mut headers, "originator", &identity.originator);
    put_known(&mut headers, "user-agent", &identity.user_agent);
    put_known(&mut headers, "session-id", &identity.session_id);
    put_known(&mut headers, "thread-id", &identity.thread_id);
    put_known(&mut headers, "x-client-request-id", &identity.thread_id);
    put_known(
        &mut headers,
        "x-codex-window-id",
        &format!("{}:{}", identity.thread_id, request.window),
    );
    put_known(&mut headers, "x-codex-beta-features", &identity.beta_features);
    let optional = [
        ("x-codex-turn-metadata", request.turn_metadata.as_deref()),
        ("x-codex-turn-state", request.turn_state.as_deref()),
        ("x-openai-subagent", identity.subagent.as_deref()),
        ("x-codex-parent-thread-id", identity.parent_thread_id.as_deref()),
    ];
    for (name, value) in optional {
        put_known(&mut headers, name, value.unwrap_or_default());
    }
    headers
}

/// The headers of a request to compact, on top of the `fixed` ones.
pub(in crate::model) fn compaction(fixed: &HeaderMap, asked: &SamplingRequest) -> HeaderMap {
    let mut headers = request(fixed, asked);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.remove("x-client-request-id");
    headers.remove("x-codex-turn-metadata");
    headers.remove("x-codex-turn-state");
    put_known(&mut headers, "x-codex-installation-id", &asked.identity.installation_id);
    headers
}

/// What an answer's headers say.
pub(in crate::model) fn head(headers: &HeaderMap) -> ResponseHead {
    ResponseHead {
        rate_limits: rate_limits::from_headers(headers),
        server_model: text(headers, "openai-model"),
        models_etag: text(headers, "x-models-etag"),
        reasoning_included: headers.contains_key("x-reasoning-included"),
        turn_state: text(headers, "x-codex-turn-state"),
        request_id: request_id(headers),
    }
}

/// The provider's id for a request.
pub(in crate::model) fn request_id(headers: &HeaderMap) -> Option<String> {
    text(headers, "x-request-id").or_else(|| text(headers, "x-oai-request-id"))
}

/// A header's text; `None` when it is missing, empty or not text.
pub(in crate::model) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (!value.is_empty()).then(|| value.to_owned())
}

fn put(headers: &mut HeaderMap, name: &str, value: &str) {
    match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        (Ok(name), Ok(value)) => {
            headers.insert(name, value);
        }
        _ => tracing::warn!(header.name = name, "a configured header cannot be sent"),
    }
}

/// Adds a header unless its value is empty. What is not ASCII goes out as UTF-8 bytes.
fn put_known(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if value.is_empty() {
        return;
    }
    if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
        headers.insert(name, value);
    }
}
