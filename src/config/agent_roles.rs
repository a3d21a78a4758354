//! The roles that agents can be given: declared in `[agents.<name>]`, or found as files in the folder `agents` beside a
//! layer's config.toml.
//!
//! A role's file holds configuration keys that its agents run with, and may say the role's name, description and
//! nicknames itself. A role of a higher layer replaces the one below it, which still says what the higher one leaves
//! out. A role that is malformed does not count, and a warning says why.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::AgentRole;
use crate::config::agents::{AgentRoleToml, AgentsToml};
use crate::config::layers::{ConfigLayer, LayerKind};
use crate::config::resolved::ConfigToml;
use crate::config::strict;
use crate::files;

/// The keys of a role's file that are about the role itself.
pub const OWN_KEYS: [&str; 3] = ["name", "description", "nickname_candidates"];
/// How deep role files are looked for.
const DEEPEST: usize = 8;
/// How many role files a layer may have.
const MOST_FILES: usize = 500;

const SAME_LAYER: &str = "declared in the same config layer";

/// What a layer says of roles.
#[derive(Debug, Default)]
pub(super) struct RoleLayer {
    declared: BTreeMap<String, AgentRoleToml>,
    /// What relative paths start at.
    base: PathBuf,
    /// Where role files lie.
    folder: Option<PathBuf>,
}

/// The roles that count, and why others do not.
#[derive(Debug, Default)]
pub(super) struct FoundRoles {
    pub(super) roles: BTreeMap<String, AgentRole>,
    pub(super) warnings: Vec<String>,
}

impl RoleLayer {
    /// What a layer of files says.
    pub(super) fn of(layer: &ConfigLayer) -> Self {
        let table = layer.table.as_deref().ok();
        RoleLayer {
            declared: table.map(declared).unwrap_or_default(),
            base: layer.folder.clone(),
            folder: (layer.kind != LayerKind::SessionFlags).then(|| layer.folder.join("agents")),
        }
    }

    /// What a table says that is no file's.
    pub(super) fn loose(table: &toml::Table, base: &Path) -> Self {
        RoleLayer {
            declared: declared(table),
            base: base.to_path_buf(),
            folder: None,
        }
    }
}

fn declared(table: &toml::Table) -> BTreeMap<String, AgentRoleToml> {
    // A table that cannot be read is an error of the configuration as a whole.
    let agents = table.get("agents").cloned();
    agents
        .and_then(|agents| AgentsToml::deserialize(agents).ok())
        .map(|agents| agents.roles)
        .unwrap_or_default()
}

/// Finds the roles of all layers, lowest first. Blocking.
pub(super) fn find(layers: Vec<RoleLayer>) -> FoundRoles {
    let mut found = FoundRoles::default();
    for layer in layers {
        for (name, mut role) in found.of_layer(layer) {
            if let Some(below) = found.roles.get(&name) {
                role = role.over(below);
            }
            match role.description {
                Some(_) => drop(found.roles.insert(name, role)),
                None => found.warn(&format!("agent role `{name}` must define a description")),
            }
        }
    }
    found
}

impl FoundRoles {
    fn warn(&mut self, why: &str) {
        self.warnings
            .push(format!("Ignoring malformed agent role definition: {why}"));
    }

    /// The well-formed roles of a layer.
    fn of_layer(&mut self, layer: RoleLayer) -> BTreeMap<String, AgentRole> {
        let mut roles = BTreeMap::new();
        let mut files = BTreeSet::new();
        for (name, toml) in layer.declared {
            let file = toml.config_file.as_ref().map(|file| layer.base.join(file));
            files.extend(file.clone());
            match declared_role(&name, &toml, file) {
                Ok((name, role)) => self.add(&mut roles, name, role, SAME_LAYER),
                Err(why) => self.warn(&why),
            }
        }
        let mut discovered = BTreeMap::new();
        let folder = layer.folder.unwrap_or_default();
        for file in role_files(&folder) {
            match role_of_file(&file, None) {
                Ok((name, role)) => {
                    let place = format!("discovered in {}", folder.display());
                    self.add(&mut discovered, name, role, &place);
                }
                // It is the file of a declared role, which names it.
                Err(Malformed::Alone(_)) if files.contains(&file) => {}
                Err(Malformed::Alone(why) | Malformed::Otherwise(why)) => self.warn(&why),
            }
        }
        for (name, role) in discovered {
            self.add(&mut roles, name, role, SAME_LAYER);
        }
        roles
    }

    fn add(&mut self, roles: &mut BTreeMap<String, AgentRole>, name: String, role: AgentRole, place: &str) {
        match roles.entry(name) {
            Entry::Vacant(free) => drop(free.insert(role)),
            Entry::Occupied(taken) => self.warn(&format!("duplicate agent role name `{}` {place}", taken.key())),
        }
    }
}

impl AgentRole {
    /// The role, with what it leaves out as the layer below has it.
    fn over(mut self, below: &AgentRole) -> Self {
        self.description = self.description.or_else(|| below.description.clone());
        if self.config_file.is_none() {
            self.config_file.clone_from(&below.config_file);
            self.model.clone_from(&below.model);
            self.effort = below.effort;
        }
        if self.nickname_candidates.is_empty() {
            self.nickname_candidates.clone_from(&below.nickname_candidates);
        }
        self
    }
}

