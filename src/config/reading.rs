//! The configuration as clients read it: its layers with their versions, which layer said what, and the whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::config::loader::{NOT_FOR_PROJECTS, SYSTEM_FILE, project_folders};
use crate::config::merging::merge;
use crate::config::resolved::{ConfigToml, TrustLevel};
use crate::config::{ConfigError, ConfigLoader, ConfigProblem, ThreadOverrides, features, model_catalog, shape};
use crate::files::is_placeholder;
use crate::protocol::{AbsolutePathBuf, ConfigLayer, ConfigLayerMetadata, ConfigLayerSource};

/// The administrator's file, above everything else.
pub(super) const MANAGED_FILE: &str = "/etc/codex/managed_config.toml";

/// The features whose state is always shown.
const SHOWN_FEATURES: &[&str] = &[
    "apps",
    "memories",
    "mentions_v2",
    "plugins",
    "remote_control",
    "tool_search",
    "tool_suggest",
    "tool_call_mcp_elicitation",
];

/// What is read.
#[derive(Debug)]
pub struct ConfigReading {
    /// The whole configuration, in the form of the wire.
    pub config: Value,
    /// Which layer set each value, by dotted path.
    pub origins: BTreeMap<String, ConfigLayerMetadata>,
    /// The layers, highest first.
    pub layers: Vec<ConfigLayer>,
}

/// Why the configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// A file is broken.
    #[error("failed to read configuration layers: {0}")]
    Layers(ConfigProblem),
    /// A value is not allowed.
    #[error("invalid configuration: {0}")]
    Invalid(String),
    /// What the server itself runs with cannot be resolved.
    #[error("failed to resolve feature override precedence: {0}")]
    Features(ConfigError),
}

/// A layer with what it says.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub(super) source: ConfigLayerSource,
    pub(super) table: Arc<toml::Table>,
    /// Why it does not count.
    pub(super) disabled: Option<String>,
}

impl Layer {
    pub(super) fn metadata(&self) -> ConfigLayerMetadata {
        ConfigLayerMetadata {
            name: self.source.clone(),
            version: version(&self.table),
        }
    }
}

impl ConfigLoader {
    /// Reads everything, with the layers of the project of `cwd` if one is given. Blocking.
    pub fn reading(&self, cwd: Option<&Path>) -> Result<ConfigReading, ReadingError> {
        let cwd = cwd.map(|cwd| self.server_cwd().join(cwd));
        let layers = self.all_layers(cwd.as_deref()).map_err(ReadingError::Layers)?;
        let mut effective = toml::Table::new();
        let mut origins = BTreeMap::new();
        for layer in layers.iter().filter(|layer| layer.disabled.is_none()) {
            merge(
                &mut effective,
                &model_catalog::rooted(&layer.table, &self.folder_of(layer)),
            );
            let metadata = layer.metadata();
            for_leaves(&layer.table, &mut |path| {
                origins.insert(path.to_owned(), metadata.clone());
            });
        }
        // A value may have replaced what a lower layer said below it.
        let mut present = std::collections::HashSet::new();
        for_leaves(&effective, &mut |path| {
            present.insert(path.to_owned());
        });
        origins.retain(|path, _| present.contains(path));
        validate(&effective).map_err(ReadingError::Invalid)?;
        let resolved = self
            .resolve(&ThreadOverrides::default())
            .map_err(ReadingError::Features)?;
        let mut config = shape::whole(to_object(&effective));
        // An old form, which is a switch and says nothing of how to search.
        if let Some(search) = config.get_mut("tools").and_then(|tools| tools.get_mut("web_search"))
            && search.is_boolean()
        {
            *search = Value::Null;
        }
        config.insert("features".to_owned(), shown_features(&effective, &resolved.features));
        let layers = layers.iter().rev().map(|layer| ConfigLayer {
            config: Value::Object(to_object(&layer.table)),
            disabled_reason: layer.disabled.clone(),
            name: layer.source.clone(),
            version: version(&layer.table),
        });
        Ok(ConfigReading {
            config: Value::Object(config),
            origins,
            layers: layers.collect(),
        })
    }

