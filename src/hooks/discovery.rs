//! Finding hooks: `hooks.json` and `[hooks]` of each layer, in the order in which they run and are shown.
//!
//! A hook's identity is the file it stands in and its place there; its hash covers what it does. The user trusts a hash
//! (`[hooks.state."KEY"] trusted_hash`), so a hook that was changed since runs no more. Keys and hashes are those that
//! existing homes hold (seen in `hooks/list`).

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::config::{ConfigLayer, LayerKind};
use crate::hooks::matcher::Matcher;
use crate::protocol::{AbsolutePathBuf, HookEventName, HookHandlerType, HookMetadata, HookSource, HookTrustStatus};

/// How long a hook may take when it does not say, in seconds.
const DEFAULT_TIMEOUT: u64 = 600;

/// The events in the order in which their hooks are listed, by their names in files.
const EVENTS: [(&str, &str, HookEventName); 8] = [
    ("PreToolUse", "pre_tool_use", HookEventName::PreToolUse),
    (
        "PermissionRequest",
        "permission_request",
        HookEventName::PermissionRequest,
    ),
    ("PostToolUse", "post_tool_use", HookEventName::PostToolUse),
    ("PreCompact", "pre_compact", HookEventName::PreCompact),
    ("PostCompact", "post_compact", HookEventName::PostCompact),
    ("SessionStart", "session_start", HookEventName::SessionStart),
    (
        "UserPromptSubmit",
        "user_prompt_submit",
        HookEventName::UserPromptSubmit,
    ),
    ("Stop", "stop", HookEventName::Stop),
];

/// The name of an event in what hooks read, and in keys and ids.
pub(super) fn names(event: HookEventName) -> (&'static str, &'static str) {
    let found = EVENTS.iter().find(|(.., known)| *known == event);
    found.map_or(("", ""), |(name, label, _)| (*name, *label))
}

/// One hook.
#[derive(Debug, Clone)]
pub struct Hook {
    /// What lists show of it.
    pub shown: HookMetadata,
    /// What to run.
    pub command: String,
    matcher: Matcher,
}

impl Hook {
    fn runs(&self) -> bool {
        let trusted = matches!(
            self.shown.trust_status,
            HookTrustStatus::Trusted | HookTrustStatus::Managed
        );
        trusted && self.shown.enabled
    }
}

/// The hooks that count in one folder.
#[derive(Debug, Clone, Default)]
pub struct HookSet {
    hooks: Vec<Hook>,
    /// What was passed over, and why.
    pub warnings: Vec<String>,
}

impl HookSet {
    /// The hooks of these layers. Blocking.
    pub fn discover(layers: &[ConfigLayer]) -> Self {
        let mut set = HookSet::default();
        let states = states(layers);
        for layer in layers {
            let beside = layer.folder.join("hooks.json");
            let from_file = set.file(&beside);
            let from_table = layer.table.as_ref().ok().and_then(|table| table.get("hooks"));
            let from_table = from_table.and_then(|hooks| serde_json::to_value(hooks).ok());
            let from_table = from_table.filter(|hooks| EVENTS.iter().any(|(name, ..)| hooks.get(name).is_some()));
            if from_file.is_some() && from_table.is_some() {
                set.warnings.push(format!(
                    "loading hooks from both {} and {}; prefer a single representation for this layer",
                    beside.display(),
                    layer.file.display()
                ));
            }
            for (path, hooks) in [(&beside, from_file), (&layer.file, from_table)] {
                if let Some(hooks) = hooks {
                    set.take(layer.kind, path, &hooks, &states);
                }
            }
        }
        set
    }

    /// Everything, for a list.
    pub fn listed(&self) -> Vec<HookMetadata> {
        self.hooks.iter().map(|hook| hook.shown.clone()).collect()
    }

    /// Whether a hook of this event may run at all.
    pub fn has(&self, event: HookEventName) -> bool {
        self.hooks
            .iter()
            .any(|hook| hook.shown.event_name == event && hook.runs())
    }

    /// The hooks that run at an event which goes by one of these names.
    pub fn matching(&self, event: HookEventName, names: &[&str]) -> Vec<&Hook> {
        let meant = |hook: &&Hook| hook.shown.event_name == event && hook.runs() && hook.matcher.matches(names);
        self.hooks.iter().filter(meant).collect()
    }

