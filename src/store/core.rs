//! What the recorders and reads of one home share, and how a thread is found by its id.
//!
//! What the index says is believed only while the file still has the size and time of its row; then the row was made
//! from exactly this file, and its id with it. Anything else is read from the file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::protocol::ThreadId;
use crate::settings::Durability;
use crate::store::durability::Syncer;
use crate::store::index::folders::Folders;
use crate::store::index::state::IndexState;
use crate::store::live::{LiveThread, LiveThreads};
use crate::store::names::Names;
use crate::store::scribe::Scribe;
use crate::store::thread::StoredThread;
use crate::store::turns::{self, LoadedRollout};
use crate::store::warnings::Warnings;
use crate::store::{Scope, StoreError, scan};

/// The shared part of a store.
#[derive(Debug)]
pub(crate) struct StoreCore {
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
    pub(crate) fn new(home: PathBuf, durability: Durability) -> Self {
        StoreCore {
            names: Names::new(&home),
            home,
            durability,
            live: LiveThreads::default(),
            scribe: Arc::default(),
            syncer: Arc::default(),
            index: IndexState::default(),
            warnings: Warnings::default(),
        }
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

    /// Whether a row still agrees with its file.
    pub(crate) fn is_current(&self, thread: &StoredThread) -> bool {
        thread
            .path
            .as_deref()
            .and_then(scan::stamp)
            .is_some_and(|stamp| stamp.size == thread.file_size && stamp.mtime_ns == thread.file_mtime_ns)
    }

    /// The file of a thread and whether it is archived. Blocks.
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
        if let Some(thread) = self.indexed(id)
            && scope.includes(thread.archived)
        {
            return thread.path.map(|path| (path, thread.archived));
        }
        let by_name = [false, true]
            .into_iter()
            .filter(|archived| scope.includes(*archived))
            .find_map(|archived| scan::find_by_name(&self.home, id, archived).map(|path| (path, archived)));
        // A file renamed by hand is found through its row even if lines were added since, once its meta agrees.
        by_name.or_else(|| {
            let thread = self.index.reader()?.thread(id).ok().flatten()?;
            let path = thread.path?;
            let same = scan::head(&path, thread.archived).ok().flatten()?.id == id;
            (same && scope.includes(thread.archived)).then_some((path, thread.archived))
        })
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

    /// A thread with its turns and conversation. Blocks.
    pub(crate) fn load(&self, id: ThreadId, live_turn: Option<&str>) -> Result<LoadedRollout, StoreError> {
        let (path, archived) = self
            .find_path(id, Scope::All)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.load_path(&path, archived, live_turn)
    }

    /// The same of a file. Blocks.
    pub(crate) fn load_path(
        &self,
        path: &Path,
        archived: bool,
        live_turn: Option<&str>,
    ) -> Result<LoadedRollout, StoreError> {
        let mut loaded = turns::load(path, archived, live_turn)?;
        loaded.history.thread.name = self.names.get(loaded.history.thread.id);
        Ok(loaded)
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
