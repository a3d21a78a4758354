//! `write_stdin`: the model types into a running command, or waits for more of its output.
//!
//! Shows no item of its own: clients hear of the interaction under the item of the command. When the process has
//! ended and its last output was handed over, its session number is gone.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::tools::command_text::{budget, outcome};
use crate::engine::tools::{ShellTool, Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::TerminalInteractionNotification;

const NAME: &str = "write_stdin";

/// How long a call may wait after typing, in milliseconds.
const WAIT_MS: std::ops::RangeInclusive<u64> = 250..=30_000;
/// How long a call that only waits has to wait at least.
const MIN_POLL_MS: u64 = 5_000;
const DEFAULT_WAIT_MS: u64 = 250;

/// The tool.
#[derive(Debug, Default)]
pub struct WriteStdin;

#[derive(Deserialize)]
struct Arguments {
    session_id: i32,
    #[serde(default)]
    chars: String,
    #[serde(default = "default_wait")]
    yield_time_ms: u64,
    #[serde(default)]
    max_output_tokens: Option<usize>,
}

fn default_wait() -> u64 {
    DEFAULT_WAIT_MS
}

impl Tool for WriteStdin {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        (offer.environment && offer.shell == ShellTool::Sessions).then(spec)
    }

    fn needs_environment(&self) -> bool {
        true
    }

    fn parallel(&self) -> bool {
        true
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { run(cx).await.unwrap_or_else(|refusal| refusal) }.boxed()
    }
}

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let failed = |why: String| ToolOutput::text(format!("write_stdin failed: {why}"));
    let services = &cx.turn.services;
    let sessions = &services.commands.sessions;
    let session = u32::try_from(arguments.session_id).ok().and_then(|id| sessions.get(id));
    let session = session.ok_or_else(|| failed(format!("Unknown process id {}", arguments.session_id)))?;

    let wait = Duration::from_millis(wait_ms(&arguments, services.config.background_terminal_max_timeout_ms));
    let started = Instant::now();
    let pause = &services.commands.pause;
    if !arguments.chars.is_empty() {
        // A program that does not read must not hold the call past its deadline: what fits has been typed by then.
        let typed = pause.within(wait, session.write(&arguments.chars)).await;
        if let Some(Err(error)) = typed {
            return Err(failed(error.to_string()));
        }
    }
    let left = wait.saturating_sub(started.elapsed());
    pause.within(left, session.ended()).await;
    let collected = session.collect(Instant::now()).await;
    session.caught_up().await;
    if collected.exit_code.is_some() {
        sessions.forget(session.id());
    }
    if let Some(failure) = &collected.failure {
        return Err(failed(match collected.output.as_str() {
            "" => failure.clone(),
            printed => format!("{failure}\nOutput:\n{printed}"),
        }));
    }
    let host = &cx.turn.host;
    host.publish(&TerminalInteractionNotification {
        item_id: session.item_id().to_string(),
        process_id: session.id().to_string(),
        stdin: arguments.chars,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    })
    .await;
    let budget = budget(arguments.max_output_tokens, cx.turn.model.truncation);
    Ok(outcome(&collected, session.id(), started.elapsed(), budget))
}

fn wait_ms(arguments: &Arguments, longest_poll_ms: u64) -> u64 {
    let (shortest, longest) = match arguments.chars.is_empty() {
        true => (MIN_POLL_MS, longest_poll_ms.max(MIN_POLL_MS)),
        false => (*WAIT_MS.start(), *WAIT_MS.end()),
    };
    arguments.yield_time_ms.clamp(shortest, longest)
}

fn spec() -> Value {
    function_spec(
        NAME,
        "Type into a command that exec_command left running, or wait for more of its output. Typing needs a command \
         that was started with tty.",
        json!({
            "type": "object",
            "properties": {
                "session_id": {"type": "number", "description": "The session ID that exec_command returned."},
                "chars": {"type": "string", "description": "What to type; empty or left out to wait only."},
                "yield_time_ms": {
                    "type": "number",
                    "description": "How long to wait for output before returning, in milliseconds.",
                },
                "max_output_tokens": {
                    "type": "number",
                    "description": "How many tokens of output to return; more is cut in the middle.",
                },
            },
            "required": ["session_id"],
            "additionalProperties": false,
        }),
    )
}
