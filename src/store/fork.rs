//! Forks: a thread's lines copied, as they are, behind a first line of the fork's own.
//!
//! The copy is a stream of bytes, whatever the size of the parent, and holds whole appends only. It is made below
//! `sessions/.copying` under a name that nobody takes for a rollout, and renamed when it is whole and on the disk, so
//! that no half fork is ever seen; what a crash left there goes with a later fork. A turn that had not ended ends in the
//! copy as interrupted. Everything here blocks, apart from [`LocalThreadStore::fork_stored`].

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Local;
use serde_json::value::RawValue;

use crate::files;
use crate::protocol::{ThreadId, Turn};
use crate::settings::Durability;
use crate::store::core::StoreCore;
use crate::store::durability::SyncTarget;
use crate::store::head::Head;
use crate::store::rollout::codec::{encode_line, now_timestamp};
use crate::store::rollout::path as rollout_path;
use crate::store::rollout::{EventMsg, RolloutItem, SessionMeta, TurnAborted};
use crate::store::turns::Landmarks;
use crate::store::turns::history::{self, Part};
use crate::store::{LocalThreadStore, ResumedThread, StoreError, StoredConversation, ThreadHead, scan};

/// Where copies are made, below `sessions`.
const COPYING: &str = ".copying";
/// A copy that was not written to for so long is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(60 * 60);

/// Which thread is to be forked.
#[derive(Debug, Clone)]
pub enum ForkOf<'a> {
    /// The thread with this id, archived or not.
    Thread(ThreadId),
    /// The thread in this file.
    File(Cow<'a, Path>),
}

impl ForkOf<'_> {
    pub(super) fn into_owned(self) -> ForkOf<'static> {
        match self {
            ForkOf::Thread(id) => ForkOf::Thread(id),
            ForkOf::File(path) => ForkOf::File(Cow::Owned(path.into_owned())),
        }
    }
}

/// A thread at the moment at which it is forked.
#[derive(Debug, Clone)]
pub struct ForkSource {
    /// What is known of it.
    pub head: ThreadHead,
    landmarks: Landmarks,
    path: PathBuf,
    /// Open, so that it is found wherever it is moved.
    file: Arc<File>,
    /// How many bytes count.
    size: u64,
    /// The turn that has not ended.
    open_turn: Option<String>,
}

impl ForkSource {
    /// Whether its last turn has not ended.
    pub fn is_mid_turn(&self) -> bool {
        self.open_turn.is_some()
    }

    pub(super) fn look_into(&self) -> Result<(Vec<Turn>, StoredConversation), StoreError> {
        let turns = history::turns_until(&self.path, self.size, None)?;
        let part = Part {
            end: self.size,
            ..Part::from(self.landmarks.conversation)
        };
        Ok((turns, StoredConversation::read(self.head.clone(), part)?))
    }
}

/// What a fork is made of, beside its parent's lines.
#[derive(Debug, Clone)]
pub struct NewFork {
    /// Its own first line.
    pub meta: SessionMeta,
    /// What the model is told about a turn that had not ended.
    pub interruption: Option<Arc<RawValue>>,
}

impl StoreCore {
    /// A thread as it is now.
    pub(super) fn fork_source(&self, of: &ForkOf<'_>) -> Result<ForkSource, StoreError> {
        let id = match of {
            ForkOf::Thread(id) => *id,
            ForkOf::File(path) => {
                let archived = rollout_path::is_archived(&self.home, path);
                scan::head(path, archived)?.ok_or_else(|| StoreError::empty(path))?.id
            }
        };
        let live = self.live.get(id).filter(|live| live.on_disk());
        let look = || -> Result<ForkSource, StoreError> {
            let head = match of {
                // A file that is being recorded is known best by who records it.
                ForkOf::File(path) if live.as_ref().is_none_or(|live| live.path().as_deref() != Some(path)) => {
                    self.head_at(path, rollout_path::is_archived(&self.home, path))?
                }
                ForkOf::File(_) | ForkOf::Thread(_) => self.head(id)?,
            };
            self.source(head)
        };
        match live.as_ref().and_then(|live| live.recorder()) {
            Some(recorder) => recorder.at_rest(look),
            None => look(),
        }
    }

