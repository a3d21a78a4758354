//! Rollouts as another program would have left them in a home.

use std::path::{Path, PathBuf};

use greenroom::protocol::ThreadId;
use serde_json::json;

/// A thread with one turn.
pub struct Rollout {
    /// The thread.
    pub id: String,
    /// Its day in July 2026, which is its folder.
    pub day: u8,
    /// The first message.
    pub text: String,
}

impl Rollout {
    /// A thread of its own with this first message.
    pub fn new(text: &str) -> Self {
        Rollout {
            id: ThreadId::generate().to_string(),
            day: 1,
            text: text.to_owned(),
        }
    }

    /// The same on another day.
    pub fn on_day(mut self, day: u8) -> Self {
        self.day = day;
        self
    }

    /// Where it belongs.
    pub fn path(&self, home: &Path) -> PathBuf {
        let name = format!("rollout-2026-07-{:02}T10-00-00-{}.jsonl", self.day, self.id);
        self.folder(home).join(name)
    }

    /// The folder of its day.
    pub fn folder(&self, home: &Path) -> PathBuf {
        home.join(format!("sessions/2026/07/{:02}", self.day))
    }

    /// Its lines.
    pub fn lines(&self) -> String {
        let time = format!("2026-07-{:02}T10:00:00.000Z", self.day);
        let line = |kind: &str, payload: serde_json::Value| {
            format!("{}\n", json!({"timestamp": time, "type": kind, "payload": payload}))
        };
        let turn = format!("turn-{}", self.id);
        let said = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": self.text}]});
        [
            line(
                "session_meta",
                json!({"id": self.id, "timestamp": time, "cwd": "/work", "originator": "tests", "cli_version": "0.131.0",
                    "source": "vscode", "model_provider": "scripted"}),
            ),
            line("event_msg", json!({"type": "task_started", "turn_id": turn, "started_at": 1})),
            line("response_item", said),
            line("event_msg", json!({"type": "user_message", "message": self.text, "images": []})),
            line("event_msg", json!({"type": "agent_message", "message": format!("answer to {}", self.text)})),
            line("event_msg", json!({"type": "task_complete", "turn_id": turn, "completed_at": 2})),
        ]
        .concat()
    }

    /// Writes it where it belongs.
    pub fn write(&self, home: &Path) -> PathBuf {
        let path = self.path(home);
        self.write_to(&path);
        path
    }

    /// Writes it to any place.
    pub fn write_to(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder of a rollout");
        std::fs::write(path, self.lines()).expect("a rollout");
    }
}

/// Fills a home with this many threads, spread over days.
pub fn fill(home: &Path, count: usize) {
    for n in 0..count {
        let day = u8::try_from(n % 28 + 1).expect("a day");
        Rollout::new(&format!("message {n}")).on_day(day).write(home);
    }
}
