//! Reading one TOML file, with a cache that notices changes and errors that say where.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::config::checked::CheckedToml;

/// What is wrong with a configuration file: text for people, and a place (1-based) when it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigProblem {
    /// The file.
    pub path: PathBuf,
    /// Line and column where the trouble starts.
    pub start: Option<(usize, usize)>,
    /// Line and column where it ends.
    pub end: Option<(usize, usize)>,
    /// The parser's or the system's own words.
    pub message: String,
}

impl ConfigProblem {
    /// What the parser says about a text.
    pub(super) fn parsing(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let span = error.span();
        ConfigProblem {
            path: path.into(),
            start: span.as_ref().map(|span| line_and_column(text, span.start)),
            end: span.as_ref().map(|span| line_and_column(text, span.end)),
            message: error.message().to_string(),
        }
    }

    /// What the system says about a file.
    pub(super) fn reading(path: &Path, error: &std::io::Error) -> Self {
        ConfigProblem {
            path: path.into(),
            start: None,
            end: None,
            message: error.to_string(),
        }
    }
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.path.display(), self.message),
            None => write!(f, "{}: {}", self.path.display(), self.message),
        }
    }
}

/// What identifies a version of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

type Parsed = Result<Arc<toml::Table>, ConfigProblem>;

/// What is known of a file.
#[derive(Debug, Clone)]
struct Known {
    stamp: Option<Stamp>,
    parsed: Parsed,
    /// The first value of the wrong type.
    mistyped: Option<ConfigProblem>,
    /// What it said last when nothing was wrong with it.
    good: Arc<toml::Table>,
}

/// Parsed files by path. A missing file is an empty table.
#[derive(Debug, Default)]
pub(super) struct FileCache {
    files: Mutex<HashMap<PathBuf, Known>>,
}

impl FileCache {
    /// The table in `path`, read anew only when its size or modification time changed.
    pub(super) fn read(&self, path: &Path) -> Parsed {
        self.look(path).parsed
    }

    /// What `path` says, or said while nothing was wrong with it, and what is wrong.
    pub(super) fn understood(&self, path: &Path) -> (Arc<toml::Table>, Option<ConfigProblem>) {
        let known = self.look(path);
        (known.good, known.parsed.err().or(known.mistyped))
    }

    fn look(&self, path: &Path) -> Known {
        let stamp = std::fs::metadata(path).ok().map(|meta| Stamp {
            modified: meta.modified().ok(),
            size: meta.len(),
        });
        let before = self.files.lock().ok().and_then(|files| files.get(path).cloned());
        if let Some(known) = &before
            && known.stamp == stamp
        {
            return known.clone();
        }
        let (parsed, mistyped) = read_table(path);
        let good = match &parsed {
            Ok(table) if mistyped.is_none() => Arc::clone(table),
            _ => before.map(|known| known.good).unwrap_or_default(),
        };
        let known = Known {
            stamp,
            parsed,
            mistyped,
            good,
        };
        if let Ok(mut files) = self.files.lock() {
            files.insert(path.to_path_buf(), known.clone());
        }
        known
    }

    /// Forgets a file, after writing it within the clock's resolution.
    pub(super) fn forget(&self, path: &Path) {
        if let Ok(mut files) = self.files.lock()
            && let Some(known) = files.get_mut(path)
        {
            // No file has this size.
            known.stamp = Some(Stamp {
                modified: None,
                size: u64::MAX,
            });
        }
    }
}

/// What a file says, and the first value in it that is of the wrong type.
fn read_table(path: &Path) -> (Parsed, Option<ConfigProblem>) {
    let text = match crate::files::read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Ok(Arc::default()), None),
        Err(error) => return (Err(ConfigProblem::reading(path, &error)), None),
    };
    match text.parse::<toml::Table>() {
        Ok(table) => {
            let mistyped = toml::from_str::<CheckedToml>(&text).err();
            let mistyped = mistyped.map(|error| ConfigProblem::parsing(path, &text, &error));
            (Ok(Arc::new(table)), mistyped)
        }
        Err(error) => (Err(ConfigProblem::parsing(path, &text, &error)), None),
    }
}

/// The place of a byte in a text, counted from 1.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}
