//! Answering lists: from the index with the live threads laid over, or from the files.
//!
//! A page read from the index is checked against the files it points at before it is shown, and read again once the
//! rows that were out of date are renewed. Nothing else is touched, so a list costs its page.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::protocol::{SortDirection, ThreadSortKey};
use crate::store::core::StoreCore;
use crate::store::counters::Caller;
use crate::store::index::{IndexJob, IndexReader};
use crate::store::list::{Cursor, ListQuery, ThreadPage};
use crate::store::metadata;
use crate::store::recorder::blocking;
use crate::store::rollout::path as rollout_path;
use crate::store::scan;
use crate::store::thread::StoredThread;
use crate::store::{Scope, StoreError};

/// How often stale rows of a page are renewed before the page is shown as it is.
const ATTEMPTS: usize = 3;
/// How often lists cause a look at all files, for changes by other programs that no page shows.
const FULL_LOOK: Duration = Duration::from_secs(10);
/// How many files a list without the index reads at most.
const SCAN_CAP: usize = 10_000;

/// A page from the index, and what was wrong with it.
struct Draft {
    page: ThreadPage,
    stale: Vec<(PathBuf, bool)>,
    gone: Vec<IndexJob>,
}

impl StoreCore {
    /// A page of threads.
    pub(crate) async fn list(self: &Arc<Self>, query: ListQuery) -> Result<ThreadPage, StoreError> {
        let cursor = query.cursor.as_deref().map(Cursor::parse).transpose()?;
        if query.cwds.as_ref().is_some_and(Vec::is_empty) {
            return Ok(ThreadPage::default());
        }
        let query = Arc::new(query);
        if let Some(reader) = self.index.reader() {
            match self.list_indexed(&query, cursor, Arc::clone(&reader)).await {
                // A database that was begun anew meanwhile does not know its threads yet.
                Ok(page) if self.index.reads_with(&reader) => return Ok(page),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "list falls back to the files"),
            }
        }
        self.fell_back(Caller::ListThreads);
        if query.index_only {
            return Ok(ThreadPage::default());
        }
        let core = Arc::clone(self);
        blocking(move || Ok(core.list_files(&query, cursor))).await
    }

    async fn list_indexed(
        self: &Arc<Self>,
        query: &Arc<ListQuery>,
        cursor: Option<Cursor>,
        reader: Arc<IndexReader>,
    ) -> Result<ThreadPage, StoreError> {
        if !query.index_only {
            self.look_for_files(&reader).await?;
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (core, query, reader) = (Arc::clone(self), Arc::clone(query), Arc::clone(&reader));
            let draft = blocking(move || core.draft(&query, cursor, &reader)).await?;
            if attempt == ATTEMPTS || (draft.stale.is_empty() && draft.gone.is_empty()) {
                return Ok(draft.page);
            }
            if !draft.gone.is_empty() {
                self.apply(draft.gone).await?;
            }
            self.index_files(draft.stale).await?;
        }
    }

    /// Reads files that other programs made since the last look.
    async fn look_for_files(self: &Arc<Self>, reader: &Arc<IndexReader>) -> Result<(), StoreError> {
        let core = Arc::clone(self);
        let came = blocking(move || {
            let ours = |id| core.live.get(id).is_some();
            Ok(core.folders().look(&core.home, ours))
        })
        .await?;
        if !came.is_empty() {
            self.index_files(came).await?;
        }
        if self.full_look_due() {
            let (core, reader) = (Arc::clone(self), Arc::clone(reader));
            tokio::spawn(async move {
                if let Err(error) = core.catch_up(reader).await {
                    tracing::warn!(%error, "index could not catch up with the files");
                }
            });
        }
        Ok(())
    }

    fn full_look_due(&self) -> bool {
        let mut folders = self.folders();
        let due = folders.looked_at_all.is_none_or(|at| at.elapsed() > FULL_LOOK);
        if due {
            folders.looked_at_all = Some(Instant::now());
        }
        due
    }

    fn draft(&self, query: &ListQuery, cursor: Option<Cursor>, reader: &IndexReader) -> Result<Draft, StoreError> {
        let named = query
            .search_term
            .as_deref()
            .map(|term| self.names.matching(term))
            .unwrap_or_default();
        // First what is ahead, then the rows: a thread that is indexed in between is in both, and the former wins.
        let ahead: Vec<_> = self.live.ahead().into_iter().map(|thread| self.named(thread)).collect();
        let over: HashSet<_> = ahead.iter().map(|thread| thread.id).collect();
        let limit = query.page_size() + 1 + over.len();
        let found = match &query.search_term {
            Some(term) => reader.search(term, &named),
            None => Ok(None),
        };
        let threads = match found {
            // Few enough to look at each.
            Ok(Some(found)) => Ok(self.hits(found, query, cursor.as_ref(), limit)),
            Ok(None) => reader.list(query, cursor.as_ref(), limit, &named),
            Err(error) => Err(error),
        };
        let mut threads = threads.map_err(|error| {
            self.index.failed_to_read(&error);
            StoreError::Internal(error.to_string())
        })?;
        threads.retain(|thread| !over.contains(&thread.id));
        threads.extend(
            ahead
                .into_iter()
                .filter(|thread| query.matches(thread) && cursor.is_none_or(|cursor| query.is_after(thread, &cursor))),
        );
        threads.sort_by(|a, b| query.order(a, b));
        threads.truncate(query.page_size() + 1);
        let mut stale = Vec::new();
        let mut gone = Vec::new();
        for thread in threads.iter().filter(|thread| !over.contains(&thread.id)) {
            let Some(path) = &thread.path else { continue };
            let theirs = match scan::stamp(path) {
                None => false,
                Some(stamp) if stamp.size == thread.file_size && stamp.mtime_ns == thread.file_mtime_ns => {
                    if rollout_path::names(path, thread.id) || !scan::is_of_another(path, thread.id) {
                        continue;
                    }
                    true
                }
                Some(_) if scan::is_of_another(path, thread.id) => true,
                Some(_) => {
                    stale.push((path.clone(), thread.archived));
                    continue;
                }
            };
            // The row leads nowhere, or to a file that is another thread's.
            match self.search(thread.id, Scope::All) {
                Some(found) => stale.push(found),
                None => {
                    self.folders().forget(path, thread.id);
                    gone.push(IndexJob::Gone {
                        id: thread.id,
                        path: path.clone(),
                    });
                }
            }
            if theirs {
                stale.push((path.clone(), thread.archived));
            }
        }
        let mut page = query.page(threads);
        self.names.with(|names| {
            for thread in &mut page.threads {
                thread.name = names.get(&thread.id).map(|name| name.to_string());
                // Rollouts of old versions name no provider.
                if thread.model_provider.is_empty() {
                    thread.model_provider.clone_from(&query.default_provider);
                }
            }
        });
        Ok(Draft { page, stale, gone })
    }

    /// The threads among `found` that the list shows from the cursor on, at most `limit`.
    fn hits(
        &self,
        found: Vec<StoredThread>,
        query: &ListQuery,
        cursor: Option<&Cursor>,
        limit: usize,
    ) -> Vec<StoredThread> {
        let mut threads: Vec<_> = found
            .into_iter()
            .map(|thread| self.named(thread))
            .filter(|thread| query.matches(thread) && cursor.is_none_or(|cursor| query.is_after(thread, cursor)))
            .collect();
        threads.sort_by(|a, b| query.order(a, b));
        threads.truncate(limit);
        threads
    }

    /// A page read from the files alone.
    fn list_files(&self, query: &ListQuery, cursor: Option<Cursor>) -> ThreadPage {
        // Names tell the time of creation to the second: enough to stop early where that is the order.
        let by_name = query.sort_key == ThreadSortKey::CreatedAt && query.direction == SortDirection::Desc;
        let mut threads: Vec<StoredThread> = Vec::new();
        let mut enough_before = None;
        for path in scan::all_files(&self.home, query.archived).into_iter().take(SCAN_CAP) {
            if by_name
                && let Some(before) = enough_before
                && name_ms(&path).is_some_and(|ms| ms < before)
            {
                break;
            }
            let Some(thread) = scan::head(&path, query.archived).ok().flatten() else {
                continue;
            };
            let thread = self.named(thread);
            if !query.matches(&thread) || cursor.is_some_and(|cursor| !query.is_after(&thread, &cursor)) {
                continue;
            }
            threads.push(thread);
            if threads.len() > query.page_size() && enough_before.is_none() {
                enough_before = threads
                    .iter()
                    .map(|thread| thread.created_at_ms)
                    .min()
                    .map(|ms| ms - 2_000);
            }
        }
        threads.sort_by(|a, b| query.order(a, b));
        let mut page = query.page(threads);
        page.threads.iter_mut().for_each(metadata::catch_up);
        page
    }
}

fn name_ms(path: &std::path::Path) -> Option<i64> {
    let (time, _) = rollout_path::parse_name(path.file_name()?.to_str()?)?;
    Some(rollout_path::created_ms(time))
}
