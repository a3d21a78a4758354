//! The threads that this process is recording, as far as reading them needs it.
//!
//! A recorder folds its lines into its thread's digest before `append` returns, so a list made after a turn ended shows
//! the turn, whether or not the index has caught up. A thread counts as *ahead* of the index from a change until the
//! index has confirmed it; only such threads are laid over a page read from the index.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use dashmap::DashMap;

use crate::protocol::ThreadId;
use crate::store::digest::Digest;
use crate::store::recorder::{Pen, Recorder};
use crate::store::rollout::RolloutItem;
use crate::store::rollout::writer::FileStamp;
use crate::store::thread::StoredThread;
use crate::store::turns::outline::{Outline, OutlineChange};
use crate::store::turns::{Landmarks, Span};

#[derive(Debug)]
struct State {
    digest: Digest,
    /// `None` while nothing was recorded on top of what is stored.
    outline: Option<Outline>,
    landmarks: Landmarks,
    /// Whether a line has been written.
    on_disk: bool,
    /// Counts changes.
    version: u64,
    /// The last change the index has.
    indexed: u64,
    /// A change was fetched and not written: the file has to be read.
    lost: bool,
    /// The recorder is gone.
    closed: bool,
}

/// A thread being recorded.
#[derive(Debug)]
pub struct LiveThread {
    state: Mutex<State>,
    pen: OnceLock<Weak<Pen>>,
}

/// A snapshot for the index.
#[derive(Debug)]
pub struct LiveChange {
    /// The thread's row.
    pub thread: StoredThread,
    /// The turns and items that changed since the last snapshot.
    pub outline: OutlineChange,
    /// Where the thread is to be taken up.
    pub landmarks: Landmarks,
    /// The change this snapshot includes.
    pub version: u64,
}

impl LiveThread {
    /// A thread that begins with its recorder.
    pub(crate) fn new(digest: Digest) -> Self {
        Self::build(digest, Some(Outline::default()), Landmarks::default(), false)
    }

    /// A thread that goes on. Without its outline, that is asked for before the first line.
    pub(crate) fn resumed(digest: Digest, outline: Option<Outline>, landmarks: Landmarks) -> Self {
        Self::build(digest, outline, landmarks, true)
    }

    fn build(digest: Digest, outline: Option<Outline>, landmarks: Landmarks, on_disk: bool) -> Self {
        LiveThread {
            state: Mutex::new(State {
                digest,
                outline,
                landmarks,
                on_disk,
                version: 0,
                indexed: 0,
                lost: false,
                closed: false,
            }),
            pen: OnceLock::new(),
        }
    }

    /// Ties in the pen that writes it.
    pub(crate) fn set_pen(&self, pen: &Arc<Pen>) {
        let _ = self.pen.set(Arc::downgrade(pen));
    }

