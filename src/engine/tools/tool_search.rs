//! `tool_search`: the model looks for tools that were declared but not shown to it.
//!
//! The found tools are not added to the request's `tools`: the output of the search carries their declarations, and
//! models call them from there. Ranking is BM25 over names, descriptions and the names of arguments.

use std::sync::Arc;

use bm25::{Document, Language, SearchEngine, SearchEngineBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::tools::dynamic::{self, DynamicTool};

/// The feature without which nothing can be searched.
pub const FEATURE: &str = "tool_search";

const DEFAULT_LIMIT: usize = 8;

const DESCRIPTION: &str = "Finds tools that exist but are not listed here. They come from the client of this thread. \
Search by what a tool does or is called whenever a task seems to need one that you were not shown. The best matches are \
returned with their declarations and can be called from then on.";

/// The deferred tools of a thread.
pub(super) struct ToolSearch {
    tools: Vec<Arc<DynamicTool>>,
    engine: SearchEngine<usize>,
}

#[derive(Deserialize)]
struct Arguments {
    query: String,
    limit: Option<usize>,
}

impl ToolSearch {
    /// A search over those of `tools` that are deferred; none when there are none.
    pub(super) fn over(tools: &[Arc<DynamicTool>]) -> Option<Self> {
        let tools: Vec<_> = tools.iter().filter(|tool| tool.deferred().is_some()).cloned().collect();
        if tools.is_empty() {
            return None;
        }
        let texts = tools.iter().enumerate();
        let documents: Vec<_> = texts
            .map(|(id, tool)| Document::new(id, tool.searched_text()))
            .collect();
        let engine = SearchEngineBuilder::with_documents(Language::English, documents).build();
        Some(ToolSearch { tools, engine })
    }

    /// The declarations of what is found: by namespace, in the order of rank. Arguments that make no sense find nothing.
    pub(super) fn find(&self, arguments: &Value) -> Vec<Value> {
        let Ok(Arguments { query, limit }) = Arguments::deserialize(arguments) else {
            return Vec::new();
        };
        let found = self.engine.search(query.trim(), limit.unwrap_or(DEFAULT_LIMIT));
        let mut by_namespace: Vec<(&str, Vec<Value>)> = Vec::new();
        for tool in found.iter().filter_map(|result| self.tools.get(result.document.id)) {
            let Some(namespace) = tool.deferred() else { continue };
            let mut function = tool.function();
            function["defer_loading"] = Value::Bool(true);
            match by_namespace.iter_mut().find(|(known, _)| *known == namespace) {
                Some((_, members)) => members.push(function),
                None => by_namespace.push((namespace, vec![function])),
            }
        }
        let namespaces = by_namespace.into_iter();
        namespaces
            .map(|(namespace, members)| dynamic::namespace_spec(namespace, members))
            .collect()
    }
}

/// The entry of the request's `tools`.
pub(super) fn spec() -> Value {
    json!({
        "type": "tool_search",
        "execution": "client",
        "description": DESCRIPTION,
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What the tool does, or is called."},
                "limit": {"type": "number", "description": "How many tools to return at most. Default: 8."},
            },
            "required": ["query"],
            "additionalProperties": false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::DynamicToolSpec;

    fn tool(namespace: &str, name: &str, description: &str, argument: &str, defer_loading: bool) -> Arc<DynamicTool> {
        Arc::new(DynamicTool::new(DynamicToolSpec {
            defer_loading,
            description: description.into(),
            input_schema: json!({"type": "object", "properties": {argument: {"type": "string"}}}),
            name: name.into(),
            namespace: Some(namespace.into()),
        }))
    }

    fn found(search: &ToolSearch, arguments: Value) -> Vec<String> {
        let found = search.find(&arguments);
        let member = |namespace: &Value, tool: &Value| {
            assert_eq!(tool["defer_loading"], true);
            format!(
                "{}.{}",
                namespace["name"].as_str().unwrap(),
                tool["name"].as_str().unwrap()
            )
        };
        let all = found.iter().flat_map(|namespace| {
            let tools = namespace["tools"].as_array().unwrap();
            tools.iter().map(move |tool| member(namespace, tool))
        });
        all.collect()
    }

    #[test]
    fn tools_are_found_as_the_peer_finds_them() {
        let tools = [
            tool(
                "cal",
                "create_event",
                "Create a calendar event in the user's calendar",
                "title",
                true,
            ),
            tool("cal", "list_events", "List calendar events", "day", true),
            tool("mail", "send_mail", "Send an email message", "to", true),
            tool("mail", "archive", "Archive a message", "id", true),
            tool("cal", "shown", "Visible tool", "x", false),
        ];
        let search = ToolSearch::over(&tools).unwrap();
        let cases: [(Value, &[&str]); 13] = [
            (
                json!({"query": "calendar event"}),
                &["cal.create_event", "cal.list_events"],
            ),
            (json!({"query": "events"}), &["cal.list_events", "cal.create_event"]),
            (json!({"query": "message", "limit": 1}), &["mail.archive"]),
            (json!({"query": "mail"}), &["mail.send_mail", "mail.archive"]),
            (json!({"query": "create_event"}), &["cal.create_event"]),
            (json!({"query": "title"}), &["cal.create_event"]),
            (json!({"query": "visible"}), &[]),
            (json!({"query": "  "}), &[]),
            (json!({"query": "calendar", "limit": 0}), &[]),
            (json!({"query": "calendar", "limit": -1}), &[]),
            (json!({"limit": 3}), &[]),
            (json!("mail"), &[]),
            (json!({"query": "send", "more": 1}), &["mail.send_mail"]),
        ];
        for (arguments, expected) in cases {
            assert_eq!(found(&search, arguments.clone()), expected, "{arguments}");
        }
        assert!(ToolSearch::over(&tools[4..]).is_none());
    }
}
