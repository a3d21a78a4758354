//! The table of the kill test: what writes, and how one sees later that it did.
//!
//! A method that is not built yet is passed over until it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A method and its parameters.
pub type Request = (&'static str, Value);

/// A row of the table: a method that writes, and how its effect is seen later.
pub struct Operation {
    /// What failures call it.
    pub name: &'static str,
    /// The requests of the `n`th time, in order. The last one's answer is the promise.
    pub requests: fn(thread: &str, n: u64) -> Vec<Request>,
    /// What must be seen once the last request is answered.
    pub promise: fn(n: u64, answer: &Value) -> Value,
    /// Whether a thread shows a promise.
    pub holds: fn(&Seen, &Value) -> bool,
    /// Each time overwrites the one before; else all of them stay.
    pub overwrites: bool,
    /// How often in one life; what makes threads would make too many to look at.
    pub at_most: u64,
}

/// What a server that was started anew shows of a thread.
pub struct Seen {
    /// The thread as `thread/read` tells it.
    pub thread: Value,
    /// Its turns as text, to look for what was said.
    pub turns: String,
    /// It is among the archived ones.
    pub archived: bool,
    /// The answer of `thread/goal/get`.
    pub goal: Value,
    /// The text of its file.
    pub rollout: String,
    /// All threads that are listed.
    pub listed: BTreeSet<String>,
}

/// Every method that writes into a thread.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "turn/start",
        requests: |thread, n| vec![turn(thread, &format!("question {n}"))],
        // The answer promises nothing yet; the items that are told do, and so they are in every row.
        promise: |_, _| Value::Null,
        holds: |_, _| true,
        overwrites: false,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/name/set",
        requests: |thread, n| {
            let name = json!({"threadId": thread, "name": format!("name {n}")});
            vec![("thread/name/set", name)]
        },
        promise: |n, _| json!(format!("name {n}")),
        holds: |seen, name| seen.thread["name"] == *name,
        overwrites: true,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/archive, thread/unarchive",
        requests: |thread, n| {
            let method = if n.is_multiple_of(2) {
                "thread/archive"
            } else {
                "thread/unarchive"
            };
            vec![(method, json!({"threadId": thread}))]
        },
        promise: |n, _| json!(n.is_multiple_of(2)),
        holds: |seen, archived| seen.archived == *archived,
        overwrites: true,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/metadata/update",
        requests: |thread, n| {
            let branch = json!({"threadId": thread, "gitInfo": {"branch": format!("branch-{n}")}});
            vec![("thread/metadata/update", branch)]
        },
        promise: |n, _| json!(format!("branch-{n}")),
        holds: |seen, branch| seen.thread["gitInfo"]["branch"] == *branch,
        overwrites: true,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/memoryMode/set",
        requests: |thread, n| {
            let mode = json!({"threadId": thread, "mode": memory_mode(n)});
            vec![("thread/memoryMode/set", mode)]
        },
        promise: |n, _| json!(memory_mode(n)),
        // No answer tells the mode; the last meta line of the rollout does.
        holds: |seen, mode| {
            let metas = seen
                .rollout
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut metas = metas.filter(|line| line["type"] == "session_meta").rev();
            let last = metas.find_map(|line| line["payload"].get("memory_mode").cloned());
            last.unwrap_or_else(|| json!("enabled")) == *mode
        },
        overwrites: true,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/fork",
        requests: |thread, _| vec![("thread/fork", json!({"threadId": thread}))],
        promise: |_, answer| answer["thread"]["id"].clone(),
        holds: |seen, fork| seen.listed.contains(fork.as_str().unwrap_or_default()),
        overwrites: false,
        at_most: 6,
    },
    Operation {
        name: "thread/rollback",
        requests: |thread, n| {
            let rollback = json!({"threadId": thread, "numTurns": 1});
            vec![
                turn(thread, &format!("to be dropped {n}")),
                ("thread/rollback", rollback),
            ]
        },
        promise: |n, _| json!(format!("to be dropped {n}")),
        holds: |seen, text| !seen.turns.contains(&text.to_string()),
        overwrites: false,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/inject_items",
        requests: |thread, n| {
            let content = json!([{"type": "input_text", "text": format!("injected {n}")}]);
            let item = json!({"type": "message", "role": "user", "content": content});
            vec![("thread/inject_items", json!({"threadId": thread, "items": [item]}))]
        },
        promise: |n, _| json!(format!("injected {n}")),
        holds: |seen, text| seen.rollout.contains(&text.to_string()),
        overwrites: false,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/shellCommand",
        requests: |thread, n| {
            let command = json!({"threadId": thread, "command": format!("echo from the shell {n}")});
            vec![("thread/shellCommand", command)]
        },
        promise: |_, _| Value::Null,
        holds: |_, _| true,
        overwrites: false,
        at_most: u64::MAX,
    },
    Operation {
        name: "thread/goal/set",
        requests: |thread, n| {
            let goal = json!({"threadId": thread, "objective": format!("goal {n}")});
            vec![("thread/goal/set", goal)]
        },
        promise: |n, _| json!(format!("goal {n}")),
        holds: |seen, objective| seen.goal["goal"]["objective"] == *objective,
        overwrites: true,
        at_most: u64::MAX,
    },
];

fn turn(thread: &str, text: &str) -> Request {
    let input = json!([{"type": "text", "text": text}]);
    ("turn/start", json!({"threadId": thread, "input": input}))
}

fn memory_mode(n: u64) -> &'static str {
    if n.is_multiple_of(2) { "disabled" } else { "enabled" }
}
