//! Changing what is kept about a thread beside its turns: where its folder stands in git, and its memory mode.
//!
//! A change is a further `session_meta` line of the same thread that says all of it anew, because readers of other
//! programs take git and memory mode from the last such line that has them: a git that was cleared is written as an
//! empty one, not left out. A loaded thread's own recorder writes the line; a stored thread is taken up for it.

use crate::protocol::ThreadId;
use crate::store::core::StoreCore;
use crate::store::digest::Digest;
use crate::store::recorder::{Recorder, blocking};
use crate::store::rollout::{GitMeta, Interest, RolloutItem, RolloutReader, SessionMeta};
use crate::store::thread::StoredThread;
use crate::store::{LocalThreadStore, StoreError};

/// The memory mode of a thread that nobody set one for.
const ENABLED: &str = "enabled";

/// A change; what is left out stays. In git `Some(None)` clears a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataPatch {
    /// The commit.
    pub sha: Option<Option<String>>,
    /// The branch.
    pub branch: Option<Option<String>>,
    /// The address of `origin`.
    pub origin_url: Option<Option<String>>,
    /// `enabled` or `disabled`.
    pub memory_mode: Option<String>,
}

impl MetadataPatch {
    /// The line that says what `thread`, whose first line is `first`, is to be.
    fn line(self, first: SessionMeta, thread: &StoredThread) -> SessionMeta {
        let known = thread.git.clone().unwrap_or_default();
        let git = GitMeta {
            commit_hash: self.sha.unwrap_or(known.sha),
            branch: self.branch.unwrap_or(known.branch),
            repository_url: self.origin_url.unwrap_or(known.origin_url),
        };
        let had_git = first.git.is_some() || thread.git.is_some();
        let memory_mode = self.memory_mode.or_else(|| thread.memory_mode.clone());
        SessionMeta {
            git: Some(git).filter(|git| had_git || *git != GitMeta::default()),
            memory_mode: Some(memory_mode.unwrap_or_else(|| ENABLED.to_owned())),
            ..first
        }
    }
}

impl StoreCore {
    /// The first line of a thread that is recorded by `recorder`. Blocks.
    fn first_line(&self, recorder: &Recorder) -> Result<SessionMeta, StoreError> {
        if let Some(meta) = recorder.deferred_meta() {
            return Ok(*meta);
        }
        let id = recorder.thread_id();
        let head = self.head(id)?.shown()?;
        // A thread whose first line is damaged gets one of what is known of it.
        Ok(head.meta.map_or_else(|| restored(&head.thread), |meta| *meta))
    }
}

/// How much of a file's end is looked through for metadata: a list must not cost the length of its threads. What stands
/// further back shows once the index is filled.
const TAIL: u64 = 4 << 20;

/// Folds in what lines behind a file's head say of git and memory mode: lists that are made from heads show it too. A
/// file that cannot be read leaves the thread as it is. Blocks.
pub(super) fn catch_up(thread: &mut StoredThread) {
    let start = thread.file_size.saturating_sub(TAIL);
    let opened = thread.path.as_deref().map(|path| RolloutReader::open_at(path, start));
    // In the middle of a file the first line is the end of one, which is passed over as damage.
    let Some(Ok(reader)) = opened else { return };
    let mut reader = reader.asking_for(Interest::Metadata);
    let mut digest = Digest::resume(thread.clone());
    while let Ok(Some(item)) = reader.next_item() {
        if matches!(item, RolloutItem::SessionMeta(_)) {
            digest.observe(&item);
        }
    }
    thread.clone_from(digest.thread());
}

/// The line of a thread that lost its own.
fn restored(thread: &StoredThread) -> SessionMeta {
    let created = chrono::DateTime::from_timestamp_millis(thread.created_at_ms).unwrap_or_default();
    SessionMeta {
        forked_from_id: thread.forked_from_id,
        timestamp: created.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        cli_version: thread.cli_version.clone(),
        source: thread.source.clone(),
        thread_source: thread.thread_source,
        ..SessionMeta::new(
            thread.id,
            thread.cwd.clone(),
            String::new(),
            thread.model_provider.clone(),
        )
    }
}

impl LocalThreadStore {
    /// Writes the line. A thread without a file gets one.
    pub(super) async fn patch(&self, id: ThreadId, patch: MetadataPatch) -> Result<StoredThread, StoreError> {
        let recorder = match self.core.live.get(id).and_then(|live| live.recorder()) {
            Some(recorder) => recorder,
            None => self.resume_with(move |core| core.head(id)).await?.recorder,
        };
        let (core, pen) = (self.core.clone(), recorder.clone());
        let first = blocking(move || core.first_line(&pen)).await?;
        let line = patch.line(first, &recorder.thread());
        recorder.append(vec![RolloutItem::SessionMeta(Box::new(line))]).await?;
        Ok(self.core.named(recorder.thread()))
    }
}

#[cfg(test)]
mod tests;
