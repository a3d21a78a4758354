//! Trusted projects: finding a project's root, reading its trust level, and writing it down.

use std::path::{Path, PathBuf};

use crate::config::resolved::TrustLevel;
use crate::config::{ConfigError, edit};
use crate::files::is_placeholder;

/// The nearest folder at or above `cwd` that holds one of the `markers` (`.git` by default); `None` without one.
pub fn project_root(cwd: &Path, markers: &[String]) -> Option<PathBuf> {
    cwd.ancestors()
        .find(|folder| markers.iter().any(|marker| is_there(&folder.join(marker))))
        .map(Path::to_path_buf)
}

/// Whether something is at `path`; what a running command's sandbox put there does not count.
fn is_there(path: &Path) -> bool {
    path.exists() && !is_placeholder(path)
}

/// What the user decided about a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// What it is.
    pub(super) level: TrustLevel,
    /// The folder that the user named.
    pub(super) about: PathBuf,
}

/// The decision about a folder: its own, else that about the first of its roots which has one.
pub(super) fn decision(config: &toml::Table, folder: &Path, roots: [Option<&Path>; 2]) -> Option<Decision> {
    let projects = config.get("projects")?.as_table()?;
    let own = |folder: &Path| {
        let entry = projects.get(&*folder.to_string_lossy())?.as_table()?;
        let level = match entry.get("trust_level")?.as_str()? {
            "trusted" => TrustLevel::Trusted,
            "untrusted" => TrustLevel::Untrusted,
            _ => return None,
        };
        Some(Decision {
            level,
            about: folder.to_path_buf(),
        })
    };
    own(folder).or_else(|| roots.into_iter().flatten().find_map(own))
}

/// Whether a folder's configuration counts.
pub(super) fn is_trusted(decision: Option<&Decision>) -> bool {
    decision.is_some_and(|decision| decision.level == TrustLevel::Trusted)
}

/// Marks a project as trusted.
pub(super) fn set_trusted(document: &mut toml_edit::DocumentMut, project: &Path) -> Result<(), ConfigError> {
    let projects = edit::table(document.as_table_mut(), "projects")?;
    let key = project.to_string_lossy();
    let entry = projects.entry(&key).or_insert_with(toml_edit::table);
    let Some(entry) = entry.as_table_like_mut() else {
        return Err(ConfigError::Invalid(format!(
            "`projects.\"{key}\"` in config.toml is not a table"
        )));
    };
    entry.insert("trust_level", toml_edit::value("trusted"));
    Ok(())
}
