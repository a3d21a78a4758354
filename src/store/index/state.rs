//! What a store knows of its index: whether there is one, which live threads it has not heard of yet, and whether files
//! appeared that it does not know.
//!
//! The index is used for reading only while `reader` is set: from the end of the backfill until the database fails.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::protocol::ThreadId;
use crate::store::counters::Reason;
use crate::store::index::folders::Folders;
use crate::store::index::reader::IndexReader;
use crate::store::index::{IndexError, IndexJob, IndexWriter, WriteOp};
use crate::store::live::{LiveThread, LiveThreads};
use crate::store::scan;

/// A change on its way into the index.
#[derive(Debug)]
pub struct PendingChange {
    /// The thread.
    pub id: ThreadId,
    /// What is to be written.
    pub op: WriteOp,
    live: Arc<LiveThread>,
    version: u64,
}

#[derive(Debug, Default)]
struct Dirty {
    threads: HashMap<ThreadId, Arc<LiveThread>>,
    /// Nothing will ever fetch the marks: none are kept.
    off: bool,
}

/// The index as the store sees it.
#[derive(Default)]
pub(crate) struct IndexState {
    writer: RwLock<Option<Arc<dyn IndexWriter>>>,
    reader: RwLock<Option<Arc<IndexReader>>>,
    dirty: Mutex<Dirty>,
    pub(crate) folders: Mutex<Folders>,
}

impl std::fmt::Debug for IndexState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexState")
    }
}

impl IndexState {
    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ties the writer in; a new one takes the place of one that has fallen.
    pub(crate) fn set_writer(&self, writer: Arc<dyn IndexWriter>) {
        *self.writer.write().unwrap_or_else(PoisonError::into_inner) = Some(writer);
    }

    /// The writer, if there is one.
    pub(crate) fn writer(&self) -> Option<Arc<dyn IndexWriter>> {
        self.writer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A reader failed: where that means damage, the writer is to look into it.
    pub(crate) fn failed_to_read(&self, error: &IndexError) {
        if let IndexError::Broken(_) = error
            && let Some(writer) = self.writer()
        {
            writer.doubt();
        }
    }

    /// The reader, while the index can be believed.
    pub(crate) fn reader(&self) -> Option<Arc<IndexReader>> {
        self.reader.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is still the reader to believe.
    pub(crate) fn reads_with(&self, reader: &Arc<IndexReader>) -> bool {
        self.reader().is_some_and(|now| Arc::ptr_eq(&now, reader))
    }

    /// Why nothing is read from the index, if nothing is.
    pub(crate) fn absence(&self) -> Option<Reason> {
        match (self.reader(), self.is_on()) {
            (Some(_), _) => None,
            (None, true) => Some(Reason::BackfillIncomplete),
            (None, false) => Some(Reason::DbUnavailable),
        }
    }

    /// Starts or ends reading from the index.
    pub(crate) fn set_reader(&self, reader: Option<Arc<IndexReader>>) {
        *self.reader.write().unwrap_or_else(PoisonError::into_inner) = reader;
    }

    /// Whether marks are fetched.
    pub(crate) fn is_on(&self) -> bool {
        self.writer().is_some() && !self.dirty().off
    }

    /// The database can be written, or cannot be had. Returns the threads whose marks went.
    pub(crate) fn switch(&self, on: bool) -> Vec<(ThreadId, Arc<LiveThread>)> {
        let mut dirty = self.dirty();
        dirty.off = !on;
        if on {
            Vec::new()
        } else {
            dirty.threads.drain().collect()
        }
    }

    /// Marks a live thread.
    pub(crate) fn mark(&self, id: ThreadId, thread: &Arc<LiveThread>) {
        let Some(writer) = self.writer() else { return };
        let fresh = {
            let mut dirty = self.dirty();
            !dirty.off && dirty.threads.insert(id, Arc::clone(thread)).is_none()
        };
        if fresh {
            writer.wake();
        }
    }

    /// Fetches the changes of up to `limit` marked threads. Blocks when one has to be read again.
    pub(crate) fn take_changes(&self, limit: usize) -> Vec<PendingChange> {
        let marked: Vec<_> = {
            let mut dirty = self.dirty();
            let ids: Vec<_> = dirty.threads.keys().take(limit).copied().collect();
            ids.into_iter()
                .filter_map(|id| dirty.threads.remove_entry(&id))
                .collect()
        };
        marked
            .into_iter()
            .filter_map(|(id, live)| {
                let (change, lost) = live.take_change()?;
                let version = change.version;
                let op = if lost {
                    let path = change.thread.path.clone()?;
                    WriteOp::Job(match scan::whole(&path, change.thread.archived).ok().flatten() {
                        Some(scanned) => IndexJob::Scanned(Box::new(scanned)),
                        None => IndexJob::Gone { id, path },
                    })
                } else {
                    WriteOp::Live(Box::new(change))
                };
                Some(PendingChange { id, op, live, version })
            })
            .collect()
    }

    /// Marks every live thread that the index may not know; it is read from its file.
    pub(crate) fn mark_all(&self, live: &LiveThreads) {
        for (id, thread) in live.all_ahead() {
            thread.lost_change();
            self.mark(id, &thread);
        }
    }

    /// Whether marks wait.
    pub(crate) fn has_marks(&self) -> bool {
        !self.dirty().threads.is_empty()
    }

    /// A change was not written: the thread's file will be read for the next attempt.
    pub(crate) fn failed(&self, change: &PendingChange) {
        change.live.lost_change();
        let mut dirty = self.dirty();
        if !dirty.off {
            dirty.threads.insert(change.id, Arc::clone(&change.live));
        }
    }
}

impl PendingChange {
    /// The live thread, which has been told that the index has the change.
    pub(crate) fn confirm(&self) -> &Arc<LiveThread> {
        self.live.indexed(self.version);
        &self.live
    }
}
