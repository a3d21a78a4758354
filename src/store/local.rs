//! The threads below a home folder: rollouts in files, found through the index when there is one.
//!
//! State owned: the live threads, the names, the queue of files to be synced, and the handle of the index. Every read
//! works without the index; with it, what it says is checked against the file before it is believed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::ThreadId;
use crate::store::durability::{Durability, Syncer};
use crate::store::list::{Cursor, ListQuery, ThreadPage};
use crate::store::live::{LiveThread, LiveThreads};
use crate::store::names::Names;
use crate::store::recorder::{Recorder, blocking};
use crate::store::rollout::path as rollout_path;
use crate::store::thread::{StoredThread, ThreadHistory};
use crate::store::turns::{self, LoadedRollout};
use crate::store::{NewThread, ResumedThread, Scope, StoreError, StoreFuture, ThreadStore, scan};

/// What recorders and reads of one home share.
#[derive(Debug)]
pub(crate) struct StoreCore {
    pub(crate) home: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) live: LiveThreads,
    pub(crate) names: Names,
    pub(crate) syncer: Arc<Syncer>,
}

impl StoreCore {
    /// A live thread changed in a way that lists show.
    pub(crate) fn index_live(&self, _id: ThreadId, _thread: &Arc<LiveThread>) {}

    /// A live thread's recorder is gone.
    pub(crate) fn live_closed(&self, id: ThreadId, thread: &Arc<LiveThread>) {
        self.live.remove(id, thread);
    }

    fn named(&self, mut thread: StoredThread) -> StoredThread {
        thread.name = self.names.get(thread.id);
        thread
    }

    /// The file of a thread and whether it is archived. Blocks.
    pub(crate) fn find_path(&self, id: ThreadId, scope: Scope) -> Option<(PathBuf, bool)> {
        if let Some(live) = self.live.get(id)
            && live.on_disk()
        {
            let thread = live.snapshot();
            if let Some(path) = thread.path
                && in_scope(thread.archived, scope)
                && path.is_file()
            {
                return Some((path, thread.archived));
            }
        }
        [false, true]
            .into_iter()
            .filter(|archived| in_scope(*archived, scope))
            .find_map(|archived| scan::find_by_name(&self.home, id, archived).map(|path| (path, archived)))
    }

    fn load(&self, id: ThreadId, live_turn: Option<&str>) -> Result<LoadedRollout, StoreError> {
        let (path, archived) = self
            .find_path(id, Scope::All)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.load_path(&path, archived, live_turn)
    }

    fn load_path(&self, path: &Path, archived: bool, live_turn: Option<&str>) -> Result<LoadedRollout, StoreError> {
        let mut loaded = turns::load(path, archived, live_turn)?;
        loaded.history.thread.name = self.names.get(loaded.history.thread.id);
        Ok(loaded)
    }

    fn list_files(&self, query: &ListQuery) -> Result<ThreadPage, StoreError> {
        let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
        let mut threads: Vec<StoredThread> = scan::all_files(&self.home, query.archived)
            .into_iter()
            .filter_map(|path| scan::head(&path, query.archived).ok().flatten())
            .map(|thread| self.named(thread))
            .filter(|thread| query.matches(thread))
            .filter(|thread| cursor.is_none_or(|cursor| query.is_after(thread, &cursor)))
            .collect();
        threads.sort_by(|a, b| query.order(a, b));
        Ok(query.page(threads))
    }
}

fn in_scope(archived: bool, scope: Scope) -> bool {
    match scope {
        Scope::All => true,
        Scope::Active => !archived,
        Scope::Archived => archived,
    }
}

/// The threads below a home folder.
#[derive(Debug, Clone)]
pub struct LocalThreadStore {
    core: Arc<StoreCore>,
}

impl LocalThreadStore {
    /// The store of `home`. Touches no file.
    pub fn new(home: PathBuf, durability: Durability) -> Self {
        LocalThreadStore {
            core: Arc::new(StoreCore {
                names: Names::new(&home),
                home,
                durability,
                live: LiveThreads::default(),
                syncer: Arc::default(),
            }),
        }
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.core.home
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&StoreCore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let core = Arc::clone(&self.core);
        blocking(move || work(&core)).await
    }

