//! One layer of settings: every key optional, from the file, the environment or the command line.
//!
//! The same keys serve all three: `drain_timeout_seconds` in the file is `GREENROOM_DRAIN_TIMEOUT_SECONDS` in the
//! environment. Variables are parsed as TOML values, so that lists and numbers look the same in both places.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::{Durability, SandboxMethod, Secret, Settings, SettingsError};

/// Settings that one source sets; what it leaves out stays as the layer below has it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// [`Settings::allowed_origins`].
    pub allowed_origins: Option<Vec<String>>,
    /// [`Settings::drain_timeout`].
    pub drain_timeout_seconds: Option<u64>,
    /// [`Settings::heartbeat_interval`].
    pub heartbeat_interval_seconds: Option<u64>,
    /// [`Settings::heartbeat_timeout`].
    pub heartbeat_timeout_seconds: Option<u64>,
    /// [`Settings::handshake_timeout`].
    pub handshake_timeout_seconds: Option<u64>,
    /// [`Settings::frame_limit`].
    pub frame_limit_bytes: Option<usize>,
    /// [`Settings::message_limit`].
    pub message_limit_bytes: Option<usize>,
    /// [`Settings::outbox_limit`].
    pub outbox_limit_bytes: Option<usize>,
    /// [`Settings::outbox_grace`].
    pub outbox_grace_seconds: Option<u64>,
    /// [`Settings::replay_window_events`].
    pub replay_window_events: Option<usize>,
    /// [`Settings::replay_window_bytes`].
    pub replay_window_bytes: Option<usize>,
    /// [`Settings::replay_total_bytes`].
    pub replay_total_bytes: Option<usize>,
    /// [`Settings::in_flight_limit`].
    pub in_flight_limit: Option<usize>,
    /// [`Settings::idle_unload`].
    pub idle_unload_minutes: Option<u64>,
    /// [`Settings::durability`].
    pub durability: Option<Durability>,
    /// [`Settings::admin_token`].
    pub admin_token: Option<Secret>,
    /// The table `[sandbox]`.
    pub sandbox: Option<SandboxLayer>,
    /// [`Settings::requirements`].
    pub requirements_file: Option<PathBuf>,
    /// [`Settings::http_workers`].
    pub http_workers: Option<usize>,
    /// [`Settings::max_connections`].
    pub max_connections: Option<usize>,
    /// [`Settings::max_processes_per_connection`].
    pub max_processes_per_connection: Option<usize>,
    /// [`Settings::max_processes`].
    pub max_processes: Option<usize>,
}

/// What a source says of the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxLayer {
    /// [`Settings::sandbox_method`].
    pub method: Option<SandboxMethod>,
}

/// Every key, for finding its variable. `sandbox_method` stands for the key in the table.
const KEYS: [&str; 22] = [
    "allowed_origins",
    "drain_timeout_seconds",
    "heartbeat_interval_seconds",
    "heartbeat_timeout_seconds",
    "handshake_timeout_seconds",
    "frame_limit_bytes",
    "message_limit_bytes",
    "outbox_limit_bytes",
    "outbox_grace_seconds",
    "replay_window_events",
    "replay_window_bytes",
    "replay_total_bytes",
    "in_flight_limit",
    "idle_unload_minutes",
    "durability",
    "admin_token",
    "sandbox_method",
    "requirements_file",
    "http_workers",
    "max_connections",
    "max_processes_per_connection",
    "max_processes",
];

