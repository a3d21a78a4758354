//! What `process/*` and `command/exec*` have in common: their defaults, and how their parameters are read.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};

use crate::config::{ConfigError, ConfigLoader, ResolvedConfig};
use crate::exec::environment::{Environment, filtered};
use crate::exec::pty::PtySize;
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;
use crate::rpc::processes::{InputRoom, ProcessError, ProcessInput};

/// How many bytes of each stream count, unless the client says otherwise.
pub(super) const OUTPUT_CAP: usize = 1 << 20;
/// How long a process may run, unless the client says otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration of the server's own folder: these processes belong to no thread.
pub(super) async fn server_config(config: &Arc<ConfigLoader>) -> Result<ResolvedConfig, RpcError> {
    let config = Arc::clone(config);
    let resolved = tokio::task::spawn_blocking(move || config.resolve_own()).await;
    let resolved: Result<_, ConfigError> =
        resolved.map_err(|_| RpcError::internal("failed to read the configuration"))?;
    resolved.map_err(|error| RpcError::internal(format!("failed to load configuration: {error}")))
}

/// The environment of a process: the server's own, as far as the policy lets it through, then what the client changes.
pub(super) fn environment(config: &ResolvedConfig, changes: Option<BTreeMap<String, Option<String>>>) -> Environment {
    let mut environment = filtered(std::env::vars_os(), &config.shell_environment_policy);
    for (name, value) in changes.unwrap_or_default() {
        let name = OsString::from(name);
        match value {
            Some(value) => environment.insert(name, value.into()),
            None => environment.remove(&name),
        };
    }
    environment
}

/// A time limit in milliseconds, which must not be negative.
pub(super) fn time_limit(method: &str, milliseconds: i64) -> Result<Duration, RpcError> {
    u64::try_from(milliseconds)
        .map(Duration::from_millis)
        .map_err(|_| RpcError::invalid_params(format!("{method} timeoutMs must be non-negative, got {milliseconds}")))
}

/// The size of a terminal, which must have one. `family` is how the complaint begins.
pub(super) fn terminal_size(family: &str, rows: u16, columns: u16) -> Result<PtySize, RpcError> {
    match rows > 0 && columns > 0 {
        true => Ok(PtySize { rows, columns }),
        false => Err(RpcError::invalid_params(format!(
            "{family} size rows and cols must be greater than 0"
        ))),
    }
}

/// What a client writes: base64, the end, or both.
pub(super) fn input(method: &str, delta: Option<String>, close: bool) -> Result<ProcessInput, RpcError> {
    if delta.is_none() && !close {
        return Err(RpcError::invalid_params(format!(
            "{method} requires deltaBase64 or closeStdin"
        )));
    }
    let bytes = STANDARD
        .decode(delta.unwrap_or_default())
        .map_err(|error| RpcError::invalid_params(format!("invalid deltaBase64: {}", complaint(error))))?;
    Ok(ProcessInput { bytes, close })
}

/// What is wrong with a base64 text, in the words that the protocol's clients know.
fn complaint(error: DecodeError) -> String {
    match error {
        DecodeError::InvalidLastSymbol { offset, symbol, .. } => {
            format!("Invalid last symbol {symbol}, offset {offset}.")
        }
        other => other.to_string(),
    }
}

/// Waits until the process takes more input; meanwhile it can be killed and resized.
pub(super) async fn taken(cx: &RequestContext, room: Option<InputRoom>) -> Result<(), ProcessError> {
    let Some(room) = room else { return Ok(()) };
    cx.leave_lane();
    room.await.map_err(|_| ProcessError::NotRunning)
}

/// Why a program without a name is not started.
pub(super) fn named_program(argv: &[String], terminal: bool) -> Result<(), ProcessError> {
    match argv.first() {
        Some(program) if !program.is_empty() => Ok(()),
        _ => Err(ProcessError::System(std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            match terminal {
                true => "missing program for PTY spawn",
                false => "missing program for pipe spawn",
            },
        ))),
    }
}

/// A name as complaints quote it.
pub(super) fn quoted(name: &str) -> serde_json::Value {
    serde_json::Value::from(name)
}