    /// All layers, lowest first. Blocking.
    pub(super) fn all_layers(&self, cwd: Option<&Path>) -> Result<Vec<Layer>, ConfigProblem> {
        let layer = |source, table| Layer {
            source,
            table,
            disabled: None,
        };
        let file = |path: &str| AbsolutePathBuf::rooted(path);
        let user = ConfigLayerSource::User {
            file: AbsolutePathBuf::rooted(self.user_file()),
            profile: None,
        };
        let mut layers = vec![
            layer(
                ConfigLayerSource::System {
                    file: file(SYSTEM_FILE),
                },
                self.read(Path::new(SYSTEM_FILE))?,
            ),
            layer(user, self.read(&self.user_file())?),
        ];
        if let Some(cwd) = cwd {
            layers.extend(self.project_layers(cwd)?);
        }
        if !self.session_flags().is_empty() {
            let flags = Arc::new(self.session_flags().clone());
            layers.push(layer(ConfigLayerSource::SessionFlags, flags));
        }
        let managed = self.read(Path::new(MANAGED_FILE))?;
        if !managed.is_empty() {
            let source = ConfigLayerSource::LegacyManagedConfigTomlFromFile {
                file: file(MANAGED_FILE),
            };
            layers.push(layer(source, managed));
        }
        Ok(layers)
    }

    /// Where the paths of a layer start.
    fn folder_of(&self, layer: &Layer) -> PathBuf {
        let file = match &layer.source {
            ConfigLayerSource::System { file }
            | ConfigLayerSource::User { file, .. }
            | ConfigLayerSource::LegacyManagedConfigTomlFromFile { file } => file.as_path(),
            ConfigLayerSource::Project { dot_codex_folder } => return dot_codex_folder.as_path().to_path_buf(),
            _ => return self.server_cwd().to_path_buf(),
        };
        file.parent().unwrap_or(self.home()).to_path_buf()
    }

    fn project_layers(&self, cwd: &Path) -> Result<Vec<Layer>, ConfigProblem> {
        let (_, root, trust) = self.merged(cwd, &BTreeMap::new());
        let trusted = trust == Some(TrustLevel::Trusted);
        let reason = || {
            format!(
                "To load project-local config, hooks, and exec policies, add {} as a trusted project in {}.",
                root.as_deref().unwrap_or(cwd).display(),
                self.user_file().display()
            )
        };
        let mut layers = Vec::new();
        for folder in project_folders(cwd, root.as_deref()) {
            let folder: PathBuf = folder.join(".codex");
            if !folder.is_dir() || folder == self.home() || is_placeholder(&folder) {
                continue;
            }
            let mut table = match self.read(&folder.join("config.toml")) {
                Ok(table) => table,
                // What does not count cannot break anything.
                Err(_) if !trusted => Arc::default(),
                Err(problem) => return Err(problem),
            };
            if table.keys().any(|key| NOT_FOR_PROJECTS.contains(&key.as_str())) {
                Arc::make_mut(&mut table).retain(|key, _| !NOT_FOR_PROJECTS.contains(&key));
            }
            layers.push(Layer {
                source: ConfigLayerSource::Project {
                    dot_codex_folder: AbsolutePathBuf::rooted(folder),
                },
                table,
                disabled: (!trusted).then(reason),
            });
        }
        Ok(layers)
    }
}

/// Whether threads could run with this configuration; the error says what is wrong, in the parser's own words.
pub(super) fn validate(config: &toml::Table) -> Result<(), String> {
    let parsed: Result<ConfigToml, toml::de::Error> =
        serde::Deserialize::deserialize(toml::Value::Table(config.clone()));
    parsed.map_err(|error| error.to_string())?;
    let switches = config.get("features").and_then(|features| features.as_table());
    for (key, value) in switches.into_iter().flatten() {
        // Some features have settings of their own.
        if !value.is_bool() && !value.is_table() {
            let wrong: Result<bool, toml::de::Error> = serde::Deserialize::deserialize(value.clone());
            if let Err(error) = wrong {
                tracing::debug!("the feature {key} has no switch for a value");
                return Err(format!("{}\nin `features`\n", error.to_string().trim_end()));
            }
        }
    }
    Ok(())
}

