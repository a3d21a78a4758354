//! Greenroom's own settings: defaults, then `<home>/greenroom.toml`, then `GREENROOM_*` variables, then flags.
//!
//! They say how the server runs (limits, timeouts, durability), never how the agent behaves: that is `config.toml`,
//! read by `config`. Settings are read once at start and do not change. An unknown key in the file stops the start,
//! by name, because a misspelt limit that is silently ignored is worse than a server that does not start.

mod layer;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

pub use layer::Layer;

/// The file in the home that holds the settings.
pub const FILE_NAME: &str = "greenroom.toml";

/// What an administrator demands of all users of a machine, unless the settings name another file.
pub const REQUIREMENTS: &str = "/etc/codex/requirements.toml";

/// When a rollout line is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After every completed item.
    Item,
    /// At the end of every turn.
    Turn,
    /// When the operating system gets to it.
    Os,
}

/// By which way commands are confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMethod {
    /// The best one that works here.
    Auto,
    /// Mounts of our own.
    Mounts,
    /// Mounts that bubblewrap makes.
    Bubblewrap,
    /// Landlock and a filter for system calls.
    Landlock,
}

/// A text that never shows in logs or answers.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself, for comparing and sending only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// How this process runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The state root: `GREENROOM_HOME`, else `CODEX_HOME`, else `~/.greenroom`.
    pub home: PathBuf,
    /// Values of the `Origin` header that TCP listeners let in; `*` lets every origin in.
    pub allowed_origins: Vec<String>,
    /// How long a shutdown waits for running turns before it ends them.
    pub drain_timeout: Duration,
    /// How often a client is pinged; zero turns heartbeats off.
    pub heartbeat_interval: Duration,
    /// How long a client may stay silent, pings unanswered included, before its connection is ended.
    pub heartbeat_timeout: Duration,
    /// How long a peer may take to send the head of an HTTP request.
    pub handshake_timeout: Duration,
    /// The largest payload of one WebSocket frame, in bytes.
    pub frame_limit: usize,
    /// The largest message, all its fragments together, in bytes.
    pub message_limit: usize,
    /// How many bytes may wait for a slow client before its grace time runs.
    pub outbox_limit: usize,
    /// How long a client may stay over `outbox_limit` before its connection is ended.
    pub outbox_grace: Duration,
    /// How many events of a thread are kept for clients that come back.
    pub replay_window_events: usize,
    /// How many bytes of events of a thread are kept for clients that come back.
    pub replay_window_bytes: usize,
    /// How many bytes of events are kept for all threads together.
    pub replay_total_bytes: usize,
    /// How many requests of one connection may be in work at once; more are answered as overload.
    pub in_flight_limit: usize,
    /// How long a thread without subscribers and without a turn stays loaded.
    pub idle_unload: Duration,
    /// When rollout lines are forced to the disk.
    pub durability: Durability,
    /// The bearer token of the admin endpoints and of metrics; without one they answer loopback peers only.
    pub admin_token: Option<Secret>,
    /// By which way commands are confined.
    pub sandbox_method: SandboxMethod,
    /// What an administrator demands of configurations.
    pub requirements: PathBuf,
    /// How many threads serve HTTP and WebSockets.
    pub http_workers: usize,
    /// How many connections the listeners hold at once, all together.
    pub max_connections: usize,
    /// How many processes a client may run at once by `process/*` and `command/exec`.
    pub max_processes_per_connection: usize,
    /// How many processes all clients may run at once that way.
    pub max_processes: usize,
}

/// Why settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Neither a home variable nor a home directory is known.
    #[error("cannot find a home for the state: set GREENROOM_HOME")]
    NoHome,
    /// The file exists but cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, names an unknown key, or holds a value of the wrong type.
    #[error("{}: {message}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A variable does not hold a value of the right type.
    #[error("{name}: {message}")]
    BadVariable {
        /// The variable.
        name: String,
        /// What was expected.
        message: String,
    },
    /// A value that is well-formed but makes no sense.
    #[error("{key} {problem}")]
    OutOfRange {
        /// The key as in the file.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Settings {
    /// The defaults, for a home.
    pub fn defaults(home: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Settings {
            home,
            allowed_origins: Vec::new(),
            drain_timeout: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(30),
            heartbeat_timeout: Duration::from_secs(90),
            handshake_timeout: Duration::from_secs(5),
            frame_limit: 16 << 20,
            message_limit: 64 << 20,
            outbox_limit: 16 << 20,
            outbox_grace: Duration::from_secs(10),
            replay_window_events: 16_384,
            replay_window_bytes: 4 << 20,
            replay_total_bytes: 256 << 20,
            in_flight_limit: 4096,
            idle_unload: Duration::from_secs(30 * 60),
            durability: Durability::Turn,
            admin_token: None,
            sandbox_method: SandboxMethod::Auto,
            requirements: PathBuf::from(REQUIREMENTS),
            http_workers: cores.min(4),
            max_connections: 16_384,
            max_processes_per_connection: 256,
            max_processes: 1024,
        }
    }

    /// Reads all layers; `flags` are what the command line set.
    pub fn load(flags: Layer) -> Result<Self, SettingsError> {
        Self::from_layers(|name| std::env::var(name).ok(), flags)
    }

    /// As [`Settings::load`], with the environment given by `variable`.
    pub fn from_layers(variable: impl Fn(&str) -> Option<String>, flags: Layer) -> Result<Self, SettingsError> {
        let home = resolve_home(&variable)?;
        let mut settings = Settings::defaults(home);
        if let Some(file) = Layer::from_file(&settings.home.join(FILE_NAME))? {
            file.apply(&mut settings);
        }
        Layer::from_environment(&variable)?.apply(&mut settings);
        flags.apply(&mut settings);
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<(), SettingsError> {
        let positive: [(&'static str, usize); 8] = [
            ("frame_limit_bytes", self.frame_limit),
            ("message_limit_bytes", self.message_limit),
            ("outbox_limit_bytes", self.outbox_limit),
            ("in_flight_limit", self.in_flight_limit),
            ("http_workers", self.http_workers),
            ("max_connections", self.max_connections),
            ("max_processes_per_connection", self.max_processes_per_connection),
            ("max_processes", self.max_processes),
        ];
        if let Some((key, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingsError::OutOfRange {
                key,
                problem: "must not be 0",
            });
        }
        if !self.heartbeat_interval.is_zero() && self.heartbeat_timeout <= self.heartbeat_interval {
            return Err(SettingsError::OutOfRange {
                key: "heartbeat_timeout_seconds",
                problem: "must be longer than heartbeat_interval_seconds",
            });
        }
        if self.admin_token.as_ref().is_some_and(|token| token.expose().len() < 16) {
            return Err(SettingsError::OutOfRange {
                key: "admin_token",
                problem: "must have at least 16 characters",
            });
        }
        Ok(())
    }
}

/// The state root: `GREENROOM_HOME`, else `CODEX_HOME`, else `~/.greenroom`; made absolute.
pub fn resolve_home(variable: &impl Fn(&str) -> Option<String>) -> Result<PathBuf, SettingsError> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = match set("GREENROOM_HOME").or_else(|| set("CODEX_HOME")) {
        Some(home) => home,
        None => set("HOME").ok_or(SettingsError::NoHome)?.join(".greenroom"),
    };
    Ok(absolute(&home))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
