//! What every client is told right after `initialize`: what is wrong with the configuration, then the state of remote
//! control.
//!
//! Encoded once and shared: a thousand clients that connect within a moment cost one look at the files. Rooms that find
//! trouble at start (a database moved aside) add their own warning, which then stands until the process ends.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::config::{ConfigError, ConfigLoader, ConfigProblem, ThreadOverrides};
use crate::engine::commands::rule_folders;
use crate::exec::policy::{self, RuleFileError};
use crate::protocol::{
    ConfigWarningNotification, RemoteControlConnectionStatus, RemoteControlStatusChangedNotification, TextPosition,
    TextRange,
};
use crate::rpc::client::EncodedNotification;
use crate::rpc::services::Services;

/// How long a look at the files is good for.
const FRESH: Duration = Duration::from_secs(1);

type Encoded = Arc<[EncodedNotification]>;

/// The notices for new clients.
#[derive(Debug, Default)]
pub struct Notices {
    standing: Mutex<Vec<ConfigWarningNotification>>,
    latest: tokio::sync::Mutex<Option<(Instant, Encoded)>>,
}

impl Notices {
    /// Adds a warning that every client is told from now on.
    pub fn add(&self, warning: ConfigWarningNotification) {
        if let Ok(mut standing) = self.standing.lock() {
            standing.push(warning);
        }
    }

    /// The notices as of now.
    pub async fn current(&self, services: &Arc<Services>) -> Encoded {
        let mut latest = self.latest.lock().await;
        if let Some((made, notices)) = &*latest
            && made.elapsed() < FRESH
        {
            return notices.clone();
        }
        let from = services.clone();
        let facts = tokio::task::spawn_blocking(move || {
            let folders = match from.config.resolve(&ThreadOverrides::default()) {
                Ok(config) => rule_folders(&config),
                Err(_) => policy::rule_folders(&from.home, None),
            };
            let rules = policy::load(&folders);
            let problems = from.config.problems();
            // Where a file cannot be read its own problem says it all.
            let odd = match problems.is_empty() {
                true => oddities(&from.config),
                false => Vec::new(),
            };
            let weakness = from.sandbox.weakness();
            (problems, odd, rules.problem, weakness, from.installation_id())
        })
        .await;
        let (problems, odd, rules, weakness, installation_id) = facts.unwrap_or_default();
        let standing = self
            .standing
            .lock()
            .map(|standing| standing.clone())
            .unwrap_or_default();
        let notices: Encoded = problems
            .iter()
            .map(warning)
            .chain(odd)
            .chain(rules.as_ref().map(rule_warning))
            .chain(weakness.map(sandbox_warning))
            .chain(standing)
            .map(|warning| EncodedNotification::new(&warning))
            .chain([EncodedNotification::new(&RemoteControlStatusChangedNotification {
                status: RemoteControlConnectionStatus::Disabled,
                server_name: services.identity.host_name().to_owned(),
                installation_id,
                environment_id: None,
            })])
            .collect();
        *latest = Some((Instant::now(), notices.clone()));
        notices
    }
}

/// What a configuration says that cannot be, or that means less than it says.
fn oddities(config: &ConfigLoader) -> Vec<ConfigWarningNotification> {
    let odd = |summary: String| ConfigWarningNotification {
        summary,
        ..ConfigWarningNotification::default()
    };
    match config.resolve(&ThreadOverrides::default()) {
        Err(ConfigError::File(problem)) => vec![warning(&problem)],
        Err(error) => vec![ConfigWarningNotification {
            details: Some(error.to_string()),
            ..odd("Invalid configuration; using defaults.".to_owned())
        }],
        Ok(resolved) => {
            let profile = resolved.profile.iter();
            let profile = profile.flat_map(|profile| profile.warnings.clone());
            resolved
                .agents
                .warnings
                .iter()
                .cloned()
                .chain(profile)
                .map(odd)
                .collect()
        }
    }
}

fn warning(problem: &ConfigProblem) -> ConfigWarningNotification {
    let position = |(line, column): (usize, usize)| TextPosition { line, column };
    ConfigWarningNotification {
        summary: "Invalid configuration; using defaults.".to_owned(),
        details: Some(problem.to_string()),
        path: Some(problem.path.display().to_string()),
        range: problem.start.map(|start| {
            // The problem's end lies behind its last character, the wire's end on it.
            let end = problem.end.map(|(line, column)| (line, column.saturating_sub(1)));
            TextRange {
                start: position(start),
                end: position(end.unwrap_or(start).max(start)),
            }
        }),
    }
}

fn sandbox_warning((summary, details): (String, String)) -> ConfigWarningNotification {
    ConfigWarningNotification {
        summary,
        details: Some(details),
        path: None,
        range: None,
    }
}

/// Tells that rules do not count because of a problem.
pub fn rule_warning(problem: &RuleFileError) -> ConfigWarningNotification {
    let position = |(line, column): (usize, usize)| TextPosition { line, column };
    ConfigWarningNotification {
        summary: "Error parsing rules; custom rules not applied.".to_owned(),
        details: Some(problem.to_string()),
        path: Some(problem.path().display().to_string()),
        range: problem.error().map(|error| TextRange {
            start: position(error.start),
            end: position(error.end),
        }),
    }
}
