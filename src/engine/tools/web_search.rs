//! The hosted web search: the provider runs it, so there is only the offer and what an item shows of a search.

use serde_json::{Value, json};

use crate::config::WebSearchMode;
use crate::engine::tools::ToolOffer;
use crate::protocol::{SandboxPolicy, WebSearchAction};

/// Whether searches may reach the live web; `None` when there is no search. What nobody configured follows the sandbox.
pub fn live(mode: Option<WebSearchMode>, sandbox: &SandboxPolicy) -> Option<bool> {
    match mode {
        Some(WebSearchMode::Disabled) => None,
        Some(WebSearchMode::Live) => Some(true),
        // An index is to keep what a page says from an agent that is confined; this one may go there anyway.
        Some(WebSearchMode::Cached) | None => Some(matches!(sandbox, SandboxPolicy::DangerFullAccess)),
    }
}

/// The entry of the request's `tools`.
pub(super) fn spec(offer: &ToolOffer) -> Option<Value> {
    let mut spec = json!({"type": "web_search", "external_web_access": offer.web_search_live?});
    let options = &offer.web_search_options;
    if let Some(domains) = &options.allowed_domains {
        spec["filters"] = json!({"allowed_domains": domains});
    }
    if let Some(location) = &options.location {
        spec["user_location"] = json!(location);
        spec["user_location"]["type"] = "approximate".into();
    }
    if let Some(size) = options.context_size {
        spec["search_context_size"] = json!(size);
    }
    if !offer.web_search_content_types.is_empty() {
        spec["search_content_types"] = json!(offer.web_search_content_types);
    }
    Some(spec)
}

/// What a search item shows of the provider's `action`, and the query that sums it up.
pub fn shown(action: Option<&Value>) -> (WebSearchAction, String) {
    let text = |member: &str| {
        action
            .and_then(|action| action.get(member)?.as_str())
            .map(str::to_owned)
    };
    let kind = text("type").unwrap_or_default();
    match kind.as_str() {
        "search" => {
            let queries: Option<Vec<String>> =
                action
                    .and_then(|action| action.get("queries")?.as_array())
                    .map(|queries| {
                        queries
                            .iter()
                            .filter_map(|query| query.as_str().map(str::to_owned))
                            .collect()
                    });
            let query = text("query");
            let sum = match (&query, queries.as_deref()) {
                (Some(query), _) if !query.is_empty() => query.clone(),
                (_, Some([only])) => only.clone(),
                (_, Some([first, ..])) if !first.is_empty() => format!("{first} ..."),
                _ => String::new(),
            };
            (WebSearchAction::Search { queries, query }, sum)
        }
        "open_page" => {
            let url = text("url");
            let sum = url.clone().unwrap_or_default();
            (WebSearchAction::OpenPage { url }, sum)
        }
        "find_in_page" => {
            let (pattern, url) = (text("pattern"), text("url"));
            let sum = match (&pattern, &url) {
                (Some(pattern), Some(url)) => format!("'{pattern}' in {url}"),
                (Some(pattern), None) => format!("'{pattern}'"),
                (None, url) => url.clone().unwrap_or_default(),
            };
            (WebSearchAction::FindInPage { pattern, url }, sum)
        }
        _ => (WebSearchAction::Other, String::new()),
    }
}
