//! Compares the generated schema with the public one, payload by payload, and prints the coverage.
//!
//! Both sides are brought into one form first: references to types that only one side names are written out,
//! `null` alternatives become one mark, single constants and string enumerations become sorted lists. What remains
//! different must be listed in `tests/protocol/schema_differences.json` with its reason; a listed difference that is
//! gone is an error too.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::*;

const PUBLIC: &str = include_str!("../../../tests/protocol/public_schema.json");
const METHODS: &str = include_str!("../../../tests/protocol/public_methods.tsv");
const DIFFERENCES: &str = include_str!("../../../tests/protocol/schema_differences.json");

struct Side<'a> {
    definitions: Map<String, Value>,
    public: &'a BTreeSet<String>,
}

impl Side<'_> {
    fn normal(&self, schema: &Value, depth: usize) -> Value {
        let Some(object) = schema.as_object() else {
            return json!("any");
        };
        if depth > 24 {
            return json!("deep");
        }
        if let Some(name) = object
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|r| r.rsplit('/').next())
        {
            if self.public.contains(name) {
                return json!({"ref": name});
            }
            return self
                .definitions
                .get(name)
                .map_or(json!({"ref": name}), |inner| self.normal(inner, depth + 1));
        }
        if let Some(value) = object.get("const") {
            return json!({"enum": [value]});
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array) {
            let mut values: Vec<Value> = values.iter().filter(|v| !v.is_null()).cloned().collect();
            values.sort_by_key(Value::to_string);
            return json!({"enum": values});
        }
        if let Some(all) = object.get("allOf").and_then(Value::as_array)
            && all.len() == 1
        {
            return self.normal(&all[0], depth + 1);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(options) = object.get(key).and_then(Value::as_array) {
                return self.alternatives(options, object, depth);
            }
        }
        let kinds: Vec<&str> = match object.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => return json!("any"),
        };
        let nullable = kinds.contains(&"null") && kinds.len() > 1;
        let kind = kinds.iter().find(|kind| **kind != "null").copied().unwrap_or("null");
        let inner = match kind {
            "array" => {
                json!({"array": object.get("items").map_or(json!("any"), |items| self.normal(items, depth + 1))})
            }
            "object" => self.object(object, depth),
            other => json!(other),
        };
        if nullable { json!({"nullable": inner}) } else { inner }
    }

    fn alternatives(&self, options: &[Value], object: &Map<String, Value>, depth: usize) -> Value {
        let mut nullable = false;
        let mut names = BTreeSet::new();
        let mut rest = BTreeSet::new();
        for option in options {
            if option == &json!({"type": "null"}) {
                nullable = true;
                continue;
            }
            let normal = self.normal(option, depth + 1);
            match normal.get("enum").and_then(Value::as_array) {
                Some(values) => names.extend(values.iter().map(Value::to_string)),
                None => {
                    let normal = match normal.get("nullable") {
                        Some(inner) => {
                            nullable = true;
                            inner.clone()
                        }
                        None => normal,
                    };
                    match normal.get("oneOf").and_then(Value::as_array) {
                        Some(inner) => rest.extend(inner.iter().map(Value::to_string)),
                        None => {
                            rest.insert(normal.to_string());
                        }
                    }
                }
            }
        }
        if !names.is_empty() {
            let values: Vec<Value> = names
                .iter()
                .filter_map(|text| serde_json::from_str(text).ok())
                .collect();
            rest.insert(json!({"enum": values}).to_string());
        }
        let mut rest: Vec<Value> = rest.iter().filter_map(|text| serde_json::from_str(text).ok()).collect();
        let mut inner = if rest.len() == 1 {
            rest.remove(0)
        } else {
            json!({"oneOf": rest})
        };
        if object.contains_key("properties") {
            inner = json!({"all": [self.object(object, depth), inner]});
        }
        if nullable { json!({"nullable": inner}) } else { inner }
    }

    fn object(&self, object: &Map<String, Value>, depth: usize) -> Value {
        let empty = Map::new();
        let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        if properties.is_empty() {
            return match object.get("additionalProperties") {
                Some(value) if value.is_object() => json!({"map": self.normal(value, depth + 1)}),
                Some(Value::Bool(true)) => json!({"map": "any"}),
                _ => json!({"props": {}, "required": []}),
            };
        }
        let props: BTreeMap<&String, Value> = properties
            .iter()
            .map(|(name, value)| (name, self.normal(value, depth + 1)))
            .collect();
        let mut required: Vec<&Value> = object
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        required.sort_by_key(|name| name.to_string());
        json!({"props": props, "required": required})
    }
}

