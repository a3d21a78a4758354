//! Events that only files of older versions hold: commands, client tools, image views, errors.
//!
//! Read so that old threads show all they kept; never written.

use serde_json::Value;

use crate::protocol::{
    CommandAction, CommandExecutionSource, CommandExecutionStatus, DynamicToolCallOutputContentItem,
    DynamicToolCallStatus, ThreadItem, TurnError,
};
use crate::store::rollout::{ErrorEvent, EventMsg, ExecCommandEnd};
use crate::store::turns::items::{named, shown_path};

pub(super) fn turn_error(event: &ErrorEvent) -> TurnError {
    TurnError {
        additional_details: None,
        codex_error_info: None,
        message: event.message.clone(),
    }
}

/// The item of an older event, with the turn it names.
pub(super) fn tool_item(event: &EventMsg) -> Option<(Option<String>, ThreadItem)> {
    Some(match event {
        EventMsg::ExecCommandEnd(end) => (named(&end.turn_id), command(end)),
        EventMsg::DynamicToolCallRequest(request) => {
            let item = ThreadItem::DynamicToolCall {
                arguments: request.arguments.clone(),
                content_items: None,
                duration_ms: None,
                id: request.call_id.clone(),
                namespace: request.namespace.clone(),
                status: DynamicToolCallStatus::InProgress,
                success: None,
                tool: request.tool.clone(),
            };
            (named(&request.turn_id), item)
        }
        EventMsg::DynamicToolCallResponse(response) => {
            let item = ThreadItem::DynamicToolCall {
                arguments: response.arguments.clone(),
                content_items: Some(response.content_items.iter().filter_map(content_item).collect()),
                duration_ms: Some(response.duration.as_millis()),
                id: response.call_id.clone(),
                namespace: response.namespace.clone(),
                status: if response.success {
                    DynamicToolCallStatus::Completed
                } else {
                    DynamicToolCallStatus::Failed
                },
                success: Some(response.success),
                tool: response.tool.clone(),
            };
            (named(&response.turn_id), item)
        }
        EventMsg::ViewImageToolCall(view) => {
            let item = ThreadItem::ImageView {
                id: view.call_id.clone(),
                path: shown_path(&view.path),
            };
            (None, item)
        }
        _ => return None,
    })
}

fn content_item(value: &Value) -> Option<DynamicToolCallOutputContentItem> {
    serde_json::from_value(value.clone()).ok()
}

fn command(end: &ExecCommandEnd) -> ThreadItem {
    let status = match end.status.as_deref() {
        Some("completed") => CommandExecutionStatus::Completed,
        Some("declined") => CommandExecutionStatus::Declined,
        Some(_) => CommandExecutionStatus::Failed,
        None if end.exit_code == 0 => CommandExecutionStatus::Completed,
        None => CommandExecutionStatus::Failed,
    };
    let source = match end.source.as_deref() {
        Some("user_shell") => CommandExecutionSource::UserShell,
        Some("unified_exec_startup") => CommandExecutionSource::UnifiedExecStartup,
        Some("unified_exec_interaction") => CommandExecutionSource::UnifiedExecInteraction,
        _ => CommandExecutionSource::Agent,
    };
    ThreadItem::CommandExecution {
        aggregated_output: (!end.aggregated_output.is_empty()).then(|| end.aggregated_output.clone()),
        command: shlex::try_join(end.command.iter().map(String::as_str)).unwrap_or_else(|_| end.command.join(" ")),
        command_actions: end
            .parsed_cmd
            .iter()
            .map(|action| command_action(end, action))
            .collect(),
        cwd: shown_path(&end.cwd),
        duration_ms: Some(end.duration.as_millis()),
        exit_code: Some(end.exit_code),
        id: end.call_id.clone(),
        process_id: end.process_id.clone(),
        source,
        status,
    }
}

fn command_action(end: &ExecCommandEnd, action: &Value) -> CommandAction {
    let text = |member| action.get(member).and_then(Value::as_str).map(str::to_owned);
    let command = text("cmd").unwrap_or_default();
    match action.get("type").and_then(Value::as_str) {
        Some("read") => CommandAction::Read {
            command,
            name: text("name").unwrap_or_default(),
            path: shown_path(&end.cwd.join(text("path").unwrap_or_default())),
        },
        Some("list_files") => CommandAction::ListFiles {
            command,
            path: text("path"),
        },
        Some("search") => CommandAction::Search {
            command,
            path: text("path"),
            query: text("query"),
        },
        _ => CommandAction::Unknown { command },
    }
}
