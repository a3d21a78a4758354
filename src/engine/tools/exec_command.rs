//! `exec_command`: the model runs a command, and may leave it running.
//!
//! Order: arguments, the patch that a command may be, the decision, the question, the start. A started command has a
//! short grace before its item is announced, so that one that ends at once shows as a start and an end with all its
//! output; a failure to start shows nothing. Then a watch takes over (see `command_watch`), and the call waits for the
//! end or for its own deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::approvals::{Consent, ask_about_command};
use crate::engine::commands::ApprovalKey;
use crate::engine::items;
use crate::engine::tools::apply_patch::{grammar, run_patch};
use crate::engine::tools::command_item::CommandItem;
use crate::engine::tools::command_text::{budget, not_run, outcome};
use crate::engine::tools::command_watch::Watch;
use crate::engine::tools::{
    HookedCall, Tool, ToolCall, ToolContext, ToolOffer, ToolOutput, function_spec, hooked, parse_arguments,
};
use crate::exec::actions::command_actions;
use crate::exec::bash;
use crate::exec::decision::{Decision, Placement, Request, decide, refuse_escalation};
use crate::exec::environment::child_environment;
use crate::exec::pty::PtySize;
use crate::exec::sandbox::policy::Place;
use crate::exec::sandbox::{Confinement, Launch};
use crate::exec::shell::{Shell, display};
use crate::exec::spawn::SpawnRequest;
use crate::exec::{Session, Sessions, SpawnError};
use crate::protocol::AbsolutePathBuf;

const NAME: &str = "exec_command";

/// How long a command has before its item is announced.
const GRACE: Duration = Duration::from_millis(150);
/// How long a call may wait for its command, in milliseconds.
const WAIT_MS: std::ops::RangeInclusive<u64> = 250..=30_000;
const DEFAULT_WAIT_MS: u64 = 10_000;

/// The tool.
#[derive(Debug, Default)]
pub struct ExecCommand;

#[derive(Deserialize)]
struct Arguments {
    cmd: String,
    #[serde(default)]
    workdir: Option<String>,
    #[serde(default)]
    shell: Option<String>,
    #[serde(default)]
    login: Option<bool>,
    #[serde(default)]
    tty: bool,
    #[serde(default = "default_wait")]
    yield_time_ms: u64,
    #[serde(default)]
    max_output_tokens: Option<usize>,
    #[serde(default)]
    sandbox_permissions: SandboxPermissions,
    #[serde(default)]
    justification: Option<String>,
    #[serde(default)]
    prefix_rule: Option<Vec<String>>,
    #[serde(default)]
    environment_id: Option<String>,
}

fn default_wait() -> u64 {
    DEFAULT_WAIT_MS
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SandboxPermissions {
    #[default]
    UseDefault,
    RequireEscalated,
    WithAdditionalPermissions,
}

impl Tool for ExecCommand {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        offer.environment.then(|| spec(offer.allow_login_shell))
    }

    fn parallel(&self) -> bool {
        true
    }

    fn hooked(&self, call: &ToolCall) -> Option<HookedCall> {
        hooked::shell_call(call, "cmd")
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { run(cx).await.unwrap_or_else(|refusal| refusal) }.boxed()
    }
}

