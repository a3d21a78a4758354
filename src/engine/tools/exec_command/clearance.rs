//! Whether a command runs, where, and with which permissions: the decision, and the question if there is one.
//!
//! A command may ask to leave the sandbox, or for more inside of it. What the user granted before (for the turn or the
//! session) is added to whatever runs inside without asking.

use std::sync::Arc;

use crate::engine::approvals::{Asked, Consent, ask_about_command};
use crate::engine::commands::ApprovalKey;
use crate::engine::environments::{Environment, can_be_told};
use crate::engine::hosts::HostKeeper;
use crate::engine::tools::command_item::CommandItem;
use crate::engine::tools::{ToolContext, ToolOutput, request_permissions};
use crate::exec::actions::command_actions;
use crate::exec::decision::{
    Decision, Placement, Question, Request, SandboxAvailability, decide, refuse_escalation, retry,
};
use crate::exec::permissions::Grants;
use crate::exec::place::Hold;
use crate::exec::sandbox::Confinement;
use crate::exec::shell::{Shell, display};
use crate::protocol::{AbsolutePathBuf, ApprovalsReviewer, AskForApproval};

use super::arguments::{Arguments, BY_USER, SandboxPermissions};

/// The feature that lets a command ask for more inside of the sandbox.
pub const ADDITIONAL_PERMISSIONS: &str = "exec_permission_approvals";

/// A command that may run.
pub(in crate::engine::tools) struct Cleared {
    pub(in crate::engine::tools) argv: Vec<String>,
    pub(in crate::engine::tools) item: CommandItem,
    /// Clients know the item already.
    pub(in crate::engine::tools) shown: bool,
    /// Where it runs.
    placement: Placement,
    /// What it may do beyond the sandbox policy.
    grants: Grants,
    /// Who decides about the hosts that it reaches, where something looks at them.
    pub(in crate::engine::tools) keeper: Option<Arc<HostKeeper>>,
    /// What is asked when the sandbox seems to have stopped it, and what an answer for the session is kept under.
    retry: Option<(Question, ApprovalKey)>,
    /// The user has accepted the command as such, wherever it runs.
    agreed: bool,
}

/// Decides about a command and asks if need be.
pub(in crate::engine::tools) async fn clear(
    cx: &ToolContext,
    arguments: &Arguments,
    login: bool,
    cwd: AbsolutePathBuf,
    environment: &Environment,
) -> Result<Cleared, ToolOutput> {
    let wish = wish(cx, arguments, &cwd).map_err(ToolOutput::text)?;
    let shell = match &arguments.shell {
        Some(wanted) => &Shell::named(wanted),
        None => Shell::login(),
    };
    let argv = shell.command_line(&arguments.cmd, login);
    let settings = &cx.turn.settings;
    let commands = &cx.turn.services.commands;
    let rules = commands.rules();
    // Somebody has to ask an executor what it can do; where nothing is restricted nobody needs to know.
    let availability = match settings.restricts_commands() {
        false => SandboxAvailability::Available,
        true if environment.place.is_remote() && !can_be_told(settings) => SandboxAvailability::UnavailableThere,
        true => match environment.place.availability().await {
            Ok(availability) => availability,
            Err(error) => return Err(arguments.refused(&display(&argv), &error.to_string())),
        },
    };
    let request = Request {
        argv: &argv,
        approval: &settings.approval_policy,
        restricted: settings.restricts_commands(),
        reads_all: settings.reads_all(),
        availability,
        escalated: wish.escalated,
        widened: wish.widened,
        proposed_prefix: arguments.prefix_rule.as_deref(),
        rules: &rules,
    };
    let decision = match decide(&request) {
        // Permissions were granted on the condition that what is done with them is judged.
        Decision::Run(placement) if cx.turn.judges_all() => Decision::Ask(Question {
            reason: None,
            amendment: None,
            placement,
        }),
        decision => decision,
    };
    let key = ApprovalKey {
        environment: Arc::clone(&environment.id),
        argv: argv.clone(),
        cwd: cwd.as_path().to_path_buf(),
        escalated: wish.escalated,
        again: false,
        permissions: serde_json::to_string(&wish.grants.told()).unwrap_or_default(),
        terminal: arguments.tty,
    };
    let item = CommandItem {
        id: cx.call.call_id.clone(),
        command: display(&argv),
        actions: command_actions(&argv, &cwd),
        cwd,
    };
    let again = retry(&request).map(|question| {
        let key = ApprovalKey {
            again: true,
            ..key.clone()
        };
        (question, key)
    });
    let (placement, shown, agreed) = match decision {
        Decision::Reject(why) => return Err(arguments.refused(&item.command, &why)),
        Decision::Run(placement) => (placement, false, false),
        Decision::Ask(question) => {
            let placement = question.placement;
            let asked = Asked {
                key,
                question,
                justification: arguments.justification.clone(),
                permissions: &wish.grants,
                announce: true,
            };
            let shown = consent(cx, arguments, &item, asked).await?;
            // Under this policy every command is asked about for itself, not for where it runs.
            let agreed = settings.approval_policy == AskForApproval::Untrusted
                && settings.approvals_reviewer == ApprovalsReviewer::User
                && !cx.turn.judges_all();
            (placement, shown, agreed)
        }
    };
    Ok(Cleared {
        argv,
        item,
        shown,
        placement,
        grants: wish.grants,
        keeper: cx
            .turn
            .network_filter()
            .map(|filter| HostKeeper::new(&cx.turn.services, filter, &arguments.cmd)),
        retry: again,
        agreed,
    })
}

