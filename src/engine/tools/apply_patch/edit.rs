//! Applying the chunks of an update to a text: pure, so that verifying and applying compute the same.

use std::path::Path;

use super::grammar::Chunk;
use super::seek;

/// Why chunks do not fit a text. The path is the file's absolute path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The `@@` line is not there.
    #[error("Failed to find context '{context}' in {path}")]
    NoContext {
        /// The line.
        context: String,
        /// The file.
        path: String,
    },
    /// The old lines are not there.
    #[error("Failed to find expected lines in {path}:\n{lines}")]
    NoLines {
        /// The lines, joined.
        lines: String,
        /// The file.
        path: String,
    },
}

/// `text` with `chunks` applied, ending with a newline unless it is empty. A cursor only moves down, so chunks are in
/// the order of the file. `path` is for the error.
pub fn edited(text: &str, chunks: &[Chunk], path: &Path) -> Result<String, EditError> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    // The empty piece after the last newline is no line.
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    let mut edits: Vec<(usize, usize, Vec<&str>)> = Vec::with_capacity(chunks.len());
    let mut cursor = 0;
    for chunk in chunks {
        if let Some(context) = &chunk.context {
            let found = seek::find(&lines, &[context.as_str()], cursor, false);
            cursor = 1 + found.ok_or_else(|| EditError::NoContext {
                context: context.clone(),
                path: path.display().to_string(),
            })?;
        }
        let (mut old, mut new) = (chunk.old_lines(), chunk.new_lines());
        if old.is_empty() {
            // Nothing to anchor to: the end of the file, before an empty last line.
            let end = lines.len() - usize::from(lines.last().is_some_and(|line| line.is_empty()));
            edits.push((end, 0, new));
            continue;
        }
        let mut found = seek::find(&lines, &old, cursor, chunk.at_end);
        if found.is_none() && old.last().is_some_and(|line| line.is_empty()) {
            // Models like to show the final newline as an empty line.
            old.pop();
            if new.last().is_some_and(|line| line.is_empty()) {
                new.pop();
            }
            found = seek::find(&lines, &old, cursor, chunk.at_end);
        }
        let at = found.ok_or_else(|| EditError::NoLines {
            lines: chunk.old_lines().join("\n"),
            path: path.display().to_string(),
        })?;
        cursor = at + old.len();
        edits.push((at, old.len(), new));
    }
    edits.sort_by_key(|(at, ..)| *at);
    let mut result = Vec::with_capacity(lines.len());
    let mut done = 0;
    for (at, removed, new) in edits {
        result.extend_from_slice(lines.get(done..at).unwrap_or_default());
        result.extend(new);
        done = done.max(at + removed);
    }
    result.extend_from_slice(lines.get(done..).unwrap_or_default());
    if result.is_empty() {
        return Ok(String::new());
    }
    result.push("");
    Ok(result.join("\n"))
}