impl Layer {
    /// Reads the file; `None` when there is none.
    pub fn from_file(path: &Path) -> Result<Option<Self>, SettingsError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(SettingsError::Unreadable {
                    path: path.to_path_buf(),
                    source,
                });
            }
        };
        match toml::from_str(&text) {
            Ok(layer) => Ok(Some(layer)),
            Err(error) => Err(SettingsError::Malformed {
                path: path.to_path_buf(),
                message: error.message().to_string() + &line_of(&text, error.span()),
            }),
        }
    }

    /// Reads the `GREENROOM_*` variables; an empty one counts as unset.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let mut layer = Layer::default();
        for key in KEYS {
            let name = format!("GREENROOM_{}", key.to_ascii_uppercase());
            if let Some(value) = variable(&name).filter(|value| !value.is_empty()) {
                let one = parse_one(key, &value).map_err(|message| SettingsError::BadVariable { name, message })?;
                layer = one.over(layer);
            }
        }
        Ok(layer)
    }

    /// This layer where it sets something, `below` elsewhere.
    pub fn over(self, below: Layer) -> Layer {
        Layer {
            allowed_origins: self.allowed_origins.or(below.allowed_origins),
            drain_timeout_seconds: self.drain_timeout_seconds.or(below.drain_timeout_seconds),
            heartbeat_interval_seconds: self.heartbeat_interval_seconds.or(below.heartbeat_interval_seconds),
            heartbeat_timeout_seconds: self.heartbeat_timeout_seconds.or(below.heartbeat_timeout_seconds),
            handshake_timeout_seconds: self.handshake_timeout_seconds.or(below.handshake_timeout_seconds),
            frame_limit_bytes: self.frame_limit_bytes.or(below.frame_limit_bytes),
            message_limit_bytes: self.message_limit_bytes.or(below.message_limit_bytes),
            outbox_limit_bytes: self.outbox_limit_bytes.or(below.outbox_limit_bytes),
            outbox_grace_seconds: self.outbox_grace_seconds.or(below.outbox_grace_seconds),
            replay_window_events: self.replay_window_events.or(below.replay_window_events),
            replay_window_bytes: self.replay_window_bytes.or(below.replay_window_bytes),
            replay_total_bytes: self.replay_total_bytes.or(below.replay_total_bytes),
            in_flight_limit: self.in_flight_limit.or(below.in_flight_limit),
            idle_unload_minutes: self.idle_unload_minutes.or(below.idle_unload_minutes),
            durability: self.durability.or(below.durability),
            admin_token: self.admin_token.or(below.admin_token),
            sandbox: self.sandbox.or(below.sandbox),
            requirements_file: self.requirements_file.or(below.requirements_file),
            http_workers: self.http_workers.or(below.http_workers),
            max_connections: self.max_connections.or(below.max_connections),
            max_processes_per_connection: self.max_processes_per_connection.or(below.max_processes_per_connection),
            max_processes: self.max_processes.or(below.max_processes),
        }
    }

    /// Puts this layer on top of `settings`.
    pub fn apply(self, settings: &mut Settings) {
        fn set<T>(target: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *target = value;
            }
        }
        let seconds = |value: Option<u64>| value.map(Duration::from_secs);
        set(&mut settings.allowed_origins, self.allowed_origins);
        set(&mut settings.drain_timeout, seconds(self.drain_timeout_seconds));
        set(
            &mut settings.heartbeat_interval,
            seconds(self.heartbeat_interval_seconds),
        );
        set(&mut settings.heartbeat_timeout, seconds(self.heartbeat_timeout_seconds));
        set(&mut settings.handshake_timeout, seconds(self.handshake_timeout_seconds));
        set(&mut settings.frame_limit, self.frame_limit_bytes);
        set(&mut settings.message_limit, self.message_limit_bytes);
        set(&mut settings.outbox_limit, self.outbox_limit_bytes);
        set(&mut settings.outbox_grace, seconds(self.outbox_grace_seconds));
        set(&mut settings.replay_window_events, self.replay_window_events);
        set(&mut settings.replay_window_bytes, self.replay_window_bytes);
        set(&mut settings.replay_total_bytes, self.replay_total_bytes);
        set(&mut settings.in_flight_limit, self.in_flight_limit);
        set(
            &mut settings.idle_unload,
            seconds(self.idle_unload_minutes.map(|minutes| minutes.saturating_mul(60))),
        );
        set(&mut settings.durability, self.durability);
        if self.admin_token.is_some() {
            settings.admin_token = self.admin_token;
        }
        set(
            &mut settings.sandbox_method,
            self.sandbox.and_then(|sandbox| sandbox.method),
        );
        set(&mut settings.requirements, self.requirements_file);
        set(&mut settings.http_workers, self.http_workers);
        set(&mut settings.max_connections, self.max_connections);
        set(
            &mut settings.max_processes_per_connection,
            self.max_processes_per_connection,
        );
        set(&mut settings.max_processes, self.max_processes);
    }
}

/// A variable's value as a TOML value, else as a plain text (a list of origins may also be comma-separated).
fn parse_one(key: &str, value: &str) -> Result<Layer, String> {
    let parse = |value: toml::Value| {
        Layer::deserialize(toml::Table::from_iter([(key.to_string(), value)]))
            .map_err(|error| error.message().to_string())
    };
    let text = toml::Value::String(value.to_string());
    match key {
        // A token that looks like a number is still a text.
        "admin_token" | "durability" | "requirements_file" => parse(text),
        "sandbox_method" => SandboxMethod::deserialize(text)
            .map(|method| Layer {
                sandbox: Some(SandboxLayer { method: Some(method) }),
                ..Layer::default()
            })
            .map_err(|error| error.message().to_string()),
        "allowed_origins" if !value.starts_with('[') => {
            let origins = value.split(',').map(str::trim).filter(|origin| !origin.is_empty());
            parse(toml::Value::Array(
                origins.map(|origin| toml::Value::String(origin.into())).collect(),
            ))
        }
        _ => parse(
            toml::from_str::<toml::Table>(&format!("v = {value}"))
                .ok()
                .and_then(|mut t| t.remove("v"))
                .unwrap_or(text),
        ),
    }
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else {
        return String::new();
    };
    format!(" (line {})", before.matches('\n').count() + 1)
}
