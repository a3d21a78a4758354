//! Calls that hooks hear of: what they are told, and what they change about a call.
//!
//! A hook before the call may forbid it or put another command in its place (the conversation keeps the call as the
//! model made it); one after it may put its own words in place of the output. What either has to tell the model goes
//! between the call and its output.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::hooks::{self, Event};
use crate::engine::tools::{HookedCall, Tool, ToolCall, ToolContext, ToolInput, ToolOutput};
use crate::protocol::HookEventName;

/// The names of tools that run commands.
pub const SHELL: &[&str] = &["Bash"];
/// The names of the tool that edits files.
pub const PATCH: &[&str] = &["apply_patch", "Edit", "Write"];

/// A call of a tool whose argument `argument` is a shell command.
pub(super) fn shell_call(call: &ToolCall, argument: &'static str) -> Option<HookedCall> {
    let arguments: Value = serde_json::from_str(call.input.as_str()).ok()?;
    Some(HookedCall {
        names: SHELL,
        command: arguments.get(argument)?.as_str()?.to_owned(),
        argument: Some(argument),
    })
}

/// A call of the tool that applies patches.
pub(super) fn patch_call(call: &ToolCall) -> Option<HookedCall> {
    let (command, argument) = match &call.input {
        ToolInput::Custom(text) => (text.clone(), None),
        ToolInput::Function(arguments) => {
            let arguments: Value = serde_json::from_str(arguments).ok()?;
            (arguments.get("input")?.as_str()?.to_owned(), Some("input"))
        }
    };
    Some(HookedCall {
        names: PATCH,
        command,
        argument,
    })
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// What the model gets back.
    pub output: ToolOutput,
    /// What hooks tell it before that.
    pub contexts: Vec<String>,
}

/// Runs a call with the hooks around it.
pub async fn run(tool: &dyn Tool, mut cx: ToolContext) -> Called {
    let set = cx.turn.services.hooks.get();
    let wanted = set.has(HookEventName::PreToolUse) || set.has(HookEventName::PostToolUse);
    let Some(mut call) = wanted.then(|| tool.hooked(&cx.call)).flatten() else {
        return Called {
            output: tool.run(cx).await,
            contexts: Vec::new(),
        };
    };
    let before = hooks::fire(&cx.turn, event(HookEventName::PreToolUse, &cx.call, &call, None)).await;
    let mut contexts = before.contexts.clone();
    if let Some(reason) = before.blocked() {
        let output = format!(
            "Command blocked by PreToolUse hook: {reason}. Command: {}",
            call.command
        );
        return Called {
            output: ToolOutput::text(output),
            contexts,
        };
    }
    if let Some(command) = before.command
        && let Some(input) = rewritten(&cx.call, call.argument, &command)
    {
        cx.call = Arc::new(ToolCall {
            input,
            ..(*cx.call).clone()
        });
        call.command = command;
    }
    let mut output = tool.run(cx.clone()).await;
    if let Some(response) = &output.response {
        let after = event(HookEventName::PostToolUse, &cx.call, &call, Some(response));
        let after = hooks::fire(&cx.turn, after).await;
        let reasons = after.blocks.iter().map(|reason| reason.text.as_str());
        let comments: Vec<&str> = after.stop.as_deref().into_iter().chain(reasons).collect();
        if !comments.is_empty() {
            output = ToolOutput::text(comments.join("\n\n"));
        }
        contexts.extend(after.contexts);
    }
    Called { output, contexts }
}

fn event<'a>(name: HookEventName, call: &'a ToolCall, hooked: &HookedCall, response: Option<&str>) -> Event<'a> {
    let mut details = json!({
        "tool_name": hooked.names.first(),
        "tool_input": {"command": hooked.command},
    });
    if let Some(response) = response {
        details["tool_response"] = json!(response);
    }
    details["tool_use_id"] = json!(call.call_id);
    Event {
        name,
        subjects: hooked.names,
        call_id: Some(&call.call_id),
        details,
    }
}

/// The input of a call with another command in it.
fn rewritten(call: &ToolCall, argument: Option<&str>, command: &str) -> Option<ToolInput> {
    let Some(argument) = argument else {
        return Some(ToolInput::Custom(command.to_owned()));
    };
    let mut arguments: Value = serde_json::from_str(call.input.as_str()).ok()?;
    *arguments.get_mut(argument)? = json!(command);
    Some(ToolInput::Function(arguments.to_string()))
}
