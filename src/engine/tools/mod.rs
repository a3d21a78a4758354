//! The tools a model can call: the seam between the turn loop and the tools' own files.
//!
//! A tool is a value that implements [`Tool`]: it says what it offers the model, whether calls may overlap, and runs
//! one call. Running never fails the turn: whatever goes wrong is text for the model. Tools publish their own items
//! through `cx.turn.host` and record lines through `cx.turn.recorder()`; the turn loop records calls and their outputs.

pub mod agents;
pub mod apply_patch;
pub mod command_item;
mod command_text;
mod command_watch;
pub mod dynamic;
pub mod exec_command;
pub mod goal;
pub mod hooked;
pub mod request_permissions;
pub mod request_user_input;
mod set;
pub mod shell_command;
pub mod tool_search;
#[cfg(test)]
pub(crate) mod trial;
pub mod update_plan;
pub mod user_shell;
pub mod view_image;
pub mod web_search;
pub mod write_stdin;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::WebSearchOptions;
use crate::engine::scope::TurnScope;
use crate::model::ModelList;
use crate::protocol::{FunctionCallOutputBody, FunctionCallOutputContentItem};

pub use set::ToolSet;

/// What a call carries, by the kind of tool: JSON arguments (as text, not yet parsed) or free text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolInput {
    /// `function_call.arguments`.
    Function(String),
    /// `custom_tool_call.input`.
    Custom(String),
}

impl ToolInput {
    /// The text, whichever kind it is.
    pub fn as_str(&self) -> &str {
        match self {
            ToolInput::Function(text) | ToolInput::Custom(text) => text,
        }
    }
}

/// One call of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The model's id of the call; also the id of the item that a tool shows.
    pub call_id: String,
    /// The namespace of a dynamic or MCP tool.
    pub namespace: Option<String>,
    /// The tool's name.
    pub name: String,
    /// What the model passed.
    pub input: ToolInput,
}

/// What a running call has at hand. Cheap to clone; a watcher that outlives the call keeps its own.
#[derive(Clone)]
pub struct ToolContext {
    /// The call.
    pub call: Arc<ToolCall>,
    /// The turn it belongs to: host, settings, recorder, the thread's services.
    pub turn: Arc<TurnScope>,
    /// Cancelled when the turn is interrupted. A call has a short grace to end; then its future is dropped.
    pub cancel: CancellationToken,
}

/// What the model gets back.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutput {
    /// Text, or a list of text and images.
    pub body: FunctionCallOutputBody,
    /// What hooks are told the call did; `None` when there is nothing to tell them: refused, or not finished.
    pub response: Option<String>,
}

impl ToolOutput {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        ToolOutput {
            body: FunctionCallOutputBody::Text(text.into()),
            response: None,
        }
    }

    /// A list of parts; a text alone is a plain text.
    pub fn parts(mut parts: Vec<FunctionCallOutputContentItem>) -> Self {
        if let [FunctionCallOutputContentItem::InputText { text }] = parts.as_mut_slice() {
            return ToolOutput::text(std::mem::take(text));
        }
        ToolOutput {
            body: FunctionCallOutputBody::List(parts),
            response: None,
        }
    }

    /// The same, of a call that hooks hear of.
    pub fn with_response(mut self, response: impl Into<String>) -> Self {
        self.response = Some(response.into());
        self
    }
}

/// A call as hooks see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookedCall {
    /// The names that the tool goes by, the one that hooks are told first.
    pub names: &'static [&'static str],
    /// The command, or the patch.
    pub command: String,
    /// The argument that holds it; `None` when it is the call's whole input.
    pub argument: Option<&'static str>,
}

/// What decides which tools are offered and how they describe themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolOffer {
    /// The model takes `apply_patch` as a free-text tool.
    pub apply_patch: bool,
    /// The model understands the `detail` of images.
    pub image_detail: bool,
    /// The content types the hosted web search may return; empty leaves them out.
    pub web_search_content_types: &'static [&'static str],
    /// Whether the hosted web search may reach the live web; `None` when there is no search.
    pub web_search_live: Option<bool>,
    /// What a search is told.
    pub web_search_options: Arc<WebSearchOptions>,
    /// Whether the thread may have a goal.
    pub goals: bool,
    /// Whether a login shell may be asked for.
    pub allow_login_shell: bool,
    /// Whether a command may ask for more than the sandbox policy allows, inside of the sandbox.
    pub additional_permissions: bool,
    /// Whether permissions can be asked for ahead of commands.
    pub request_permissions: bool,
    /// The models that agents can have.
    pub models: ModelList,
    /// By which tool commands are run.
    pub shell: ShellTool,
    /// What becomes of deferred tools.
    pub deferred: DeferredTools,
    /// Whether there is an environment to run commands and read files in.
    pub environment: bool,
    /// Whether there are several, which calls tell apart by name.
    pub several_environments: bool,
}

/// By which tool a model runs commands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ShellTool {
    /// `exec_command` and `write_stdin`: a command may go on when its call has returned.
    #[default]
    Sessions,
    /// `shell_command`: a call waits for the end of its command.
    Once,
    /// By none.
    None,
}

/// What becomes of tools whose declaration says that they need not be shown at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DeferredTools {
    /// They are neither shown nor found: the model cannot search, or the feature is off.
    #[default]
    Hidden,
    /// The model searches for them.
    Searched,
    /// They are shown like the others, because the provider knows no such search.
    Shown,
}

/// A tool that the server runs.
pub trait Tool: Send + Sync {
    /// The name the model calls.
    fn name(&self) -> &str;

    /// What the model is told, as an entry of the request's `tools`; `None` when the tool is not offered.
    fn spec(&self, offer: &ToolOffer) -> Option<Value>;

    /// Whether calls may run beside other parallel calls. Others run alone.
    fn parallel(&self) -> bool {
        false
    }

    /// Whether it works in an environment: without one it is not there.
    fn needs_environment(&self) -> bool {
        false
    }

    /// What hooks are told about a call before it runs; `None` for tools that hooks do not hear of.
    fn hooked(&self, _call: &ToolCall) -> Option<HookedCall> {
        None
    }

    /// Runs one call.
    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput>;

    /// The output of a call that an interrupt cut off.
    fn aborted(&self, elapsed: Duration) -> String {
        format!("aborted by user after {:.1}s", elapsed.as_secs_f64().max(0.1))
    }
}

/// Parses a function tool's arguments; the error is the output for the model.
pub fn parse_arguments<T: serde::de::DeserializeOwned>(call: &ToolCall) -> Result<T, ToolOutput> {
    serde_json::from_str(call.input.as_str())
        .map_err(|error| ToolOutput::text(format!("failed to parse function arguments: {error}")))
}

/// The spec of a function tool: `parameters` is the JSON schema of its arguments.
pub fn function_spec(name: &str, description: &str, parameters: Value) -> Value {
    serde_json::json!({
        "type": "function",
        "name": name,
        "description": description,
        "strict": false,
        "parameters": parameters,
    })
}
