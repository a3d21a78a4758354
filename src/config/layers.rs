//! The layers of a configuration as they lie on disk, for readers that must know which file said what.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::loader::{ConfigLoader, NOT_FOR_PROJECTS, SYSTEM_FILE, project_folders};
use crate::config::{ConfigProblem, TrustLevel};

/// Whose layer it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// The machine's.
    System,
    /// The user's home.
    User,
    /// A folder of a trusted project.
    Project,
    /// The command line's.
    SessionFlags,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct ConfigLayer {
    /// Whose it is.
    pub kind: LayerKind,
    /// The folder that holds what belongs to the layer: its config.toml, its hooks.json, its rules.
    pub folder: PathBuf,
    /// The layer's configuration file; of the command line, a name that no file has.
    pub file: PathBuf,
    /// What the file says, or why it cannot be read.
    pub table: Result<Arc<toml::Table>, ConfigProblem>,
}

impl ConfigLoader {
    /// The layers that count in `cwd`, lowest first. Blocking.
    pub fn layers(&self, cwd: &Path) -> Vec<ConfigLayer> {
        let (_, root, trust) = self.merged(cwd, &std::collections::BTreeMap::new());
        self.layers_in(cwd, root.as_deref(), trust)
    }

    /// The same where it is known already which project the folder belongs to.
    pub(super) fn layers_in(&self, cwd: &Path, root: Option<&Path>, trust: Option<TrustLevel>) -> Vec<ConfigLayer> {
        let layer = |kind, file: PathBuf| ConfigLayer {
            kind,
            folder: file.parent().unwrap_or(Path::new("/")).to_path_buf(),
            table: self.read(&file),
            file,
        };
        let mut layers = vec![
            layer(LayerKind::System, PathBuf::from(SYSTEM_FILE)),
            layer(LayerKind::User, self.user_file()),
        ];
        if trust == Some(TrustLevel::Trusted) {
            for folder in project_folders(cwd, root) {
                let mut layer = layer(LayerKind::Project, folder.join(".codex/config.toml"));
                if let Ok(table) = &mut layer.table {
                    Arc::make_mut(table).retain(|key, _| !NOT_FOR_PROJECTS.contains(&key));
                }
                layers.push(layer);
            }
        }
        layers.push(ConfigLayer {
            kind: LayerKind::SessionFlags,
            folder: PathBuf::from("/<session-flags>"),
            file: PathBuf::from("/<session-flags>/config.toml"),
            table: Ok(Arc::new(self.session_flags().clone())),
        });
        layers
    }
}
