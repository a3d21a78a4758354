//! Changing the user's config.toml: comments, order and formatting of everything else stay.
//!
//! The file is replaced in one step, so that a crash leaves either the old or the new text. Where it is a link, the file
//! that it leads to is replaced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use toml_edit::{DocumentMut, Item, Table, TableLike};

use crate::config::{ConfigError, ConfigLoader};

impl ConfigLoader {
    /// Changes the user's file, which is made if it does not exist. One change at a time. Blocking.
    pub(super) fn edit_user_file(
        &self,
        change: impl FnOnce(&mut DocumentMut) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let _one = self.editing.lock().unwrap_or_else(PoisonError::into_inner);
        let file = self.user_file();
        let mut document = read(&file)?;
        change(&mut document)?;
        let written = replace(&file, &document.to_string());
        self.forget(&file);
        written
    }
}

fn failed(file: &Path, source: io::Error) -> ConfigError {
    ConfigError::Write {
        path: file.display().to_string(),
        source,
    }
}

/// The document of a file; an empty one when it does not exist.
pub(super) fn read(file: &Path) -> Result<DocumentMut, ConfigError> {
    let text = match crate::files::read_text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(file, error)),
    };
    text.parse()
        .map_err(|error: toml_edit::TomlError| ConfigError::Invalid(error.to_string()))
}

/// Replaces a file's text in one step.
pub(super) fn replace(file: &Path, text: &str) -> Result<(), ConfigError> {
    let target: PathBuf = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_path_buf());
    let folder = target.parent().unwrap_or(Path::new("."));
    let temporary = folder.join(format!(".config.toml.{}", uuid::Uuid::new_v4().simple()));
    let write = || {
        std::fs::create_dir_all(folder)?;
        std::fs::write(&temporary, text)?;
        if let Ok(there) = std::fs::metadata(&target) {
            std::fs::set_permissions(&temporary, there.permissions())?;
        }
        std::fs::rename(&temporary, &target)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        failed(file, error)
    })
}

/// The table of a key, made without a header of its own if there is none.
pub(super) fn table<'t>(parent: &'t mut dyn TableLike, key: &str) -> Result<&'t mut dyn TableLike, ConfigError> {
    let entry = parent.entry(key).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    entry
        .as_table_like_mut()
        .ok_or_else(|| ConfigError::Invalid(format!("`{key}` in config.toml is not a table")))
}
