//! Changing values of the user's configuration on behalf of clients, all or nothing.

use std::path::Path;
use std::sync::PoisonError;

use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value as TomlValue};

use crate::config::merging::merge;
use crate::config::reading::{to_json, validate, version};
use crate::config::{ConfigError, ConfigLoader, ConfigProblem, edit};
use crate::files::normalised;
use crate::protocol::{
    AbsolutePathBuf, ConfigEdit, ConfigLayerSource, ConfigWriteResponse, MergeStrategy, OverriddenMetadata, WriteStatus,
};

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum WritingError {
    /// The configuration is another one by now.
    #[error("Configuration was modified since last read. Fetch latest version and retry.")]
    VersionConflict,
    /// Another file than the user's was meant.
    #[error("Only writes to the user config are allowed")]
    ReadOnly,
    /// The change itself, or what it leads to, is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// The file is broken.
    #[error("failed to load configuration: {0}")]
    Broken(ConfigProblem),
    /// The file could not be written.
    #[error(transparent)]
    Failed(ConfigError),
}

impl WritingError {
    /// The kind of error, for clients that tell them apart.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            WritingError::VersionConflict => Some("configVersionConflict"),
            WritingError::ReadOnly => Some("configLayerReadonly"),
            WritingError::Invalid(_) => Some("configValidationError"),
            WritingError::Broken(_) | WritingError::Failed(_) => None,
        }
    }
}

fn invalid(message: impl Into<String>) -> WritingError {
    WritingError::Invalid(message.into())
}

impl ConfigLoader {
    /// Makes these changes, in order. `file` and `expected` are what the client believes the user's file and its version
    /// to be. Blocking.
    pub fn write(
        &self,
        edits: &[ConfigEdit],
        file: Option<&str>,
        expected: Option<&str>,
    ) -> Result<ConfigWriteResponse, WritingError> {
        let user_file = self.user_file();
        if file.is_some_and(|file| !is_same(Path::new(file), &user_file)) {
            return Err(WritingError::ReadOnly);
        }
        let _one = self.editing.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at anew: somebody may have written it within the clock's resolution.
        self.forget(&user_file);
        let before = self.read(&user_file).map_err(WritingError::Broken)?;
        if expected.is_some_and(|expected| expected != version(&before)) {
            return Err(WritingError::VersionConflict);
        }
        let mut document = edit::read(&user_file).map_err(WritingError::Failed)?;
        for edit in edits {
            apply(&mut document, edit)?;
        }
        let text = document.to_string();
        let user: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| invalid(format!("Invalid configuration: {error}")))?;
        let effective = self.with_user_table(&user).map_err(WritingError::Broken)?;
        validate(&effective).map_err(|error| invalid(format!("Invalid configuration: {error}")))?;
        if user != *before || !user_file.exists() {
            edit::replace(&user_file, &text).map_err(WritingError::Failed)?;
            self.forget(&user_file);
        }
        let overridden = self
            .overridden(edits, &user, &effective)
            .map_err(WritingError::Broken)?;
        Ok(ConfigWriteResponse {
            file_path: AbsolutePathBuf::rooted(&user_file),
            status: match overridden {
                Some(_) => WriteStatus::OkOverridden,
                None => WriteStatus::Ok,
            },
            overridden_metadata: overridden,
            version: version(&user),
        })
    }

    /// What would count if this were the user's file.
    fn with_user_table(&self, user: &toml::Table) -> Result<toml::Table, ConfigProblem> {
        let mut effective = toml::Table::new();
        for layer in self.all_layers(None)? {
            match layer.source {
                ConfigLayerSource::User { .. } => merge(&mut effective, user),
                _ => merge(&mut effective, &layer.table),
            }
        }
        Ok(effective)
    }

    /// The first of the changes that a higher layer hides.
    fn overridden(
        &self,
        edits: &[ConfigEdit],
        user: &toml::Table,
        effective: &toml::Table,
    ) -> Result<Option<OverriddenMetadata>, ConfigProblem> {
        let hidden = edits.iter().find_map(|edit| {
            let value = at(effective, &edit.key_path);
            (value != at(user, &edit.key_path)).then_some((edit, value))
        });
        let Some((edit, value)) = hidden else { return Ok(None) };
        let layers = self.all_layers(None)?;
        let above = layers
            .iter()
            .rev()
            .take_while(|layer| !matches!(layer.source, ConfigLayerSource::User { .. }));
        let Some(layer) = above
            .into_iter()
            .find(|layer| at(&layer.table, &edit.key_path).is_some())
        else {
            return Ok(None);
        };
        let message = match &layer.source {
            ConfigLayerSource::LegacyManagedConfigTomlFromFile { file } => {
                format!("Overridden by managed policy ({file})")
            }
            _ => "Overridden by session flags".to_owned(),
        };
        Ok(Some(OverriddenMetadata {
            effective_value: value.map_or(Value::Null, to_json),
            message,
            overriding_layer: layer.metadata(),
        }))
    }
}

fn is_same(file: &Path, user_file: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| normalised(path));
    file.is_absolute() && (normalised(file) == user_file || real(file) == real(user_file))
}

