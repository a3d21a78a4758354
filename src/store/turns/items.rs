//! From event lines to the items that clients are shown, and small questions about items.

use std::path::Path;

use serde_json::Value;

use crate::protocol::{
    AbsolutePathBuf, FileUpdateChange, McpToolCallError, McpToolCallStatus, PatchApplyStatus, PatchChangeKind,
    ThreadItem, UserInput, WebSearchAction,
};
use crate::store::rollout::{
    AgentMessage, EnteredReviewMode, EventMsg, ExitedReviewMode, ImageGenerationEnd, ItemIdOf, McpToolCallEnd,
    PatchApplyEnd, RolloutFileChange, UserMessage, WebSearchEnd,
};

/// What the user said: the text first, then images.
pub(super) fn user_message(id: String, message: &UserMessage) -> ThreadItem {
    let mut content = Vec::new();
    if !message.message.trim().is_empty() {
        content.push(UserInput::Text {
            text: message.message.clone(),
            text_elements: message.text_elements.clone(),
        });
    }
    content.extend(
        message
            .images
            .iter()
            .flatten()
            .map(|url| UserInput::Image { url: url.clone() }),
    );
    content.extend(message.local_images.iter().map(|path| UserInput::LocalImage {
        path: path.display().to_string(),
    }));
    ThreadItem::UserMessage { content, id }
}

pub(super) fn agent_message(id: String, message: &AgentMessage) -> ThreadItem {
    ThreadItem::AgentMessage {
        id,
        memory_citation: message.memory_citation.clone(),
        phase: message.phase,
        text: message.message.clone(),
    }
}

pub(super) fn reasoning(id: String, text: &str, raw: bool) -> ThreadItem {
    let (content, summary) = if raw {
        (vec![text.to_owned()], Vec::new())
    } else {
        (Vec::new(), vec![text.to_owned()])
    };
    ThreadItem::Reasoning { content, id, summary }
}

pub(super) fn entered_review(id: String, entered: &EnteredReviewMode) -> ThreadItem {
    ThreadItem::EnteredReviewMode {
        id,
        review: entered
            .user_facing_hint
            .clone()
            .unwrap_or_else(|| "Review requested.".to_owned()),
    }
}

pub(super) fn exited_review(id: String, exited: &ExitedReviewMode) -> ThreadItem {
    let explanation = exited
        .review_output
        .as_ref()
        .and_then(|output| output.get("overall_explanation"))
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|text| !text.is_empty());
    ThreadItem::ExitedReviewMode {
        id,
        review: explanation
            .unwrap_or("Reviewer failed to output a response.")
            .to_owned(),
    }
}

/// The item of a tool's end as current files hold it, with the turn it names.
pub(super) fn tool_item(event: &EventMsg) -> Option<(Option<String>, ThreadItem)> {
    Some(match event {
        EventMsg::PatchApplyEnd(end) => (named(&end.turn_id), file_change(end)),
        EventMsg::McpToolCallEnd(end) => (None, mcp_tool_call(end)),
        EventMsg::WebSearchEnd(end) => (None, web_search(end)),
        EventMsg::ImageGenerationEnd(end) => (None, image_generation(end)),
        EventMsg::ItemCompleted(completed) => {
            let item = &completed.item;
            if item.get("type").and_then(Value::as_str) != Some("Plan") {
                return None;
            }
            let text = |member| item.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
            let plan = ThreadItem::Plan {
                id: text("id"),
                text: text("text"),
            };
            (named(&completed.turn_id), plan)
        }
        _ => return None,
    })
}

/// A turn id, unless it is empty as in old files.
pub(super) fn named(turn_id: &str) -> Option<String> {
    (!turn_id.is_empty()).then(|| turn_id.to_owned())
}

/// A path as the wire wants it.
pub(super) fn shown_path(path: &Path) -> AbsolutePathBuf {
    AbsolutePathBuf::rooted(path)
}

fn file_change(end: &PatchApplyEnd) -> ThreadItem {
    let status = match end.status.as_deref() {
        Some("completed") => PatchApplyStatus::Completed,
        Some("declined") => PatchApplyStatus::Declined,
        Some(_) => PatchApplyStatus::Failed,
        None if end.success => PatchApplyStatus::Completed,
        None => PatchApplyStatus::Failed,
    };
    let changes = end
        .changes
        .iter()
        .map(|(path, change)| {
            let (kind, diff) = match change {
                RolloutFileChange::Add { content } => (PatchChangeKind::Add, content.clone()),
                RolloutFileChange::Delete { content } => (PatchChangeKind::Delete, content.clone()),
                RolloutFileChange::Update {
                    unified_diff,
                    move_path,
                } => {
                    let move_path = move_path.as_ref().map(|path| path.display().to_string());
                    let diff = match &move_path {
                        Some(target) => format!("{unified_diff}\n\nMoved to: {target}"),
                        None => unified_diff.clone(),
                    };
                    (PatchChangeKind::Update { move_path }, diff)
                }
            };
            FileUpdateChange {
                diff,
                kind,
                path: path.display().to_string(),
            }
        })
        .collect();
    ThreadItem::FileChange {
        changes,
        id: end.call_id.clone(),
        status,
    }
}

