//! Approvals at the terminal.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::Yes;
use crate::protocol::methods::{ServerMethod, server};

const ASK: Style = Style::new()
    .bold()
    .fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));

/// What the person (or `--yes`) decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Accept,
    AcceptForSession,
    Decline,
    Cancel,
}

impl Decision {
    fn wire(self) -> &'static str {
        match self {
            Decision::Accept => "accept",
            Decision::AcceptForSession => "acceptForSession",
            Decision::Decline => "decline",
            Decision::Cancel => "cancel",
        }
    }
}

/// The answer to a request of the server, and whether somebody has to be asked for it.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// Answer this.
    Result(Value),
    /// Ask a person first; the text is the question.
    Ask(String),
    /// This client cannot answer that.
    Unsupported,
}

/// What to answer to `method`, given what `--yes` allows.
pub(super) fn reply_to(method: &str, params: &Value, yes: Option<Yes>) -> Reply {
    let text = |name: &str| params.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
    if method == server::ItemCommandExecutionRequestApproval::NAME {
        if matches!(yes, Some(Yes::All | Yes::Commands)) {
            return Reply::Result(decision(Decision::Accept));
        }
        return Reply::Ask(format!(
            "Run  {}\n  in  {}\n  {}",
            text("command"),
            text("cwd"),
            text("reason")
        ));
    }
    if method == server::ItemFileChangeRequestApproval::NAME {
        if matches!(yes, Some(Yes::All | Yes::Patches)) {
            return Reply::Result(decision(Decision::Accept));
        }
        return Reply::Ask(format!("Change the files shown above?\n  {}", text("reason")));
    }
    if method == server::ItemPermissionsRequestApproval::NAME {
        return Reply::Result(json!({"permissions": {}, "scope": "turn"}));
    }
    if method == server::ItemToolRequestUserInput::NAME {
        return Reply::Result(json!({"answers": {}}));
    }
    Reply::Unsupported
}

/// The JSON form of a decision.
pub(super) fn decision(decision: Decision) -> Value {
    json!({"decision": decision.wire()})
}

/// Asks at the terminal. Blocking: call it on the blocking pool. An ended input counts as a refusal.
pub(super) fn ask(question: &str) -> Decision {
    anstream::eprint!(
        "{ASK}{}{ASK:#}\n[y]es, [a]lways in this thread, [n]o, [c]ancel the turn: ",
        question.trim_end()
    );
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    match std::io::stdin().read_line(&mut answer) {
        Ok(n) if n > 0 => parse(&answer),
        _ => Decision::Decline,
    }
}

fn parse(answer: &str) -> Decision {
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Decision::Accept,
        "a" | "always" => Decision::AcceptForSession,
        "c" | "cancel" => Decision::Cancel,
        _ => Decision::Decline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_covers_what_it_names_and_nothing_else() {
        let command = server::ItemCommandExecutionRequestApproval::NAME;
        let patch = server::ItemFileChangeRequestApproval::NAME;
        let accepted = Reply::Result(json!({"decision": "accept"}));
        assert_eq!(reply_to(command, &json!({}), Some(Yes::Commands)), accepted);
        assert!(matches!(
            reply_to(patch, &json!({}), Some(Yes::Commands)),
            Reply::Ask(_)
        ));
        assert_eq!(reply_to(patch, &json!({}), Some(Yes::All)), accepted);
        assert!(matches!(reply_to(command, &json!({}), None), Reply::Ask(_)));
        assert_eq!(reply_to("no/such", &json!({}), Some(Yes::All)), Reply::Unsupported);
    }

    #[test]
    fn anything_but_a_clear_yes_is_a_no() {
        for (answer, wanted) in [
            ("y\n", Decision::Accept),
            ("Always", Decision::AcceptForSession),
            ("", Decision::Decline),
            ("sure", Decision::Decline),
        ] {
            assert_eq!(parse(answer), wanted, "{answer:?}");
        }
    }
}
