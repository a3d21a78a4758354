//! `send_input`: gives an agent more to do.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Item, items_schema, preview, read};
use super::{Shown, agent_id, json_text, seam};
use crate::engine::agents::AgentStatus;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::CollabAgentTool;

const NAME: &str = "send_input";

/// The tool.
pub(super) struct SendInput;

#[derive(Deserialize)]
struct Arguments {
    target: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    items: Option<Vec<Item>>,
    #[serde(default)]
    interrupt: bool,
}

impl Tool for SendInput {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        Some(function_spec(
            NAME,
            "Give an agent that you spawned more to do. It keeps what it knows from its earlier work. While it works, \
             the input waits for its next step; with interrupt it stops what it is doing and takes the input up at once.",
            json!({
                "type": "object",
                "properties": {
                    "target": {"type": "string", "description": "The agent's id, as spawn_agent returned it."},
                    "message": {"type": "string", "description": "What to do, as plain text. Use either message or items."},
                    "items": items_schema(),
                    "interrupt": {"type": "boolean", "description": "Whether to stop the agent's present work. Default false."},
                },
                "required": ["target"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { send(cx).await.unwrap_or_else(|output| output) }.boxed()
    }
}

async fn send(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let (agents, asker) = seam(&cx)?;
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let target = agent_id(&arguments.target)?;
    let input = read(arguments.message, arguments.items)?;
    let mut shown = Shown::new(&cx, CollabAgentTool::SendInput);
    shown.receivers = vec![target];
    shown.prompt = Some(preview(&input));
    shown.start().await;
    let stands = agents.watch(&asker, target).map(|watch| watch.borrow().clone());
    match agents.send(asker, target, input, arguments.interrupt).await {
        Ok(submission) => {
            shown
                .complete_one(target, stands.unwrap_or(AgentStatus::NotFound))
                .await;
            Ok(json_text(&json!({"submission_id": submission})))
        }
        Err(error) => Ok(shown.fail_one(target, &error).await),
    }
}
