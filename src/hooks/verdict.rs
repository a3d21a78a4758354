//! What a hook's end means: by its exit code, and by what it printed.
//!
//! Exit code 0 with nothing, or with a JSON object, is an answer; code 2 forbids, with the reason on stderr; everything
//! else is a failure that stops nothing. JSON with members that nobody knows is a failure too, because its author meant
//! something by them. Texts and statuses are those that clients of the protocol know.

use serde::Deserialize;
use serde_json::Value;

use crate::exec::script::Ended;
use crate::hooks::discovery;
use crate::protocol::{HookEventName, HookOutputEntry, HookOutputEntryKind, HookRunStatus};

/// What a hook has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How its run is shown.
    pub status: HookRunStatus,
    /// What is shown of its words.
    pub entries: Vec<HookOutputEntry>,
    /// What is to be done.
    pub effects: Effects,
}

/// What a hook wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// It forbids (before something), or comments (after it), for this reason.
    pub block: Option<String>,
    /// It ends what is going on, for this reason.
    pub stop: Option<String>,
    /// It allows what the user would have been asked about.
    pub allow: bool,
    /// What the model is to be told besides.
    pub contexts: Vec<String>,
    /// The command to run instead.
    pub command: Option<String>,
}

impl Verdict {
    /// A hook that failed.
    pub fn failed(why: impl Into<String>) -> Self {
        Verdict {
            status: HookRunStatus::Failed,
            entries: vec![entry(HookOutputEntryKind::Error, why)],
            effects: Effects::default(),
        }
    }

    /// A hook that was ended with the turn it ran in.
    pub fn cut_off() -> Self {
        let why = "the turn was interrupted";
        Verdict {
            status: HookRunStatus::Stopped,
            entries: vec![entry(HookOutputEntryKind::Stop, why)],
            effects: Effects {
                stop: Some(why.to_owned()),
                ..Effects::default()
            },
        }
    }

    fn quiet() -> Self {
        Verdict {
            status: HookRunStatus::Completed,
            entries: Vec::new(),
            effects: Effects::default(),
        }
    }

    fn blocked(mut self, reason: String) -> Self {
        self.status = HookRunStatus::Blocked;
        self.commented(reason)
    }

    fn commented(mut self, reason: String) -> Self {
        self.entries.push(entry(HookOutputEntryKind::Feedback, &reason));
        self.effects.block = Some(reason);
        self
    }

    fn context(&mut self, text: &str) {
        self.entries.push(entry(HookOutputEntryKind::Context, text));
        self.effects.contexts.push(text.to_owned());
    }
}

fn entry(kind: HookOutputEntryKind, text: impl Into<String>) -> HookOutputEntry {
    HookOutputEntry {
        kind,
        text: text.into(),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    #[serde(default = "yes", rename = "continue")]
    goes_on: bool,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    suppress_output: bool,
    #[serde(default)]
    system_message: Option<String>,
    #[serde(default)]
    decision: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    hook_specific_output: Option<Specific>,
}

fn yes() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Specific {
    hook_event_name: String,
    #[serde(default)]
    additional_context: Option<String>,
    #[serde(default)]
    permission_decision: Option<String>,
    #[serde(default)]
    permission_decision_reason: Option<String>,
    #[serde(default)]
    updated_input: Option<Value>,
    #[serde(default)]
    decision: Option<Permission>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Permission {
    behavior: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    updated_input: Option<Value>,
    #[serde(default)]
    updated_permissions: Option<Value>,
    #[serde(default)]
    interrupt: bool,
}

/// Reads a hook's end.
pub fn judge(event: HookEventName, ended: &Ended) -> Verdict {
    match ended.exit_code {
        Some(0) => printed(event, ended.stdout.trim()),
        Some(2) if forbids(event).is_some() => match ended.stderr.trim() {
            "" => Verdict::failed(format!(
                "{} hook exited with code 2 but did not write {} to stderr",
                name(event),
                forbids(event).unwrap_or_default()
            )),
            // By its exit code a hook comments on what has happened; it stops nothing.
            reason if event == HookEventName::PostToolUse => Verdict::quiet().commented(reason.to_owned()),
            reason => Verdict::quiet().blocked(reason.to_owned()),
        },
        Some(code) => Verdict::failed(format!("hook exited with code {code}")),
        None => Verdict::failed("hook was ended by a signal"),
    }
}

fn name(event: HookEventName) -> &'static str {
    discovery::names(event).0
}

/// What a hook that forbids has to write to stderr; `None` where nothing can be forbidden.
fn forbids(event: HookEventName) -> Option<&'static str> {
    match event {
        HookEventName::PreToolUse | HookEventName::UserPromptSubmit => Some("a blocking reason"),
        HookEventName::PermissionRequest => Some("a denial reason"),
        HookEventName::PostToolUse => Some("feedback"),
        HookEventName::Stop => Some("a continuation prompt"),
        HookEventName::SessionStart | HookEventName::PreCompact | HookEventName::PostCompact => None,
    }
}

/// What an event is called in complaints about JSON.
fn complaint(event: HookEventName) -> &'static str {
    match event {
        HookEventName::PreToolUse => "pre-tool-use",
        HookEventName::PermissionRequest => "permission-request",
        HookEventName::PostToolUse => "post-tool-use",
        HookEventName::PreCompact => "pre-compact",
        HookEventName::PostCompact => "post-compact",
        HookEventName::SessionStart => "session start",
        HookEventName::UserPromptSubmit => "user prompt submit",
        HookEventName::Stop => "stop hook",
    }
}

