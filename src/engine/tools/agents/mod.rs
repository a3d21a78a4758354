//! The agent tools: a model spawns agents, gives them work, waits for them, closes them and takes them up again.
//!
//! A file for each tool; here is what they share: the shape of their items, ids, and the message or items that agents
//! are given. What is wrong with a call's arguments is told to the model alone; once a call shows as an item, the item
//! always completes.

mod close;
mod input;
mod resume;
mod send;
mod spawn;
mod wait;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::agents::{AgentError, AgentStatus, Agents, Lineage};
use crate::engine::items;
use crate::engine::tools::{Tool, ToolContext, ToolOutput};
use crate::protocol::{CollabAgentTool, CollabAgentToolCallStatus, ReasoningEffort, ThreadId, ThreadItem};

pub use spawn::RoleText;

/// The agent tools in the order in which they are offered. `roles` are those that the configuration adds.
pub fn tools(roles: Vec<RoleText>) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(spawn::SpawnAgent::new(roles)),
        Arc::new(send::SendInput),
        Arc::new(resume::ResumeAgent),
        Arc::new(wait::WaitAgent),
        Arc::new(close::CloseAgent),
    ]
}

/// What a call shows of itself.
struct Shown {
    cx: ToolContext,
    tool: CollabAgentTool,
    prompt: Option<String>,
    model: Option<String>,
    effort: Option<ReasoningEffort>,
    receivers: Vec<ThreadId>,
}

impl Shown {
    fn new(cx: &ToolContext, tool: CollabAgentTool) -> Self {
        Shown {
            cx: cx.clone(),
            tool,
            prompt: None,
            model: None,
            effort: None,
            receivers: Vec::new(),
        }
    }

    fn item(&self, status: CollabAgentToolCallStatus, states: &BTreeMap<ThreadId, AgentStatus>) -> ThreadItem {
        ThreadItem::CollabAgentToolCall {
            agents_states: states
                .iter()
                .map(|(id, status)| (id.to_string(), status.shown()))
                .collect(),
            id: self.cx.call.call_id.clone(),
            model: self.model.clone(),
            prompt: self.prompt.clone(),
            reasoning_effort: self.effort,
            receiver_thread_ids: self.receivers.iter().map(ToString::to_string).collect(),
            sender_thread_id: self.cx.turn.host.thread_id.to_string(),
            status,
            tool: self.tool,
        }
    }

    /// Shows the call. What is told about agents afterwards comes after it.
    async fn start(&self) {
        let item = self.item(CollabAgentToolCallStatus::InProgress, &BTreeMap::new());
        items::publish_started(&self.cx.turn.host, item).await;
        self.cx.turn.host.fence().await;
    }

    /// Shows how the call went.
    async fn complete(&self, failed: bool, states: BTreeMap<ThreadId, AgentStatus>) {
        let status = match failed {
            true => CollabAgentToolCallStatus::Failed,
            false => CollabAgentToolCallStatus::Completed,
        };
        items::record_and_publish_completed(&self.cx.turn, self.item(status, &states)).await;
    }

    /// Shows how a call about one agent went.
    async fn complete_one(&self, target: ThreadId, status: AgentStatus) {
        let failed = status.is_failure();
        self.complete(failed, BTreeMap::from([(target, status)])).await;
    }

    /// Shows that a call about one agent failed; the output for the model.
    async fn fail_one(&self, target: ThreadId, error: &AgentError) -> ToolOutput {
        let status = match error {
            AgentError::NotFound(_) => AgentStatus::NotFound,
            other => AgentStatus::Errored(other.to_string()),
        };
        self.complete(true, BTreeMap::from([(target, status)])).await;
        ToolOutput::text(error.to_string())
    }
}

/// Who can spawn and steer agents, and where the caller stands among them.
fn seam(cx: &ToolContext) -> Result<(Arc<dyn Agents>, Lineage), ToolOutput> {
    match &cx.turn.services.agents {
        Some(seat) => Ok((Arc::clone(&seat.agents), seat.lineage.clone())),
        None => Err(ToolOutput::text(format!("unsupported call: {}", cx.call.name))),
    }
}

/// Reads an agent's id.
fn agent_id(text: &str) -> Result<ThreadId, ToolOutput> {
    let id = uuid::Uuid::parse_str(text).map(ThreadId);
    id.map_err(|error| ToolOutput::text(format!("invalid agent id {text}: {}", words(&error))))
}

/// Why a text is no id, in the words that models know: positions count from 1.
fn words(error: &uuid::Error) -> String {
    let text = format!("{error:?}");
    let counted = text.split_once("index: ").and_then(|(before, rest)| {
        let (index, after) = rest.split_once(' ')?;
        Some(format!("{before}index: {} {after}", index.parse::<usize>().ok()? + 1))
    });
    counted.unwrap_or(text)
}

fn json_text<T: serde::Serialize>(value: &T) -> ToolOutput {
    match serde_json::to_string(value) {
        Ok(text) => ToolOutput::text(text),
        Err(error) => ToolOutput::text(format!("the result could not be encoded: {error}")),
    }
}
