//! `shell_command`: the model runs a command, and the call waits for its end.
//!
//! It takes the place of `exec_command` where the feature `unified_exec` is off. What is decided and asked is the same;
//! a command that takes too long is killed, and so is one whose turn is interrupted.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::items;
use crate::engine::scope::TurnScope;
use crate::engine::tools::command_item::{CommandEnd, CommandItem};
use crate::engine::tools::command_text::limit;
use crate::engine::tools::command_watch::{self, Attended};
use crate::engine::tools::exec_command::arguments::{Arguments, SandboxPermissions, add_shared};
use crate::engine::tools::exec_command::clearance::clear;
use crate::engine::tools::exec_command::{CONFINED_GRACE, Prepared, Unannounced, begin, prepare, seems_stopped};
use crate::engine::tools::{
    HookedCall, ShellTool, Tool, ToolCall, ToolContext, ToolOffer, ToolOutput, function_spec, hooked, parse_arguments,
};
use crate::exec::Session;
use crate::exec::permissions::AdditionalPermissionProfile;
use crate::exec::truncate::truncate_middle;

const NAME: &str = "shell_command";

/// How long a command may run that names no limit, in milliseconds.
const DEFAULT_LIMIT_MS: u64 = 10_000;

/// The features that decide by which tool commands are run.
const SESSIONS: &str = "unified_exec";
const ANY: &str = "shell_tool";

/// By which tool the turn's model runs commands.
pub fn of(scope: &TurnScope) -> ShellTool {
    let config = &scope.services.config;
    match (config.feature(ANY), config.feature(SESSIONS)) {
        (false, _) => ShellTool::None,
        (true, true) => ShellTool::Sessions,
        (true, false) if scope.model.runs_commands => ShellTool::Once,
        (true, false) => ShellTool::None,
    }
}

/// The tool.
#[derive(Debug, Default)]
pub struct ShellCommand;

/// What the model passes.
#[derive(Deserialize)]
struct Given {
    command: String,
    #[serde(default)]
    workdir: Option<String>,
    #[serde(default, alias = "timeout")]
    timeout_ms: Option<u64>,
    #[serde(default)]
    login: Option<bool>,
    #[serde(default)]
    sandbox_permissions: SandboxPermissions,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    prefix_rule: Option<Vec<String>>,
    #[serde(default)]
    additional_permissions: Option<AdditionalPermissionProfile>,
    #[serde(default)]
    environment_id: Option<String>,
}

impl Given {
    fn into_arguments(self) -> Arguments {
        Arguments {
            cmd: self.command,
            workdir: self.workdir,
            shell: None,
            login: self.login,
            tty: false,
            yield_time_ms: 0,
            max_output_tokens: None,
            sandbox_permissions: self.sandbox_permissions,
            justification: self.justification,
            prefix_rule: self.prefix_rule,
            additional_permissions: self.additional_permissions,
            environment_id: self.environment_id,
            once: true,
        }
    }
}

