//! Laying the layers of a configuration on each other, lowest first, and what is noticed meanwhile.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::loader::{ConfigLoader, NOT_FOR_PROJECTS, asked};
use crate::config::merging::{lay, set_path};
use crate::config::reading::MANAGED_FILE;
use crate::config::resolved::TrustLevel;
use crate::config::trust::{self, Decision};
use crate::config::{ConfigError, model_catalog};
use crate::protocol::AbsolutePathBuf;

/// All layers that count somewhere, as one table.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// What they come to. Of a broken file, what it said while it was not.
    pub(super) table: toml::Table,
    /// The project's root.
    pub(super) root: Option<PathBuf>,
    /// The root of the repository that the folder is in: what is trusted when the folder is.
    pub(super) repository: Option<PathBuf>,
    /// What the user decided about the folder.
    pub(super) trust: Option<TrustLevel>,
    /// The folders from the project's root down to this one, with what was decided about each.
    pub(super) folders: Vec<(PathBuf, Option<Decision>)>,
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
        merged.repository = trust::project_root(cwd, &[".git".to_owned()]);
        let roots = [merged.root.as_deref(), merged.repository.as_deref()];
        let decided = |folder: &Path| trust::decision(&merged.table, folder, roots);
        let trust = decided(cwd).map(|decision| decision.level);
        let folders = project_folders(cwd, merged.root.as_deref());
        let folders: Vec<_> = folders
            .into_iter()
            .map(|folder| {
                let decision = decided(&folder);
                (folder, decision)
            })
            .collect();
        merged.trust = trust;
        for (folder, _) in folders
            .iter()
            .filter(|(_, decision)| trust::is_trusted(decision.as_ref()))
        {
            self.lay_project(&mut merged, &folder.join(".codex/config.toml"));
        }
        merged.folders = folders;
        let flags = model_catalog::rooted(self.session_flags(), self.server_cwd());
        lay(&mut merged.table, &flags);
        lay(&mut merged.table, &model_catalog::rooted(&asked(overrides), cwd));
        merged.lay_profile(self.home());
        self.lay_file(&mut merged, Path::new(MANAGED_FILE));
        merged
    }

    fn lay_file(&self, merged: &mut Merged, file: &Path) {
        let (table, problem) = self.understood(file);
        let folder = file.parent().unwrap_or(self.home());
        lay(&mut merged.table, &placed(&table, folder));
        if let Some(problem) = problem {
            merged.problem.get_or_insert(ConfigError::File(problem));
        }
    }

    fn lay_project(&self, merged: &mut Merged, file: &Path) {
        let (table, problem) = self.understood(file);
        let folder = file.parent().unwrap_or(self.home());
        let mut table = placed(&table, folder).into_owned();
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
    fn lay_profile(&mut self, home: &Path) {
        let Some(name) = self.table.get("profile").and_then(|name| name.as_str()) else {
            return;
        };
        let profile = self.table.get("profiles").and_then(|all| all.get(name));
        match profile.and_then(|profile| profile.as_table()).cloned() {
            Some(values) => lay(&mut self.table, &model_catalog::rooted(&values, home)),
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

/// What a file says, with its relative paths made whole: they start at its folder.
fn placed<'t>(table: &'t toml::Table, folder: &Path) -> Cow<'t, toml::Table> {
    let table = model_catalog::rooted(table, folder);
    let whole = whole_roots(&table, folder);
    match whole {
        Some(whole) => Cow::Owned(whole),
        None => table,
    }
}

/// The same where it names roots of a workspace that are relative.
fn whole_roots(table: &toml::Table, folder: &Path) -> Option<toml::Table> {
    let roots = table
        .get("sandbox_workspace_write")?
        .get("writable_roots")?
        .as_array()?;
    let is_relative = |root: &toml::Value| root.as_str().is_some_and(|root| !root.starts_with('/'));
    if !roots.iter().any(is_relative) {
        return None;
    }
    let folder = AbsolutePathBuf::rooted(folder);
    let whole = roots.iter().map(|root| match root.as_str() {
        Some(root) => toml::Value::String(AbsolutePathBuf::resolve(&folder, root).to_string()),
        None => root.clone(),
    });
    let mut placed = table.clone();
    let path = "sandbox_workspace_write.writable_roots";
    set_path(&mut placed, path, toml::Value::Array(whole.collect()));
    Some(placed)
}