fn printed(event: HookEventName, text: &str) -> Verdict {
    let mut verdict = Verdict::quiet();
    if text.is_empty() {
        return verdict;
    }
    let invalid = || Verdict::failed(format!("hook returned invalid {} JSON output", complaint(event)));
    if text.starts_with(['{', '[']) {
        return match serde_json::from_str(text) {
            Ok(output) => answered(event, output),
            Err(_) => invalid(),
        };
    }
    match event {
        HookEventName::SessionStart | HookEventName::UserPromptSubmit => verdict.context(text),
        HookEventName::Stop => return invalid(),
        _ => {}
    }
    verdict
}

fn answered(event: HookEventName, mut output: Output) -> Verdict {
    let message = output.system_message.take();
    let mut verdict = judged(event, output);
    if let Some(message) = message {
        let warning = entry(HookOutputEntryKind::Warning, &message);
        verdict.entries.insert(0, warning);
    }
    verdict
}

fn judged(event: HookEventName, output: Output) -> Verdict {
    let mut verdict = Verdict::quiet();
    let event_name = name(event);
    let unsupported = |what: &str| Verdict::failed(format!("{event_name} hook returned unsupported {what}"));
    if matches!(event, HookEventName::PreToolUse | HookEventName::PermissionRequest) {
        if !output.goes_on {
            return unsupported("continue:false");
        }
        if output.stop_reason.is_some() {
            return unsupported("stopReason");
        }
        if output.suppress_output {
            return unsupported("suppressOutput");
        }
    }
    let specific = output
        .hook_specific_output
        .filter(|specific| specific.hook_event_name == event_name);
    let specific = specific.unwrap_or_default();
    if let Some(context) = specific
        .additional_context
        .as_deref()
        .filter(|text| !text.trim().is_empty())
        && takes_context(event)
    {
        verdict.context(context);
    }
    if !output.goes_on {
        let reason = output.stop_reason.filter(|reason| !reason.trim().is_empty());
        let reason = reason.unwrap_or_else(|| format!("{event_name} hook stopped execution"));
        verdict.status = HookRunStatus::Stopped;
        verdict.entries.push(entry(HookOutputEntryKind::Stop, &reason));
        verdict.effects.stop = Some(reason);
        return verdict;
    }
    if event == HookEventName::PermissionRequest {
        return permission(verdict, specific.decision, &unsupported);
    }
    let reason = output.reason.filter(|reason| !reason.trim().is_empty());
    match output.decision.as_deref() {
        None => {}
        Some("block") if forbids(event).is_some() => {
            return match reason {
                Some(reason) => verdict.blocked(reason),
                None => Verdict::failed(format!(
                    "{event_name} hook returned decision:block without a non-empty reason"
                )),
            };
        }
        Some(other) => return unsupported(&format!("decision:{other}")),
    }
    if event == HookEventName::PreToolUse {
        return tool(verdict, specific, &unsupported);
    }
    verdict
}

fn takes_context(event: HookEventName) -> bool {
    matches!(
        event,
        HookEventName::PreToolUse
            | HookEventName::PostToolUse
            | HookEventName::SessionStart
            | HookEventName::UserPromptSubmit
    )
}

/// The decision about a tool that is about to run.
fn tool(mut verdict: Verdict, specific: Specific, unsupported: &dyn Fn(&str) -> Verdict) -> Verdict {
    let reason = specific
        .permission_decision_reason
        .filter(|reason| !reason.trim().is_empty());
    match (specific.permission_decision.as_deref(), specific.updated_input) {
        (None, None) => verdict,
        (Some("deny"), _) => match reason {
            Some(reason) => verdict.blocked(reason),
            None => Verdict::failed(
                "PreToolUse hook returned permissionDecision:deny without a non-empty permissionDecisionReason",
            ),
        },
        (Some("allow"), Some(input)) => match input.get("command").and_then(Value::as_str) {
            Some(command) => {
                verdict.effects.command = Some(command.to_owned());
                verdict
            }
            None => Verdict::failed("PreToolUse hook returned updatedInput without a command"),
        },
        (_, Some(_)) => Verdict::failed("PreToolUse hook returned updatedInput without permissionDecision:allow"),
        (Some(other), None) => unsupported(&format!("permissionDecision:{other}")),
    }
}

/// The answer to a question that the user would be asked.
fn permission(mut verdict: Verdict, decision: Option<Permission>, unsupported: &dyn Fn(&str) -> Verdict) -> Verdict {
    let Some(decision) = decision else {
        return verdict;
    };
    if decision.updated_input.is_some() {
        return unsupported("updatedInput");
    }
    if decision.updated_permissions.is_some() {
        return unsupported("updatedPermissions");
    }
    if decision.interrupt {
        return unsupported("interrupt:true");
    }
    match decision.behavior.as_str() {
        "allow" => {
            verdict.effects.allow = true;
            verdict
        }
        "deny" => {
            let message = decision.message.filter(|message| !message.trim().is_empty());
            let message = message.unwrap_or_else(|| "PermissionRequest hook denied approval".to_owned());
            verdict.blocked(message)
        }
        _ => Verdict::failed("hook returned invalid permission-request JSON output"),
    }
}
