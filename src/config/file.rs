//! Reading one TOML file, with a cache that notices changes and errors that say where.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

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

/// Parsed files by path. A missing file is an empty table.
#[derive(Debug, Default)]
pub(super) struct FileCache {
    files: Mutex<HashMap<PathBuf, (Option<Stamp>, Parsed)>>,
}

impl FileCache {
    /// The table in `path`, read anew only when its size or modification time changed.
    pub(super) fn read(&self, path: &Path) -> Parsed {
        let stamp = std::fs::metadata(path).ok().map(|meta| Stamp {
            modified: meta.modified().ok(),
            size: meta.len(),
        });
        if let Ok(files) = self.files.lock()
            && let Some((known, parsed)) = files.get(path)
            && *known == stamp
        {
            return parsed.clone();
        }
        let parsed = read_table(path);
        if let Ok(mut files) = self.files.lock() {
            files.insert(path.to_path_buf(), (stamp, parsed.clone()));
        }
        parsed
    }

    /// Forgets a file, after writing it within the clock's resolution.
    pub(super) fn forget(&self, path: &Path) {
        if let Ok(mut files) = self.files.lock() {
            files.remove(path);
        }
    }
}

fn read_table(path: &Path) -> Parsed {
    let text = match crate::files::read_text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
        Err(error) => return Err(ConfigProblem::reading(path, &error)),
    };
    text.parse::<toml::Table>()
        .map(Arc::new)
        .map_err(|error| ConfigProblem::parsing(path, &text, &error))
}

/// The place of a byte in a text, counted from 1.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    (line, column)
}