/// Asks; whether clients know the item then. A refusal is the output of the call.
async fn consent(
    cx: &ToolContext,
    arguments: &Arguments,
    item: &CommandItem,
    asked: Asked<'_>,
) -> Result<bool, ToolOutput> {
    match ask_about_command(cx, item, asked).await {
        Consent::Given { shown } => Ok(shown),
        Consent::Refused => Err(arguments.refused(&item.command, BY_USER)),
        Consent::Forbidden(why) => Err(arguments.refused(&item.command, &why)),
    }
}

impl Cleared {
    /// What the command is held to; none when nothing confines it.
    pub(in crate::engine::tools) async fn hold(&self, cx: &ToolContext, environment: &Environment) -> Option<Hold> {
        if self.placement == Placement::Unrestricted {
            return None;
        }
        if let Some(bounds) = cx.turn.bounds_there(environment) {
            return Some(Hold::There(bounds));
        }
        let (turn, grants) = (cx.turn.clone(), self.grants.clone());
        // A lookup that fell confines to reading.
        let confinement = tokio::task::spawn_blocking(move || turn.confinement(&grants))
            .await
            .unwrap_or_else(|_| Some(Confinement::default()));
        confinement.map(Hold::Here)
    }

    /// Clients know the item now: they can be asked about hosts.
    pub(in crate::engine::tools) fn is_announced(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.announced();
        }
    }

    /// Whether the approval policy asks about commands that the sandbox stopped.
    pub(in crate::engine::tools) fn may_go_again(&self) -> bool {
        self.retry.is_some()
    }

    /// Asks whether the command may run again, without the sandbox that seems to have stopped it, unless the user has
    /// agreed to that already; false when the approval policy does not ask about it.
    pub(in crate::engine::tools) async fn again(
        &mut self,
        cx: &ToolContext,
        arguments: &Arguments,
    ) -> Result<bool, ToolOutput> {
        let Some((question, key)) = self.retry.take() else {
            return Ok(false);
        };
        if self.agreed {
            return Ok(true);
        }
        let asked = Asked {
            key,
            question,
            justification: arguments.justification.clone(),
            permissions: &self.grants,
            announce: !self.shown,
        };
        self.shown |= consent(cx, arguments, &self.item, asked).await?;
        Ok(true)
    }
}

/// How a command wants to stand to the sandbox.
struct Wish {
    /// Outside of it.
    escalated: bool,
    /// Inside, with more than the policy and the user's grants allow.
    widened: bool,
    /// All that it may do beyond the policy once it is cleared.
    grants: Grants,
}

/// What a call wishes for, or why it may not.
fn wish(cx: &ToolContext, arguments: &Arguments, cwd: &AbsolutePathBuf) -> Result<Wish, String> {
    let policy = &cx.turn.settings.approval_policy;
    let config = &cx.turn.services.config;
    let named = arguments.additional_permissions.clone().map(|named| named.grants(cwd));
    let escalated = arguments.sandbox_permissions == SandboxPermissions::RequireEscalated;
    let granted = cx.turn.granted();
    let wanted = match (&named, escalated) {
        (_, true) => Grants::default(),
        (None, false) => granted.clone(),
        (Some(named), false) => named.merged(&granted),
    };
    let asks_inside = arguments.sandbox_permissions == SandboxPermissions::WithAdditionalPermissions
        || (!escalated && (named.is_some() || !wanted.is_empty()));
    let covered = asks_inside && !wanted.is_empty() && wanted.covered_by(&granted, cwd);
    let more = escalated || (asks_inside && !covered);
    if more
        && *policy != AskForApproval::OnRequest
        && let Some(refusal) = refuse_escalation(policy)
    {
        return Err(refusal);
    }
    let allowed = config.feature(ADDITIONAL_PERMISSIONS) || (covered && config.feature(request_permissions::FEATURE));
    if !allowed && ((asks_inside && !covered) || named.is_some()) {
        return Err(format!(
            "additional permissions are disabled; enable `features.{ADDITIONAL_PERMISSIONS}` before using \
             `with_additional_permissions`"
        ));
    }
    if escalated && named.is_some() {
        let why = "`additional_permissions` requires `sandbox_permissions` set to `with_additional_permissions`";
        return Err(why.to_owned());
    }
    if asks_inside && wanted.is_empty() {
        return Err(match named {
            None => {
                "missing `additional_permissions`; provide at least one of `network` or `file_system` when using \
                     `with_additional_permissions`"
            }
            Some(_) => {
                "`additional_permissions` must include at least one requested permission in `network` or \
                        `file_system`"
            }
        }
        .to_owned());
    }
    Ok(Wish {
        escalated,
        widened: asks_inside && !covered,
        grants: wanted,
    })
}