impl Tool for ShellCommand {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        (offer.environment && offer.shell == ShellTool::Once).then(|| spec(offer))
    }

    fn needs_environment(&self) -> bool {
        true
    }

    fn parallel(&self) -> bool {
        true
    }

    fn hooked(&self, call: &ToolCall) -> Option<HookedCall> {
        hooked::shell_call(call, "command")
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { run(cx).await.unwrap_or_else(|refusal| refusal) }.boxed()
    }

    fn aborted(&self, elapsed: Duration) -> String {
        format!("Wall time: {:.1} seconds\naborted by user", elapsed.as_secs_f64())
    }
}

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    if of(&cx.turn) != ShellTool::Once {
        return Err(ToolOutput::text(format!("unsupported call: {NAME}")));
    }
    let given: Given = parse_arguments(&cx.call)?;
    let patience = Duration::from_millis(given.timeout_ms.unwrap_or(DEFAULT_LIMIT_MS));
    let arguments = given.into_arguments();
    let Prepared {
        environment,
        cwd,
        login,
    } = prepare(&cx, &arguments).await?;
    let mut cleared = clear(&cx, &arguments, login, cwd, &environment).await?;
    if !cleared.shown {
        items::publish_started(&cx.turn.host, cleared.item.asked()).await;
        cleared.shown = true;
    }
    cleared.is_announced();
    let hold = cleared.hold(&cx, &environment).await;
    let sessions = &cx.turn.services.commands.sessions;
    let started = Instant::now();
    let session = begin(&cx, &arguments, &cleared, &environment, hold.as_ref()).await?;
    // Killed and forgotten when this call is over, however that comes.
    let mut running = Unannounced {
        sessions,
        session: Some(Arc::clone(&session)),
    };
    let mut attended = session;
    if hold.is_some()
        && cleared.may_go_again()
        && attended.ended_within(CONFINED_GRACE).await
        && seems_stopped(&attended)
        && cleared.again(&cx, &arguments).await?
    {
        sessions.forget(attended.id());
        attended = begin(&cx, &arguments, &cleared, &environment, None).await?;
        running.session = Some(Arc::clone(&attended));
    }
    let command = cleared.item.command.clone();
    let session = Arc::clone(&attended);
    let watched = tokio::spawn(watch(cx.turn.clone(), cleared.item, attended, patience, started));
    let (attended, took) = watched
        .await
        .map_err(|_| ToolOutput::text("execution error: the command was lost sight of"))?;
    if let Some(why) = session.failure() {
        return Err(arguments.refused(&command, why));
    }
    Ok(outcome(&cx, &attended, took))
}

/// Sees a command to its end, for clients too. Runs on its own, so that an interrupted call's item ends as well.
async fn watch(
    turn: Arc<TurnScope>,
    item: CommandItem,
    session: Arc<Session>,
    patience: Duration,
    started: Instant,
) -> (Attended, Duration) {
    let mut attended = command_watch::attend(&turn, &item.id, &session, patience).await;
    let took = started.elapsed();
    let stopped = command_watch::with_failure(&session, &mut attended.output);
    let end = CommandEnd {
        code: stopped.unwrap_or(attended.code),
        output: attended.output.clone(),
        took,
    };
    let ended = match stopped {
        Some(_) => item.stopped(end),
        None => item.over(end),
    };
    items::record_and_publish_completed(&turn, ended).await;
    (attended, took)
}

/// What the model is told of a command that has ended.
fn outcome(cx: &ToolContext, attended: &Attended, took: Duration) -> ToolOutput {
    let printed = match attended.timed_out {
        true => Cow::from(format!(
            "command timed out after {} milliseconds\n{}",
            took.as_millis(),
            attended.output
        )),
        false => Cow::from(&attended.output),
    };
    let shown = truncate_middle(&printed, limit(cx.turn.model.truncation));
    let lines = match shown {
        Cow::Borrowed(_) => String::new(),
        Cow::Owned(_) => format!("Total output lines: {}\n", printed.lines().count()),
    };
    let (code, seconds) = (attended.code, took.as_secs_f64());
    ToolOutput::text(format!(
        "Exit code: {code}\nWall time: {seconds:.1} seconds\n{lines}Output:\n{shown}"
    ))
    .with_response(attended.output.clone())
}

/// What the model is told about the tool.
fn spec(offer: &ToolOffer) -> Value {
    let mut properties = json!({
        "command": {"type": "string", "description": "The shell script to run."},
        "workdir": {"type": "string", "description": "The folder to run it in; the turn's working folder if left out."},
        "timeout_ms": {
            "type": "number",
            "description": "How long it may run, in milliseconds; 10000 if left out. Then it is killed.",
        },
    });
    add_shared(&mut properties, offer);
    function_spec(
        NAME,
        "Run a shell command and wait for its end. Returns its exit code and what it printed. Its input is empty.",
        json!({
            "type": "object",
            "properties": properties,
            "required": ["command"],
            "additionalProperties": false,
        }),
    )
}
