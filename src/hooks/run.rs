//! Running one hook.

use std::path::Path;
use std::time::Duration;

use crate::exec::environment::Environment;
use crate::exec::script::{self, Script, ScriptError};
use crate::exec::shell::Shell;
use crate::hooks::discovery::{self, Hook};
use crate::hooks::verdict::{self, Verdict};
use crate::protocol::HookEventName;

/// Runs a hook in `cwd` with `input` to read. Its failures are part of its verdict.
pub async fn run(hook: &Hook, cwd: &Path, environment: &Environment, input: &[u8]) -> Verdict {
    let argv = Shell::login().command_line(&hook.command, true);
    let limit = hook.shown.timeout_sec;
    let ended = script::run(Script {
        argv: &argv,
        cwd,
        environment,
        input,
        limit: Duration::from_secs(limit),
    })
    .await;
    match ended {
        Ok(ended) => verdict::judge(hook.shown.event_name, &ended),
        Err(ScriptError::TimedOut) => Verdict::failed(format!("hook timed out after {limit}s")),
        Err(ScriptError::Io(error)) => Verdict::failed(error.to_string()),
    }
}

/// An event's name in the JSON that hooks read, and in the ids of their runs.
pub fn label(event: HookEventName) -> (&'static str, String) {
    let (name, label) = discovery::names(event);
    (name, label.replace('_', "-"))
}
