//! `wait_agent`: waits until one of several agents is done.
//!
//! The first that is done ends the wait; so does the time. An agent that does not exist is done.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, select_all};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Shown, agent_id, json_text, seam};
use crate::engine::agents::AgentStatus;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::{CollabAgentTool, ThreadId};

const NAME: &str = "wait_agent";
/// How long a wait takes when the model does not say.
const DEFAULT: i64 = 30_000;
/// Shorter waits would be polling.
const SHORTEST: i64 = 10_000;
const LONGEST: i64 = 3_600_000;

/// The tool.
pub(super) struct WaitAgent;

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    targets: Vec<String>,
    #[serde(default)]
    timeout_ms: Option<i64>,
}

impl Tool for WaitAgent {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        let timeout = format!(
            "How long to wait at most, in milliseconds: {DEFAULT} if left out, at least {SHORTEST}, at most {LONGEST}. \
             Prefer minutes to many short waits."
        );
        Some(function_spec(
            NAME,
            "Wait until one of the given agents is done. Returns how those stand that are done, with their last \
             messages, or an empty status when the time was over first. You are told when an agent is done in any \
             case, so wait only when you have nothing else to do.",
            json!({
                "type": "object",
                "properties": {
                    "targets": {
                        "type": "array",
                        "description": "The agents' ids; the first that is done ends the wait.",
                        "items": {"type": "string"},
                    },
                    "timeout_ms": {"type": "number", "description": timeout},
                },
                "required": ["targets"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { wait(cx).await.unwrap_or_else(|output| output) }.boxed()
    }
}

async fn wait(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let (agents, asker) = seam(&cx)?;
    let arguments: Arguments = parse_arguments(&cx.call)?;
    if arguments.targets.is_empty() {
        return Err(ToolOutput::text("agent ids must be non-empty"));
    }
    let mut targets: Vec<ThreadId> = Vec::with_capacity(arguments.targets.len());
    for target in &arguments.targets {
        let target = agent_id(target)?;
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let timeout = patience(arguments.timeout_ms)?;
    let mut shown = Shown::new(&cx, CollabAgentTool::Wait);
    shown.receivers.clone_from(&targets);
    shown.start().await;
    let watched: Vec<Watched> = targets.into_iter().map(|id| (id, agents.watch(&asker, id))).collect();
    let done = tokio::select! {
        done = first_done(watched) => done,
        () = tokio::time::sleep(timeout) => BTreeMap::new(),
    };
    let output = json!({
        "status": done.iter().map(|(id, status)| (id.to_string(), status)).collect::<BTreeMap<_, _>>(),
        "timed_out": done.is_empty(),
    });
    shown.receivers = done.keys().copied().collect();
    let failed = done.values().any(AgentStatus::is_failure);
    shown.complete(failed, done).await;
    Ok(json_text(&output))
}

fn patience(asked: Option<i64>) -> Result<Duration, ToolOutput> {
    let asked = asked.unwrap_or(DEFAULT);
    match u64::try_from(asked.clamp(SHORTEST, LONGEST)) {
        Ok(wait) if asked > 0 => Ok(Duration::from_millis(wait)),
        _ => Err(ToolOutput::text("timeout_ms must be greater than zero")),
    }
}

type Watched = (ThreadId, Option<watch::Receiver<AgentStatus>>);

/// The agents that are done, as soon as there is one.
async fn first_done(watched: Vec<Watched>) -> BTreeMap<ThreadId, AgentStatus> {
    let now = done_now(&watched);
    if !now.is_empty() || watched.is_empty() {
        return now;
    }
    let ends = watched.iter().filter_map(|(id, watch)| {
        let (id, mut watch) = (*id, watch.clone()?);
        let end = async move {
            let status = match watch.wait_for(AgentStatus::is_final).await {
                Ok(status) => status.clone(),
                // Its thread is gone without a word.
                Err(_) => AgentStatus::NotFound,
            };
            (id, status)
        };
        Some(end.boxed())
    });
    let ((id, status), ..) = select_all(ends).await;
    let mut done = done_now(&watched);
    done.entry(id).or_insert(status);
    done
}

fn done_now(watched: &[Watched]) -> BTreeMap<ThreadId, AgentStatus> {
    let status = |(id, watch): &Watched| match watch {
        Some(watch) => (*id, watch.borrow().clone()),
        None => (*id, AgentStatus::NotFound),
    };
    let all = watched.iter().map(status);
    all.filter(|(_, status)| status.is_final()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_neither_short_nor_endless() {
        assert_eq!(patience(None), Ok(Duration::from_secs(30)));
        assert_eq!(patience(Some(10)), Ok(Duration::from_secs(10)));
        assert_eq!(patience(Some(i64::MAX)), Ok(Duration::from_secs(3600)));
        let refused = Err(ToolOutput::text("timeout_ms must be greater than zero"));
        assert_eq!(patience(Some(0)), refused);
        assert_eq!(patience(Some(-1)), refused);
    }

    #[tokio::test]
    async fn the_first_agent_that_is_done_ends_the_wait() {
        let (busy, busy_watch) = watch::channel(AgentStatus::Running);
        let (other, other_watch) = watch::channel(AgentStatus::PendingInit);
        let (one, two) = (ThreadId::generate(), ThreadId::generate());
        let waiting = tokio::spawn(first_done(vec![(one, Some(busy_watch)), (two, Some(other_watch))]));
        other.send_replace(AgentStatus::Running);
        // An interrupted agent is not done.
        other.send_replace(AgentStatus::Interrupted);
        other.send_replace(AgentStatus::Completed(Some("done".into())));
        let done = waiting.await.unwrap();
        assert_eq!(
            done,
            BTreeMap::from([(two, AgentStatus::Completed(Some("done".into())))])
        );
        drop(busy);
    }

    #[tokio::test]
    async fn agents_that_are_gone_are_done() {
        let (sender, watch) = watch::channel(AgentStatus::Running);
        let (unknown, lost) = (ThreadId::generate(), ThreadId::generate());
        let done = first_done(vec![(unknown, None), (lost, Some(watch.clone()))]).await;
        assert_eq!(done, BTreeMap::from([(unknown, AgentStatus::NotFound)]));
        drop(sender);
        let done = first_done(vec![(lost, Some(watch))]).await;
        assert_eq!(done, BTreeMap::from([(lost, AgentStatus::NotFound)]));
    }
}