fn mcp_tool_call(end: &McpToolCallEnd) -> ThreadItem {
    let ok = end.result.get("Ok");
    let failed = ok.is_none_or(|ok| ok.get("isError").and_then(Value::as_bool) == Some(true));
    ThreadItem::McpToolCall {
        arguments: end.invocation.arguments.clone().unwrap_or(Value::Null),
        duration_ms: Some(end.duration.as_millis()),
        error: match ok {
            Some(_) => None,
            None => Some(McpToolCallError {
                message: end
                    .result
                    .get("Err")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
            }),
        },
        id: end.call_id.clone(),
        mcp_app_resource_uri: end.mcp_app_resource_uri.clone(),
        result: ok.and_then(|ok| serde_json::from_value(ok.clone()).ok()),
        server: end.invocation.server.clone(),
        status: if failed {
            McpToolCallStatus::Failed
        } else {
            McpToolCallStatus::Completed
        },
        tool: end.invocation.tool.clone(),
    }
}

fn web_search(end: &WebSearchEnd) -> ThreadItem {
    let text = |action: &Value, member| action.get(member).and_then(Value::as_str).map(str::to_owned);
    let action = end
        .action
        .as_ref()
        .map(|action| match action.get("type").and_then(Value::as_str) {
            Some("search") => WebSearchAction::Search {
                queries: action
                    .get("queries")
                    .and_then(|queries| serde_json::from_value(queries.clone()).ok()),
                query: text(action, "query"),
            },
            Some("open_page") => WebSearchAction::OpenPage {
                url: text(action, "url"),
            },
            Some("find_in_page") => WebSearchAction::FindInPage {
                pattern: text(action, "pattern"),
                url: text(action, "url"),
            },
            _ => WebSearchAction::Other,
        });
    ThreadItem::WebSearch {
        action,
        id: end.call_id.clone(),
        query: end.query.clone(),
    }
}

fn image_generation(end: &ImageGenerationEnd) -> ThreadItem {
    ThreadItem::ImageGeneration {
        id: end.call_id.clone(),
        result: end.result.clone(),
        revised_prompt: end.revised_prompt.clone(),
        saved_path: end.saved_path.as_deref().map(shown_path),
        status: end.status.clone(),
    }
}

macro_rules! item_members {
    ($($variant:ident = $kind:literal),* $(,)?) => {
        /// The item's id.
        pub fn id(item: &ThreadItem) -> &str {
            match item { $(ThreadItem::$variant { id, .. } => id,)* }
        }

        /// The item's wire type.
        pub fn kind(item: &ThreadItem) -> &'static str {
            match item { $(ThreadItem::$variant { .. } => $kind,)* }
        }

        /// The wire type of this name.
        pub fn kind_named(name: &str) -> Option<&'static str> {
            match name { $($kind => Some($kind),)* _ => None }
        }

        /// Gives the item another id.
        pub fn set_id(item: &mut ThreadItem, new: &str) {
            match item { $(ThreadItem::$variant { id, .. } => new.clone_into(id),)* }
        }
    };
}

item_members! {
    UserMessage = "userMessage",
    HookPrompt = "hookPrompt",
    AgentMessage = "agentMessage",
    Plan = "plan",
    Reasoning = "reasoning",
    CommandExecution = "commandExecution",
    FileChange = "fileChange",
    McpToolCall = "mcpToolCall",
    DynamicToolCall = "dynamicToolCall",
    CollabAgentToolCall = "collabAgentToolCall",
    WebSearch = "webSearch",
    ImageView = "imageView",
    ImageGeneration = "imageGeneration",
    EnteredReviewMode = "enteredReviewMode",
    ExitedReviewMode = "exitedReviewMode",
    ContextCompaction = "contextCompaction",
}

/// Whether an item of this wire type is what an id line speaks of.
pub(super) fn is_of(kind: &str, of: ItemIdOf) -> bool {
    match of {
        ItemIdOf::UserMessage => kind == "userMessage",
        ItemIdOf::AgentMessage => kind == "agentMessage",
        ItemIdOf::Reasoning => kind == "reasoning",
        ItemIdOf::ContextCompaction => kind == "contextCompaction",
        ItemIdOf::ReviewMode => matches!(kind, "enteredReviewMode" | "exitedReviewMode"),
    }
}
