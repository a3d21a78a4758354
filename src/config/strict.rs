//! `--strict-config`: finds the first key that means nothing to this protocol.
//!
//! What is known is a list of sections with their keys ([`known`]); the peer's own list, so that one file suits both
//! servers. A section that is not in the list belongs to somebody else (a client's own settings, free-form tables) and is
//! not looked into. Files are looked at in the order of their layers, keys in alphabetical order, as the peer does.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::ConfigLoader;
use crate::config::file::{ConfigProblem, line_and_column};

mod known;
#[cfg(test)]
mod tests;

/// Why a server does not start under `--strict-config`.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum StrictError {
    /// A file holds an unknown key, or cannot be read.
    #[error("{0}")]
    File(ConfigProblem),
    /// A flag of the command line sets an unknown key.
    #[error("unknown configuration field `{0}` in -c/--config override")]
    Flag(String),
}

impl ConfigLoader {
    /// Looks for unknown keys in the files that apply to every thread and in the flags of the command line. Blocking.
    ///
    /// # Errors
    /// The first unknown key, or a file that cannot be read.
    pub fn check_strict(&self) -> Result<(), StrictError> {
        for path in self.common_files() {
            match std::fs::read_to_string(&path) {
                Ok(text) => check_text(&path, &text)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StrictError::File(ConfigProblem::reading(&path, &error))),
            }
        }
        check_flags(self.session_flags())
    }
}

/// Whether a key may stand at the top of a configuration.
pub(super) fn knows(key: &str) -> bool {
    known::keys_of(&[]).allow(key)
}

/// Looks through the text of a file.
fn check_text(path: &Path, text: &str) -> Result<(), StrictError> {
    let table = DeTable::parse(text).map_err(|error| StrictError::File(ConfigProblem::parsing(path, text, &error)))?;
    let mut place = Vec::new();
    let Some(key) = unknown_in(table.get_ref(), &mut place) else {
        return Ok(());
    };
    let span = key.span();
    Err(StrictError::File(ConfigProblem {
        path: path.into(),
        start: Some(line_and_column(text, span.start)),
        end: Some(line_and_column(text, span.end)),
        message: format!("unknown configuration field `{}`", place.join(".")),
    }))
}

/// Looks at what the command line sets.
fn check_flags(flags: &toml::Table) -> Result<(), StrictError> {
    let mut place = Vec::new();
    match unknown_flag(flags, &mut place) {
        true => Err(StrictError::Flag(place.join("."))),
        false => Ok(()),
    }
}

/// The first unknown key; `place` is then its path.
fn unknown_in<'a, 'text>(
    table: &'a DeTable<'text>,
    place: &mut Vec<String>,
) -> Option<&'a Spanned<std::borrow::Cow<'text, str>>> {
    let keys = known::keys_of(place);
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by(|(one, _), (other, _)| one.get_ref().cmp(other.get_ref()));
    for (key, value) in members {
        place.push(key.get_ref().to_string());
        if !keys.allow(key.get_ref()) {
            return Some(key);
        }
        if let DeValue::Table(inner) = value.get_ref()
            && let Some(unknown) = unknown_in(inner, place)
        {
            return Some(unknown);
        }
        place.pop();
    }
    None
}

fn unknown_flag(table: &toml::Table, place: &mut Vec<String>) -> bool {
    let keys = known::keys_of(place);
    for (key, value) in table {
        place.push(key.clone());
        let unknown = !keys.allow(key) || value.as_table().is_some_and(|inner| unknown_flag(inner, place));
        if unknown {
            return true;
        }
        place.pop();
    }
    false
}
