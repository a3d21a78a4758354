//! Asking the user about a command, or a judge in the user's place, and what each answer does.
//!
//! The item is shown before the request and not again when the command runs. A refusal completes it: `declined` for an
//! answer that says no (or says nothing we understand), `failed` for an error answer. "Cancel" ends the turn. When the
//! turn ends while the question is open, nothing more is said of the item, and this never returns.

use serde_json::{Map, json};

use crate::engine::commands::ApprovalKey;
use crate::engine::guardian::{self, Planned, Ruling};
use crate::engine::hooks;
use crate::engine::host::Answer;
use crate::engine::items;
use crate::engine::tools::command_item::CommandItem;
use crate::engine::tools::{ToolContext, hooked};
use crate::exec::decision::Question;
use crate::exec::permissions::Grants;
use crate::exec::shell::script_of;
use crate::protocol::methods::server::ItemCommandExecutionRequestApproval;
use crate::protocol::{
    AdditionalPermissionProfile, CommandExecutionApprovalDecision, CommandExecutionRequestApprovalParams,
    CommandExecutionStatus, GuardianApprovalReviewAction, GuardianCommandSource, ItemStartedNotification,
    NetworkPolicyRuleAction, ThreadActiveFlag,
};
use crate::rpc::EncodedNotification;

/// What the user said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// The command may run. `shown`: its item has been started.
    Given {
        /// Whether clients know the item.
        shown: bool,
    },
    /// It may not; its item is completed.
    Refused,
    /// It may not, for this reason; its item, if there is one, is completed.
    Forbidden(String),
}

/// What the user is asked about a command.
#[derive(Debug)]
pub struct Asked<'a> {
    /// What an answer for the session is kept under.
    pub key: ApprovalKey,
    /// The question.
    pub question: Question,
    /// The model's own reason.
    pub justification: Option<String>,
    /// What the command may do beyond the sandbox policy.
    pub permissions: &'a Grants,
    /// Whether clients are to be shown the item first.
    pub announce: bool,
}

/// Asks, unless the user approved the very same for the session, or a hook answers.
pub async fn ask_about_command(cx: &ToolContext, item: &CommandItem, asked: Asked<'_>) -> Consent {
    let commands = &cx.turn.services.commands;
    if commands.is_approved(&asked.key) {
        return Consent::Given { shown: false };
    }
    let command = script_of(&asked.key.argv).unwrap_or(&item.command);
    let said = hooks::permission(
        &cx.turn,
        &item.id,
        hooked::SHELL,
        command,
        asked.justification.as_deref(),
    )
    .await;
    match said {
        Some(Ok(())) => return Consent::Given { shown: false },
        Some(Err(why)) => return Consent::Forbidden(why),
        None => {}
    }
    if guardian::judges(&cx.turn) {
        return have_judged(cx, item, asked).await;
    }
    let host = &cx.turn.host;
    let started_at_ms = items::now_ms();
    let announce = EncodedNotification::new(&ItemStartedNotification {
        item: item.asked(),
        started_at_ms,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    });
    let (announce, key) = (asked.announce.then_some(announce), asked.key.clone());
    let params = request(cx, item, asked, started_at_ms);
    let flag = Some(ThreadActiveFlag::WaitingOnApproval);
    let answer = host
        .ask_about::<ItemCommandExecutionRequestApproval>(announce, &params, flag)
        .await;
    let given = Consent::Given { shown: true };
    let decision = match answer {
        Answer::Given(response) => response.decision,
        Answer::Refused(_) => {
            items::record_and_publish_completed(&cx.turn, item.refused(CommandExecutionStatus::Failed)).await;
            return Consent::Refused;
        }
        Answer::Cancelled if host.cancel.is_cancelled() => return std::future::pending().await,
        Answer::Malformed(_) | Answer::Cancelled => CommandExecutionApprovalDecision::Decline,
    };
    match decision {
        CommandExecutionApprovalDecision::Accept => return given,
        CommandExecutionApprovalDecision::AcceptForSession => {
            commands.approve(key);
            return given;
        }
        CommandExecutionApprovalDecision::AcceptWithExecpolicyAmendment { execpolicy_amendment } => {
            if !execpolicy_amendment.is_empty() {
                let home = cx.turn.services.config.home.clone();
                commands.allow_prefix(home, execpolicy_amendment).await;
            }
            return given;
        }
        CommandExecutionApprovalDecision::ApplyNetworkPolicyAmendment {
            network_policy_amendment,
        } if network_policy_amendment.action == NetworkPolicyRuleAction::Allow => return given,
        CommandExecutionApprovalDecision::ApplyNetworkPolicyAmendment { .. }
        | CommandExecutionApprovalDecision::Decline
        | CommandExecutionApprovalDecision::Cancel => {}
    }
    items::record_and_publish_completed(&cx.turn, item.refused(CommandExecutionStatus::Declined)).await;
    if decision == CommandExecutionApprovalDecision::Cancel {
        host.cancel.cancel();
        return std::future::pending().await;
    }
    Consent::Refused
}