    fn file(&mut self, path: &Path) -> Option<Value> {
        let text = match crate::files::read_text(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.warnings
                    .push(format!("failed to read hooks config {}: {error}", path.display()));
                return None;
            }
        };
        match serde_json::from_str::<Value>(&text) {
            Ok(mut file) => file.get_mut("hooks").map(Value::take),
            Err(error) => {
                self.warnings
                    .push(format!("failed to parse hooks config {}: {error}", path.display()));
                None
            }
        }
    }

    fn take(&mut self, kind: LayerKind, path: &Path, hooks: &Value, states: &BTreeMap<String, State>) {
        for (name, label, event) in EVENTS {
            let Some(groups) = hooks.get(name) else { continue };
            let groups: Vec<Group> = match serde_json::from_value(groups.clone()) {
                Ok(groups) => groups,
                Err(error) => {
                    self.warnings
                        .push(format!("skipping {name} hooks in {}: {error}", path.display()));
                    continue;
                }
            };
            for (place, group) in groups.into_iter().enumerate() {
                let matched = !matches!(event, HookEventName::UserPromptSubmit | HookEventName::Stop);
                let pattern = group.matcher.filter(|_| matched);
                let matcher = match Matcher::parse(pattern.as_deref()) {
                    Ok(matcher) => matcher,
                    Err(error) => {
                        let pattern = pattern.unwrap_or_default();
                        self.warnings
                            .push(format!("invalid matcher {pattern:?} in {}: {error}", path.display()));
                        continue;
                    }
                };
                for (index, handler) in group.hooks.into_iter().enumerate() {
                    let Some(handler) = self.usable(path, handler) else {
                        continue;
                    };
                    let key = format!("{}:{label}:{place}:{index}", path.display());
                    let Some(source_path) = AbsolutePathBuf::new(path) else {
                        continue;
                    };
                    let timeout = handler.timeout.unwrap_or(DEFAULT_TIMEOUT).max(1);
                    let hash = hash(label, pattern.as_deref(), &handler, timeout);
                    let state = states.get(&key);
                    let trust_status = match state.and_then(|state| state.trusted_hash.as_deref()) {
                        None => HookTrustStatus::Untrusted,
                        Some(trusted) if trusted == hash => HookTrustStatus::Trusted,
                        Some(_) => HookTrustStatus::Modified,
                    };
                    self.hooks.push(Hook {
                        command: handler.command.clone(),
                        matcher: matcher.clone(),
                        shown: HookMetadata {
                            command: Some(handler.command),
                            current_hash: hash,
                            display_order: i64::try_from(self.hooks.len()).unwrap_or(i64::MAX),
                            enabled: state.and_then(|state| state.enabled).unwrap_or(true),
                            event_name: event,
                            handler_type: HookHandlerType::Command,
                            is_managed: false,
                            key,
                            matcher: pattern.clone(),
                            plugin_id: None,
                            source: source(kind),
                            source_path,
                            status_message: handler.status_message,
                            timeout_sec: timeout,
                            trust_status,
                        },
                    });
                }
            }
        }
    }

    /// A handler that can be run; of others a warning says why not.
    fn usable(&mut self, path: &Path, handler: Value) -> Option<Handler> {
        let kind = handler
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let path = path.display();
        let refusal = match kind.as_str() {
            "command" => match serde_json::from_value::<Handler>(handler) {
                Ok(handler) if handler.run_async => {
                    format!("skipping async hook in {path}: async hooks are not supported yet")
                }
                Ok(handler) if handler.command.trim().is_empty() => format!("skipping empty hook command in {path}"),
                Ok(handler) => return Some(handler),
                Err(error) => format!("skipping hook in {path}: {error}"),
            },
            "prompt" | "agent" => format!("skipping {kind} hook in {path}: {kind} hooks are not supported yet"),
            other => format!("skipping hook in {path}: unknown type {other:?}"),
        };
        self.warnings.push(refusal);
        None
    }
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    matcher: Option<String>,
    #[serde(default)]
    hooks: Vec<Value>,
}

#[derive(Deserialize)]
struct Handler {
    #[serde(default)]
    command: String,
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default, rename = "statusMessage")]
    status_message: Option<String>,
    #[serde(default, rename = "async")]
    run_async: bool,
}

/// What the user has decided about a hook.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct State {
    enabled: Option<bool>,
    trusted_hash: Option<String>,
}

/// The user's decisions. A project has no say in whether its own hooks are to be trusted.
fn states(layers: &[ConfigLayer]) -> BTreeMap<String, State> {
    let own = layers.iter().filter(|layer| layer.kind != LayerKind::Project);
    let tables = own.filter_map(|layer| layer.table.as_ref().ok()?.get("hooks")?.get("state")?.as_table());
    let entries = tables.flatten().filter_map(|(key, state)| {
        let state = state.clone().try_into::<State>().ok()?;
        Some((key.clone(), state))
    });
    entries.collect()
}

fn source(kind: LayerKind) -> HookSource {
    match kind {
        LayerKind::System => HookSource::System,
        LayerKind::User => HookSource::User,
        LayerKind::Project => HookSource::Project,
        LayerKind::SessionFlags => HookSource::SessionFlags,
    }
}

/// The hash of what a hook does: its members in alphabetical order, as compact JSON.
fn hash(label: &str, matcher: Option<&str>, handler: &Handler, timeout: u64) -> String {
    let mut command = BTreeMap::from([
        ("async", json!(false)),
        ("command", json!(handler.command)),
        ("timeout", json!(timeout)),
        ("type", json!("command")),
    ]);
    if let Some(message) = &handler.status_message {
        command.insert("statusMessage", json!(message));
    }
    let mut identity = BTreeMap::from([("event_name", json!(label)), ("hooks", json!([command]))]);
    if let Some(matcher) = matcher {
        identity.insert("matcher", json!(matcher));
    }
    let text = serde_json::to_string(&identity).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
