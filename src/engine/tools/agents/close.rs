//! `close_agent`: ends an agent that is no longer needed.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shown, agent_id, json_text, seam};
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::CollabAgentTool;

const NAME: &str = "close_agent";

/// The tool.
pub(super) struct CloseAgent;

#[derive(Deserialize)]
struct Arguments {
    target: String,
}

impl Tool for CloseAgent {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        Some(function_spec(
            NAME,
            "End an agent and all agents below it once they are no longer needed; a session can only have a few at a \
             time. Returns how the agent stood before. What it is doing is interrupted. It can be resumed later.",
            json!({
                "type": "object",
                "properties": {"target": {"type": "string", "description": "The agent's id, as spawn_agent returned it."}},
                "required": ["target"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { close(cx).await.unwrap_or_else(|output| output) }.boxed()
    }
}

async fn close(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let (agents, asker) = seam(&cx)?;
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let target = agent_id(&arguments.target)?;
    let mut shown = Shown::new(&cx, CollabAgentTool::CloseAgent);
    shown.receivers = vec![target];
    shown.start().await;
    match agents.close(asker, target).await {
        Ok(before) => {
            // Closing an agent that had failed does not fail.
            shown.complete(false, BTreeMap::from([(target, before.clone())])).await;
            Ok(json_text(&json!({"previous_status": before})))
        }
        Err(error) => Ok(shown.fail_one(target, &error).await),
    }
}
