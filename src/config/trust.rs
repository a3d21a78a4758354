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

/// The trust level of `cwd`: that of the folder itself, else of its project root.
pub(super) fn trust_level(config: &toml::Table, cwd: &Path, root: Option<&Path>) -> Option<TrustLevel> {
    let projects = config.get("projects")?.as_table()?;
    let level = |folder: &Path| {
        let entry = projects.get(&*folder.to_string_lossy())?.as_table()?;
        match entry.get("trust_level")?.as_str()? {
            "trusted" => Some(TrustLevel::Trusted),
            "untrusted" => Some(TrustLevel::Untrusted),
            _ => None,
        }
    };
    level(cwd).or_else(|| root.and_then(level))
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
