//! `exec_command`: the model runs a command, and may leave it running.
//!
//! Order: arguments, the patch that a command may be, the decision, the question (see `clearance`), the start. A started command has a
//! short grace before its item is announced, so that one that ends at once shows as a start and an end with all its
//! output; a failure to start shows nothing. Then a watch takes over (see `command_watch`), and the call waits for the
//! end or for its own deadline.

mod arguments;
mod clearance;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::items;
use crate::engine::tools::apply_patch::{grammar, run_patch};
use crate::engine::tools::command_text::{budget, not_run, outcome};
use crate::engine::tools::command_watch::Watch;
use crate::engine::tools::{HookedCall, Tool, ToolCall, ToolContext, ToolOffer, ToolOutput, hooked, parse_arguments};
use crate::exec::bash;
use crate::exec::environment::child_environment;
use crate::exec::pty::PtySize;
use crate::exec::sandbox::{Confinement, Launch};
use crate::exec::session::Phase;
use crate::exec::spawn::SpawnRequest;
use crate::exec::{Session, Sessions, SpawnError};
use crate::protocol::AbsolutePathBuf;

use arguments::{Arguments, spec};
use clearance::{Cleared, clear};

pub use clearance::ADDITIONAL_PERMISSIONS;

const NAME: &str = "exec_command";

/// How long a command has before its item is announced.
const GRACE: Duration = Duration::from_millis(150);
/// The same when a failure may be asked about: putting the sandbox on takes some of the time.
const CONFINED_GRACE: Duration = Duration::from_millis(300);
/// How long a call may wait for its command, in milliseconds.
const WAIT_MS: std::ops::RangeInclusive<u64> = 250..=30_000;

/// The tool.
#[derive(Debug, Default)]
pub struct ExecCommand;

impl Tool for ExecCommand {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        offer.environment.then(|| spec(offer))
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

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let settings = &cx.turn.settings;
    let config = &cx.turn.services.config;
    if let Some(id) = &arguments.environment_id {
        return Err(ToolOutput::text(format!("unknown turn environment id `{id}`")));
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
    let mut cleared = clear(&cx, &arguments, login, cwd.clone()).await?;
    let sessions = &cx.turn.services.commands.sessions;
    let confinement = cleared.confinement(&cx).await;
    let confined = confinement.is_some();
    let started = Instant::now();
    let mut session = begin(&cx, &arguments, &cleared, confinement).await?;
    let mut unannounced = Unannounced {
        sessions,
        session: Some(Arc::clone(&session)),
    };
    let grace = match confined && cleared.may_go_again() {
        true => CONFINED_GRACE,
        false => GRACE,
    };
    let mut quick = session.ended_within(grace).await;
    if quick && confined && seems_stopped(&session) && cleared.again(&cx, &arguments).await? {
        sessions.forget(session.id());
        session = begin(&cx, &arguments, &cleared, None).await?;
        unannounced.session = Some(Arc::clone(&session));
        quick = session.ended_within(GRACE).await;
    }
    let (early, output) = session.listen();
    if !cleared.shown {
        items::publish_started(&cx.turn.host, cleared.item.running(session.id())).await;
    }
    unannounced.session = None;
    let told = Arc::new(AtomicBool::new(false));
    let watch = Watch {
        turn: cx.turn.clone(),
        item: cleared.item,
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

/// Starts a command, confined or not. A failure completes its item if clients know it.
async fn begin(
    cx: &ToolContext,
    arguments: &Arguments,
    cleared: &Cleared,
    confinement: Option<Confinement>,
) -> Result<Arc<Session>, ToolOutput> {
    let commands = &cx.turn.services.commands;
    let network_off = confinement.as_ref().is_some_and(|confinement| !confinement.network);
    let policy = &cx.turn.services.config.shell_environment_policy;
    let environment = child_environment(policy, cx.turn.host.thread_id, network_off);
    let Cleared { argv, item, .. } = cleared;
    let start = |confined: Option<&Launch>| {
        let request = SpawnRequest {
            argv,
            cwd: item.cwd.as_path(),
            environment: &environment,
            terminal: arguments.tty.then(PtySize::default),
            confined,
        };
        commands.sessions.start(item.id.as_str().into(), &request)
    };
    let started = match confinement {
        None => start(None),
        Some(confinement) => {
            let launch = commands.sandbox.launch(argv, confinement);
            launch.map_err(SpawnError::from).and_then(|launch| start(Some(&launch)))
        }
    };
    match started {
        Ok(session) => Ok(session),
        Err(error) => {
            if cleared.shown {
                let ended = item.ended(0, -1, error.to_string(), Duration::ZERO);
                items::record_and_publish_completed(&cx.turn, ended).await;
            }
            Err(not_run(&item.command, &error.to_string()))
        }
    }
}

/// Words that the kernel's refusals, and programs that pass them on, are known by.
const REFUSALS: [&str; 7] = [
    "operation not permitted",
    "permission denied",
    "read-only file system",
    "seccomp",
    "sandbox",
    "landlock",
    "failed to write file",
];

/// Whether a command that has ended looks as if the sandbox had stopped it.
fn seems_stopped(session: &Session) -> bool {
    let failed = matches!(session.phase(), Phase::Drained(code) if code != 0);
    failed && {
        let printed = session.printed().to_lowercase();
        REFUSALS.iter().any(|word| printed.contains(word))
    }
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

/// Ends a process whose call went away before clients heard of it.
struct Unannounced<'a> {
    sessions: &'a Sessions,
    session: Option<Arc<Session>>,
}

impl Drop for Unannounced<'_> {
    fn drop(&mut self) {
        if let Some(session) = &self.session {
            session.kill();
            self.sessions.forget(session.id());
        }
    }
}

#[cfg(test)]
mod tests;