    fn source(&self, head: Head) -> Result<ForkSource, StoreError> {
        let id = head.thread.id;
        let path = head.thread.path.clone();
        let path = path.ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let failed = |error: io::Error| StoreError::read(&path, error);
        let file = files::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let tail = head.landmarks.tail;
        let open_turn = match tail.open && tail.explicit {
            true => {
                let live = self.live.get(id).filter(|live| live.path().as_ref() == Some(&path));
                match live.and_then(|live| live.last_turn_id()) {
                    Some(turn) => Some(turn),
                    None => self.stored_outline(id, &path)?.last_turn_id().map(str::to_owned),
                }
            }
            false => None,
        };
        Ok(ForkSource {
            head: head.shown()?,
            landmarks: head.landmarks,
            path,
            file: Arc::new(file),
            size,
            open_turn,
        })
    }

    /// Makes the fork's file and returns its path.
    fn copy(&self, source: &ForkSource, new: NewFork) -> Result<PathBuf, StoreError> {
        let path = rollout_path::rollout_path(&self.home, new.meta.id, Local::now());
        let folder = self.home.join(rollout_path::SESSIONS).join(COPYING);
        let failed = |error: io::Error| StoreError::write(&path, &error);
        fs::create_dir_all(&folder).map_err(failed)?;
        clear_abandoned(&folder);
        let copy = folder.join(format!("{}.part", new.meta.id));
        let made = write_copy(&copy, source, new, self.durability).and_then(|file| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::rename(&copy, &path)?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                if self.durability != Durability::Os {
                    let folder = path.parent().map(PathBuf::from);
                    self.syncer.queue(&SyncTarget::new(Arc::new(file), folder));
                }
                Ok(path)
            }
            Err(error) => {
                let _ = fs::remove_file(&copy);
                Err(failed(error))
            }
        }
    }
}

fn write_copy(copy: &Path, source: &ForkSource, new: NewFork, durability: Durability) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(copy)?;
    let timestamp = now_timestamp();
    let mut line = Vec::new();
    encode_line(&mut line, &timestamp, &RolloutItem::SessionMeta(Box::new(new.meta)))?;
    file.write_all(&line)?;
    // Its own place in the file: other forks may read from the same handle.
    let mut parent = File::open(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&*source.file)
    ))
    .or_else(|_| File::open(&source.path))?;
    let copied = io::copy(&mut Read::by_ref(&mut parent).take(source.size), &mut file)?;
    if copied < source.size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut last = [b'\n'];
    if source.size > 0 {
        source.file.read_exact_at(&mut last, source.size - 1)?;
    }
    line.clear();
    if last != [b'\n'] {
        line.push(b'\n');
    }
    if let Some(turn_id) = &source.open_turn {
        let told = new.interruption.map(RolloutItem::ResponseItem);
        let ended = RolloutItem::from(EventMsg::TurnAborted(TurnAborted {
            turn_id: Some(turn_id.clone()),
            reason: "interrupted".to_owned(),
            completed_at: None,
            duration_ms: None,
        }));
        for item in told.into_iter().chain([ended]) {
            encode_line(&mut line, &timestamp, &item)?;
        }
    }
    file.write_all(&line)?;
    if durability != Durability::Os {
        file.sync_data()?;
    }
    Ok(file)
}

/// Removes copies that a process left behind when it died.
fn clear_abandoned(folder: &Path) {
    let old = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| {
        let changed = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        changed
            .and_then(|changed| changed.elapsed().ok())
            .is_some_and(|age| age > ABANDONED)
    });
    for entry in old {
        if let Err(error) = fs::remove_file(entry.path()) {
            tracing::debug!(%error, "an abandoned copy stays");
        }
    }
}

impl LocalThreadStore {
    /// Makes a fork and takes it up. The index is told before the caller goes on, so that lists show it.
    pub(super) async fn fork_stored(&self, source: ForkSource, new: NewFork) -> Result<ResumedThread, StoreError> {
        let path = self.with(move |core| core.copy(&source, new)).await?;
        let told = self.index_ready() && self.core.index_files(vec![(path.clone(), false)]).await.is_ok();
        let resumed = self.resume_with(move |core| core.head_at(&path, false)).await?;
        // An index that was being filled meanwhile may have looked for files before this one was there. The thread tells
        // of itself then, like any that changes.
        let id = resumed.recorder.thread_id();
        if !told && let Some(live) = self.core.live.get(id) {
            live.forgotten();
            self.core.index.mark(id, &live);
        }
        Ok(resumed)
    }
}

#[cfg(test)]
mod tests;
