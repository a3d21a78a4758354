//! Laying the layers of a configuration on each other, lowest first, and what is noticed meanwhile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::loader::{ConfigLoader, NOT_FOR_PROJECTS};
use crate::config::reading::MANAGED_FILE;
use crate::config::resolved::TrustLevel;
use crate::config::{ConfigError, trust};
use crate::protocol::AbsolutePathBuf;

/// All layers that count somewhere, as one table.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// What they come to. Of a broken file, what it said while it was not.
    pub(super) table: toml::Table,
    /// The project's root.
    pub(super) root: Option<PathBuf>,
    /// What the user decided about the project.
    pub(super) trust: Option<TrustLevel>,
    /// Why no thread can be started with it.
    pub(super) problem: Option<ConfigError>,
    /// What the project's files say and may not say, in words for people.
    pub(super) ignored: Vec<String>,
}

impl ConfigLoader {
    /// The merged table for `cwd` and a request's `config` overrides.
    pub(super) fn merged(&self, cwd: &Path, overrides: &BTreeMap<String, serde_json::Value>) -> Merged {
        let mut merged = Merged::default();
        for file in self.common_files() {
            self.lay_file(&mut merged, &file);
        }
        let markers = root_markers(&merged.table);
        merged.root = trust::project_root(cwd, &markers);
        merged.trust = trust::trust_level(&merged.table, cwd, merged.root.as_deref());
        if merged.trust == Some(TrustLevel::Trusted) {
            for folder in project_folders(cwd, merged.root.as_deref()) {
                self.lay_project(&mut merged, &folder.join(".codex/config.toml"));
            }
        }
        lay(&mut merged.table, self.session_flags());
        let mut asked = toml::Table::new();
        for (key, value) in overrides {
            if let Some(value) = to_toml(value) {
                set_path(&mut asked, key, value);
            }
        }
        lay(&mut merged.table, &asked);
        merged.lay_profile();
        self.lay_file(&mut merged, Path::new(MANAGED_FILE));
        merged
    }

    fn lay_file(&self, merged: &mut Merged, file: &Path) {
        let (table, problem) = self.understood(file);
        lay(&mut merged.table, &placed(&table, file));
        if let Some(problem) = problem {
            merged.problem.get_or_insert(ConfigError::File(problem));
        }
    }

    fn lay_project(&self, merged: &mut Merged, file: &Path) {
        let (table, problem) = self.understood(file);
        let mut table = placed(&table, file).into_owned();
        let refused: Vec<&str> = NOT_FOR_PROJECTS
            .iter()
            .copied()
            .filter(|key| table.contains_key(*key))
            .collect();
        if !refused.is_empty() {
            merged.ignored.push(format!(
                "Ignored unsupported project-local config keys in {}: {}. If you want these settings to apply, manually \
                 set them in your user-level config.toml.",
                file.display(),
                refused.join(", ")
            ));
        }
        // Where the project begins is found by then.
        table.retain(|key, _| !NOT_FOR_PROJECTS.contains(&key) && key != "project_root_markers");
        lay(&mut merged.table, &table);
        if let Some(problem) = problem {
            merged.problem.get_or_insert(ConfigError::File(problem));
        }
    }
}

impl Merged {
    /// Lays the chosen profile over everything that was said so far.
    fn lay_profile(&mut self) {
        let Some(name) = self.table.get("profile").and_then(|name| name.as_str()) else {
            return;
        };
        let profile = self.table.get("profiles").and_then(|all| all.get(name));
        match profile.and_then(|profile| profile.as_table()).cloned() {
            Some(values) => lay(&mut self.table, &values),
            None => {
                let missing = ConfigError::Invalid(format!("config profile `{name}` not found"));
                self.problem.get_or_insert(missing);
            }
        }
    }
}

/// What shows that a folder is the top of a project.
pub(super) fn root_markers(config: &toml::Table) -> Vec<String> {
    match config.get("project_root_markers").and_then(|value| value.as_array()) {
        Some(markers) => markers.iter().filter_map(|m| m.as_str()).map(str::to_string).collect(),
        None => vec![".git".into()],
    }
}

/// The folders between the project root and `cwd`, root first; `cwd` alone without a root.
pub(super) fn project_folders(cwd: &Path, root: Option<&Path>) -> Vec<PathBuf> {
    let Some(root) = root else {
        return vec![cwd.to_path_buf()];
    };
    let mut folders: Vec<PathBuf> = cwd
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(Path::to_path_buf)
        .collect();
    folders.reverse();
    folders
}

/// What a file says, with the roots that it names by their whole paths: relative ones lie beside the file.
fn placed<'t>(table: &'t toml::Table, file: &Path) -> Cow<'t, toml::Table> {
    let roots = |table: &'t toml::Table| table.get("sandbox_workspace_write")?.get("writable_roots")?.as_array();
    let is_relative = |root: &toml::Value| root.as_str().is_some_and(|root| !root.starts_with('/'));
    let Some(roots) = roots(table).filter(|roots| roots.iter().any(is_relative)) else {
        return Cow::Borrowed(table);
    };
    let folder = AbsolutePathBuf::rooted(file.parent().unwrap_or(Path::new("/")));
    let whole = roots.iter().map(|root| match root.as_str() {
        Some(root) => toml::Value::String(AbsolutePathBuf::resolve(&folder, root).to_string()),
        None => root.clone(),
    });
    let mut over = toml::Table::new();
    set_path(
        &mut over,
        "sandbox_workspace_write.writable_roots",
        toml::Value::Array(whole.collect()),
    );
    let mut placed = table.clone();
    merge(&mut placed, &over);
    Cow::Owned(placed)
}

/// Lays a layer on those below it. What commands may touch is said by a mode or by a profile, and the highest layer that
/// says either decides which; of one that says both, the profile.
fn lay(base: &mut toml::Table, over: &toml::Table) {
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
fn to_toml(value: &serde_json::Value) -> Option<toml::Value> {
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
