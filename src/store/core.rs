//! What the recorders and reads of one home share, and how a thread is found by its id.
//!
//! What the index says is believed only while the file still has the size and time of its row; then the row was made
//! from exactly this file, and its id with it. Anything else is read from the file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError, Weak};

use crate::protocol::ThreadId;
use crate::settings::Durability;
use crate::store::counters::{self, Caller, Reason};
use crate::store::durability::Syncer;
use crate::store::index::folders::Folders;
use crate::store::index::state::IndexState;
use crate::store::live::{LiveThread, LiveThreads};
use crate::store::names::Names;
use crate::store::rollout::path as rollout_path;
use crate::store::scribe::Scribe;
use crate::store::thread::{StoredThread, ThreadHistory};
use crate::store::turns::history;
use crate::store::warnings::Warnings;
use crate::store::{Scope, StoreError, scan};

/// The shared part of a store.
#[derive(Debug)]
pub(crate) struct StoreCore {
    /// Itself, for work that outlives the call that found it necessary.
    itself: Weak<StoreCore>,
    pub(crate) home: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) live: LiveThreads,
    pub(crate) names: Names,
    pub(crate) scribe: Arc<Scribe>,
    pub(crate) syncer: Arc<Syncer>,
    pub(crate) index: IndexState,
    pub(crate) warnings: Warnings,
}

impl StoreCore {
    pub(crate) fn new(home: PathBuf, durability: Durability) -> Arc<Self> {
        Arc::new_cyclic(|itself| StoreCore {
            itself: Weak::clone(itself),
            names: Names::new(&home),
            home,
            durability,
            live: LiveThreads::default(),
            scribe: Arc::default(),
            syncer: Arc::default(),
            index: IndexState::default(),
            warnings: Warnings::default(),
        })
    }

    pub(crate) fn folders(&self) -> MutexGuard<'_, Folders> {
        self.index.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A live thread changed in a way that lists show.
    pub(crate) fn index_live(&self, id: ThreadId, thread: &Arc<LiveThread>) {
        self.index.mark(id, thread);
    }

    /// A live thread's recorder is gone. It stays laid over lists until the index has its last change.
    pub(crate) fn live_closed(&self, id: ThreadId, thread: &Arc<LiveThread>) {
        thread.close();
        self.index.mark(id, thread);
        if thread.is_done() || !self.index.is_on() {
            self.live.remove(id, thread);
        }
    }

    /// Gives a thread its name.
    pub(crate) fn named(&self, mut thread: StoredThread) -> StoredThread {
        thread.name = self.names.get(thread.id);
        thread
    }

    /// The thread as the index has it, if its file is as it was then. Blocks.
    pub(crate) fn indexed(&self, id: ThreadId) -> Option<StoredThread> {
        let thread = self.index.reader()?.thread(id).ok().flatten()?;
        self.is_current(&thread).then_some(thread)
    }

    /// Whether a row still agrees with its file. A file whose name does not tell the thread is asked itself, once.
    pub(crate) fn is_current(&self, thread: &StoredThread) -> bool {
        let Some(path) = thread.path.as_deref() else {
            return false;
        };
        let same = scan::stamp(path)
            .is_some_and(|stamp| stamp.size == thread.file_size && stamp.mtime_ns == thread.file_mtime_ns);
        same && (rollout_path::names(path, thread.id) || self.holds(path, thread.id))
    }

    /// Whether the file itself says that it is the thread's.
    fn holds(&self, path: &Path, id: ThreadId) -> bool {
        matches!(scan::identity(path), Ok(Some(found)) if found == id)
    }

    /// A read did without the index, although it would have been of use.
    pub(crate) fn fell_back(&self, caller: Caller) {
        counters::fell_back(caller, self.index.absence().unwrap_or(Reason::DbError));
    }