fn shown_features(config: &toml::Table, switches: &BTreeMap<String, bool>) -> Value {
    let mut shown = Map::new();
    if let Some(said) = config.get("features").and_then(|features| features.as_table()) {
        shown.insert("network_proxy".to_owned(), Value::Null);
        shown.extend(to_object(said));
    }
    for key in SHOWN_FEATURES {
        let default = || features::find(key).is_some_and(|feature| feature.default);
        let on = switches.get(*key).copied().unwrap_or_else(default);
        shown.insert((*key).to_owned(), Value::Bool(on));
    }
    Value::Object(shown)
}

/// What a layer's content is known by: comments and order do not count.
pub(super) fn version(table: &toml::Table) -> String {
    let canonical = serde_json::to_vec(&sorted(Value::Object(to_object(table)))).unwrap_or_default();
    format!("sha256:{}", hex::encode(Sha256::digest(&canonical)))
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let entries: BTreeMap<String, Value> =
                object.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        value => value,
    }
}

/// Calls back with the dotted path of every value that is no table and no list.
fn for_leaves(table: &toml::Table, found: &mut impl FnMut(&str)) {
    fn visit(path: &mut String, value: &toml::Value, found: &mut impl FnMut(&str)) {
        let length = path.len();
        let mut below = |part: &str, value: &toml::Value, path: &mut String| {
            path.push('.');
            path.push_str(part);
            visit(path, value, found);
            path.truncate(length);
        };
        match value {
            toml::Value::Table(table) => table.iter().for_each(|(key, value)| below(key, value, path)),
            toml::Value::Array(values) => {
                let values = values.iter().enumerate();
                values.for_each(|(at, value)| below(&at.to_string(), value, path));
            }
            _ => found(path),
        }
    }
    for (key, value) in table {
        visit(&mut key.clone(), value, found);
    }
}

fn to_object(table: &toml::Table) -> Map<String, Value> {
    table.iter().map(|(key, value)| (key.clone(), to_json(value))).collect()
}

/// TOML as JSON; dates become texts.
pub(super) fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(on) => Value::Bool(*on),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(values) => Value::Array(values.iter().map(to_json).collect()),
        toml::Value::Table(table) => Value::Object(to_object(table)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_of_what_is_said_not_of_how() {
        let version = |text: &str| version(&text.parse().unwrap());
        assert_eq!(
            version(""),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert_eq!(
            version("b = 1\n[a]\nd = 1\nc = 2"),
            version("# x\na = { c = 2, d = 1 }\nb = 1")
        );
        assert_ne!(version("b = 1"), version("b = 2"));
    }

    #[test]
    fn leaves_are_named_by_their_whole_path() {
        let table: toml::Table = "a = 1\nempty = []\n[b.\"x.y\"]\nlist = [1, { c = 2 }]\n"
            .parse()
            .unwrap();
        let mut paths = Vec::new();
        for_leaves(&table, &mut |path| paths.push(path.to_owned()));
        assert_eq!(paths, ["a", "b.x.y.list.0", "b.x.y.list.1.c"]);
    }

    #[test]
    fn wrong_values_are_named_in_the_parsers_words() {
        let error = |text: &str| validate(&text.parse().unwrap()).unwrap_err();
        assert_eq!(
            error("model = 5"),
            "invalid type: integer `5`, expected a string\nin `model`\n"
        );
        assert_eq!(
            error("[features]\nmemories = \"yes\""),
            "invalid type: string \"yes\", expected a boolean\nin `features`\n"
        );
        assert_eq!(
            validate(&"unknown = 1\n[features.network_proxy]\nx = 1".parse().unwrap()),
            Ok(())
        );
    }
}
