//! Trusted projects: finding a project's root, reading its trust level, and writing it down.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;
use crate::config::resolved::TrustLevel;
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

/// Marks a project as trusted in the user's config.toml, keeping everything else in the file as it is.
///
/// The file is replaced in one step, so that a crash leaves either the old or the new text.
pub(super) fn write_trusted(file: &Path, project: &Path) -> Result<(), ConfigError> {
    let failed = |source| ConfigError::Write {
        path: file.display().to_string(),
        source,
    };
    let text = match crate::files::read_text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let mut document = text
        .parse::<toml_edit::DocumentMut>()
        .map_err(|e| ConfigError::Invalid(e.to_string()))?;
    let projects = document.entry("projects").or_insert_with(|| {
        let mut table = toml_edit::Table::new();
        table.set_implicit(true);
        toml_edit::Item::Table(table)
    });
    let Some(projects) = projects.as_table_like_mut() else {
        return Err(ConfigError::Invalid("`projects` in config.toml is not a table".into()));
    };
    let key = project.to_string_lossy();
    let entry = projects.entry(&key).or_insert_with(toml_edit::table);
    let Some(entry) = entry.as_table_like_mut() else {
        return Err(ConfigError::Invalid(format!(
            "`projects.\"{key}\"` in config.toml is not a table"
        )));
    };
    entry.insert("trust_level", toml_edit::value("trusted"));
    let folder = file.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let temporary = folder.join(format!(".config.toml.{}", uuid::Uuid::new_v4().simple()));
    std::fs::write(&temporary, document.to_string()).map_err(failed)?;
    std::fs::rename(&temporary, file).map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(error)
    })
}