    /// The recorder that writes it, while there is one.
    pub(crate) fn recorder(&self) -> Option<Recorder> {
        self.pen.get()?.upgrade().map(Recorder::from)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread as it is now.
    pub fn snapshot(&self) -> StoredThread {
        self.state().digest.thread().clone()
    }

    /// Where the rollout is, or will be.
    pub fn path(&self) -> Option<PathBuf> {
        self.state().digest.thread().path.clone()
    }

    /// Whether the rollout exists.
    pub fn on_disk(&self) -> bool {
        self.state().on_disk
    }

    /// Whether the outline has to be given before lines are recorded.
    pub(crate) fn lacks_outline(&self) -> bool {
        self.state().outline.is_none()
    }

    /// The id of the last turn, if the outline is known.
    pub(crate) fn last_turn_id(&self) -> Option<String> {
        self.state().outline.as_ref()?.last_turn_id().map(str::to_owned)
    }

    /// Gives the outline of what is stored.
    pub(crate) fn set_outline(&self, outline: Outline) {
        self.state().outline.get_or_insert(outline);
    }

    /// Where the thread is to be taken up.
    pub(crate) fn landmarks(&self) -> Landmarks {
        self.state().landmarks.clone()
    }

    /// Folds in recorded lines, each with its place in the file.
    pub(crate) fn recorded(&self, lines: &[(RolloutItem, u64, u64)], stamp: Option<FileStamp>) {
        let mut state = self.state();
        let State {
            digest,
            outline,
            landmarks,
            ..
        } = &mut *state;
        let outline = outline.get_or_insert_default();
        for (item, offset, len) in lines {
            let line = Span {
                offset: *offset,
                len: *len,
            };
            digest.observe(item);
            outline.observe(item, line.offset, line.len);
            landmarks.observe(item, line, digest.thread().id, outline.last_turn_id());
        }
        landmarks.tail = outline.tail();
        if let Some(stamp) = stamp {
            state.digest.stamp(stamp);
            state.on_disk = true;
        }
        state.version += 1;
    }

    /// The rollout was moved.
    pub(crate) fn moved(&self, path: PathBuf, archived: bool) {
        let mut state = self.state();
        let thread = state.digest.thread_mut();
        thread.path = Some(path);
        thread.archived = archived;
        state.version += 1;
    }

    /// What the index must be told, if it is behind, and whether the file has to be read for it.
    pub(crate) fn take_change(&self) -> Option<(LiveChange, bool)> {
        let mut state = self.state();
        if state.version == state.indexed || !state.on_disk {
            return None;
        }
        let lost = std::mem::take(&mut state.lost);
        let change = LiveChange {
            thread: state.digest.thread().clone(),
            outline: state.outline.as_mut().map(Outline::take_change).unwrap_or_default(),
            landmarks: state.landmarks.clone(),
            version: state.version,
        };
        Some((change, lost))
    }

    /// A fetched change did not reach the index.
    pub(crate) fn lost_change(&self) {
        self.state().lost = true;
    }

    /// The index knows nothing of the thread any more: all of it counts as a change.
    pub(crate) fn forgotten(&self) {
        let mut state = self.state();
        state.lost = true;
        state.version += 1;
    }

    /// The index has this change.
    pub(crate) fn indexed(&self, version: u64) {
        let mut state = self.state();
        state.indexed = state.indexed.max(version);
    }

    /// The recorder is gone.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    /// Whether the recorder is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Whether nothing will need this any more: the recorder is gone and the index has everything.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.state();
        state.closed && (state.version == state.indexed || !state.on_disk)
    }

    /// The thread as it is now, if the index may not know it yet.
    pub(crate) fn ahead(&self) -> Option<StoredThread> {
        let state = self.state();
        (state.on_disk && state.version != state.indexed).then(|| state.digest.thread().clone())
    }
}

/// All threads being recorded by this process.
#[derive(Debug, Default)]
pub struct LiveThreads {
    threads: DashMap<ThreadId, Arc<LiveThread>>,
}

impl LiveThreads {
    pub(crate) fn insert(&self, id: ThreadId, thread: Arc<LiveThread>) {
        self.threads.insert(id, thread);
    }

    /// Forgets a thread, unless another recorder has taken it up since.
    pub(crate) fn remove(&self, id: ThreadId, thread: &Arc<LiveThread>) {
        self.threads.remove_if(&id, |_, known| Arc::ptr_eq(known, thread));
    }

    /// The thread, if it is being recorded.
    pub fn get(&self, id: ThreadId) -> Option<Arc<LiveThread>> {
        self.threads.get(&id).map(|entry| Arc::clone(entry.value()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.threads.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// Every thread the index may not know in its present form.
    pub fn ahead(&self) -> Vec<StoredThread> {
        self.threads.iter().filter_map(|entry| entry.value().ahead()).collect()
    }

    /// A database was opened that has these threads: it is to be told all others.
    pub(crate) fn known_are(&self, known: &HashSet<ThreadId>) {
        for entry in self.threads.iter().filter(|entry| !known.contains(entry.key())) {
            entry.value().forgotten();
        }
    }

    /// The same as handles.
    pub(crate) fn all_ahead(&self) -> Vec<(ThreadId, Arc<LiveThread>)> {
        self.threads
            .iter()
            .filter(|entry| entry.value().ahead().is_some())
            .map(|entry| (*entry.key(), Arc::clone(entry.value())))
            .collect()
    }
}
