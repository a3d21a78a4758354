//! Outputs of commands and patches that a rollout holds as JSON, made into the text that a model is told.
//!
//! The peer, and older versions of it, record such an output as `{"output", "metadata"}` and put it into words with
//! each request. Greenroom records the words. Only outputs of the tools that are known to do so are touched: a tool of
//! a client may well answer JSON that looks the same.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    output: Cow<'a, str>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    exit_code: i64,
    duration_seconds: f64,
}

/// Whether a call of this kind and name may have recorded its output as JSON.
pub(super) fn may_be_structured(kind: &str, name: Option<&str>) -> bool {
    match kind {
        "local_shell_call" => true,
        "custom_tool_call" => name == Some("apply_patch"),
        "function_call" => matches!(name, Some("shell" | "container.exec" | "apply_patch")),
        _ => false,
    }
}

/// The output item with its output in words; `None` when it is not JSON of that form.
pub(super) fn in_words(item: &RawValue) -> Option<Arc<RawValue>> {
    let mut members: Map<String, Value> = serde_json::from_str(item.get()).ok()?;
    let text = words(members.get("output")?.as_str()?)?;
    members.insert("output".to_owned(), Value::String(text));
    to_raw_value(&members).ok().map(Arc::from)
}

fn words(recorded: &str) -> Option<String> {
    let parsed: Structured<'_> = serde_json::from_str(recorded).ok()?;
    let Metadata {
        exit_code,
        duration_seconds,
    } = parsed.metadata;
    let (total, output) = match total_lines(&parsed.output) {
        Some((count, rest)) => (format!("Total output lines: {count}\n"), rest),
        None => (String::new(), parsed.output.as_ref()),
    };
    Some(format!(
        "Exit code: {exit_code}\nWall time: {duration_seconds} seconds\n{total}Output:\n{output}"
    ))
}

/// Output that was shortened says first how long it was; that belongs to the head.
fn total_lines(output: &str) -> Option<(u64, &str)> {
    let (count, rest) = output.strip_prefix("Total output lines: ")?.split_once('\n')?;
    Some((count.parse().ok()?, rest.strip_prefix('\n').unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_output_is_put_into_words() {
        let recorded = r#"{"output":"done\n","metadata":{"exit_code":2,"duration_seconds":0.4}}"#;
        assert_eq!(
            words(recorded).as_deref(),
            Some("Exit code: 2\nWall time: 0.4 seconds\nOutput:\ndone\n")
        );
    }

    #[test]
    fn the_length_of_a_shortened_output_moves_into_the_head() {
        let recorded =
            r#"{"output":"Total output lines: 900\n\nfirst\n","metadata":{"exit_code":0,"duration_seconds":0}}"#;
        assert_eq!(
            words(recorded).as_deref(),
            Some("Exit code: 0\nWall time: 0 seconds\nTotal output lines: 900\nOutput:\nfirst\n")
        );
    }

    #[test]
    fn other_text_stays_as_it_is() {
        assert_eq!(words("Exit code: 0\nOutput:\n"), None);
        assert_eq!(words(r#"{"output":"no metadata"}"#), None);
        assert!(!may_be_structured("function_call", Some("lookup")));
    }
}
