//! A call of `apply_patch`, from the model's text to the model's answer.
//!
//! Order: verify (nothing is shown of a patch that does not fit), decide, ask if need be, apply, record, publish. The
//! same path serves the tool itself and a command that is nothing but a patch (see [`run_patch`]). Once files are being
//! written the call runs to its end in a task of its own, so that an interrupt never leaves changes unrecorded.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::apply::{Applied, Change, VerifiedPatch, apply, shown, unreadable, verify};
use super::decision::{PatchDecision, TouchedPath, patch_decision};
use super::grammar;
use crate::engine::environments::{Environment, writable_there};
use crate::engine::guardian::{self, Planned, Ruling};
use crate::engine::hooks;
use crate::engine::host::Answer;
use crate::engine::items;
use crate::engine::scope::TurnScope;
use crate::engine::tools::{
    HookedCall, Tool, ToolCall, ToolContext, ToolInput, ToolOffer, ToolOutput, hooked, parse_arguments,
};
use crate::exec::files::Files;
use crate::protocol::methods::server::ItemFileChangeRequestApproval;
use crate::protocol::{
    AbsolutePathBuf, FileChangeApprovalDecision, FileChangeRequestApprovalParams, GuardianApprovalReviewAction,
    HookEventName, ItemStartedNotification, PatchApplyStatus, ThreadActiveFlag, ThreadItem,
};
use crate::rpc::EncodedNotification;
use crate::store::{EventMsg, PatchApplyEnd, RolloutFileChange, RolloutItem};

const DESCRIPTION: &str = "Edits files: adds, deletes, changes and moves them. Free text: send the patch as it is, not \
    wrapped in JSON. Paths are relative to the working folder, or absolute.";

/// The language as the model is told it; what is read is more forgiving.
const GRAMMAR: &str = r#"start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
"#;

/// The language, with the line that names an environment where there are several.
fn grammar_for(offer: &ToolOffer) -> Cow<'static, str> {
    match offer.several_environments {
        false => Cow::Borrowed(GRAMMAR),
        true => Cow::Owned(GRAMMAR.replacen(
            "start: begin_patch hunk+ end_patch\n",
            "start: begin_patch environment_id? hunk+ end_patch\nenvironment_id: \"*** Environment ID: \" filename LF\n",
            1,
        )),
    }
}

/// The paths that the user has approved for as long as the thread is loaded.
#[derive(Debug, Default)]
pub struct PatchApprovals(Mutex<HashSet<(Arc<str>, PathBuf)>>);

impl PatchApprovals {
    fn covers(&self, environment: &Environment, patch: &VerifiedPatch) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |path: &TouchedPath| (Arc::clone(&environment.id), path.plain.clone());
        patch.touched.iter().all(|path| known.contains(&at(path)))
    }

    fn add(&self, environment: &Environment, patch: &VerifiedPatch) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |path: &TouchedPath| (Arc::clone(&environment.id), path.plain.clone());
        known.extend(patch.touched.iter().map(at));
    }
}

/// What came of a patch, for the model.
#[derive(Debug, Clone, PartialEq)]
pub enum PatchOutcome {
    /// It was applied, or failed while it was.
    Ran {
        /// 0, or 1 for a failure.
        exit_code: i32,
        /// The list of files, or the failure.
        text: String,
        /// How long it took.
        duration: Duration,
    },
    /// It was not tried: it does not fit, or somebody said no.
    Refused(String),
}

impl PatchOutcome {
    /// The output of the tool.
    pub fn to_text(&self) -> String {
        match self {
            PatchOutcome::Ran {
                exit_code,
                text,
                duration,
            } => {
                let seconds = duration.as_secs_f64();
                format!("Exit code: {exit_code}\nWall time: {seconds:.1} seconds\nOutput:\n{text}")
            }
            PatchOutcome::Refused(text) => text.clone(),
        }
    }

    /// The output of a command that was nothing but a patch.
    pub fn to_command_text(&self) -> String {
        match (self, self.told()) {
            (PatchOutcome::Refused(text), _) => text.clone(),
            (PatchOutcome::Ran { .. }, told) => {
                format!("Wall time: 0.0000 seconds\nOutput:\n{}", told.unwrap_or_default())
            }
        }
    }

    /// The same, where the output says nothing of the time it took.
    pub fn to_bare_text(&self) -> String {
        match (self, self.told()) {
            (PatchOutcome::Refused(text), _) => text.clone(),
            (PatchOutcome::Ran { .. }, told) => told.unwrap_or_default(),
        }
    }