/// A command that may run.
struct Cleared {
    argv: Vec<String>,
    item: CommandItem,
    /// Clients know the item already.
    shown: bool,
    /// Where it runs.
    placement: Placement,
}

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let settings = &cx.turn.settings;
    let config = &cx.turn.services.config;
    if let Some(id) = &arguments.environment_id {
        return Err(ToolOutput::text(format!("unknown turn environment id `{id}`")));
    }
    if arguments.sandbox_permissions != SandboxPermissions::UseDefault
        && let Some(refusal) = refuse_escalation(&settings.approval_policy)
    {
        return Err(ToolOutput::text(refusal));
    }
    if arguments.sandbox_permissions == SandboxPermissions::WithAdditionalPermissions {
        return Err(ToolOutput::text(
            "additional permissions cannot be asked for here; use `require_escalated` to run outside of the sandbox",
        ));
    }
    let login = arguments.login.unwrap_or(config.allow_login_shell);
    if login && !config.allow_login_shell {
        return Err(ToolOutput::text(
            "login shells are switched off by the configuration; leave `login` out or set it to false",
        ));
    }
    let cwd = match arguments.workdir.as_deref() {
        None | Some("") => settings.cwd.clone(),
        Some(folder) => AbsolutePathBuf::resolve(&settings.cwd, folder),
    };
    if let Some(output) = patch(&cx, &arguments.cmd, &cwd).await {
        return Ok(output);
    }
    let Cleared {
        argv,
        item,
        shown,
        placement,
    } = clear(&cx, &arguments, login, cwd.clone()).await?;

    let sessions = &cx.turn.services.commands.sessions;
    let confinement = match placement {
        Placement::Unrestricted => None,
        Placement::Sandboxed => confinement(&cx).await,
    };
    let network_off = confinement.as_ref().is_some_and(|confinement| !confinement.network);
    let environment = child_environment(&config.shell_environment_policy, cx.turn.host.thread_id, network_off);
    let start = |confined: Option<&Launch>| {
        let request = SpawnRequest {
            argv: &argv,
            cwd: cwd.as_path(),
            environment: &environment,
            terminal: arguments.tty.then(PtySize::default),
            confined,
        };
        sessions.start(item.id.as_str().into(), &request)
    };
    let started = Instant::now();
    let session = match confinement {
        None => start(None),
        Some(confinement) => {
            let launch = cx.turn.services.commands.sandbox.launch(&argv, confinement);
            launch.map_err(SpawnError::from).and_then(|launch| start(Some(&launch)))
        }
    };
    let session = match session {
        Ok(session) => session,
        Err(error) => {
            if shown {
                let ended = item.ended(0, -1, error.to_string(), Duration::ZERO);
                items::record_and_publish_completed(&cx.turn, ended).await;
            }
            return Err(not_run(&item.command, &error.to_string()));
        }
    };
    let mut unannounced = Unannounced {
        sessions,
        session: Some(&session),
    };
    let quick = session.ended_within(GRACE).await;
    let (early, output) = session.listen();
    if !shown {
        items::publish_started(&cx.turn.host, item.running(session.id())).await;
    }
    unannounced.session = None;
    let told = Arc::new(AtomicBool::new(false));
    let watch = Watch {
        turn: cx.turn.clone(),
        item,
        session: session.clone(),
        early,
        output,
        quick,
        told: Arc::clone(&told),
        started,
    };
    tokio::spawn(watch.run());

    let wait = Duration::from_millis(arguments.yield_time_ms.clamp(*WAIT_MS.start(), *WAIT_MS.end()));
    let waiting = Instant::now();
    cx.turn.services.commands.pause.within(wait, session.ended()).await;
    let collected = session.collect(Instant::now()).await;
    told.store(true, Ordering::Release);
    session.caught_up().await;
    if collected.exit_code.is_some() {
        sessions.forget(session.id());
    }
    let budget = budget(arguments.max_output_tokens, cx.turn.model.truncation);
    let output = outcome(&collected, session.id(), waiting.elapsed(), budget);
    Ok(match collected.exit_code {
        Some(_) => output.with_response(collected.output),
        None => output,
    })
}

/// Runs a command that is nothing but a patch.
async fn patch(cx: &ToolContext, script: &str, cwd: &AbsolutePathBuf) -> Option<ToolOutput> {
    if script.trim_start().starts_with("*** Begin Patch") && grammar::parse(script).is_ok() {
        return Some(ToolOutput::text(
            "apply_patch verification failed: patch detected without explicit call to apply_patch. Rerun as \
             [\"apply_patch\", \"<patch>\"]",
        ));
    }
    let found = bash::patch_script(script)?;
    let folder = match found.folder {
        Some(folder) => AbsolutePathBuf::resolve(cwd, folder),
        None => cwd.clone(),
    };
    let outcome = run_patch(cx, found.patch, folder).await;
    Some(ToolOutput::text(outcome.to_command_text()))
}

