//! Verifying a patch against the files, and applying it. Both block on the disk: run them on the blocking pool.
//!
//! Verifying reads every file that is updated or deleted and computes what clients are shown; nothing is written.
//! Applying goes hunk by hunk and stops at the first failure; what was done before stays done, and [`Applied`] says so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use similar::TextDiff;

use super::decision::TouchedPath;
use super::edit::{EditError, edited};
use super::grammar::{GrammarError, Hunk, Patch};
use crate::engine::diff::Effect;
use crate::exec::files::{Files, Look};
use crate::exec::sandbox::Confinement;
use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, FileUpdateChange, PatchChangeKind};

/// The longest file that a patch changes.
const MAX_FILE: u64 = 256 << 20;

/// Why a patch was not even tried. The texts are what the model is told after `apply_patch verification failed: `.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It is no patch.
    #[error(transparent)]
    Grammar(#[from] GrammarError),
    /// Its lines are not in the file.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A file to update cannot be read.
    #[error("Failed to read file to update {path}: {cause}")]
    Update {
        /// The file.
        path: String,
        /// The system's words.
        cause: String,
    },
    /// A file to delete cannot be read.
    #[error("Failed to read {path}: {cause}")]
    Delete {
        /// The file.
        path: String,
        /// The system's words.
        cause: String,
    },
}

/// What a verified patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Writes the file.
    Add {
        /// Its content.
        content: String,
    },
    /// Removes the file.
    Delete {
        /// What it held.
        content: String,
    },
    /// Changes the file.
    Update {
        /// Hunks with one line of context, without a file header.
        unified_diff: String,
        /// Where it goes.
        move_path: Option<PathBuf>,
    },
}

/// A patch that fits the files as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedPatch {
    hunks: Vec<Hunk>,
    cwd: AbsolutePathBuf,
    /// By absolute path, in the order of its text. Of several hunks for one file the last is shown.
    pub changes: BTreeMap<String, Change>,
    /// Every path written or removed.
    pub touched: Vec<TouchedPath>,
}

/// Reads the files that `patch` touches and checks that it fits.
pub fn verify(patch: Patch, cwd: &AbsolutePathBuf, files: &dyn Files) -> Result<VerifiedPatch, VerifyError> {
    let mut changes = BTreeMap::new();
    let mut touched = Vec::new();
    for hunk in &patch.hunks {
        let (path, change) = match hunk {
            Hunk::Add { path, content } => (
                resolve(cwd, path),
                Change::Add {
                    content: content.clone(),
                },
            ),
            Hunk::Delete { path } => {
                let path = resolve(cwd, path);
                let content = read(files, &path).map_err(|cause| VerifyError::Delete {
                    path: path.display().to_string(),
                    cause,
                })?;
                (path, Change::Delete { content })
            }
            Hunk::Update { path, move_to, chunks } => {
                let path = resolve(cwd, path);
                let text = read_to_update(files, &path)?;
                let unified_diff = unified(&text, &edited(&text, chunks, &path)?, 1);
                let move_path = move_to.as_ref().map(|to| resolve(cwd, to));
                touched.extend(move_path.clone().map(|path| TouchedPath::on(files, path)));
                (
                    path,
                    Change::Update {
                        unified_diff,
                        move_path,
                    },
                )
            }
        };
        changes.insert(path.display().to_string(), change);
        touched.push(TouchedPath::on(files, path));
    }
    Ok(VerifiedPatch {
        hunks: patch.hunks,
        cwd: cwd.clone(),
        changes,
        touched,
    })
}

/// Why a patch cannot be verified: it changes a file that must not be read. Looks links up.
pub fn unreadable(patch: &Patch, cwd: &AbsolutePathBuf, confinement: &Confinement) -> Option<VerifyError> {
    let hidden = |path: &str| {
        let path = resolve(cwd, path);
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        confinement
            .hides(&path, &real)
            .then(|| (path.display().to_string(), "Permission denied (os error 13)".to_owned()))
    };
    patch.hunks.iter().find_map(|hunk| match hunk {
        Hunk::Add { .. } => None,
        Hunk::Delete { path } => hidden(path).map(|(path, cause)| VerifyError::Delete { path, cause }),
        Hunk::Update { path, .. } => hidden(path).map(|(path, cause)| VerifyError::Update { path, cause }),
    })
}

