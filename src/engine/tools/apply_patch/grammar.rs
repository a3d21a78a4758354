//! The patch language: what a patch says, and nothing about files.
//!
//! A patch is a list of hunks between `*** Begin Patch` and `*** End Patch`. A model writes it by hand, so the reader
//! forgives what cannot be misunderstood (blanks around marker lines, blank lines between chunks, a here-document
//! wrapped around the whole) and says exactly which line it does not understand otherwise. Nothing here panics on any
//! text.

use std::fmt;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ENVIRONMENT: &str = "*** Environment ID: ";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const END_OF_FILE: &str = "*** End of File";
const CONTEXT: &str = "@@ ";
const NO_CONTEXT: &str = "@@";

/// A patch as written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patch {
    /// The environment it names, when there are several.
    pub environment: Option<String>,
    /// What it does, in order.
    pub hunks: Vec<Hunk>,
}

/// What a patch does to one file. Paths are as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hunk {
    /// Writes a file, new or not.
    Add {
        /// The file.
        path: String,
        /// Its whole content.
        content: String,
    },
    /// Removes a file.
    Delete {
        /// The file.
        path: String,
    },
    /// Changes a file, and may move it.
    Update {
        /// The file.
        path: String,
        /// Where it goes.
        move_to: Option<String>,
        /// The changes, top to bottom; never empty.
        chunks: Vec<Chunk>,
    },
}

/// One change within a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// A line that comes somewhere before the change (a function's head, say).
    pub context: Option<String>,
    /// The lines; never empty.
    pub lines: Vec<Line>,
    /// The change is at the end of the file.
    pub at_end: bool,
}

/// A line of a chunk, without its mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Is there and stays.
    Keep(String),
    /// Is there and goes.
    Remove(String),
    /// Is put there.
    Insert(String),
}

impl Chunk {
    /// The lines that must be in the file.
    pub fn old_lines(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| match line {
                Line::Keep(text) | Line::Remove(text) => Some(text.as_str()),
                Line::Insert(_) => None,
            })
            .collect()
    }

    /// The lines that take their place.
    pub fn new_lines(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| match line {
                Line::Keep(text) | Line::Insert(text) => Some(text.as_str()),
                Line::Remove(_) => None,
            })
            .collect()
    }
}

/// Why a text is no patch. The texts are what the model is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// No begin marker.
    #[error("invalid patch: The first line of the patch must be '*** Begin Patch'")]
    NoBegin,
    /// No end marker.
    #[error("invalid patch: The last line of the patch must be '*** End Patch'")]
    NoEnd,
    /// A line that does not fit; lines count from 1.
    #[error("invalid hunk at line {line}, {problem}")]
    Hunk {
        /// The line.
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

impl GrammarError {
    fn at(line: usize, problem: impl Into<String>) -> Self {
        GrammarError::Hunk {
            line,
            problem: problem.into(),
        }
    }
}

/// Reads a patch.
pub fn parse(text: &str) -> Result<Patch, GrammarError> {
    let lines: Vec<&str> = text.trim().lines().collect();
    match body(&lines) {
        Ok(body) => hunks(body),
        Err(error) => match unwrapped(&lines) {
            Some(inner) => hunks(body(inner)?),
            None => Err(error),
        },
    }
}

/// The lines between the markers.
fn body<'a, 't>(lines: &'a [&'t str]) -> Result<&'a [&'t str], GrammarError> {
    match lines {
        [] => Err(GrammarError::NoEnd),
        [first, ..] if first.trim() != BEGIN => Err(GrammarError::NoBegin),
        [_, body @ .., last] if last.trim() == END => Ok(body),
        _ => Err(GrammarError::NoEnd),
    }
}

/// The inside of a here-document, when the lines are one.
fn unwrapped<'a, 't>(lines: &'a [&'t str]) -> Option<&'a [&'t str]> {
    match lines {
        ["<<EOF" | "<<'EOF'" | "<<\"EOF\"", inner @ .., last] if inner.len() >= 2 && last.ends_with("EOF") => {
            Some(inner)
        }
        _ => None,
    }
}

/// Line numbers count the begin marker as line 1, so the body starts at line 2.
fn hunks(body: &[&str]) -> Result<Patch, GrammarError> {
    let mut patch = Patch::default();
    let mut at = 0;
    if let Some(id) = body.first().and_then(|line| line.trim().strip_prefix(ENVIRONMENT)) {
        patch.environment = Some(id.trim().to_owned());
        at = 1;
    }
    while at < body.len() {
        let (hunk, used) = hunk(&body[at..], at + 2)?;
        patch.hunks.push(hunk);
        at += used;
    }
    Ok(patch)
}