/// Decides about a command and asks if need be.
async fn clear(
    cx: &ToolContext,
    arguments: &Arguments,
    login: bool,
    cwd: AbsolutePathBuf,
) -> Result<Cleared, ToolOutput> {
    let shell = match &arguments.shell {
        Some(wanted) => &Shell::named(wanted),
        None => Shell::login(),
    };
    let argv = shell.command_line(&arguments.cmd, login);
    let escalated = arguments.sandbox_permissions == SandboxPermissions::RequireEscalated;
    let settings = &cx.turn.settings;
    let decision = decide(&Request {
        argv: &argv,
        approval: &settings.approval_policy,
        sandbox: &settings.sandbox,
        availability: cx.turn.services.commands.sandbox.availability(),
        escalated,
        proposed_prefix: arguments.prefix_rule.as_deref(),
        rules: &cx.turn.services.commands.rules(),
    });
    let item = CommandItem {
        id: cx.call.call_id.clone(),
        command: display(&argv),
        actions: command_actions(&argv, &cwd),
        cwd: cwd.clone(),
    };
    let (placement, shown) = match decision {
        Decision::Reject(why) => return Err(not_run(&item.command, &why)),
        Decision::Run(placement) => (placement, false),
        Decision::Ask(question) => {
            let key = ApprovalKey {
                argv: argv.clone(),
                cwd: cwd.as_path().to_path_buf(),
                escalated,
                terminal: arguments.tty,
            };
            let placement = question.placement;
            match ask_about_command(cx, &item, key, question, arguments.justification.clone()).await {
                Consent::Given { shown } => (placement, shown),
                Consent::Refused => return Err(not_run(&item.command, "rejected by user")),
                Consent::Forbidden(why) => return Err(not_run(&item.command, &why)),
            }
        }
    };
    Ok(Cleared {
        argv,
        item,
        shown,
        placement,
    })
}

/// What holds for a confined command of this turn.
async fn confinement(cx: &ToolContext) -> Option<Confinement> {
    let settings = cx.turn.settings.clone();
    let home = cx.turn.services.config.home.clone();
    let resolve = move || {
        let place = Place {
            workspace_roots: &settings.workspace_roots,
            home: &home,
        };
        Confinement::resolve(&settings.sandbox, &place)
    };
    // A lookup that fell confines to reading.
    tokio::task::spawn_blocking(resolve)
        .await
        .unwrap_or_else(|_| Some(Confinement::default()))
}

/// Ends a process whose call went away before clients heard of it.
struct Unannounced<'a> {
    sessions: &'a Sessions,
    session: Option<&'a Session>,
}

impl Drop for Unannounced<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.session {
            session.kill();
            self.sessions.forget(session.id());
        }
    }
}

fn spec(allow_login_shell: bool) -> Value {
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
        "sandbox_permissions": {
            "type": "string",
            "enum": ["use_default", "require_escalated"],
            "description": "Use require_escalated to ask the user to run it outside of the sandbox.",
        },
        "justification": {
            "type": "string",
            "description": "With require_escalated: one question to the user that says why.",
        },
        "prefix_rule": {
            "type": "array",
            "items": {"type": "string"},
            "description": "With require_escalated: the first words of commands that the user could allow for good, such \
                            as [\"git\", \"pull\"]. Keep it as narrow as makes sense.",
        },
    });
    if allow_login_shell && let Some(properties) = properties.as_object_mut() {
        properties.insert(
            "login".to_owned(),
            json!({"type": "boolean", "description": "Whether the shell reads the login profile first; true if left out."}),
        );
    }
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

#[cfg(test)]
mod tests;