fn at<'t>(table: &'t toml::Table, path: &str) -> Option<&'t toml::Value> {
    let mut parts = path.split('.');
    let first = table.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn apply(document: &mut DocumentMut, edit: &ConfigEdit) -> Result<(), WritingError> {
    if edit.key_path.trim().is_empty() {
        return Err(invalid("keyPath must not be empty"));
    }
    let mut parts: Vec<&str> = edit.key_path.split('.').collect();
    let key = parts.pop().unwrap_or_default();
    if edit.value.is_null() {
        remove(document, &parts, key);
        return Ok(());
    }
    let value = to_toml(&edit.value)?;
    let mut parent: &mut dyn TableLike = document.as_table_mut();
    for part in parts {
        parent = edit::table(parent, part).map_err(|_| invalid("cannot set value on non-table parent"))?;
    }
    set(parent, key, value, edit.merge_strategy == MergeStrategy::Upsert);
    Ok(())
}

fn remove(document: &mut DocumentMut, parents: &[&str], key: &str) {
    let mut parent: &mut dyn TableLike = document.as_table_mut();
    for part in parents {
        match parent.get_mut(part).and_then(Item::as_table_like_mut) {
            Some(table) => parent = table,
            None => return,
        }
    }
    parent.remove(key);
}

/// Sets a value, or lays a table over the one that is there. What stands around a value, comments included, stays.
fn set(parent: &mut dyn TableLike, key: &str, value: TomlValue, upsert: bool) {
    let Some(there) = parent.get_mut(key) else {
        parent.insert(key, placed(value));
        return;
    };
    if let (TomlValue::InlineTable(new), Some(old)) = (&value, there.as_table_like_mut()) {
        if !upsert {
            let keys: Vec<String> = old.iter().map(|(key, _)| key.to_owned()).collect();
            for key in keys.iter().filter(|key| !new.contains_key(key)) {
                old.remove(key);
            }
        }
        for (key, value) in new {
            set(old, key, value.clone(), upsert);
        }
        return;
    }
    match there {
        Item::Value(old) if !value.is_inline_table() => {
            let decor = old.decor().clone();
            *old = value;
            *old.decor_mut() = decor;
        }
        _ => *there = placed(value),
    }
}

/// A table gets a header of its own; everything else stands behind its key.
fn placed(value: TomlValue) -> Item {
    match value {
        TomlValue::InlineTable(inline) => {
            let mut table = Table::new();
            for (key, value) in inline {
                table.insert(&key, placed(value));
            }
            Item::Table(table)
        }
        value => Item::Value(value),
    }
}

fn to_toml(value: &Value) -> Result<TomlValue, WritingError> {
    Ok(match value {
        Value::Null => {
            return Err(invalid(
                "invalid value: invalid type: null, expected any valid TOML value",
            ));
        }
        Value::Bool(on) => (*on).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(values) => {
            let values: Vec<TomlValue> = values.iter().map(to_toml).collect::<Result<_, _>>()?;
            TomlValue::Array(Array::from_iter(values))
        }
        Value::Object(members) => {
            // In an order that does not depend on who wrote the request.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            let mut table = InlineTable::new();
            for (key, value) in members {
                table.insert(key, to_toml(value)?);
            }
            TomlValue::InlineTable(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(text: &str, path: &str, value: Value, merge_strategy: MergeStrategy) -> Result<String, String> {
        let mut document = text.parse::<DocumentMut>().unwrap();
        let edit = ConfigEdit {
            key_path: path.into(),
            merge_strategy,
            value,
        };
        apply(&mut document, &edit).map_err(|error| error.to_string())?;
        Ok(document.to_string())
    }

    #[test]
    fn values_are_set_where_they_belong_and_comments_stay() {
        use MergeStrategy::{Replace, Upsert};
        let text = "# top\nmodel = \"a\" # why\n\n[a.b]\nc = 1 # one\nd = 2\n";
        assert_eq!(
            after(text, "model", json!("b"), Replace).unwrap(),
            text.replace("\"a\"", "\"b\"")
        );
        assert_eq!(
            after(text, "a.b.c", json!(null), Replace).unwrap(),
            text.replace("c = 1 # one\n", "")
        );
        assert_eq!(after(text, "a.x.y", json!(null), Replace).unwrap(), text);
        assert_eq!(
            after(text, "a.b", json!({"d": 3, "e": [1, {"k": true}]}), Upsert).unwrap(),
            text.replace("d = 2\n", "d = 3\ne = [1, { k = true }]\n")
        );
        assert_eq!(
            after(text, "a.b", json!({"z": {"y": 1}}), Replace).unwrap(),
            "# top\nmodel = \"a\" # why\n\n[a.b]\n\n[a.b.z]\ny = 1\n"
        );
        assert_eq!(
            after("", "projects", json!({"/x.y": {"trust_level": "trusted"}}), Upsert).unwrap(),
            "[projects]\n\n[projects.\"/x.y\"]\ntrust_level = \"trusted\"\n"
        );
        assert_eq!(
            after("", "a..b", json!(1e300), Replace)
                .unwrap()
                .parse::<toml::Table>()
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        let refused =
            |path: &str, value: Value| after("model = \"a\"\n", path, value, MergeStrategy::Replace).unwrap_err();
        assert_eq!(refused("model.x", json!(1)), "cannot set value on non-table parent");
        assert_eq!(refused(" ", json!(1)), "keyPath must not be empty");
        assert_eq!(
            refused("x", json!([1, null])),
            "invalid value: invalid type: null, expected any valid TOML value"
        );
    }
}
