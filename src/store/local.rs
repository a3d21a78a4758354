//! The threads below a home folder: rollouts in files, found through the index when there is one.
//!
//! This is the store's face: the [`ThreadStore`] operations, and what the owner of the index tells it. Every read works
//! without the index. Blocking work goes to the blocking pool.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::protocol::{ThreadGoal, ThreadId, Turn};
use crate::settings::Durability;
use crate::store::core::StoreCore;
use crate::store::head::Head;
use crate::store::index::{IndexError, IndexReader, IndexWriter, PendingChange, connection};
use crate::store::list::{ListQuery, ThreadPage};
use crate::store::recorder::{Recorder, blocking};
use crate::store::rollout::path as rollout_path;
use crate::store::thread::{StoredConversation, StoredThread, ThreadHistory};
use crate::store::{
    ForkOf, ForkSource, ItemPage, ItemQuery, LocalAgentGraph, MetadataPatch, NewFork, NewThread, ResumedThread, Scope,
    StoreError, StoreFuture, StoreWarning, ThreadStore, TurnPage, TurnQuery,
};

/// The threads below a home folder.
#[derive(Debug, Clone)]
pub struct LocalThreadStore {
    pub(super) core: Arc<StoreCore>,
}

impl LocalThreadStore {
    /// The store of `home`. Looks at a few bytes of the index's file, so that one that is plainly broken is known of
    /// before the first client; opens nothing.
    pub fn open(home: PathBuf, durability: Durability) -> Self {
        let store = LocalThreadStore {
            core: StoreCore::new(home, durability),
        };
        if let Some(aside) = connection::check_header(store.home()) {
            store.index_replaced(&aside);
        }
        store
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        &self.core.home
    }

    /// The tree of agents of the same home, over the same index.
    pub fn agent_graph(&self) -> LocalAgentGraph {
        LocalAgentGraph::new(Arc::clone(&self.core))
    }

    /// What a person should know; more may come.
    pub fn warnings(&self) -> Vec<StoreWarning> {
        self.core.warnings.all()
    }

    /// Hears warnings that come from now on. There is one listener; false when there was one already.
    pub fn on_warning(&self, listener: impl Fn(&StoreWarning) + Send + Sync + 'static) -> bool {
        self.core.warnings.listen(Box::new(listener))
    }

    /// Whether reads are answered from the index now.
    pub fn index_ready(&self) -> bool {
        self.core.index.reader().is_some()
    }

    /// Ties the writer of the index in, before threads are recorded, or in place of one that has fallen.
    pub fn set_index_writer(&self, writer: Arc<dyn IndexWriter>) {
        self.core.index.set_writer(writer);
    }

    /// The index can be written: brings it up to the files, then reads from it.
    pub async fn index_opened(&self) -> Result<(), StoreError> {
        self.core.index.switch(true);
        let reader = Arc::new(IndexReader::new(self.home()));
        let rows = Arc::clone(&reader);
        let known = self
            .with(move |_| rows.files().map_err(|error| StoreError::Internal(error.to_string())))
            .await?;
        // Live threads tell of themselves, so one that was begun anew has to hear of those that do not change, too.
        self.core
            .live
            .known_are(&known.into_iter().map(|file| file.id).collect());
        self.core.index.mark_all(&self.core.live);
        self.core.backfill(reader).await
    }

    /// Looks into an index that is in doubt, and puts it out of the way if it is damaged, or was in doubt only just now.
    /// Blocks.
    pub fn examine_index(&self, again: bool) {
        let damaged = match connection::check(self.home()) {
            Err(IndexError::Broken(reason)) => {
                tracing::error!(%reason, "the thread index is broken");
                true
            }
            Ok(()) | Err(_) => again,
        };
        if damaged && let Ok(aside) = connection::set_aside(self.home()) {
            self.index_replaced(&aside);
        }
    }

    /// A broken index was put at `aside` and begun anew.
    pub fn index_replaced(&self, aside: &Path) {
        self.core.warnings.add(
            "The thread index was broken and is being rebuilt from the rollout files.".to_owned(),
            Some(format!("The broken file was kept as {}.", aside.display())),
        );
    }

    /// There is no index for now: reads come from the files.
    pub fn index_unavailable(&self, reason: &str) {
        self.core.index.set_reader(None);
        for (id, thread) in self.core.index.switch(false) {
            if thread.is_closed() {
                self.core.live.remove(id, &thread);
            }
        }
        self.core.warnings.add(
            "The thread index cannot be used; threads are read from their files, which is slower.".to_owned(),
            Some(reason.to_owned()),
        );
    }

    /// Fetches changes of live threads for the index. Blocks now and then.
    pub fn take_changes(&self, limit: usize) -> Vec<PendingChange> {
        self.core.index.take_changes(limit)
    }

    /// Whether changes of live threads wait for the index.
    pub fn has_changes(&self) -> bool {
        self.core.index.has_marks()
    }

    /// Tells how a fetched change went.
    pub fn change_written(&self, change: &PendingChange, ok: bool) {
        if !ok {
            self.core.index.failed(change);
            return;
        }
        let live = change.confirm();
        if live.is_done() {
            self.core.live.remove(change.id, live);
        }
    }

