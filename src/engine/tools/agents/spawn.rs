//! `spawn_agent`: a new agent of this thread, with something to do.
//!
//! The call returns as soon as the agent is loaded; its work begins once clients have seen which agent it is.

use std::collections::BTreeMap;
use std::fmt::Write;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::input::{Item, items_schema, preview, read};
use super::{Shown, json_text, seam};
use crate::engine::agents::{AgentStatus, AgentWish};
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::model::catalog::{ModelInfo, ModelList};
use crate::protocol::{CollabAgentTool, ReasoningEffort};

const NAME: &str = "spawn_agent";

/// What clients are shown of an agent whose model has no effort of its own.
const PLAIN_EFFORT: ReasoningEffort = ReasoningEffort::Medium;

/// The roles that are always there: what each is for.
const ROLES: &[(&str, &str)] = &[
    ("default", "An ordinary agent."),
    (
        "explorer",
        "Answers specific questions about the code, quickly and without changing it. Ask explorers narrow questions, several \
         of them at once where the questions are independent, and rely on their answers.",
    ),
    (
        "worker",
        "Carries out a bounded piece of work: a part of a feature, a fix, a slice of a refactoring. Say which files it \
         owns, and that others work in the same folder whose changes it must leave alone.",
    ),
];

/// A role of the configuration as models read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleText {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
}

/// The tool.
pub(super) struct SpawnAgent {
    roles: Vec<RoleText>,
}

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    items: Option<Vec<Item>>,
    #[serde(default)]
    agent_type: Option<String>,
    #[serde(default)]
    fork_context: bool,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    reasoning_effort: Option<ReasoningEffort>,
    #[serde(default)]
    service_tier: Option<String>,
}

impl SpawnAgent {
    pub(super) fn new(roles: Vec<RoleText>) -> Self {
        SpawnAgent { roles }
    }

    fn roles_text(&self) -> String {
        let mut text = "The kind of agent; `default` if left out. Kinds:".to_owned();
        let own = |name: &str| self.roles.iter().find(|role| role.name == name);
        let built_in = ROLES
            .iter()
            .filter(|(name, _)| own(name).is_none())
            .map(|(name, description)| (*name, Some(*description)));
        let added = self
            .roles
            .iter()
            .map(|role| (role.name.as_str(), role.description.as_deref()));
        for (name, description) in added.chain(built_in) {
            let description = description.unwrap_or("No description.");
            let _ = write!(text, "\n- {name}: {description}");
        }
        text
    }
}

impl Tool for SpawnAgent {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        let text = |description: &str| json!({"type": "string", "description": description});
        let description = format!(
            "Start another agent on a well-defined task beside your own work, in the same folder and with the same \
             permissions. Returns its id and the name that people see. Only do so when the user asked for agents, \
             delegation or parallel work; that a task is large or needs research is no such request.\n\
             - Keep what blocks your next step to yourself; hand out what can be done beside it.\n\
             - Describe each task so that it can be done without asking back, and say what you need to know at the end.\n\
             - Give agents that change files disjoint sets of files, and ask for the list of what they changed.\n\
             - Do not repeat an agent's work. You are told when an agent is done; wait_agent only when you have nothing \
             else to do.\n\
             - close_agent agents that you need no more.\n\
             Agents run on your model unless `model` names another, which the user should have asked for:\n{}",
            models_text(&offer.models)
        );
        Some(function_spec(
            NAME,
            &description,
            json!({
                "type": "object",
                "properties": {
                    "message": text("The task, as plain text. Use either message or items."),
                    "items": items_schema(),
                    "agent_type": text(&self.roles_text()),
                    "fork_context": {
                        "type": "boolean",
                        "description": "Whether the agent begins with what has been said in this conversation. It then has \
                                        your kind, model and effort.",
                    },
                    "model": text("Another model than your own."),
                    "reasoning_effort": text("Another reasoning effort than your own."),
                    "service_tier": text("Another service tier than your own."),
                },
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { spawn(cx).await.unwrap_or_else(|output| output) }.boxed()
    }
}

fn models_text(models: &ModelList) -> String {
    let line = |model: &ModelInfo| format!("- `{}`: {}", model.slug, model.description);
    models.visible().map(line).collect::<Vec<_>>().join("\n")
}

async fn spawn(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    let (agents, asker) = seam(&cx)?;
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let input = read(arguments.message, arguments.items)?;
    let mut shown = Shown::new(&cx, CollabAgentTool::SpawnAgent);
    shown.prompt = Some(preview(&input));
    shown.model = Some(arguments.model.clone().unwrap_or_default());
    shown.effort = Some(arguments.reasoning_effort.unwrap_or(PLAIN_EFFORT));
    shown.start().await;
    let wish = AgentWish {
        role: arguments.agent_type,
        fork_context: arguments.fork_context,
        model: arguments.model,
        effort: arguments.reasoning_effort,
        service_tier: arguments.service_tier,
    };
    let agent = match agents.spawn(cx.turn.clone(), wish).await {
        Ok(agent) => agent,
        Err(error) => {
            shown.complete(true, BTreeMap::new()).await;
            return Ok(ToolOutput::text(error.to_string()));
        }
    };
    shown.receivers = vec![agent.id];
    shown.model = Some(agent.model);
    shown.effort = Some(agent.effort.unwrap_or(PLAIN_EFFORT));
    shown.complete_one(agent.id, AgentStatus::PendingInit).await;
    cx.turn.host.fence().await;
    match agents.send(asker, agent.id, input, false).await {
        Ok(_) => Ok(json_text(
            &json!({"agent_id": agent.id.to_string(), "nickname": agent.nickname}),
        )),
        Err(error) => Ok(ToolOutput::text(error.to_string())),
    }
}
