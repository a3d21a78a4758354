//! The `update_plan` tool: a checklist that clients show. It is told, not kept.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::protocol::{ModeKind, TurnPlanStep, TurnPlanStepStatus, TurnPlanUpdatedNotification};

/// The tool.
#[derive(Debug, Default)]
pub struct UpdatePlan;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    #[serde(default)]
    explanation: Option<String>,
    plan: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    step: String,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Completed,
}

impl From<Step> for TurnPlanStep {
    fn from(step: Step) -> Self {
        TurnPlanStep {
            status: match step.status {
                Status::Pending => TurnPlanStepStatus::Pending,
                Status::InProgress => TurnPlanStepStatus::InProgress,
                Status::Completed => TurnPlanStepStatus::Completed,
            },
            step: step.step,
        }
    }
}

impl Tool for UpdatePlan {
    fn name(&self) -> &str {
        "update_plan"
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        Some(function_spec(
            "update_plan",
            "Shows the user a checklist of the steps of the task and how far each is. Send all steps every time; at most \
             one of them is in progress.",
            json!({
                "type": "object",
                "properties": {
                    "explanation": {"type": "string", "description": "Why the plan has changed"},
                    "plan": {
                        "type": "array",
                        "description": "All steps, in order",
                        "items": {
                            "type": "object",
                            "properties": {
                                "step": {"type": "string", "description": "A short sentence"},
                                "status": {"type": "string", "enum": ["pending", "in_progress", "completed"]},
                            },
                            "required": ["step", "status"],
                            "additionalProperties": false,
                        },
                    },
                },
                "required": ["plan"],
                "additionalProperties": false,
            }),
        ))
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        Box::pin(async move {
            if cx.turn.settings.mode == ModeKind::Plan {
                return ToolOutput::text("update_plan is a TODO/checklist tool and is not allowed in Plan mode");
            }
            let Arguments { explanation, plan } = match parse_arguments(&cx.call) {
                Ok(arguments) => arguments,
                Err(output) => return output,
            };
            let host = &cx.turn.host;
            host.publish(&TurnPlanUpdatedNotification {
                explanation,
                plan: plan.into_iter().map(TurnPlanStep::from).collect(),
                thread_id: host.thread_id.to_string(),
                turn_id: host.turn_id.to_string(),
            })
            .await;
            ToolOutput::text("Plan updated")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tools::trial::Trial;

    #[tokio::test]
    async fn a_plan_is_told_and_refused_where_it_does_not_belong() {
        let mut trial = Trial::new(|_| {}).await;
        let plan = json!({"explanation": "why", "plan": [{"step": "a", "status": "in_progress"}]});
        assert_eq!(
            trial.call(&UpdatePlan, plan.clone()).await,
            ToolOutput::text("Plan updated")
        );
        let (method, params) = trial.told().remove(0);
        assert_eq!(method, "turn/plan/updated");
        assert_eq!(
            (&params["explanation"], &params["plan"]),
            (&json!("why"), &json!([{"step": "a", "status": "inProgress"}]))
        );
        let extra = json!({"plan": [{"step": "a", "status": "pending", "extra": 1}]});
        let refused = trial.call(&UpdatePlan, extra).await;
        assert!(format!("{refused:?}").contains("failed to parse function arguments: unknown field `extra`"));
        let planning = Trial::new(|settings| settings.mode = ModeKind::Plan).await;
        assert_eq!(
            planning.call(&UpdatePlan, plan).await,
            ToolOutput::text("update_plan is a TODO/checklist tool and is not allowed in Plan mode")
        );
    }
}