/// Has the command judged in the user's place.
async fn have_judged(cx: &ToolContext, item: &CommandItem, asked: Asked<'_>) -> Consent {
    let turn = &cx.turn;
    let item = item.undissected();
    let started_at_ms = items::now_ms();
    if asked.announce {
        items::publish_started_at(&turn.host, item.asked(), started_at_ms).await;
    }
    let how = match (asked.key.escalated, asked.permissions.is_empty()) {
        (true, _) => "require_escalated",
        (false, false) => "with_additional_permissions",
        (false, true) => "use_default",
    };
    let mut details = Map::new();
    if !asked.permissions.is_empty() {
        details.insert("additional_permissions".to_owned(), json!(asked.permissions.told()));
    }
    details.insert("command".to_owned(), json!(asked.key.argv));
    details.insert("cwd".to_owned(), json!(item.cwd));
    if let Some(justification) = asked.justification {
        details.insert("justification".to_owned(), json!(justification));
    }
    details.insert("sandbox_permissions".to_owned(), json!(how));
    details.insert("tool".to_owned(), json!(cx.call.name));
    details.insert("tty".to_owned(), json!(asked.key.terminal));
    let planned = Planned {
        item_id: Some(item.id.clone()),
        started_at_ms,
        action: GuardianApprovalReviewAction::Command {
            command: item.command.clone(),
            cwd: item.cwd.clone(),
            source: GuardianCommandSource::UnifiedExec,
        },
        details: details.into(),
        reason: asked.question.reason,
    };
    let (status, why) = match guardian::rule(turn, &planned).await {
        Ruling::Allowed => return Consent::Given { shown: true },
        Ruling::Denied(why) => (CommandExecutionStatus::Declined, why),
        Ruling::Late(why) => (CommandExecutionStatus::Failed, why),
    };
    items::record_and_publish_completed(turn, item.refused(status)).await;
    guardian::settle_refusal(turn).await;
    Consent::Forbidden(why)
}

fn request(
    cx: &ToolContext,
    item: &CommandItem,
    asked: Asked<'_>,
    started_at_ms: i64,
) -> CommandExecutionRequestApprovalParams {
    let question = asked.question;
    let permissions = Some(asked.permissions).filter(|permissions| !permissions.is_empty());
    let mut available = vec![CommandExecutionApprovalDecision::Accept];
    // A rule would let the command out of the sandbox: no answer to a question about more inside of it.
    let for_good = question.amendment.clone().filter(|_| permissions.is_none());
    available.extend(for_good.map(|execpolicy_amendment| {
        CommandExecutionApprovalDecision::AcceptWithExecpolicyAmendment { execpolicy_amendment }
    }));
    available.push(CommandExecutionApprovalDecision::Cancel);
    CommandExecutionRequestApprovalParams {
        additional_permissions: permissions.map(|permissions| {
            let (file_system, network) = permissions.to_wire();
            AdditionalPermissionProfile { file_system, network }
        }),
        available_decisions: Some(available),
        command: Some(item.command.clone()),
        command_actions: Some(item.actions.clone()),
        cwd: Some(item.cwd.clone()),
        item_id: item.id.clone(),
        proposed_execpolicy_amendment: question.amendment,
        reason: question.reason.or(asked.justification),
        started_at_ms,
        thread_id: cx.turn.host.thread_id.to_string(),
        turn_id: cx.turn.host.turn_id.to_string(),
        ..CommandExecutionRequestApprovalParams::default()
    }
}