    /// What came of it, as JSON text; `None` when it was not tried.
    fn told(&self) -> Option<String> {
        let PatchOutcome::Ran {
            exit_code,
            text,
            duration,
        } = self
        else {
            return None;
        };
        let tenths = (duration.as_secs_f64() * 10.0).round() / 10.0;
        let told = json!({"output": text, "metadata": {"exit_code": exit_code, "duration_seconds": tenths}});
        Some(told.to_string())
    }
}

/// The tool.
#[derive(Debug, Default)]
pub struct ApplyPatch;

impl Tool for ApplyPatch {
    fn name(&self) -> &str {
        "apply_patch"
    }

    fn spec(&self, offer: &ToolOffer) -> Option<Value> {
        (offer.apply_patch && offer.environment).then(|| {
            json!({
                "type": "custom",
                "name": "apply_patch",
                "description": DESCRIPTION,
                "format": {"type": "grammar", "syntax": "lark", "definition": grammar_for(offer)},
            })
        })
    }

    fn needs_environment(&self) -> bool {
        true
    }

    fn hooked(&self, call: &ToolCall) -> Option<HookedCall> {
        hooked::patch_call(call)
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        Box::pin(async move {
            let text = match &cx.call.input {
                // A model that was not offered the tool is told what it would be told of any name it made up.
                ToolInput::Custom(_) if !cx.turn.model.apply_patch => {
                    return ToolOutput::text("unsupported custom tool call: apply_patch");
                }
                ToolInput::Function(_) if !cx.turn.model.apply_patch => {
                    return ToolOutput::text("unsupported call: apply_patch");
                }
                ToolInput::Custom(text) => text.clone(),
                ToolInput::Function(_) => match parse_arguments::<Arguments>(&cx.call) {
                    Ok(arguments) => arguments.input,
                    Err(output) => return output,
                },
            };
            let environment = match chosen(&cx, &text) {
                Ok(environment) => environment,
                Err(refusal) => return ToolOutput::text(refusal),
            };
            let outcome = run_patch(&cx, text, environment.cwd.clone(), environment).await;
            let output = ToolOutput::text(outcome.to_text());
            match outcome.told() {
                Some(told) => output.with_response(told),
                None => output,
            }
        })
    }
}

/// The arguments of older models, which call the tool as a function.
#[derive(Deserialize)]
struct Arguments {
    input: String,
}

/// The environment that a patch is for: the one that it names where there are several, else the primary one.
fn chosen<'a>(cx: &'a ToolContext, text: &str) -> Result<&'a Environment, String> {
    let several = cx.turn.environments.len() > 1;
    let named = grammar::parse(text).ok().and_then(|patch| patch.environment);
    cx.turn.environment(named.as_deref().filter(|_| several))
}

/// Verifies, asks about and applies a patch in an environment; shows it as the call's `fileChange` item.
pub async fn run_patch(
    cx: &ToolContext,
    text: String,
    cwd: AbsolutePathBuf,
    environment: &Environment,
) -> PatchOutcome {
    let turn = Arc::clone(&cx.turn);
    let (place, bounds) = (Arc::clone(&environment.place), turn.bounds_there(environment));
    let asked_about = text.trim().to_owned();
    let judged = tokio::task::spawn_blocking(move || {
        let patch = grammar::parse(&text).map_err(|error| format!("apply_patch verification failed: {error}"))?;
        if patch.environment.is_some() && turn.environments.len() < 2 {
            return Err("apply_patch environment selection is unavailable for this turn".to_owned());
        }
        let files = Arc::clone(&place).files(None);
        let (confinement, unreadable) = match &bounds {
            Some(bounds) => (writable_there(bounds), None),
            None => {
                let confinement = turn.confinement(&turn.granted());
                let held = confinement.as_ref();
                let unreadable = held.and_then(|confinement| unreadable(&patch, &cwd, confinement));
                (confinement, unreadable)
            }
        };
        let verified = unreadable.map_or_else(|| verify(patch, &cwd, &*files), Err);
        let patch = verified.map_err(|error| format!("apply_patch verification failed: {error}"))?;
        let (policy, sandbox) = (&turn.settings.approval_policy, &turn.settings.sandbox);
        let decision = patch_decision(policy, sandbox, confinement.as_ref(), &patch.touched);
        Ok((patch, decision))
    })
    .await;
    let (patch, decision) = match judged {
        Ok(Ok(judged)) => judged,
        Ok(Err(refusal)) => return PatchOutcome::Refused(refusal),
        Err(error) => return PatchOutcome::Refused(format!("apply_patch failed: {error}")),
    };
    let approvals = &cx.turn.services.patch_approvals;
    match decision {
        PatchDecision::Reject(text) => return PatchOutcome::Refused(text.to_owned()),
        // Permissions were granted on the condition that what is done with them is judged.
        PatchDecision::Apply if cx.turn.judges_all() && !approvals.covers(environment, &patch) => {
            if let Some(refusal) = refused(cx, environment, &patch, &asked_about).await {
                return declined(cx, &patch, refusal).await;
            }
        }
        PatchDecision::Ask if !approvals.covers(environment, &patch) => {
            if let Some(refusal) = refused(cx, environment, &patch, &asked_about).await {
                return declined(cx, &patch, refusal).await;
            }
        }
        PatchDecision::Apply | PatchDecision::Ask => {
            let item = item(&cx.call.call_id, &patch, PatchApplyStatus::InProgress);
            items::publish_started(&cx.turn.host, item).await;
        }
    }
    let (turn, call_id) = (Arc::clone(&cx.turn), cx.call.call_id.clone());
    // What nobody was asked about keeps to its bounds elsewhere, too: links cannot be looked at from here.
    let unasked = decision == PatchDecision::Apply;
    let bounds = turn.bounds_there(environment).filter(|_| unasked);
    let files = Arc::clone(&environment.place).files(bounds);
    let work = tokio::spawn(apply_and_tell(turn, call_id, patch, files));
    work.await
        .unwrap_or_else(|error| PatchOutcome::Refused(format!("apply_patch failed: {error}")))
}

