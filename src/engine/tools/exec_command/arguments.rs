//! The arguments of `exec_command`, and how the model is told of them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::NAME;
use crate::engine::tools::command_text::not_run;
use crate::engine::tools::{ToolOffer, ToolOutput, function_spec, request_permissions};
use crate::exec::permissions::AdditionalPermissionProfile;

const DEFAULT_WAIT_MS: u64 = 10_000;

/// What the model passes.
#[derive(Deserialize)]
pub(in crate::engine::tools) struct Arguments {
    pub(in crate::engine::tools) cmd: String,
    #[serde(default)]
    pub(in crate::engine::tools) workdir: Option<String>,
    #[serde(default)]
    pub(in crate::engine::tools) shell: Option<String>,
    #[serde(default)]
    pub(in crate::engine::tools) login: Option<bool>,
    #[serde(default)]
    pub(in crate::engine::tools) tty: bool,
    #[serde(default = "default_wait")]
    pub(in crate::engine::tools) yield_time_ms: u64,
    #[serde(default)]
    pub(in crate::engine::tools) max_output_tokens: Option<usize>,
    #[serde(default)]
    pub(in crate::engine::tools) sandbox_permissions: SandboxPermissions,
    #[serde(default)]
    pub(in crate::engine::tools) justification: Option<String>,
    #[serde(default)]
    pub(in crate::engine::tools) prefix_rule: Option<Vec<String>>,
    #[serde(default)]
    pub(in crate::engine::tools) additional_permissions: Option<AdditionalPermissionProfile>,
    #[serde(default)]
    pub(in crate::engine::tools) environment_id: Option<String>,
    /// It was asked for as a command that runs to its end (`shell_command`).
    #[serde(skip)]
    pub(in crate::engine::tools) once: bool,
}

impl Arguments {
    /// The output of a call whose command may not run.
    pub(in crate::engine::tools) fn refused(&self, command: &str, why: &str) -> ToolOutput {
        match self.once {
            false => not_run(command, why),
            true if why == BY_USER => ToolOutput::text(format!("exec command {BY_USER}")),
            true => ToolOutput::text(why),
        }
    }
}

/// Why a command does not run that the user declined.
pub(in crate::engine::tools) const BY_USER: &str = "rejected by user";

fn default_wait() -> u64 {
    DEFAULT_WAIT_MS
}

/// How a command is to stand to the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::engine::tools) enum SandboxPermissions {
    #[default]
    UseDefault,
    RequireEscalated,
    WithAdditionalPermissions,
}

/// What the model is told about the tool.
pub(in crate::engine::tools) fn spec(offer: &ToolOffer) -> Value {
    let mut properties = json!({
        "cmd": {"type": "string", "description": "The shell script to run."},
        "workdir": {"type": "string", "description": "The folder to run it in; the turn's working folder if left out."},
        "shell": {"type": "string", "description": "The shell to use instead of the user's own: bash, zsh or sh."},
        "tty": {
            "type": "boolean",
            "description": "Run it in a terminal, so that write_stdin can type into it. Without, its input is empty.",
        },
        "yield_time_ms": {
            "type": "number",
            "description": "How long to wait for its end before returning what it printed so far, in milliseconds.",
        },
        "max_output_tokens": {
            "type": "number",
            "description": "How many tokens of output to return; more is cut in the middle.",
        },
    });
    add_shared(&mut properties, offer);
    function_spec(
        NAME,
        "Run a shell command. Returns its output and exit code, or a session ID when it is still running: use \
         write_stdin with that to type into it or to wait for more output.",
        json!({
            "type": "object",
            "properties": properties,
            "required": ["cmd"],
            "additionalProperties": false,
        }),
    )
}

/// Adds what is told of every tool that runs commands: how they stand to the sandbox, the login profile, the environment.
pub(in crate::engine::tools) fn add_shared(properties: &mut Value, offer: &ToolOffer) {
    properties["sandbox_permissions"] = json!({
        "type": "string",
        "enum": ["use_default", "require_escalated"],
        "description": "Use require_escalated to ask the user to run it outside of the sandbox.",
    });
    properties["justification"] = json!({
        "type": "string",
        "description": "With require_escalated: one question to the user that says why.",
    });
    properties["prefix_rule"] = json!({
        "type": "array",
        "items": {"type": "string"},
        "description": "With require_escalated: the first words of commands that the user could allow for good, such \
                        as [\"git\", \"pull\"]. Keep it as narrow as makes sense.",
    });
    if offer.allow_login_shell {
        properties["login"] = json!({"type": "boolean", "description": "Whether the shell reads the login profile first; true if left out."});
    }
    if offer.several_environments {
        properties["environment_id"] = json!({
            "type": "string",
            "description": "The id of the environment to run it in, from the <environment_context> block; the first one \
                            if left out.",
        });
    }
    if offer.additional_permissions {
        properties["sandbox_permissions"] = json!({
            "type": "string",
            "enum": ["use_default", "with_additional_permissions", "require_escalated"],
            "description": "Use with_additional_permissions to ask the user for more inside of the sandbox, which is \
                            better than require_escalated, which asks to run it outside.",
        });
        properties["additional_permissions"] = request_permissions::schema();
    }
}
