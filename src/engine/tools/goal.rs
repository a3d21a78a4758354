//! `get_goal`, `create_goal` and `update_goal`: the model's side of the thread's goal.
//!
//! The model may set a goal where there is none and call one complete. Everything else about it is the user's.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::goal::GoalChange;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::{ThreadGoal, ThreadGoalStatus, ThreadGoalUpdatedNotification};

/// One of the tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalTool {
    /// Reads the goal.
    Get,
    /// Sets a goal where there is none.
    Create,
    /// Calls the goal complete.
    Update,
}

#[derive(Deserialize)]
struct Create {
    objective: String,
    #[serde(default)]
    token_budget: Option<i64>,
}

#[derive(Deserialize)]
struct Update {
    status: String,
}

impl Tool for GoalTool {
    fn name(&self) -> &str {
        match self {
            GoalTool::Get => "get_goal",
            GoalTool::Create => "create_goal",
            GoalTool::Update => "update_goal",
        }
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        offer.goals.then(|| self.described())
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        let tool = *self;
        Box::pin(async move { tool.answer(&cx).await.unwrap_or_else(|refusal| refusal) })
    }
}

impl GoalTool {
    fn described(self) -> Value {
        let (description, properties, required) = match self {
            GoalTool::Get => (
                "Read the goal of this thread: its objective, how it stands, what it has cost and may cost.",
                json!({}),
                json!([]),
            ),
            GoalTool::Create => (
                "Set a goal for this thread, which is then worked on over several turns. Only when the user or the \
                 instructions ask for one; an ordinary task is no goal. Fails when there is a goal already.",
                json!({
                    "objective": {"type": "string", "description": "What is to be achieved"},
                    "token_budget": {
                        "type": "integer",
                        "description": "The most tokens it may cost; leave it out unless the user named one",
                    },
                }),
                json!(["objective"]),
            ),
            GoalTool::Update => (
                "Call the goal of this thread complete. Only when everything in its objective is achieved and checked.",
                json!({"status": {"type": "string", "enum": ["complete"]}}),
                json!(["status"]),
            ),
        };
        let parameters = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        function_spec(self.name(), description, parameters)
    }

    async fn answer(self, cx: &ToolContext) -> Result<ToolOutput, ToolOutput> {
        let goal = &cx.turn.services.goal;
        if !goal.is_enabled() {
            return Err(ToolOutput::text(format!("unsupported call: {}", self.name())));
        }
        let failed = |error: crate::engine::goal::GoalError| ToolOutput::text(error.to_string());
        let turn_id = &*cx.turn.host.turn_id;
        match self {
            GoalTool::Get => Ok(shown(goal.current().as_ref(), false)),
            GoalTool::Create => {
                let Create {
                    objective,
                    token_budget,
                } = parse_arguments(&cx.call)?;
                let change = GoalChange {
                    objective: Some(objective),
                    status: None,
                    token_budget: token_budget.map(Some),
                };
                let change = change.checked().map_err(failed)?;
                let created = goal.create(turn_id, &change).await.map_err(failed)?;
                let created = created.ok_or_else(|| {
                    ToolOutput::text(
                        "there is a goal already, so no other can be set; call update_goal once that one is complete",
                    )
                })?;
                tell(cx, &created).await;
                Ok(shown(Some(&created), false))
            }
            GoalTool::Update => {
                let Update { status } = parse_arguments(&cx.call)?;
                if status != "complete" {
                    return Err(ToolOutput::text(
                        "update_goal can only call the goal complete; pausing, resuming and limits are up to the user",
                    ));
                }
                let change = GoalChange {
                    status: Some(ThreadGoalStatus::Complete),
                    ..GoalChange::default()
                };
                let complete = goal.change(Some(turn_id), &change).await.map_err(failed)?;
                tell(cx, &complete).await;
                Ok(shown(Some(&complete), true))
            }
        }
    }
}

async fn tell(cx: &ToolContext, goal: &ThreadGoal) {
    let host = &cx.turn.host;
    let updated = ThreadGoalUpdatedNotification {
        goal: goal.clone(),
        thread_id: host.thread_id.to_string(),
        turn_id: Some(host.turn_id.to_string()),
    };
    host.broadcast(&updated).await;
}

/// The goal as the model reads it.
fn shown(goal: Option<&ThreadGoal>, achieved: bool) -> ToolOutput {
    let left = goal.and_then(|goal| Some(goal.token_budget?.saturating_sub(goal.tokens_used).max(0)));
    let report = goal.filter(|_| achieved).and_then(|goal| {
        let budget = goal.token_budget?;
        let used = goal.tokens_used;
        Some(format!(
            "The goal is achieved. Tell the user what it took: {used} of {budget} tokens."
        ))
    });
    let goal = goal.map(|goal| {
        let mut shown = json!({"threadId": goal.thread_id, "objective": goal.objective, "status": goal.status});
        if let Some(budget) = goal.token_budget {
            shown["tokenBudget"] = budget.into();
        }
        shown["tokensUsed"] = goal.tokens_used.into();
        shown["timeUsedSeconds"] = goal.time_used_seconds.into();
        shown["createdAt"] = goal.created_at.into();
        shown["updatedAt"] = goal.updated_at.into();
        shown
    });
    let answer = json!({"goal": goal, "remainingTokens": left, "completionBudgetReport": report});
    ToolOutput::text(format!("{answer:#}"))
}