/// Records and shows a patch that was refused.
async fn declined(cx: &ToolContext, patch: &VerifiedPatch, (refusal, status): Refusal) -> PatchOutcome {
    let declined = Applied {
        stderr: refusal,
        ..Applied::default()
    };
    finish(&cx.turn, &cx.call.call_id, patch, &declined, status).await;
    guardian::settle_refusal(&cx.turn).await;
    PatchOutcome::Refused(declined.stderr)
}

/// Why a patch may not be applied, and how its item ends then.
type Refusal = (String, PatchApplyStatus);

/// Asks the hooks, then the user or a judge, and shows the item meanwhile. Returns why the patch may not be applied, if it
/// may not.
async fn refused(cx: &ToolContext, environment: &Environment, patch: &VerifiedPatch, text: &str) -> Option<Refusal> {
    let hooked = cx.turn.services.hooks.get().has(HookEventName::PermissionRequest);
    if hooked {
        let item = item(&cx.call.call_id, patch, PatchApplyStatus::InProgress);
        items::publish_started(&cx.turn.host, item).await;
        let said = hooks::permission(&cx.turn, &cx.call.call_id, hooked::PATCH, text, None).await;
        match said {
            Some(Ok(())) => return None,
            Some(Err(message)) => return Some((message, PatchApplyStatus::Declined)),
            None => {}
        }
    }
    if guardian::judges(&cx.turn) {
        return have_judged(cx, environment, patch, text, !hooked).await;
    }
    let allowed = ask(cx, environment, patch, !hooked).await;
    (!allowed).then(|| ("patch rejected by user".to_owned(), PatchApplyStatus::Declined))
}

/// Has the patch judged in the user's place, and shows the item if that is not done yet.
async fn have_judged(
    cx: &ToolContext,
    environment: &Environment,
    patch: &VerifiedPatch,
    text: &str,
    show: bool,
) -> Option<Refusal> {
    let started_at_ms = items::now_ms();
    if show {
        let item = item(&cx.call.call_id, patch, PatchApplyStatus::InProgress);
        items::publish_started_at(&cx.turn.host, item, started_at_ms).await;
    }
    let cwd = environment.cwd.clone();
    let files: Vec<AbsolutePathBuf> = patch
        .touched
        .iter()
        .map(|path| AbsolutePathBuf::rooted(&path.plain))
        .collect();
    let planned = Planned {
        item_id: Some(cx.call.call_id.clone()),
        started_at_ms,
        details: json!({"cwd": cwd, "files": files, "patch": text, "tool": "apply_patch"}),
        action: GuardianApprovalReviewAction::ApplyPatch { cwd, files },
        reason: None,
    };
    match guardian::rule(&cx.turn, &planned).await {
        Ruling::Allowed => None,
        Ruling::Denied(why) => Some((why, PatchApplyStatus::Declined)),
        Ruling::Late(why) => Some((why, PatchApplyStatus::Failed)),
    }
}

