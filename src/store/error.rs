//! What can go wrong with threads on disk.
//!
//! The texts are part of the contract with clients: handlers pass `NotFound` and `Invalid` on as they are, and put what
//! they did in front of the rest (`failed to read thread: …`). Mapping to codes happens in the rooms above.

use std::path::PathBuf;

/// An error of the thread store.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum StoreError {
    /// No such thread in this home.
    #[error("thread {0} not found")]
    NotFound(String),
    /// The request makes no sense for this store.
    #[error("invalid thread-store request: {0}")]
    Invalid(String),
    /// Somebody else did something that excludes this.
    #[error("thread-store conflict: {0}")]
    Conflict(String),
    /// This store cannot do that.
    #[error("thread-store unsupported operation: {0}")]
    Unsupported(&'static str),
    /// A page was asked for that begins, or lies, where nothing is.
    #[error("invalid thread-store request: {0}")]
    Missing(Missing),
    /// A rollout could not be written; nothing of the failed batch counts as recorded.
    #[error("thread-store internal error: failed to write {path}: {message}")]
    Write {
        /// The rollout.
        path: PathBuf,
        /// The system's words.
        message: String,
        /// Whether the disk (or quota) is full: the caller may try again after room was made.
        disk_full: bool,
    },
    /// The rest: I/O and index failures.
    #[error("thread-store internal error: {0}")]
    Internal(String),
}

/// What a page was asked for that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// The turn whose items are wanted.
    #[error("the thread has no such turn")]
    Turn,
    /// The turn or item that the page begins at.
    #[error("the place that the page begins at is gone")]
    Anchor,
}

impl StoreError {
    /// A failed read of the rollout at `path`.
    pub(crate) fn read(path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        StoreError::Internal(format!("failed to read thread {}: {reason}", path.display()))
    }

    /// A rollout that holds no thread.
    pub(crate) fn empty(path: &std::path::Path) -> Self {
        Self::read(path, format_args!("rollout at {} is empty", path.display()))
    }

    /// A failed write of the rollout at `path`.
    pub(crate) fn write(path: &std::path::Path, error: &std::io::Error) -> Self {
        StoreError::Write {
            path: path.to_path_buf(),
            message: error.to_string(),
            disk_full: matches!(
                error.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge
            ),
        }
    }
}
