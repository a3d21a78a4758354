//! The whole configuration as clients are shown it: every known key, unset ones as null or with their default, and nothing
//! that nobody knows.
//!
//! What is known stands in `shape.json`, by key. `default` is shown for a key that is not set; `fields` are the keys of a
//! table, `each` the shape of its other entries, `open` keeps entries without one; `always` shows the table even when it
//! is not set; `absent` leaves a key out when it is not set, `beside` unless another one is.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shape {
    default: Value,
    fields: Option<BTreeMap<String, Shape>>,
    each: Option<Box<Shape>>,
    open: bool,
    always: bool,
    absent: bool,
    beside: Option<String>,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape {
    // A test reads the file: it is never found broken here.
    fields: serde_json::from_str(include_str!("shape.json")).ok(),
    always: true,
    ..Shape::default()
});

/// The configuration in full.
pub(super) fn whole(config: Map<String, Value>) -> Map<String, Value> {
    match shaped(&SHAPE, Some(Value::Object(config))) {
        Some(Value::Object(whole)) => whole,
        _ => Map::new(),
    }
}

fn shaped(shape: &Shape, value: Option<Value>) -> Option<Value> {
    let mut table = match value {
        Some(Value::Object(table)) if shape.fields.is_some() || shape.each.is_some() => table,
        Some(value) => return Some(value),
        None if shape.always => Map::new(),
        None if shape.absent => return None,
        None => return Some(shape.default.clone()),
    };
    let mut whole = Map::new();
    for (key, field) in shape.fields.iter().flatten() {
        let value = table.shift_remove(key);
        if value.is_none() && field.beside.as_ref().is_some_and(|other| !table.contains_key(other)) {
            continue;
        }
        if let Some(value) = shaped(field, value) {
            whole.insert(key.clone(), value);
        }
    }
    for (key, value) in table {
        match &shape.each {
            Some(each) => whole.extend(shaped(each, Some(value)).map(|value| (key, value))),
            None if shape.open => {
                whole.insert(key, value);
            }
            None => {}
        }
    }
    Some(Value::Object(whole))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_known_key_is_shown_and_no_other() {
        let config = json!({
            "model": "m",
            "unknown": 1,
            "history": {"max_bytes": 5, "unknown": 1},
            "mcp_servers": {"a": {"command": "x"}, "b": {"url": "u", "args": 1}},
            "hooks": {},
        });
        let whole = Value::Object(whole(config.as_object().unwrap().clone()));
        assert_eq!(whole["model"], "m");
        assert_eq!(
            (&whole["profile"], &whole["project_doc_max_bytes"]),
            (&Value::Null, &json!(32768))
        );
        assert_eq!(whole["history"], json!({"persistence": "save-all", "max_bytes": 5}));
        assert!(whole.get("unknown").is_none() && whole["tui"].is_null());
        assert_eq!(
            whole["mcp_servers"],
            json!({
                "a": {"command": "x", "args": [], "enabled": true, "tool_timeout_sec": null},
                "b": {"url": "u", "args": 1, "enabled": true, "tool_timeout_sec": null},
            })
        );
        assert!(whole["hooks"].get("state").is_none() && whole["hooks"]["Stop"] == json!([]));
        assert_eq!(whole["shell_environment_policy"]["inherit"], Value::Null);
    }
}
