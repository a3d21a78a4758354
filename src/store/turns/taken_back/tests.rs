//! What is left for the model after rollbacks, read from files.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::store::turns::history::{self, Part};

/// A rollout in the making.
struct File(tempfile::NamedTempFile);

impl File {
    fn new() -> Self {
        File(tempfile::NamedTempFile::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn line(&mut self, kind: &str, payload: Value) -> u64 {
        let at = self.0.as_file().metadata().unwrap().len();
        let line = json!({"timestamp": "2026-01-01T00:00:00.000Z", "type": kind, "payload": payload});
        writeln!(self.0, "{line}").unwrap();
        at
    }

    fn item(&mut self, role: &str, text: &str) {
        let kind = if role == "assistant" {
            "output_text"
        } else {
            "input_text"
        };
        let content = json!([{"type": kind, "text": text}]);
        self.line(
            "response_item",
            json!({"type": "message", "role": role, "content": content}),
        );
    }

    fn context(&mut self, turn: &str) {
        let payload = json!({
            "turn_id": turn, "cwd": "/w", "approval_policy": "never", "sandbox_policy": {"type": "read-only"},
            "model": turn, "summary": "auto",
        });
        self.line("turn_context", payload);
    }

    /// A turn with what the model is told before the first one.
    fn turn(&mut self, text: &str, first: bool) {
        self.line("event_msg", json!({"type": "task_started", "turn_id": text}));
        if first {
            self.item("developer", "rules");
        }
        self.context(text);
        self.said(text);
        self.line("event_msg", json!({"type": "task_complete", "turn_id": text}));
    }

    fn said(&mut self, text: &str) {
        self.item("user", text);
        self.line("event_msg", json!({"type": "user_message", "message": text}));
        self.item("assistant", &format!("re {text}"));
        self.line(
            "event_msg",
            json!({"type": "agent_message", "message": format!("re {text}")}),
        );
    }

    fn compaction(&mut self) -> u64 {
        self.line("event_msg", json!({"type": "task_started", "turn_id": "compaction"}));
        let summary =
            json!([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "summary"}]}]);
        let at = self.line("compacted", json!({"message": "", "replacement_history": summary}));
        self.line("event_msg", json!({"type": "context_compacted"}));
        self.line("event_msg", json!({"type": "task_complete", "turn_id": "compaction"}));
        at
    }

    fn rolled_back(&mut self, turns: u32) {
        self.line("event_msg", json!({"type": "thread_rolled_back", "num_turns": turns}));
    }

    /// The texts of the conversation, and the turn whose settings the model was told last.
    fn left(&self, start: u64, rolled_back: usize) -> (String, Option<String>) {
        let part = Part {
            rolled_back,
            ..Part::from(start)
        };
        let talk = history::conversation(self.path(), part).unwrap();
        let texts = talk.items.iter().map(|item| {
            let item: Value = serde_json::from_str(item.get()).unwrap();
            item["content"][0]["text"].as_str().unwrap().to_owned()
        });
        (
            texts.collect::<Vec<_>>().join(", "),
            talk.context.map(|context| context.model),
        )
    }

    fn shown(&self) -> Vec<String> {
        let turns = history::turns(self.path(), None).unwrap();
        turns.into_iter().map(|turn| turn.id).collect()
    }
}

#[test]
fn a_rollback_behind_a_compaction_undoes_it() {
    let mut file = File::new();
    file.turn("a", true);
    file.turn("b", false);
    let start = file.compaction();
    file.turn("c", true);
    assert_eq!(file.left(start, 0).0, "summary, rules, c, re c");
    assert_eq!(file.left(start, 1), ("summary".to_owned(), None));
    let before = ("rules, a, re a, b, re b".to_owned(), Some("b".to_owned()));
    assert_eq!(file.left(start, 2), before);
    assert_eq!(file.left(start, 3).0, "rules, a, re a");
    // The same once it is recorded, and the thread is shown so, too.
    file.rolled_back(2);
    assert_eq!(file.left(start, 0), before);
    assert_eq!(file.shown(), ["a", "b"]);
    file.turn("d", false);
    assert_eq!(file.left(start, 0).0, "rules, a, re a, b, re b, d, re d");
    file.rolled_back(2);
    assert_eq!(file.left(start, 0), ("rules, a, re a".to_owned(), Some("a".to_owned())));
    assert_eq!(file.shown(), ["a"]);
}

#[test]
fn a_turn_goes_with_all_that_was_said_in_it() {
    let mut file = File::new();
    file.turn("a", true);
    file.line("event_msg", json!({"type": "task_started", "turn_id": "b"}));
    file.said("b");
    file.said("steered");
    file.line("event_msg", json!({"type": "task_complete", "turn_id": "b"}));
    assert_eq!(file.left(0, 1).0, "rules, a, re a");
    // A command of the user is a turn, too.
    file.line("event_msg", json!({"type": "task_started", "turn_id": "shell"}));
    file.item("user", "<user_shell_command>");
    file.line("event_msg", json!({"type": "task_complete", "turn_id": "shell"}));
    file.rolled_back(1);
    assert_eq!(file.left(0, 0).0, "rules, a, re a, b, re b, steered, re steered");
    assert_eq!(file.shown(), ["a", "b"]);
}

#[test]
fn what_the_model_is_told_at_the_beginning_stays() {
    let mut file = File::new();
    file.turn("a", true);
    file.turn("b", false);
    file.rolled_back(9);
    assert_eq!(file.left(0, 0), ("rules".to_owned(), None));
    assert!(file.shown().is_empty());
}

#[test]
fn files_without_beginnings_of_turns_lose_the_message_too() {
    let mut file = File::new();
    file.item("developer", "rules");
    file.said("a");
    file.item("developer", "more rules");
    file.said("b");
    assert_eq!(file.left(0, 1).0, "rules, a, re a");
    file.rolled_back(1);
    assert_eq!(file.left(0, 0).0, "rules, a, re a");
    file.said("c");
    assert_eq!(file.left(0, 1).0, "rules, a, re a");
}
