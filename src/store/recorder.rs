//! The pen of one thread: appends lines to its rollout, in order, whole, and before anybody is told.
//!
//! Appends queue up; one task of the blocking pool at a time takes all that wait and writes them with one `write(2)`.
//! However many threads there are, only a few such tasks run (see `scribe`), so that a burst makes no crowd of OS threads.
//! An append is answered once its lines are with the kernel, or with a typed error and nothing recorded. The file is
//! made by the first append, its `session_meta` in front. An append whose caller went away is still carried out, in its
//! place. An ephemeral thread's recorder only keeps the digest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::Local;
use tokio::sync::oneshot;

use crate::protocol::ThreadId;
use crate::settings::Durability;
use crate::store::core::StoreCore;
use crate::store::digest::Digest;
use crate::store::durability::SyncTarget;
use crate::store::head::Head;
use crate::store::live::LiveThread;
use crate::store::rollout::codec::{encode_line, now_timestamp};
use crate::store::rollout::writer::RolloutFile;
use crate::store::rollout::{EventMsg, RolloutItem, SessionMeta, path};
use crate::store::scribe::Scribe;
use crate::store::thread::StoredThread;
use crate::store::{NewThread, StoreError};

/// One thread's recorder. Clones share the file and the order.
#[derive(Clone)]
pub struct Recorder(Arc<Pen>);

impl From<Arc<Pen>> for Recorder {
    fn from(pen: Arc<Pen>) -> Self {
        Recorder(pen)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({})", self.0.id)
    }
}

struct Append {
    items: Vec<RolloutItem>,
    /// Write the first line even if there are no items.
    materialise: bool,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(Default)]
struct Queue {
    appends: Vec<Append>,
    writing: bool,
}

/// The open end of the file, held by the one task that writes.
enum Nib {
    /// Nothing written yet: the file is to be made, with this first line.
    Deferred(Box<SessionMeta>),
    /// The file is there, not opened yet.
    Closed,
    /// Open for appending.
    Open(RolloutFile, Arc<SyncTarget>),
}

/// The state behind a recorder and its clones.
pub(crate) struct Pen {
    id: ThreadId,
    ephemeral: bool,
    queue: Mutex<Queue>,
    nib: Mutex<Nib>,
    live: Arc<LiveThread>,
    core: Weak<StoreCore>,
    scribe: Arc<Scribe>,
    durability: Durability,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder {
    /// A recorder for a new thread.
    pub(crate) fn create(core: &Arc<StoreCore>, new: NewThread) -> Self {
        let id = new.meta.id;
        let path = (!new.ephemeral).then(|| path::rollout_path(&core.home, id, Local::now()));
        let digest = Digest::of_new(&new.meta, path.clone());
        let live = Arc::new(LiveThread::new(digest));
        Self::build(core, id, new.ephemeral, Nib::Deferred(Box::new(new.meta)), live)
    }

    /// A recorder that goes on behind the lines of an existing rollout. What the index does not know of them is read
    /// from the file with the first change; until then the thread is laid over lists.
    pub(crate) fn resume(core: &Arc<StoreCore>, head: Head) -> Self {
        let id = head.thread.id;
        let digest = Digest::resume(head.thread);
        let live = Arc::new(LiveThread::resumed(digest, head.outline, head.landmarks));
        if !head.indexed {
            live.forgotten();
        }
        Self::build(core, id, false, Nib::Closed, live)
    }

    fn build(core: &Arc<StoreCore>, id: ThreadId, ephemeral: bool, nib: Nib, live: Arc<LiveThread>) -> Self {
        if !ephemeral {
            core.live.insert(id, Arc::clone(&live));
        }
        let pen = Arc::new(Pen {
            id,
            ephemeral,
            queue: Mutex::default(),
            nib: Mutex::new(nib),
            live,
            core: Arc::downgrade(core),
            scribe: Arc::clone(&core.scribe),
            durability: core.durability,
        });
        pen.live.set_pen(&pen);
        Recorder(pen)
    }

    /// A recorder for a new thread in the same store; `None` when the store is gone.
    pub fn sibling(&self, new: NewThread) -> Option<Self> {
        self.0.core.upgrade().map(|core| Self::create(&core, new))
    }

    /// The first line, while it is not written yet.
    pub(crate) fn deferred_meta(&self) -> Option<Box<SessionMeta>> {
        match &*lock(&self.0.nib) {
            Nib::Deferred(meta) => Some(meta.clone()),
            Nib::Closed | Nib::Open(..) => None,
        }
    }

    /// Does `work` while no line is being written: what it sees of the file ends with a whole append. Blocks.
    pub(crate) fn at_rest<T>(&self, work: impl FnOnce() -> T) -> T {
        let _nib = lock(&self.0.nib);
        work()
    }

    /// The thread.
    pub fn thread_id(&self) -> ThreadId {
        self.0.id
    }

    /// Where the rollout is, or will be; `None` for an ephemeral thread.
    pub fn path(&self) -> Option<PathBuf> {
        self.0.live.path()
    }

    /// Whether nothing is kept of the thread.
    pub fn is_ephemeral(&self) -> bool {
        self.0.ephemeral
    }

    /// Whether the rollout exists.
    pub fn is_materialised(&self) -> bool {
        self.0.live.on_disk()
    }

    /// The thread as recorded so far.
    pub fn thread(&self) -> StoredThread {
        self.0.live.snapshot()
    }

    /// Records lines. When this returns `Ok` they are with the kernel, in order and together; after an error none of
    /// them counts, and the thread can go on.
    pub async fn append(&self, items: Vec<RolloutItem>) -> Result<(), StoreError> {
        if items.is_empty() {
            return Ok(());
        }
        self.submit(items, false).await
    }

    /// Writes the first line now if it is not written yet.
    pub async fn materialise(&self) -> Result<(), StoreError> {
        if self.is_materialised() {
            return Ok(());
        }
        self.submit(Vec::new(), true).await
    }

    /// Forces what is recorded to the disk, and returns when it is there.
    pub async fn sync(&self) -> Result<(), StoreError> {
        let pen = Arc::clone(&self.0);
        blocking(move || match &*lock(&pen.nib) {
            Nib::Open(file, target) => target
                .sync_now()
                .map_err(|error| StoreError::write(file.path(), &error)),
            Nib::Deferred(_) => Ok(()),
            Nib::Closed => pen.live.path().map_or(Ok(()), |path| {
                std::fs::File::open(&path)
                    .and_then(|file| file.sync_data())
                    .map_err(|error| StoreError::write(&path, &error))
            }),
        })
        .await
    }

    async fn submit(&self, items: Vec<RolloutItem>, materialise: bool) -> Result<(), StoreError> {
        if self.is_ephemeral() {
            let lines: Vec<_> = items.into_iter().map(|item| (item, 0, 0)).collect();
            self.0.live.recorded(&lines, None);
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = lock(&self.0.queue);
            queue.appends.push(Append {
                items,
                materialise,
                reply,
            });
            !std::mem::replace(&mut queue.writing, true)
        };
        if start {
            self.0.scribe.queue(Arc::clone(&self.0));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(StoreError::Internal("the rollout writer is gone".to_owned())))
    }
}

/// Runs blocking work of the store on the blocking pool.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Internal(format!("blocking task failed: {error}"))),
    }
}