    /// How many threads are recorded now, or wait for the index.
    pub fn live_count(&self) -> usize {
        self.core.live.len()
    }

    /// Waits until the index has everything that was recorded before.
    pub async fn index_settled(&self) -> Result<(), StoreError> {
        self.core.apply(Vec::new()).await
    }

    pub(super) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&StoreCore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let core = Arc::clone(&self.core);
        blocking(move || work(&core)).await
    }

    pub(super) async fn resume_with(
        &self,
        find: impl FnOnce(&StoreCore) -> Result<Head, StoreError> + Send + 'static,
    ) -> Result<ResumedThread, StoreError> {
        let (head, shown) = self
            .with(|core| {
                let head = find(core)?;
                let shown = head.shown()?;
                Ok((head, shown))
            })
            .await?;
        let recorder = Recorder::resume(&self.core, head);
        Ok(ResumedThread { recorder, head: shown })
    }

    /// After a move the index is told from the file, before the caller goes on.
    async fn moved(&self, from_archive: bool, path: PathBuf) -> Result<PathBuf, StoreError> {
        if self.index_ready()
            && let Err(error) = self.core.index_files(vec![(path.clone(), !from_archive)]).await
        {
            tracing::warn!(%error, "the index learns of a moved thread later");
        }
        Ok(path)
    }
}

impl ThreadStore for LocalThreadStore {
    fn create(&self, new: NewThread) -> Result<Recorder, StoreError> {
        Ok(Recorder::create(&self.core, new))
    }

    fn resume(&self, id: ThreadId) -> StoreFuture<'_, ResumedThread> {
        Box::pin(self.resume_with(move |core| core.head(id)))
    }

    fn resume_path<'a>(&'a self, path: &'a Path) -> StoreFuture<'a, ResumedThread> {
        let path = path.to_path_buf();
        Box::pin(self.resume_with(move |core| core.head_at(&path, rollout_path::is_archived(&core.home, &path))))
    }

    fn read(&self, id: ThreadId, scope: Scope) -> StoreFuture<'_, StoredThread> {
        Box::pin(self.with(move |core| core.read(id, scope)))
    }

    fn read_path<'a>(&'a self, path: &'a Path) -> StoreFuture<'a, StoredThread> {
        let path = path.to_path_buf();
        Box::pin(self.with(move |core| {
            let archived = rollout_path::is_archived(&core.home, &path);
            Ok(core.head_at(&path, archived)?.thread)
        }))
    }

    fn history<'a>(&'a self, id: ThreadId, live_turn: Option<&'a str>) -> StoreFuture<'a, ThreadHistory> {
        let live_turn = live_turn.map(str::to_owned);
        Box::pin(self.with(move |core| core.history(id, live_turn.as_deref())))
    }

    fn conversation(&self, id: ThreadId, rolled_back: usize) -> StoreFuture<'_, StoredConversation> {
        Box::pin(self.with(move |core| core.conversation(id, rolled_back)))
    }

    fn fork_source<'a>(&'a self, of: ForkOf<'a>) -> StoreFuture<'a, ForkSource> {
        let of = of.into_owned();
        Box::pin(self.with(move |core| core.fork_source(&of)))
    }

    fn fork<'a>(&'a self, source: &'a ForkSource, new: NewFork) -> StoreFuture<'a, ResumedThread> {
        Box::pin(self.fork_stored(source.clone(), new))
    }

    fn look_into<'a>(&'a self, source: &'a ForkSource) -> StoreFuture<'a, (Vec<Turn>, StoredConversation)> {
        let source = source.clone();
        Box::pin(self.with(move |_| source.look_into()))
    }

    fn update_metadata(&self, id: ThreadId, patch: MetadataPatch) -> StoreFuture<'_, StoredThread> {
        Box::pin(self.patch(id, patch))
    }

    fn list_turns(&self, id: ThreadId, query: TurnQuery) -> StoreFuture<'_, TurnPage> {
        Box::pin(self.core.turn_page(id, query))
    }

    fn list_items(&self, id: ThreadId, query: ItemQuery) -> StoreFuture<'_, ItemPage> {
        Box::pin(self.core.item_page(id, query))
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, ThreadPage> {
        Box::pin(self.core.list(query))
    }

    fn goal(&self, id: ThreadId) -> StoreFuture<'_, Option<ThreadGoal>> {
        Box::pin(self.with(move |core| core.goal(id)))
    }

    fn rename<'a>(&'a self, id: ThreadId, name: &'a str) -> StoreFuture<'a, ()> {
        let name = name.to_owned();
        Box::pin(self.with(move |core| core.names.set(id, &name)))
    }

    fn archive(&self, id: ThreadId) -> StoreFuture<'_, PathBuf> {
        Box::pin(async move {
            let path = self.with(move |core| core.archive(id)).await?;
            self.moved(false, path).await
        })
    }

    fn unarchive(&self, id: ThreadId) -> StoreFuture<'_, PathBuf> {
        Box::pin(async move {
            let path = self.with(move |core| core.unarchive(id)).await?;
            self.moved(true, path).await
        })
    }
}
