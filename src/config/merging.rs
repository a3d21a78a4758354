//! Layers laid on each other: tables merge, everything else replaces.

/// Lays a layer on those below it. What commands may touch is said by a mode or by a profile, and the highest layer that
/// says either decides which; of one that says both, the profile.
pub(super) fn lay(base: &mut toml::Table, over: &toml::Table) {
    if over.contains_key("default_permissions") {
        base.remove("sandbox_mode");
    } else if over.contains_key("sandbox_mode") {
        base.remove("default_permissions");
    }
    merge(base, over);
}

/// Lays `over` on `base`: tables merge, everything else replaces.
pub(super) fn merge(base: &mut toml::Table, over: &toml::Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(toml::Value::Table(base)), toml::Value::Table(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Sets a dotted path, making tables on the way; a table value merges into what is there.
pub(super) fn set_path(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => {
            let mut over = toml::Table::new();
            over.insert(path.to_string(), value);
            merge(table, &over);
        }
        Some((head, rest)) => {
            let entry = table
                .entry(head.to_string())
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if !entry.is_table() {
                *entry = toml::Value::Table(toml::Table::new());
            }
            if let toml::Value::Table(inner) = entry {
                set_path(inner, rest, value);
            }
        }
    }
}

/// JSON as TOML; nulls vanish, since TOML has none.
pub(super) fn to_toml(value: &serde_json::Value) -> Option<toml::Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(value) => toml::Value::Boolean(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(integer) => toml::Value::Integer(integer),
            None => toml::Value::Float(number.as_f64()?),
        },
        serde_json::Value::String(text) => toml::Value::String(text.clone()),
        serde_json::Value::Array(values) => toml::Value::Array(values.iter().filter_map(to_toml).collect()),
        serde_json::Value::Object(members) => toml::Value::Table(
            members
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), to_toml(value)?)))
                .collect(),
        ),
    })
}
