//! Brings the index up to the files: at start, after it was lost, and now and then while lists are asked for.
//!
//! A file is read again when its size or time differ from its row. Processes that share a home take turns: who comes
//! second finds nothing left to do. Until the first pass is over, reads come from the files.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};

use crate::store::StoreError;
use crate::store::core::StoreCore;
use crate::store::index::{IndexJob, IndexReader};
use crate::store::recorder::blocking;
use crate::store::rollout::path as rollout_path;
use crate::store::scan;

const LOCK: &str = "greenroom.backfill.lock";
/// How many files are read between two writes.
const BATCH: usize = 64;

/// What differs between the files and the index.
#[derive(Debug, Default)]
struct Plan {
    stale: Vec<(PathBuf, bool)>,
    gone: Vec<IndexJob>,
}

impl StoreCore {
    /// Reads what the index does not know and writes it; then, if all went well, reads from the index.
    pub(crate) async fn backfill(self: &Arc<Self>, reader: Arc<IndexReader>) -> Result<(), StoreError> {
        let home = self.home.clone();
        let _turn = blocking(move || take_turn(&home).map_err(|error| StoreError::Internal(error.to_string()))).await?;
        self.catch_up(Arc::clone(&reader)).await?;
        self.folders().looked_at_all = Some(std::time::Instant::now());
        self.index.set_reader(Some(reader));
        Ok(())
    }

    /// One pass over all files.
    pub(crate) async fn catch_up(self: &Arc<Self>, reader: Arc<IndexReader>) -> Result<(), StoreError> {
        let core = Arc::clone(self);
        let plan = blocking(move || core.plan(&reader)).await?;
        let count = plan.stale.len();
        if !plan.gone.is_empty() {
            self.apply(plan.gone).await?;
        }
        for batch in plan.stale.chunks(BATCH) {
            self.index_files(batch.to_vec()).await?;
        }
        tracing::debug!(files = count, "index caught up");
        Ok(())
    }

    /// Reads files and writes what they say into the index.
    pub(crate) async fn index_files(self: &Arc<Self>, files: Vec<(PathBuf, bool)>) -> Result<(), StoreError> {
        let core = Arc::clone(self);
        let jobs = blocking(move || Ok(core.read_for_index(&files))).await?;
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

    fn read_for_index(&self, files: &[(PathBuf, bool)]) -> Vec<IndexJob> {
        let mut jobs = Vec::with_capacity(files.len());
        for (path, archived) in files {
            match scan::whole(path, *archived) {
                Ok(Some(scanned)) => {
                    self.folders().learn(path, scanned.thread.id, *archived);
                    jobs.push(IndexJob::Scanned(Box::new(scanned)));
                }
                // Empty files are looked at again when they change.
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "rollout could not be read for the index"),
            }
        }
        jobs
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

/// Waits until no other process of this home is at it. The kernel ends the turn of one that died.
fn take_turn(home: &Path) -> io::Result<Flock<File>> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(home.join(LOCK))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))
}