/// What is wrong with a role's file.
enum Malformed {
    /// It does not say what a file that stands for itself must say.
    Alone(String),
    Otherwise(String),
}

impl From<String> for Malformed {
    fn from(why: String) -> Self {
        Malformed::Otherwise(why)
    }
}

/// A role of the table, with what its file says.
fn declared_role(name: &str, toml: &AgentRoleToml, file: Option<PathBuf>) -> Result<(String, AgentRole), String> {
    let field = |key: &str| format!("agents.{name}.{key}");
    if let Some(file) = &file {
        let label = field("config_file");
        match std::fs::metadata(file) {
            Ok(meta) if meta.is_file() => {}
            Ok(_) => return Err(format!("{label} must point to a file: {}", file.display())),
            Err(error) => {
                let file = file.display();
                return Err(format!("{label} must point to an existing file at {file}: {error}"));
            }
        }
    }
    let own = AgentRole {
        description: described(&field("description"), toml.description.as_deref())?,
        nickname_candidates: nicknames(&field("nickname_candidates"), toml.nickname_candidates.as_deref())?,
        ..AgentRole::default()
    };
    match file {
        None => Ok((name.to_owned(), own)),
        Some(file) => match role_of_file(&file, Some(name)) {
            Ok((name, role)) => Ok((name, role.over(&own))),
            Err(Malformed::Alone(why) | Malformed::Otherwise(why)) => Err(why),
        },
    }
}

#[derive(Deserialize)]
struct FileOwn {
    name: Option<String>,
    description: Option<String>,
    nickname_candidates: Option<Vec<String>>,
}

/// The role that a file describes. `name` is what it is declared as, if it is.
fn role_of_file(file: &Path, name: Option<&str>) -> Result<(String, AgentRole), Malformed> {
    let path = file.display();
    let text = files::read_text(file).map_err(|error| error.to_string())?;
    let mut table: toml::Table = text
        .parse()
        .map_err(|error| format!("failed to parse agent role file at {path}: {error}"))?;
    let misread = |why: &str| {
        format!(
            "failed to deserialize agent role file at {path}: {why}
"
        )
    };
    let own = toml::Table::from_iter(OWN_KEYS.iter().filter_map(|key| table.remove_entry(*key)));
    let own = FileOwn::deserialize(own).map_err(|error| misread(error.message()))?;
    if let Some(unknown) = table.keys().find(|key| !strict::knows(key)) {
        return Err(misread(&format!("unknown field `{unknown}`")).into());
    }
    let config = ConfigToml::deserialize(table).map_err(|error| misread(error.message()))?;
    let description = described(
        &format!("agent role file {path}.description"),
        own.description.as_deref(),
    )?;
    match config.developer_instructions.as_deref().map(str::trim) {
        Some("") => {
            return Err(format!("agent role file at {path}.developer_instructions cannot be blank").into());
        }
        None if name.is_none() => {
            let why = format!("agent role file at {path} must define `developer_instructions`");
            return Err(Malformed::Alone(why));
        }
        _ => {}
    }
    let said = own.name.as_deref().map(str::trim).filter(|said| !said.is_empty());
    let name = said
        .or(name)
        .ok_or_else(|| Malformed::Alone(format!("agent role file at {path} must define a non-empty `name`")))?;
    let label = format!("agent role file {path}.nickname_candidates");
    let role = AgentRole {
        description,
        config_file: Some(file.to_path_buf()),
        nickname_candidates: nicknames(&label, own.nickname_candidates.as_deref())?,
        model: config.model,
        effort: config.model_reasoning_effort,
    };
    Ok((name.to_owned(), role))
}

fn described(field: &str, description: Option<&str>) -> Result<Option<String>, String> {
    match description.map(str::trim) {
        Some("") => Err(format!("{field} cannot be blank")),
        description => Ok(description.map(str::to_owned)),
    }
}

fn nicknames(field: &str, candidates: Option<&[String]>) -> Result<Vec<String>, String> {
    let Some(candidates) = candidates else {
        return Ok(Vec::new());
    };
    if candidates.is_empty() {
        return Err(format!("{field} must contain at least one name"));
    }
    let mut names: Vec<String> = Vec::with_capacity(candidates.len());
    for name in candidates.iter().map(|name| name.trim()) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_');
        if name.is_empty() {
            return Err(format!("{field} cannot contain blank names"));
        }
        if names.iter().any(|known| known == name) {
            return Err(format!("{field} cannot contain duplicates"));
        }
        if !name.chars().all(plain) {
            return Err(format!(
                "{field} may only contain ASCII letters, digits, spaces, hyphens, and underscores"
            ));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

/// The role files below a folder, sorted.
fn role_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) && depth < DEEPEST {
                folders.push((path, depth + 1));
            } else if kind.is_ok_and(|kind| kind.is_file())
                && path.extension().is_some_and(|extension| extension == "toml")
                && found.len() < MOST_FILES
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests;