/// One hunk at the start of `lines`, and how many lines it takes.
fn hunk(lines: &[&str], number: usize) -> Result<(Hunk, usize), GrammarError> {
    let header = lines[0].trim();
    if let Some(path) = header.strip_prefix(ADD) {
        let mut content = String::new();
        let mut used = 1;
        for line in lines[1..].iter().map_while(|line| line.strip_prefix('+')) {
            content.push_str(line);
            content.push('\n');
            used += 1;
        }
        let path = path.to_owned();
        return Ok((Hunk::Add { path, content }, used));
    }
    if let Some(path) = header.strip_prefix(DELETE) {
        return Ok((Hunk::Delete { path: path.to_owned() }, 1));
    }
    if let Some(path) = header.strip_prefix(UPDATE) {
        return update(path, lines, number);
    }
    Err(GrammarError::at(
        number,
        format!(
            "'{header}' is not a valid hunk header. Valid hunk headers: '*** Add File: {{path}}', \
             '*** Delete File: {{path}}', '*** Update File: {{path}}'"
        ),
    ))
}

fn update(path: &str, lines: &[&str], number: usize) -> Result<(Hunk, usize), GrammarError> {
    let move_to = lines
        .get(1)
        .and_then(|line| line.strip_prefix(MOVE))
        .map(|to| to.trim_end().to_owned());
    let mut used = if move_to.is_some() { 2 } else { 1 };
    let mut chunks = Vec::new();
    while used < lines.len() {
        if lines[used].trim().is_empty() {
            used += 1;
        } else if lines[used].starts_with("***") {
            break;
        } else {
            let (chunk, taken) = chunk(&lines[used..], number + used, chunks.is_empty())?;
            chunks.push(chunk);
            used += taken;
        }
    }
    if chunks.is_empty() {
        return Err(GrammarError::at(
            number,
            format!("Update file hunk for path '{path}' is empty"),
        ));
    }
    let path = path.to_owned();
    Ok((Hunk::Update { path, move_to, chunks }, used))
}

/// One chunk at the start of `lines`. Only the first of a file may go without its `@@` line.
fn chunk(lines: &[&str], number: usize, first: bool) -> Result<(Chunk, usize), GrammarError> {
    let mut chunk = Chunk::default();
    let head = match lines[0] {
        NO_CONTEXT => 1,
        line => match line.strip_prefix(CONTEXT) {
            Some(context) => {
                chunk.context = Some(context.to_owned());
                1
            }
            None if first => 0,
            None => {
                return Err(GrammarError::at(
                    number,
                    format!("Expected update hunk to start with a @@ context marker, got: '{line}'"),
                ));
            }
        },
    };
    let nothing = || GrammarError::at(number + 1, "Update hunk does not contain any lines");
    for line in &lines[head..] {
        if *line == END_OF_FILE {
            if chunk.lines.is_empty() {
                return Err(nothing());
            }
            chunk.at_end = true;
            break;
        }
        chunk.lines.push(match line.split_at_checked(1) {
            None if line.is_empty() => Line::Keep(String::new()),
            Some((" ", text)) => Line::Keep(text.to_owned()),
            Some(("-", text)) => Line::Remove(text.to_owned()),
            Some(("+", text)) => Line::Insert(text.to_owned()),
            _ if chunk.lines.is_empty() => {
                return Err(GrammarError::at(
                    number + 1,
                    format!(
                        "Unexpected line found in update hunk: '{line}'. Every line should start with ' ' (context \
                         line), '+' (added line), or '-' (removed line)"
                    ),
                ));
            }
            _ => break,
        });
    }
    if chunk.lines.is_empty() {
        return Err(nothing());
    }
    let used = head + chunk.lines.len() + usize::from(chunk.at_end);
    Ok((chunk, used))
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{BEGIN}")?;
        if let Some(id) = &self.environment {
            writeln!(f, "{ENVIRONMENT}{id}")?;
        }
        for hunk in &self.hunks {
            match hunk {
                Hunk::Add { path, content } => {
                    writeln!(f, "{ADD}{path}")?;
                    for line in content.lines() {
                        writeln!(f, "+{line}")?;
                    }
                }
                Hunk::Delete { path } => writeln!(f, "{DELETE}{path}")?,
                Hunk::Update { path, move_to, chunks } => {
                    writeln!(f, "{UPDATE}{path}")?;
                    if let Some(to) = move_to {
                        writeln!(f, "{MOVE}{to}")?;
                    }
                    for chunk in chunks {
                        write!(f, "{chunk}")?;
                    }
                }
            }
        }
        write!(f, "{END}")
    }
}

impl fmt::Display for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.context {
            Some(context) => writeln!(f, "{CONTEXT}{context}")?,
            None => writeln!(f, "{NO_CONTEXT}")?,
        }
        for line in &self.lines {
            match line {
                Line::Keep(text) => writeln!(f, " {text}")?,
                Line::Remove(text) => writeln!(f, "-{text}")?,
                Line::Insert(text) => writeln!(f, "+{text}")?,
            }
        }
        if self.at_end {
            writeln!(f, "{END_OF_FILE}")?;
        }
        Ok(())
    }
}