    async fn resume_with(
        &self,
        load: impl FnOnce(&StoreCore) -> Result<LoadedRollout, StoreError> + Send + 'static,
    ) -> Result<ResumedThread, StoreError> {
        let LoadedRollout { history, outline } = self.with(load).await?;
        let recorder = Recorder::resume(&self.core, history.thread.clone(), outline);
        Ok(ResumedThread { recorder, history })
    }
}

impl ThreadStore for LocalThreadStore {
    fn create(&self, new: NewThread) -> Result<Recorder, StoreError> {
        Ok(Recorder::create(&self.core, new))
    }

    fn resume(&self, id: ThreadId) -> StoreFuture<'_, ResumedThread> {
        Box::pin(self.resume_with(move |core| core.load(id, None)))
    }

    fn resume_path<'a>(&'a self, path: &'a Path) -> StoreFuture<'a, ResumedThread> {
        let path = path.to_path_buf();
        Box::pin(
            self.resume_with(move |core| core.load_path(&path, rollout_path::is_archived(&core.home, &path), None)),
        )
    }

    fn read(&self, id: ThreadId, scope: Scope) -> StoreFuture<'_, StoredThread> {
        Box::pin(self.with(move |core| {
            let missing = || StoreError::NotFound(id.to_string());
            if let Some(live) = core.live.get(id) {
                return Ok(core.named(live.snapshot()));
            }
            let (path, archived) = core.find_path(id, scope).ok_or_else(missing)?;
            let scanned = scan::whole(&path, archived)?
                .ok_or_else(|| StoreError::read(&path, format_args!("rollout at {} is empty", path.display())))?;
            Ok(core.named(scanned.thread))
        }))
    }

    fn history<'a>(&'a self, id: ThreadId, live_turn: Option<&'a str>) -> StoreFuture<'a, ThreadHistory> {
        let live_turn = live_turn.map(str::to_owned);
        Box::pin(async move {
            let loaded = self.with(move |core| core.load(id, live_turn.as_deref())).await?;
            Ok(loaded.history)
        })
    }

    fn history_path<'a>(&'a self, path: &'a Path) -> StoreFuture<'a, ThreadHistory> {
        let path = path.to_path_buf();
        Box::pin(async move {
            let loaded = self
                .with(move |core| core.load_path(&path, rollout_path::is_archived(&core.home, &path), None))
                .await?;
            Ok(loaded.history)
        })
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, ThreadPage> {
        Box::pin(self.with(move |core| core.list_files(&query)))
    }

    fn rename<'a>(&'a self, id: ThreadId, name: &'a str) -> StoreFuture<'a, ()> {
        let name = name.to_owned();
        Box::pin(self.with(move |core| core.names.set(id, &name)))
    }

    fn archive(&self, id: ThreadId) -> StoreFuture<'_, PathBuf> {
        Box::pin(self.with(move |core| core.archive(id)))
    }

    fn unarchive(&self, id: ThreadId) -> StoreFuture<'_, PathBuf> {
        Box::pin(self.with(move |core| core.unarchive(id)))
    }
}

impl StoreCore {
    fn archive(&self, id: ThreadId) -> Result<PathBuf, StoreError> {
        let (path, _) = self
            .find_path(id, Scope::Active)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let name = path.file_name().ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        self.move_file(id, &path, self.home.join(rollout_path::ARCHIVED).join(name), true)
    }

    fn unarchive(&self, id: ThreadId) -> Result<PathBuf, StoreError> {
        let (path, _) = self
            .find_path(id, Scope::Archived)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let target = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| rollout_path::unarchived_path(&self.home, name))
            .ok_or_else(|| StoreError::Invalid(format!("{} has no day in its name", path.display())))?;
        let target = self.move_file(id, &path, target, false)?;
        // The thread counts as used now.
        let touched = std::fs::File::options()
            .append(true)
            .open(&target)
            .and_then(|file| file.set_modified(std::time::SystemTime::now()));
        if let Err(error) = touched {
            tracing::warn!(%error, "unarchived rollout keeps its old time");
        }
        Ok(target)
    }

    fn move_file(&self, id: ThreadId, from: &Path, to: PathBuf, archived: bool) -> Result<PathBuf, StoreError> {
        let moved = to
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::rename(from, &to));
        moved.map_err(|error| StoreError::Internal(format!("failed to move {}: {error}", from.display())))?;
        if let Some(live) = self.live.get(id) {
            live.moved(to.clone(), archived);
        }
        Ok(to)
    }
}