impl Pen {
    /// Writes until nothing waits.
    pub(crate) fn write_waiting(&self) {
        loop {
            let appends = {
                let mut queue = lock(&self.queue);
                if queue.appends.is_empty() {
                    queue.writing = false;
                    return;
                }
                std::mem::take(&mut queue.appends)
            };
            let mut replies = Vec::with_capacity(appends.len());
            let mut items = Vec::new();
            let mut materialise = false;
            for append in appends {
                items.extend(append.items);
                materialise |= append.materialise;
                replies.push(append.reply);
            }
            // A panic must not leave the queue without a writer.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(items, materialise)));
            let result = written.unwrap_or_else(|_| Err(StoreError::Internal("the rollout writer failed".to_owned())));
            for reply in replies {
                let _ = reply.send(result.clone());
            }
        }
    }

    fn write(&self, items: Vec<RolloutItem>, materialise: bool) -> Result<(), StoreError> {
        // Held before the path is asked for: a file that is being moved is found at its new place.
        let mut nib = lock(&self.nib);
        let Some(path) = self.live.path() else {
            return Ok(());
        };
        let ends_turn = items.iter().any(ends_turn);
        let listed_anew = items.iter().any(|item| {
            matches!(
                item,
                RolloutItem::SessionMeta(_)
                    | RolloutItem::Event(
                        EventMsg::UserMessage(_) | EventMsg::ThreadRolledBack(_) | EventMsg::ThreadGoalUpdated(_)
                    )
            )
        });
        let mut lines = Vec::with_capacity(items.len() + 1);
        let meta = match &*nib {
            Nib::Deferred(meta) => Some(RolloutItem::SessionMeta(meta.clone())),
            Nib::Closed | Nib::Open(..) => None,
        };
        if meta.is_none() && items.is_empty() && materialise {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(4096);
        let timestamp = now_timestamp();
        for item in meta.into_iter().chain(items) {
            let start = bytes.len();
            encode_line(&mut bytes, &timestamp, &item)
                .map_err(|error| StoreError::Internal(format!("failed to encode a rollout line: {error}")))?;
            lines.push((item, start as u64, (bytes.len() - start) as u64));
        }
        if self.live.lacks_outline()
            && let Some(core) = self.core.upgrade()
        {
            self.live.set_outline(core.stored_outline(self.id, &path)?);
        }
        let write_error = |error: std::io::Error| StoreError::write(&path, &error);
        let mut opened = None;
        let file = match &mut *nib {
            Nib::Open(file, _) => file,
            Nib::Deferred(_) => opened.insert(RolloutFile::create(&path).map_err(write_error)?),
            Nib::Closed => opened.insert(RolloutFile::open(&path).map_err(write_error)?),
        };
        let (stamp, base) = file.append(&bytes).map_err(write_error)?;
        if let Some(file) = opened {
            let folder = matches!(&*nib, Nib::Deferred(_))
                .then(|| path.parent().map(PathBuf::from))
                .flatten();
            let target = SyncTarget::new(file.file(), folder);
            *nib = Nib::Open(file, target);
        }
        for (_, offset, _) in &mut lines {
            *offset += base;
        }
        self.live.recorded(&lines, Some(stamp));
        if let Some(core) = self.core.upgrade() {
            if let Nib::Open(_, target) = &*nib
                && (self.durability == Durability::Item || (self.durability == Durability::Turn && ends_turn))
            {
                core.syncer.queue(target);
            }
            if ends_turn || listed_anew {
                core.index_live(self.id, &self.live);
            }
        }
        // An idle thread holds no open file: there may be more threads than descriptors.
        if ends_turn {
            *nib = Nib::Closed;
        }
        Ok(())
    }
}

fn ends_turn(item: &RolloutItem) -> bool {
    matches!(
        item,
        RolloutItem::Event(EventMsg::TaskComplete(_) | EventMsg::TurnAborted(_))
    )
}

impl Drop for Pen {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.index_live(self.id, &self.live);
            core.live_closed(self.id, &self.live);
        }
    }
}
