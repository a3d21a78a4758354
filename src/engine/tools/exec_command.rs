//! `exec_command`: the model runs a command, and may leave it running.
//!
//! Order: arguments, the patch that a command may be, the decision, the question (see `clearance`), the start. A started command has a
//! short grace before its item is announced, so that one that ends at once shows as a start and an end with all its
//! output; a failure to start shows nothing. Then a watch takes over (see `command_watch`), and the call waits for the
//! end or for its own deadline.

pub(super) mod arguments;
pub(super) mod clearance;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::time::Instant;

use crate::engine::environments::Environment;
use crate::engine::hosts::HostKeeper;
use crate::engine::items;
use crate::engine::tools::apply_patch::{grammar, run_patch};
use crate::engine::tools::command_item::CommandEnd;
use crate::engine::tools::command_text::{budget, lost, outcome};
use crate::engine::tools::command_watch::Watch;
use crate::engine::tools::{
    HookedCall, ShellTool, Tool, ToolCall, ToolContext, ToolOffer, ToolOutput, hooked, parse_arguments, shell_command,
};
use crate::exec::bash;
use crate::exec::place::{Hold, PlacedCommand};
use crate::exec::pty::PtySize;
use crate::exec::session::Phase;
use crate::exec::truncate::truncate_with_line_count;
use crate::exec::{Session, Sessions};
use crate::protocol::AbsolutePathBuf;

use arguments::{Arguments, spec};
use clearance::{Cleared, clear};

pub use clearance::ADDITIONAL_PERMISSIONS;

const NAME: &str = "exec_command";

/// How long a command has before its item is announced.
const GRACE: Duration = Duration::from_millis(150);
/// The same when a failure may be asked about: putting the sandbox on takes some of the time.
pub(super) const CONFINED_GRACE: Duration = Duration::from_millis(300);
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
        (offer.environment && offer.shell == ShellTool::Sessions).then(|| spec(offer))
    }

    fn needs_environment(&self) -> bool {
        true
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

/// Where and how a command would run.
pub(super) struct Prepared {
    pub(super) environment: Environment,
    pub(super) cwd: AbsolutePathBuf,
    pub(super) login: bool,
}

/// Finds out where a command would run. A command that is nothing but a patch is over with this.
pub(super) async fn prepare(cx: &ToolContext, arguments: &Arguments) -> Result<Prepared, ToolOutput> {
    let config = &cx.turn.services.config;
    let environment = cx.turn.environment(arguments.environment_id.as_deref());
    let environment = environment.map_err(ToolOutput::text)?.clone();
    let login = arguments.login.unwrap_or(config.allow_login_shell);
    if login && !config.allow_login_shell {
        return Err(ToolOutput::text(
            "login shells are switched off by the configuration; leave `login` out or set it to false",
        ));
    }
    let cwd = match arguments.workdir.as_deref() {
        None | Some("") => environment.cwd.clone(),
        Some(folder) => AbsolutePathBuf::resolve(&environment.cwd, folder),
    };
    match patch(cx, arguments, &cwd, &environment).await {
        Some(output) => Err(output),
        None => Ok(Prepared {
            environment,
            cwd,
            login,
        }),
    }
}

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    if shell_command::of(&cx.turn) != ShellTool::Sessions {
        return Err(ToolOutput::text(format!("unsupported call: {NAME}")));
    }
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let Prepared {
        environment,
        cwd,
        login,
    } = prepare(&cx, &arguments).await?;
    let mut cleared = clear(&cx, &arguments, login, cwd, &environment).await?;
    let sessions = &cx.turn.services.commands.sessions;
    let hold = cleared.hold(&cx, &environment).await;
    let confined = hold.is_some();
    let started = Instant::now();
    let mut session = begin(&cx, &arguments, &cleared, &environment, hold.as_ref()).await?;
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
        session = begin(&cx, &arguments, &cleared, &environment, None).await?;
        unannounced.session = Some(Arc::clone(&session));
        quick = session.ended_within(GRACE).await;
    }
    let (early, output) = session.listen();
    if !cleared.shown {
        items::publish_started(&cx.turn.host, cleared.item.running(session.id())).await;
    }
    cleared.is_announced();
    unannounced.session = None;
    let told = Arc::new(AtomicBool::new(false));
    let command = cleared.item.command.clone();
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
    if let Some(failure) = &collected.failure {
        let printed = truncate_with_line_count(&collected.output, budget);
        return Err(lost(&command, failure, &printed));
    }
    let output = outcome(&collected, session.id(), waiting.elapsed(), budget);
    Ok(match collected.exit_code {
        Some(_) => output.with_response(collected.output),
        None => output,
    })
}

/// Starts a command, confined or not. A failure completes its item if clients know it.
pub(super) async fn begin(
    cx: &ToolContext,
    arguments: &Arguments,
    cleared: &Cleared,
    environment: &Environment,
    hold: Option<&Hold>,
) -> Result<Arc<Session>, ToolOutput> {
    let Cleared { argv, item, .. } = cleared;
    let keeper = cleared.keeper.as_ref().map(HostKeeper::held);
    let command = PlacedCommand {
        argv,
        cwd: item.cwd.as_path(),
        environment: &cx.turn.services.config.shell_environment_policy,
        thread: cx.turn.host.thread_id,
        terminal: arguments.tty.then(PtySize::default),
        hold,
        keeper: keeper.as_ref(),
    };
    let sessions = &cx.turn.services.commands.sessions;
    match environment
        .place
        .start(sessions, item.id.as_str().into(), command)
        .await
    {
        Ok(session) => {
            if let Some(keeper) = &cleared.keeper {
                keeper.attend(&session);
            }
            Ok(session)
        }
        Err(error) => {
            let told = match arguments.once {
                true => format!("execution error: {error}"),
                false => error.to_string(),
            };
            if cleared.shown {
                let ended = match arguments.once {
                    true => item.over(CommandEnd {
                        code: -1,
                        output: told.clone(),
                        took: Duration::ZERO,
                    }),
                    false => item.ended(0, -1, told.clone(), Duration::ZERO),
                };
                items::record_and_publish_completed(&cx.turn, ended).await;
            }
            Err(arguments.refused(&item.command, &told))
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
pub(super) fn seems_stopped(session: &Session) -> bool {
    let failed = session.failure().is_none() && matches!(session.phase(), Phase::Drained(code) if code != 0);
    failed && {
        let printed = session.printed().to_lowercase();
        REFUSALS.iter().any(|word| printed.contains(word))
    }
}

/// Runs a command that is nothing but a patch.
async fn patch(
    cx: &ToolContext,
    arguments: &Arguments,
    cwd: &AbsolutePathBuf,
    environment: &Environment,
) -> Option<ToolOutput> {
    let script = arguments.cmd.as_str();
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
    let outcome = run_patch(cx, found.patch, folder, environment).await;
    Some(ToolOutput::text(match arguments.once {
        true => outcome.to_bare_text(),
        false => outcome.to_command_text(),
    }))
}

/// Ends a process whose call went away: before clients heard of it, or before its end where its call waits for that.
pub(super) struct Unannounced<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) session: Option<Arc<Session>>,
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
