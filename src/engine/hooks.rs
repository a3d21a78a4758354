//! Firing hooks from a turn: what they read, what clients see of their runs, and what they want in sum.
//!
//! All hooks that an event concerns run at once; their ends are told in their order. The first that forbids decides.

use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use crate::engine::scope::TurnScope;
use crate::exec::environment::{Environment, child_environment};
use crate::hooks::{self, Effects, Hook, Verdict};
use crate::protocol::{
    AskForApproval, HookCompletedNotification, HookEventName, HookExecutionMode, HookHandlerType, HookRunStatus,
    HookRunSummary, HookScope, HookStartedNotification,
};

/// Something that hooks hear of.
pub struct Event<'a> {
    /// What kind.
    pub name: HookEventName,
    /// The names that matchers compare: a tool's, a trigger's, a source's.
    pub subjects: &'a [&'a str],
    /// The call it is about, if any.
    pub call_id: Option<&'a str>,
    /// What hooks read besides what every hook reads.
    pub details: Value,
}

/// A reason that a hook gave, and the run in which it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The run's id.
    pub run_id: String,
    /// The reason.
    pub text: String,
}

/// What the hooks of an event want together.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Those that forbid, in order.
    pub blocks: Vec<Reason>,
    /// The first that ends what is going on.
    pub stop: Option<String>,
    /// One allows what the user would be asked about.
    pub allow: bool,
    /// What the model is to be told, in order.
    pub contexts: Vec<String>,
    /// The command to run instead.
    pub command: Option<String>,
}

impl Outcome {
    /// Why something is forbidden, if it is.
    pub fn blocked(&self) -> Option<&str> {
        self.blocks.first().map(|reason| reason.text.as_str())
    }

    fn add(&mut self, run_id: String, effects: Effects) {
        self.blocks.extend(effects.block.map(|text| Reason { run_id, text }));
        self.stop = self.stop.take().or(effects.stop);
        self.allow |= effects.allow;
        self.contexts.extend(effects.contexts);
        self.command = self.command.take().or(effects.command);
    }
}

/// Runs the hooks of an event and waits for them. An interrupt of the turn ends them: the outcome is then that of a hook
/// which stops it.
pub async fn fire(turn: &TurnScope, event: Event<'_>) -> Outcome {
    let set = turn.services.hooks.get();
    let hooks = set.matching(event.name, event.subjects);
    if hooks.is_empty() {
        return Outcome::default();
    }
    let input = input(turn, &event);
    let environment = environment(turn);
    let mut runs = Vec::with_capacity(hooks.len());
    for hook in &hooks {
        let run = begun(hook, event.call_id);
        turn.host
            .publish(&HookStartedNotification {
                run: run.clone(),
                thread_id: turn.host.thread_id.to_string(),
                turn_id: Some(turn.host.recorded_as.to_string()),
            })
            .await;
        runs.push(run);
    }
    let cwd = turn.settings.cwd.as_path();
    let started = std::time::Instant::now();
    let work = join_all(hooks.iter().map(|hook| async {
        let verdict = hooks::run(hook, cwd, &environment, &input).await;
        (verdict, started.elapsed())
    }));
    let verdicts = tokio::select! {
        biased;
        () = turn.host.cancel.cancelled() => vec![(Verdict::cut_off(), started.elapsed()); hooks.len()],
        verdicts = work => verdicts,
    };
    let mut outcome = Outcome::default();
    for (mut run, (verdict, took)) in runs.into_iter().zip(verdicts) {
        outcome.add(run.id.clone(), verdict.effects);
        run.status = verdict.status;
        run.entries = verdict.entries;
        run.completed_at = Some(chrono::Utc::now().timestamp());
        run.duration_ms = i64::try_from(took.as_millis()).ok();
        turn.host
            .publish(&HookCompletedNotification {
                run,
                thread_id: turn.host.thread_id.to_string(),
                turn_id: Some(turn.host.recorded_as.to_string()),
            })
            .await;
    }
    outcome
}

/// Asks the hooks what the user would be asked: `None` when they leave it to the user.
pub async fn permission(
    turn: &TurnScope,
    call_id: &str,
    names: &[&str],
    command: &str,
    description: Option<&str>,
) -> Option<Result<(), String>> {
    let mut input = json!({"command": command});
    if let Some(description) = description {
        input["description"] = json!(description);
    }
    let outcome = fire(
        turn,
        Event {
            name: HookEventName::PermissionRequest,
            subjects: names,
            call_id: Some(call_id),
            details: json!({"tool_name": names.first(), "tool_input": input}),
        },
    )
    .await;
    match outcome.blocked() {
        Some(message) => Some(Err(message.to_owned())),
        None => outcome.allow.then_some(Ok(())),
    }
}

fn begun(hook: &Hook, call_id: Option<&str>) -> HookRunSummary {
    let shown = &hook.shown;
    let (_, label) = hooks::label(shown.event_name);
    let mut id = format!("{label}:{}:{}", shown.display_order, shown.source_path);
    if let Some(call_id) = call_id {
        id.push(':');
        id.push_str(call_id);
    }
    HookRunSummary {
        completed_at: None,
        display_order: shown.display_order,
        duration_ms: None,
        entries: Vec::new(),
        event_name: shown.event_name,
        execution_mode: HookExecutionMode::Sync,
        handler_type: HookHandlerType::Command,
        id,
        scope: match shown.event_name {
            HookEventName::SessionStart => HookScope::Thread,
            _ => HookScope::Turn,
        },
        source: shown.source,
        source_path: shown.source_path.clone(),
        started_at: chrono::Utc::now().timestamp(),
        status: HookRunStatus::Running,
        status_message: shown.status_message.clone(),
    }
}

/// What hooks read, as JSON text.
fn input(turn: &TurnScope, event: &Event<'_>) -> Vec<u8> {
    let (event_name, _) = hooks::label(event.name);
    let mut input = Map::new();
    let mut put = |name: &str, value: Value| input.insert(name.to_owned(), value);
    put("session_id", json!(turn.host.thread_id.to_string()));
    if event.name != HookEventName::SessionStart {
        put("turn_id", json!(&*turn.host.recorded_as));
    }
    put("transcript_path", json!(turn.recorder().path()));
    put("cwd", json!(turn.settings.cwd));
    put("hook_event_name", json!(event_name));
    put("model", json!(turn.settings.model));
    if !matches!(event.name, HookEventName::PreCompact | HookEventName::PostCompact) {
        let mode = match turn.settings.approval_policy {
            AskForApproval::Never => "bypassPermissions",
            _ => "default",
        };
        put("permission_mode", json!(mode));
    }
    if let Value::Object(details) = &event.details {
        input.extend(details.clone());
    }
    serde_json::to_vec(&input).unwrap_or_default()
}

fn environment(turn: &TurnScope) -> Environment {
    let policy = &turn.services.config.shell_environment_policy;
    child_environment(policy, turn.host.thread_id, false)
}
