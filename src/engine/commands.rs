//! What a thread keeps about commands between turns: its processes, the user's rules, and what the user approved and
//! granted for the session.
//!
//! Rules are read when the thread is loaded and replaced as a whole when the user allows a prefix for good, so a
//! decision sees one set of rules from beginning to end.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::config::{ResolvedConfig, TrustLevel};
use crate::engine::hosts::Hosts;
use crate::engine::pause::Pause;
use crate::exec::permissions::Grants;
use crate::exec::policy::{self, NetworkRule, Policy, RuleFileError};
use crate::exec::{Sandbox, Sessions};

/// What a user approved for the session: exactly this command, here, in this manner.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ApprovalKey {
    /// The environment that it is for.
    pub environment: Arc<str>,
    /// The command line.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Whether it asked to leave the sandbox.
    pub escalated: bool,
    /// Whether it is to run again without the sandbox that stopped it.
    pub again: bool,
    /// What it asked for beyond the sandbox policy, as JSON text.
    pub permissions: String,
    /// Whether it has a terminal.
    pub terminal: bool,
}

/// The folders whose rules count for a configuration.
pub fn rule_folders(config: &ResolvedConfig) -> Vec<PathBuf> {
    let project = config.project_root.as_deref().unwrap_or(&config.cwd);
    let trusted = (config.trust == Some(TrustLevel::Trusted)).then_some((project, config.cwd.as_path()));
    policy::rule_folders(&config.home, trusted)
}

/// A thread's processes, rules and approvals.
#[derive(Debug, Default)]
pub struct CommandState {
    /// The processes that run, or ended unseen.
    pub sessions: Sessions,
    /// What holds them to their policy.
    pub sandbox: Arc<Sandbox>,
    /// Whether waiting for them counts.
    pub pause: Pause,
    /// What was said of hosts.
    pub hosts: Hosts,
    rules: RwLock<Arc<Policy>>,
    approved: Mutex<HashSet<ApprovalKey>>,
    granted: Mutex<Grants>,
    notes: Mutex<Vec<String>>,
}

impl CommandState {
    /// Starts with these rules and this sandbox.
    pub fn new(rules: Policy, sandbox: Arc<Sandbox>) -> Self {
        CommandState {
            sandbox,
            rules: RwLock::new(Arc::new(rules)),
            ..CommandState::default()
        }
    }

    /// Reads the rules that count for a configuration. A problem means that there are none; clients are to be told.
    pub async fn load(config: &ResolvedConfig, sandbox: Arc<Sandbox>) -> (Self, Option<RuleFileError>) {
        let folders = rule_folders(config);
        match tokio::task::spawn_blocking(move || policy::load(&folders)).await {
            Ok(loaded) => (CommandState::new(loaded.policy, sandbox), loaded.problem),
            Err(error) => {
                tracing::error!(%error, "the command rules were not read");
                (CommandState::new(Policy::default(), sandbox), None)
            }
        }
    }

    /// The rules as they are now.
    pub fn rules(&self) -> Arc<Policy> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Allows a prefix for good: in the home's rules, and here at once. A failure to write is logged; the prefix then
    /// counts for as long as the thread is loaded. The model is told with the next outputs (the peer's words).
    pub async fn allow_prefix(&self, home: PathBuf, prefix: Vec<String>) {
        {
            let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
            *rules = Arc::new(rules.with_allowed(&prefix));
        }
        let words = serde_json::to_string(&prefix).unwrap_or_default();
        self.note(format!("Approved command prefix saved:\n- {words}"));
        let written = tokio::task::spawn_blocking(move || policy::append_prefix_rule(&home, &prefix)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "a command rule was not kept");
        }
    }

    /// Keeps a text that the model is to be told before the next output of a tool.
    pub fn note(&self, text: String) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// The kept texts, which are kept no longer.
    pub fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Keeps a rule about a host for good: in the home's rules, and here at once, where it counts for as long as the thread
    /// is loaded even if it could not be written.
    pub async fn keep_host(&self, home: PathBuf, rule: NetworkRule) -> Result<(), String> {
        {
            let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
            *rules = Arc::new(rules.with_host(rule.clone()));
        }
        match tokio::task::spawn_blocking(move || policy::append_network_rule(&home, &rule)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the user approved this for the session.
    pub fn is_approved(&self, key: &ApprovalKey) -> bool {
        self.approved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(key)
    }

    /// What the user granted for the session.
    pub fn granted(&self) -> Grants {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a grant for the session.
    pub fn grant(&self, grants: &Grants) {
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        *granted = granted.merged(grants);
    }

    /// Remembers an approval for the session.
    pub fn approve(&self, key: ApprovalKey) {
        self.approved.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }
}
