//! Logs on stderr: filtered by `RUST_LOG` (errors only by default), as text, or as JSON lines with `LOG_FORMAT=json`.
//!
//! Standard output belongs to the protocol; nothing here ever writes to it. Panics are logged like errors, once, where
//! they happen; whoever contains one counts it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Errors only, and none about what clients send to the HTTP port: anybody can send anything.
const DEFAULT_FILTER: &str = "error,actix_http=off";

/// Installs the process's subscriber and panic hook. Later calls change nothing.
pub fn install() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A lost log line must not cost more than itself: the fallback would panic where nobody reads stderr any more.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let installed = if wants_json(std::env::var("LOG_FORMAT").ok().as_deref()) {
        builder.json().try_init()
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    if installed.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("(no message)");
            tracing::error!(panic.location = place, "panic at {place}: {message}");
        }));
    }
}

fn wants_json(format: Option<&str>) -> bool {
    format.is_some_and(|format| format.trim().eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests {
    use super::wants_json;

    #[test]
    fn only_the_word_json_asks_for_json() {
        assert!(wants_json(Some("json")) && wants_json(Some(" JSON ")));
        assert!(!wants_json(None) && !wants_json(Some("text")) && !wants_json(Some("json5")));
    }
}
