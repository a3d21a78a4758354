//! `resume_agent`: takes up an agent that was closed.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shown, agent_id, json_text, seam};
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::CollabAgentTool;

const NAME: &str = "resume_agent";

/// The tool.
pub(super) struct ResumeAgent;

#[derive(Deserialize)]
struct Arguments {
    id: String,
}

impl Tool for ResumeAgent {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        Some(function_spec(
            NAME,
            "Take up an agent that was closed, with all it knew, so that it can be sent input and waited for again.",
            json!({
                "type": "object",
                "properties": {"id": {"type": "string", "description": "The agent's id."}},
                "required": ["id"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { resume(cx).await.unwrap_or_else(|output| output) }.boxed()
    }
}

async fn resume(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let (agents, _) = seam(&cx)?;
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let target = agent_id(&arguments.id)?;
    let mut shown = Shown::new(&cx, CollabAgentTool::ResumeAgent);
    shown.receivers = vec![target];
    shown.start().await;
    match agents.resume(cx.turn.clone(), target).await {
        Ok(status) => {
            shown.complete_one(target, status.clone()).await;
            Ok(json_text(&json!({"status": status})))
        }
        Err(error) => Ok(shown.fail_one(target, &error).await),
    }
}