/// Asks for approval, and shows the item if that is not done yet. Never returns when the turn ends instead.
async fn ask(cx: &ToolContext, environment: &Environment, patch: &VerifiedPatch, show: bool) -> bool {
    let host = &cx.turn.host;
    let started_at_ms = items::now_ms();
    let announce = EncodedNotification::new(&ItemStartedNotification {
        item: item(&cx.call.call_id, patch, PatchApplyStatus::InProgress),
        started_at_ms,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    });
    let params = FileChangeRequestApprovalParams {
        grant_root: None,
        item_id: cx.call.call_id.clone(),
        reason: None,
        started_at_ms,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    };
    let flag = Some(ThreadActiveFlag::WaitingOnApproval);
    let answer = host
        .ask_about::<ItemFileChangeRequestApproval>(show.then_some(announce), &params, flag)
        .await;
    match answer {
        Answer::Given(response) => match response.decision {
            FileChangeApprovalDecision::Accept => true,
            FileChangeApprovalDecision::AcceptForSession => {
                cx.turn.services.patch_approvals.add(environment, patch);
                true
            }
            FileChangeApprovalDecision::Decline => false,
            FileChangeApprovalDecision::Cancel => {
                host.cancel.cancel();
                std::future::pending().await
            }
        },
        Answer::Refused(_) | Answer::Malformed(_) => false,
        Answer::Cancelled if host.cancel.is_cancelled() => std::future::pending().await,
        Answer::Cancelled => false,
    }
}

/// Applies, records and publishes.
async fn apply_and_tell(
    turn: Arc<TurnScope>,
    call_id: String,
    patch: VerifiedPatch,
    files: Arc<dyn Files>,
) -> PatchOutcome {
    let started = Instant::now();
    let patch = Arc::new(patch);
    let work = Arc::clone(&patch);
    let mut applied = match tokio::task::spawn_blocking(move || apply(&work, &*files)).await {
        Ok(applied) => applied,
        Err(error) => Applied {
            stderr: format!("apply_patch failed: {error}\n"),
            ..Applied::default()
        },
    };
    let (exit_code, status) = match applied.success() {
        true => (0, PatchApplyStatus::Completed),
        false => (1, PatchApplyStatus::Failed),
    };
    turn.diff
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .record(applied.effects.take());
    finish(&turn, &call_id, &patch, &applied, status).await;
    turn.publish_diff().await;
    PatchOutcome::Ran {
        exit_code,
        text: if applied.success() {
            applied.stdout
        } else {
            applied.stderr
        },
        duration: started.elapsed(),
    }
}

/// Records the end of the patch, then publishes the item as completed.
async fn finish(turn: &TurnScope, call_id: &str, patch: &VerifiedPatch, applied: &Applied, status: PatchApplyStatus) {
    let end = PatchApplyEnd {
        call_id: call_id.to_owned(),
        turn_id: turn.host.recorded_as.to_string(),
        stdout: applied.stdout.clone(),
        stderr: applied.stderr.clone(),
        success: status == PatchApplyStatus::Completed,
        changes: patch
            .changes
            .iter()
            .map(|(path, change)| (path.into(), recorded(change)))
            .collect(),
        status: Some(
            match status {
                PatchApplyStatus::InProgress => "in_progress",
                PatchApplyStatus::Completed => "completed",
                PatchApplyStatus::Failed => "failed",
                PatchApplyStatus::Declined => "declined",
            }
            .to_owned(),
        ),
    };
    let line = RolloutItem::Event(EventMsg::PatchApplyEnd(Box::new(end)));
    if let Err(error) = turn.recorder().append(vec![line]).await {
        tracing::error!(%error, thread.id = %turn.host.thread_id, "a patch was not recorded");
    }
    items::publish_completed(&turn.host, item(call_id, patch, status)).await;
}

fn item(call_id: &str, patch: &VerifiedPatch, status: PatchApplyStatus) -> ThreadItem {
    ThreadItem::FileChange {
        changes: shown(&patch.changes),
        id: call_id.to_owned(),
        status,
    }
}

fn recorded(change: &Change) -> RolloutFileChange {
    match change.clone() {
        Change::Add { content } => RolloutFileChange::Add { content },
        Change::Delete { content } => RolloutFileChange::Delete { content },
        Change::Update {
            unified_diff,
            move_path,
        } => RolloutFileChange::Update {
            unified_diff,
            move_path,
        },
    }
}

#[cfg(test)]
mod tests;
