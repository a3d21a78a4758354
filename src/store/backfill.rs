//! Brings the index up to the files: at start, after it was lost, and now and then while lists are asked for.
//!
//! A file is read again when its size or time differ from its row. Processes that share a home take turns: who comes
//! second finds nothing left to do. Until the first pass is over, reads come from the files.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::store::StoreError;
use crate::store::core::StoreCore;
use crate::store::counters;
use crate::store::index::{IndexJob, IndexReader};
use crate::store::recorder::blocking;
use crate::store::rollout::path as rollout_path;
use crate::store::scan;

const LOCK: &str = "greenroom.backfill.lock";
/// How many files are read between two writes.
const BATCH: usize = 128;
/// How many batches are read at once.
const READ_AHEAD: usize = 2;
/// How often it is tried to begin a turn.
const TURN_POLL: Duration = Duration::from_millis(100);
/// How long a turn of another process is nothing to speak of.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files that were read.
#[derive(Debug)]
struct Batch {
    jobs: Vec<IndexJob>,
    failed: usize,
}

/// What differs between the files and the index.
#[derive(Debug, Default)]
struct Plan {
    stale: Vec<(PathBuf, bool)>,
    gone: Vec<IndexJob>,
}

impl StoreCore {
    /// Reads what the index does not know and writes it; then, if all went well, reads from the index.
    pub(crate) async fn backfill(self: &Arc<Self>, reader: Arc<IndexReader>) -> Result<(), StoreError> {
        let began = Instant::now();
        let _turn = self.take_turn().await?;
        self.catch_up(Arc::clone(&reader)).await?;
        // Waiting and reading are one phase: past it, the index is as good as the files.
        counters::initialised("backfill_gate", "none", began.elapsed());
        self.folders().looked_at_all = Some(Instant::now());
        self.index.set_reader(Some(reader));
        Ok(())
    }

    /// Waits until no other process of this home is at it. The kernel ends the turn of one that died, so that no time
    /// has to pass before another may go on. Nobody waits for this: reads come from the files meanwhile.
    async fn take_turn(&self) -> Result<Flock<File>, StoreError> {
        let began = Instant::now();
        let mut told = false;
        loop {
            let home = self.home.clone();
            let taken =
                blocking(move || try_turn(&home).map_err(|error| StoreError::Internal(error.to_string()))).await?;
            if let Some(turn) = taken {
                return Ok(turn);
            }
            if !told && began.elapsed() > PATIENCE {
                told = true;
                counters::initialised("backfill_gate", "busy", began.elapsed());
                self.warnings.add(
                    "Another process is filling the thread index; threads are read from their files, which is slower."
                        .to_owned(),
                    Some(format!(
                        "It has been at it for more than {} seconds.",
                        PATIENCE.as_secs()
                    )),
                );
            }
            tokio::time::sleep(TURN_POLL).await;
        }
    }

    /// One pass over all files. What was read before an interruption is not read again.
    pub(crate) async fn catch_up(self: &Arc<Self>, reader: Arc<IndexReader>) -> Result<(), StoreError> {
        let began = Instant::now();
        let core = Arc::clone(self);
        let plan = blocking(move || core.plan(&reader)).await?;
        let count = plan.stale.len();
        if !plan.gone.is_empty() {
            self.apply(plan.gone).await?;
        }
        // While one batch is written the next ones are read.
        let batches: Vec<_> = plan.stale.chunks(BATCH).map(<[_]>::to_vec).collect();
        let mut read = stream::iter(batches)
            .map(|batch| {
                let core = Arc::clone(self);
                blocking(move || Ok(core.read_for_index(&batch)))
            })
            .buffered(READ_AHEAD);
        let mut failed = 0;
        while let Some(batch) = read.next().await {
            let batch = batch?;
            failed += batch.failed;
            counters::backfilled(batch.jobs.len(), batch.failed);
            if !batch.jobs.is_empty() {
                self.apply(batch.jobs).await?;
            }
        }
        if count > 0 {
            let status = if failed == 0 { "success" } else { "partial_failure" };
            counters::backfill_ended(status, began.elapsed());
            tracing::info!(
                files = count,
                failed,
                elapsed_ms = began.elapsed().as_millis(),
                "index caught up"
            );
        }
        Ok(())
    }

    /// Reads files and writes what they say into the index.
    pub(crate) async fn index_files(self: &Arc<Self>, files: Vec<(PathBuf, bool)>) -> Result<(), StoreError> {
        let core = Arc::clone(self);
        let jobs = blocking(move || Ok(core.read_for_index(&files))).await?.jobs;
        if jobs.is_empty() {
            Ok(())
        } else {
            self.apply(jobs).await
        }
    }

    pub(crate) async fn apply(&self, jobs: Vec<IndexJob>) -> Result<(), StoreError> {
        let writer = self
            .index
            .writer()
            .ok_or_else(|| StoreError::Internal("there is no index".to_owned()))?;
        writer.apply(jobs).await
    }

    fn read_for_index(&self, files: &[(PathBuf, bool)]) -> Batch {
        let mut jobs = Vec::with_capacity(files.len());
        let mut failed = 0;
        for (path, archived) in files {
            match scan::whole(path, *archived) {
                Ok(Some(scanned)) => {
                    self.folders().learn(path, scanned.thread.id, *archived);
                    jobs.push(IndexJob::Scanned(Box::new(scanned)));
                }
                // Empty files are looked at again when they change.
                Ok(None) => {}
                Err(error) => {
                    failed += 1;
                    tracing::warn!(%error, "rollout could not be read for the index");
                }
            }
        }
        Batch { jobs, failed }
    }

    fn plan(&self, reader: &IndexReader) -> Result<Plan, StoreError> {
        let rows = reader
            .files()
            .map_err(|error| StoreError::Internal(error.to_string()))?;
        let mut plan = Plan::default();
        // First the folders' times, then their files: what comes in between is noticed by the next look.
        self.folders().look(&self.home, |_| true);
        let mut known: HashMap<PathBuf, _> = rows.into_iter().map(|row| (row.path.clone(), row)).collect();
        let mut found = HashSet::new();
        for archived in [false, true] {
            for path in scan::all_files(&self.home, archived) {
                let Some(stamp) = scan::stamp(&path) else { continue };
                match known.remove(&path) {
                    Some(row) => {
                        self.folders().learn(&path, row.id, archived);
                        found.insert(row.id);
                        let live = self.live.get(row.id).is_some();
                        if !live && (row.stamp != stamp || row.archived != archived) {
                            plan.stale.push((path, archived));
                        }
                    }
                    // A live thread tells of itself.
                    None if self.is_live_file(&path) => {}
                    None => plan.stale.push((path, archived)),
                }
            }
        }
        for (path, row) in known {
            // A moved file is told by its new place.
            if !found.contains(&row.id) {
                self.folders().forget(&path, row.id);
            }
            plan.gone.push(IndexJob::Gone { id: row.id, path });
        }
        Ok(plan)
    }
}

impl StoreCore {
    fn is_live_file(&self, path: &Path) -> bool {
        let id = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(rollout_path::parse_name)
            .map(|(_, id)| id);
        id.is_some_and(|id| self.live.get(id).is_some())
    }
}

/// Begins a turn, unless another process has one.
fn try_turn(home: &Path) -> io::Result<Option<Flock<File>>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(home.join(LOCK))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(turn) => Ok(Some(turn)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}