/// What applying did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// The list of files, as the model is told.
    pub stdout: String,
    /// Why it stopped; empty when it went through.
    pub stderr: String,
    /// What was done, in order; `None` when it is not known exactly (a failure, a link).
    pub effects: Option<Vec<Effect>>,
}

impl Applied {
    /// Whether every hunk was applied.
    pub fn success(&self) -> bool {
        self.stderr.is_empty()
    }
}

/// Applies a verified patch.
pub fn apply(patch: &VerifiedPatch, files: &dyn Files) -> Applied {
    let (mut added, mut modified, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    let mut effects = Some(Vec::new());
    for hunk in &patch.hunks {
        match apply_hunk(hunk, &patch.cwd, files) {
            Ok(done) => match (&mut effects, done) {
                (Some(list), Some(done)) => list.extend(done),
                _ => effects = None,
            },
            Err(error) => {
                return Applied {
                    stdout: String::new(),
                    stderr: format!("{error}\n"),
                    effects: None,
                };
            }
        }
        match hunk {
            Hunk::Add { path, .. } => added.push(path),
            Hunk::Delete { path } => deleted.push(path),
            Hunk::Update { path, move_to, .. } => modified.push(move_to.as_ref().unwrap_or(path)),
        }
    }
    let mut stdout = "Success. Updated the following files:\n".to_owned();
    for (mark, paths) in [("A", added), ("M", modified), ("D", deleted)] {
        for path in paths {
            let _ = writeln!(stdout, "{mark} {path}");
        }
    }
    Applied {
        stdout,
        stderr: String::new(),
        effects,
    }
}

/// Why a hunk that fitted could not be applied after all.
#[derive(Debug, thiserror::Error)]
enum ApplyError {
    #[error(transparent)]
    Fit(#[from] VerifyError),
    #[error("Failed to create parent directories for {0}")]
    Parents(String),
    #[error("Failed to write file {0}")]
    Write(String),
    #[error("Failed to delete file {0}")]
    Delete(String),
    #[error("Failed to remove original {0}")]
    RemoveOriginal(String),
}

/// Applies one hunk; `None` when it went through a link or over something that is no text, so that the effect on the
/// tree is not known exactly.
fn apply_hunk(hunk: &Hunk, cwd: &AbsolutePathBuf, files: &dyn Files) -> Result<Option<Vec<Effect>>, ApplyError> {
    let effects = match hunk {
        Hunk::Add { path, content } => {
            let path = resolve(cwd, path);
            let before = Before::of(files, &path);
            write(files, &path, content)?;
            before.known().map(|old| {
                vec![Effect {
                    path,
                    before: old,
                    after: Some(content.clone()),
                    moved_from: None,
                }]
            })
        }
        Hunk::Delete { path } => {
            let path = resolve(cwd, path);
            let before = Before::of(files, &path);
            if before.is_folder() || files.remove_file(&path).is_err() {
                return Err(ApplyError::Delete(path.display().to_string()));
            }
            before.known().map(|old| {
                vec![Effect {
                    path,
                    before: old,
                    after: None,
                    moved_from: None,
                }]
            })
        }
        Hunk::Update { path, move_to, chunks } => {
            let path = resolve(cwd, path);
            let before = Before::of(files, &path);
            let old = read_to_update(files, &path)?;
            let new = edited(&old, chunks, &path).map_err(VerifyError::from)?;
            match move_to.as_ref().map(|to| resolve(cwd, to)).filter(|to| *to != path) {
                None => {
                    write(files, &path, &new)?;
                    before.known().map(|_| {
                        vec![Effect {
                            path,
                            before: Some(old),
                            after: Some(new),
                            moved_from: None,
                        }]
                    })
                }
                Some(target) => {
                    let replaced = Before::of(files, &target);
                    write(files, &target, &new)?;
                    files
                        .remove_file(&path)
                        .map_err(|_| ApplyError::RemoveOriginal(path.display().to_string()))?;
                    before.known().and(replaced.known()).map(|replaced| {
                        let gone = Effect {
                            path: path.clone(),
                            before: Some(old),
                            after: None,
                            moved_from: None,
                        };
                        let there = Effect {
                            path: target,
                            before: replaced,
                            after: Some(new),
                            moved_from: Some(path),
                        };
                        vec![gone, there]
                    })
                }
            }
        }
    };
    Ok(effects)
}

/// What stood at a path before it was touched.
enum Before {
    Nothing,
    Text(String),
    Folder,
    /// A link, or a file that is no text.
    Other,
}

impl Before {
    fn of(files: &dyn Files, path: &Path) -> Self {
        match files.look(path) {
            Err(_) => Before::Nothing,
            Ok(Look { is_link: true, .. }) => Before::Other,
            Ok(Look { is_dir: true, .. }) => Before::Folder,
            Ok(Look { is_file: true, .. }) => read(files, path).map_or(Before::Other, Before::Text),
            Ok(_) => Before::Other,
        }
    }

    fn is_folder(&self) -> bool {
        matches!(self, Before::Folder)
    }

    /// The text, `Some(None)` when there was no file, `None` when a diff cannot tell.
    fn known(self) -> Option<Option<String>> {
        match self {
            Before::Nothing => Some(None),
            Before::Text(text) => Some(Some(text)),
            Before::Folder | Before::Other => None,
        }
    }
}

fn write(files: &dyn Files, path: &Path, content: &str) -> Result<(), ApplyError> {
    let failed = |_| ApplyError::Write(path.display().to_string());
    // Opening a pipe for writing would wait for somebody who reads it.
    if files.look(path).is_ok_and(|found| !found.is_file && !dangling(found)) {
        return Err(ApplyError::Write(path.display().to_string()));
    }
    match (files.write(path, content.as_bytes()), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            let made = files.make_folders(parent);
            made.map_err(|_| ApplyError::Parents(path.display().to_string()))?;
            files.write(path, content.as_bytes()).map_err(failed)
        }
        (written, _) => written.map_err(failed),
    }
}

/// Whether it is a link that leads nowhere, so that writing makes what it leads to.
fn dangling(found: Look) -> bool {
    found.is_link && !found.is_dir && !found.is_file
}

fn read_to_update(files: &dyn Files, path: &Path) -> Result<String, VerifyError> {
    read(files, path).map_err(|cause| VerifyError::Update {
        path: path.display().to_string(),
        cause,
    })
}

fn read(files: &dyn Files, path: &Path) -> Result<String, String> {
    let bytes = files.read(path, MAX_FILE).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.utf8_error().to_string())
}

fn resolve(cwd: &AbsolutePathBuf, path: &str) -> PathBuf {
    normalised(&cwd.as_path().join(path))
}

/// Unified hunks with `context` lines around each change and no file header.
pub fn unified(old: &str, new: &str, context: usize) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(context)
        .to_string()
}

/// The changes as clients are shown them.
pub fn shown(changes: &BTreeMap<String, Change>) -> Vec<FileUpdateChange> {
    changes
        .iter()
        .map(|(path, change)| {
            let (diff, kind) = match change {
                Change::Add { content } => (content.clone(), PatchChangeKind::Add),
                Change::Delete { content } => (content.clone(), PatchChangeKind::Delete),
                Change::Update {
                    unified_diff,
                    move_path,
                } => {
                    let move_path = move_path.as_ref().map(|to| to.display().to_string());
                    let diff = match &move_path {
                        Some(to) => format!("{unified_diff}\n\nMoved to: {to}"),
                        None => unified_diff.clone(),
                    };
                    (diff, PatchChangeKind::Update { move_path })
                }
            };
            FileUpdateChange {
                diff,
                kind,
                path: path.clone(),
            }
        })
        .collect()
}
