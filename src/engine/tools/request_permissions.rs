//! `request_permissions`: the model asks for more than the sandbox policy allows, for the commands and patches to come.
//!
//! The client grants all of it, a part, or nothing, for the turn or for the session. An answer never grants more than
//! was asked for, and one that is no answer grants nothing. Where the approval policy forbids asking, nothing is
//! granted either.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::guardian::{self, Planned, Ruling};
use crate::engine::host::Answer;
use crate::engine::items;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec, parse_arguments};
use crate::exec::permissions::{Grants, RequestPermissionProfile, ToldPermissions};
use crate::protocol::methods::server::ItemPermissionsRequestApproval;
use crate::protocol::{
    self, AskForApproval, GuardianApprovalReviewAction, PermissionGrantScope, PermissionsRequestApprovalParams,
    PermissionsRequestApprovalResponse, ThreadActiveFlag,
};

const NAME: &str = "request_permissions";

/// The feature that opens the tool.
pub const FEATURE: &str = "request_permissions_tool";

/// The tool.
pub struct RequestPermissions;

#[derive(Deserialize)]
struct Arguments {
    #[serde(default)]
    reason: Option<String>,
    permissions: RequestPermissionProfile,
}

/// What the model is told.
#[derive(Serialize)]
struct Told {
    permissions: ToldPermissions,
    scope: PermissionGrantScope,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict_auto_review: bool,
}

/// What came of asking.
#[derive(Default)]
struct Granted {
    permissions: Grants,
    scope: PermissionGrantScope,
    strict: bool,
}

/// The schema of permissions as a model names them.
pub(super) fn schema() -> Value {
    let paths = |what: &str| json!({"type": "array", "items": {"type": "string"}, "description": what});
    json!({
        "type": "object",
        "properties": {
            "network": {
                "type": "object",
                "properties": {"enabled": {"type": "boolean", "description": "True to use the network."}},
                "additionalProperties": false,
            },
            "file_system": {
                "type": "object",
                "properties": {
                    "read": paths("Absolute paths to read."),
                    "write": paths("Absolute paths to write, each with all that is below it."),
                },
                "additionalProperties": false,
            },
        },
        "additionalProperties": false,
    })
}

impl Tool for RequestPermissions {
    fn name(&self) -> &str {
        NAME
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        offer.request_permissions.then(|| {
            function_spec(
                NAME,
                "Ask the user for permissions beyond the sandbox: the network, or folders to read or write. What is \
                 granted, which may be less, holds for the commands and patches that follow in this turn, or in the whole \
                 session if the user says so.",
                json!({
                    "type": "object",
                    "properties": {
                        "reason": {"type": "string", "description": "What they are needed for, in one sentence."},
                        "permissions": schema(),
                    },
                    "required": ["permissions"],
                    "additionalProperties": false,
                }),
            )
        })
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        async move { run(cx).await.unwrap_or_else(|refusal| refusal) }.boxed()
    }
}

async fn run(cx: ToolContext) -> Result<ToolOutput, ToolOutput> {
    if !cx.turn.services.config.feature(FEATURE) {
        return Err(ToolOutput::text(format!("unsupported call: {NAME}")));
    }
    let arguments: Arguments = parse_arguments(&cx.call)?;
    let asked = arguments.permissions.grants(&cx.turn.settings.cwd);
    if asked.is_empty() {
        return Err(ToolOutput::text("request_permissions requires at least one permission"));
    }
    let granted = match cx.turn.settings.approval_policy {
        AskForApproval::Never
        | AskForApproval::Granular {
            request_permissions: false,
            ..
        } => Granted::default(),
        _ => ask(&cx, &asked, arguments.reason).await,
    };
    match granted.scope {
        PermissionGrantScope::Turn => cx.turn.grant(&granted.permissions, granted.strict),
        PermissionGrantScope::Session => cx.turn.services.commands.grant(&granted.permissions),
    }
    let told = Told {
        permissions: granted.permissions.told(),
        scope: granted.scope,
        strict_auto_review: granted.strict,
    };
    serde_json::to_string(&told)
        .map(ToolOutput::text)
        .map_err(|error| ToolOutput::text(error.to_string()))
}

/// Has the wish judged in the user's place: all of it is granted for the turn, or nothing.
async fn have_judged(cx: &ToolContext, asked: &Grants, reason: Option<String>) -> Granted {
    let (file_system, network) = asked.to_wire();
    let planned = Planned {
        item_id: Some(cx.call.call_id.clone()),
        started_at_ms: items::now_ms(),
        details: json!({"permissions": asked.told(), "reason": reason, "tool": NAME}),
        action: GuardianApprovalReviewAction::RequestPermissions {
            permissions: protocol::RequestPermissionProfile { file_system, network },
            reason,
        },
        reason: None,
    };
    if guardian::rule(&cx.turn, &planned).await == Ruling::Allowed {
        return Granted {
            permissions: asked.clone(),
            ..Granted::default()
        };
    }
    guardian::settle_refusal(&cx.turn).await;
    Granted::default()
}

/// Asks the client. Never returns when the turn ends instead.
async fn ask(cx: &ToolContext, asked: &Grants, reason: Option<String>) -> Granted {
    // A strict grant has its commands and patches judged; who grants more is still the user.
    if guardian::stands_in(&cx.turn) {
        return have_judged(cx, asked, reason).await;
    }
    let host = &cx.turn.host;
    let (file_system, network) = asked.to_wire();
    let params = PermissionsRequestApprovalParams {
        cwd: cx.turn.settings.cwd.clone(),
        item_id: cx.call.call_id.clone(),
        permissions: protocol::RequestPermissionProfile { file_system, network },
        reason,
        started_at_ms: items::now_ms(),
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    };
    let flag = Some(ThreadActiveFlag::WaitingOnApproval);
    match host.ask::<ItemPermissionsRequestApproval>(&params, flag).await {
        Answer::Given(response) => limited(cx, asked, response),
        Answer::Refused(_) => Granted::default(),
        Answer::Malformed(error) => {
            tracing::warn!(thread.id = %host.thread_id, %error, "permissions.undecodable: nothing is granted");
            Granted::default()
        }
        Answer::Cancelled if host.cancel.is_cancelled() => std::future::pending().await,
        Answer::Cancelled => Granted::default(),
    }
}

/// What of an answer counts.
fn limited(cx: &ToolContext, asked: &Grants, response: PermissionsRequestApprovalResponse) -> Granted {
    let strict = response.strict_auto_review.unwrap_or(false);
    if strict && response.scope == PermissionGrantScope::Session {
        // Who looks at every command does so for a turn.
        tracing::warn!(thread.id = %cx.turn.host.thread_id, "permissions.strict: not for a session; nothing is granted");
        return Granted::default();
    }
    let answer = Grants::from_wire(response.permissions.file_system, response.permissions.network);
    Granted {
        permissions: answer.limited_to(asked, &cx.turn.settings.cwd),
        scope: response.scope,
        strict,
    }
}