    /// The file of a thread and whether it is archived: from the thread being recorded, from its row, else from the
    /// names of files. A row that led nowhere, or to another thread, is mended. Blocks.
    pub(crate) fn find_path(&self, id: ThreadId, scope: Scope) -> Option<(PathBuf, bool)> {
        if let Some(live) = self.live.get(id)
            && live.on_disk()
        {
            let thread = live.snapshot();
            if let Some(path) = thread.path
                && scope.includes(thread.archived)
                && path.is_file()
            {
                return Some((path, thread.archived));
            }
        }
        let mut unverified = None;
        let reason = match self.index.reader().map(|reader| reader.thread(id)) {
            None => self.index.absence().unwrap_or(Reason::DbUnavailable),
            Some(Err(error)) => {
                self.index.failed_to_read(&error);
                Reason::DbError
            }
            Some(Ok(None)) => Reason::MissingRow,
            Some(Ok(Some(row))) => match row.path.map(|path| (scan::identity(&path), path)) {
                Some((Ok(Some(found)), path)) if found == id => {
                    let archived = rollout_path::is_archived(&self.home, &path);
                    return scope.includes(archived).then_some((path, archived));
                }
                Some((Ok(Some(_)), path)) => {
                    tracing::error!(thread.id = %id, path = %path.display(), "index.mismatch: the row points at another thread");
                    Reason::Mismatch
                }
                Some((_, path)) if path.is_file() => {
                    unverified = Some(path);
                    Reason::Mismatch
                }
                _ => Reason::StalePath,
            },
        };
        let found = self.search(id, scope);
        if found.is_some() {
            counters::fell_back(Caller::FindThreadPath, reason);
            self.mend(&found);
        }
        // A file that cannot be read now is better told of than a thread that is not there.
        found.or_else(|| {
            let path = unverified?;
            let archived = rollout_path::is_archived(&self.home, &path);
            scope.includes(archived).then_some((path, archived))
        })
    }

    /// The file of a thread and whether it is archived, as the file system has it. Blocks.
    pub(crate) fn search(&self, id: ThreadId, scope: Scope) -> Option<(PathBuf, bool)> {
        [false, true]
            .into_iter()
            .filter(|archived| scope.includes(*archived))
            .find_map(|archived| scan::find(&self.home, id, archived).map(|path| (path, archived)))
    }

    /// Has the index read a file that it lost sight of.
    fn mend(&self, found: &Option<(PathBuf, bool)>) {
        let (Some(core), Some(file)) = (self.itself.upgrade(), found.clone()) else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.index.reader().is_some() {
            runtime.spawn(async move {
                if let Err(error) = core.index_files(vec![file]).await {
                    tracing::debug!(%error, "a row of the index is mended later");
                }
            });
        }
    }

    /// What is known of a thread without its turns. Blocks.
    pub(crate) fn read(&self, id: ThreadId, scope: Scope) -> Result<StoredThread, StoreError> {
        if let Some(live) = self.live.get(id) {
            return Ok(self.named(live.snapshot()));
        }
        if let Some(thread) = self.indexed(id)
            && scope.includes(thread.archived)
        {
            return Ok(self.named(thread));
        }
        let (path, archived) = self
            .find_path(id, scope)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let scanned = scan::whole(&path, archived)?.ok_or_else(|| StoreError::empty(&path))?;
        Ok(self.named(scanned.thread))
    }

    /// A thread with its turns. Blocks.
    pub(crate) fn history(&self, id: ThreadId, live_turn: Option<&str>) -> Result<ThreadHistory, StoreError> {
        let head = self.head(id)?;
        let turns = match &head.thread.path {
            Some(path) => history::turns(path, live_turn)?,
            None => Vec::new(),
        };
        Ok(ThreadHistory {
            head: head.shown()?,
            turns,
        })
    }
}

impl Scope {
    /// Whether a thread that is archived, or not, may be found.
    pub fn includes(self, archived: bool) -> bool {
        match self {
            Scope::All => true,
            Scope::Active => !archived,
            Scope::Archived => archived,
        }
    }
}