/// The differences between two normal forms, as `path: theirs -> ours`.
fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                match (a.get(key), b.get(key)) {
                    (Some(x), Some(y)) => differences(&format!("{path}/{key}"), x, y, found),
                    (Some(_), None) => found.push(format!("{path}/{key}: missing here")),
                    _ => found.push(format!("{path}/{key}: only here")),
                }
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{path}: {theirs} -> {ours}")),
    }
}

#[test]
fn the_generated_schema_is_the_public_one() {
    let public: Value = serde_json::from_str(PUBLIC).unwrap();
    let listed: BTreeMap<String, String> = serde_json::from_str(DIFFERENCES).unwrap();
    let their_payloads = public["payloads"].as_object().unwrap();
    let their_definitions = public["definitions"].as_object().unwrap();
    let names: BTreeSet<String> = their_payloads.keys().chain(their_definitions.keys()).cloned().collect();
    let mut ours: BTreeMap<String, Value> = BTreeMap::new();
    for payload in payloads() {
        let mut schema = (payload.schema)();
        let definitions = schema.as_object_mut().and_then(|s| s.remove("definitions"));
        if let Some(Value::Object(definitions)) = definitions {
            ours.extend(definitions);
        }
        ours.insert(payload.name.to_string(), schema);
    }
    let theirs = Side {
        definitions: Map::new(),
        public: &names,
    };
    let here = Side {
        definitions: ours.clone().into_iter().collect(),
        public: &names,
    };
    let mut found = Vec::new();
    let mut same = 0;
    for (name, schema) in their_payloads.iter().chain(their_definitions) {
        let Some(our_schema) = ours.get(name) else {
            found.push(format!("{name}: missing here"));
            continue;
        };
        let before = found.len();
        differences(name, &theirs.normal(schema, 0), &here.normal(our_schema, 0), &mut found);
        same += usize::from(found.len() == before);
    }
    println!("schema coverage: {same} of {} public types are the same", names.len());
    let unlisted: Vec<&String> = found.iter().filter(|line| !listed.contains_key(*line)).collect();
    assert!(
        unlisted.is_empty(),
        "{} unlisted differences:\n{unlisted:#?}",
        unlisted.len()
    );
    let gone: Vec<&String> = listed.keys().filter(|line| !found.contains(line)).collect();
    assert!(gone.is_empty(), "listed differences that are gone:\n{gone:#?}");
}

#[test]
fn the_table_holds_every_public_method() {
    let mut section = "";
    let mut missing = Vec::new();
    for line in METHODS.lines().filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [method, params, stability] = cells[..] else {
            section = cells[0];
            continue;
        };
        let experimental = stability == "experimental";
        let known = match section {
            "ClientRequest" => crate::protocol::methods::client::METHODS.iter().any(|(name, s, _)| {
                *name == method && (*s == crate::protocol::methods::Stability::Experimental) == experimental
            }),
            "ServerRequest" => crate::protocol::methods::server::METHODS.contains(&method),
            "ServerNotification" => crate::protocol::methods::NOTIFICATIONS
                .iter()
                .any(|(name, _)| *name == method),
            _ => method == "initialized",
        };
        let typed = params.starts_with('{')
            || payloads()
                .iter()
                .any(|payload| payload.method == method && payload.name == params);
        if !known || !typed {
            missing.push(format!("{section} {line}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn files_are_written_and_experimental_ones_only_on_request() {
    let out = tempfile::tempdir().unwrap();
    let gated = [("thread/start", "dynamicTools")];
    let asked = [("item/commandExecution/requestApproval", "additionalPermissions")];
    let options = |experimental| SchemaOptions {
        experimental,
        gated_fields: &gated,
        gated_request_fields: &asked,
    };
    write_json(out.path(), &options(false)).unwrap();
    let approval = || {
        let text = std::fs::read_to_string(out.path().join("CommandExecutionRequestApprovalParams.json")).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["properties"].clone()
    };
    assert!(approval().get("additionalPermissions").is_none() && approval().get("command").is_some());
    let start = std::fs::read_to_string(out.path().join("v2/ThreadStartParams.json")).unwrap();
    let start: Value = serde_json::from_str(&start).unwrap();
    assert!(start["properties"].get("dynamicTools").is_none() && start["properties"].get("model").is_some());
    assert!(!out.path().join("v2/ThreadTurnsListParams.json").exists());
    write_json(out.path(), &options(true)).unwrap();
    assert!(approval().get("additionalPermissions").is_some());
    assert!(out.path().join("v2/ThreadTurnsListParams.json").exists());
    let types = tempfile::tempdir().unwrap();
    assert!(write_typescript(types.path(), &SchemaOptions::default()).unwrap() > 200);
    let turn = std::fs::read_to_string(types.path().join("Turn.ts")).unwrap();
    assert!(
        turn.contains("import type { TurnStatus }") && turn.contains("status: TurnStatus"),
        "{turn}"
    );
}
