//! Writing the index: many jobs in one transaction.
//!
//! Used by the one actor that owns the writing connection. A job that fails takes only itself back; an error of the
//! database itself (busy, full, broken) takes the whole batch back and is told to the caller, who tries again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use crate::protocol::ThreadId;
use crate::store::agent_graph::SpawnEdge;
use crate::store::index::connection::{self, IndexError, open_for_writing};
use crate::store::index::row::{ItemRow, ThreadRow, TurnRow, position};
use crate::store::index::schema::{items, threads, turns};
use crate::store::index::{IndexJob, edges};
use crate::store::live::LiveChange;
use crate::store::thread::StoredThread;
use crate::store::turns::Landmarks;
use crate::store::turns::outline::OutlineChange;

/// One change to be written.
#[derive(Debug)]
pub enum WriteOp {
    /// A live thread's change.
    Live(Box<LiveChange>),
    /// Anything else.
    Job(IndexJob),
}

/// How one change went.
pub type WriteResult = Result<(), String>;

/// The writing end of the index.
pub struct IndexConnection {
    connection: SqliteConnection,
    path: PathBuf,
    /// The file that was opened: another one may come to lie at its path.
    inode: Option<u64>,
}

impl std::fmt::Debug for IndexConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexConnection")
    }
}

impl IndexConnection {
    /// Opens the index of a home; see [`open_for_writing`].
    pub fn open(home: &Path) -> Result<(Self, Option<PathBuf>), IndexError> {
        let (connection, aside) = open_for_writing(home)?;
        let path = connection::path(home);
        let inode = inode(&path);
        Ok((
            IndexConnection {
                connection,
                path,
                inode,
            },
            aside,
        ))
    }

    /// Whether the file was removed or another put in its place: what is written here nobody would read.
    pub fn is_displaced(&self) -> bool {
        inode(&self.path) != self.inode
    }

    /// Writes a batch and commits it. The results stand in the order of the changes.
    pub fn write(&mut self, ops: &[&WriteOp]) -> Result<Vec<WriteResult>, IndexError> {
        // A savepoint for each change costs more than the change (the index of texts writes out what it holds), and is
        // needed almost never.
        let together = self
            .connection
            .immediate_transaction(|connection| ops.iter().try_for_each(|op| write_op(connection, op)));
        match together.map_err(IndexError::from) {
            Ok(()) => Ok(vec![Ok(()); ops.len()]),
            Err(error) if error.is_refusal() => self.write_each(ops),
            Err(error) => Err(error),
        }
    }

    /// The same with a savepoint for each change, so that one that is refused costs itself alone.
    fn write_each(&mut self, ops: &[&WriteOp]) -> Result<Vec<WriteResult>, IndexError> {
        self.connection.immediate_transaction(|connection| {
            let mut results = Vec::with_capacity(ops.len());
            for op in ops {
                let result = connection.transaction(|connection| write_op(connection, op));
                results.push(match result {
                    Ok(()) => Ok(()),
                    Err(error) => match IndexError::from(error) {
                        error if error.is_refusal() => Err(error.to_string()),
                        error => return Err(error),
                    },
                });
            }
            Ok(results)
        })
    }

    /// Moves what the write-ahead log holds into the database; at shutdown.
    pub fn checkpoint(&mut self) {
        use diesel::connection::SimpleConnection;
        if let Err(error) = self.connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::debug!(%error, "checkpoint of the index failed");
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|metadata| metadata.ino())
}

fn write_op(connection: &mut SqliteConnection, op: &WriteOp) -> QueryResult<()> {
    match op {
        WriteOp::Live(change) => write_thread(connection, &change.thread, &change.landmarks, &change.outline),
        WriteOp::Job(IndexJob::Scanned(scanned)) => {
            write_thread(connection, &scanned.thread, &scanned.landmarks, &scanned.outline)
        }
        WriteOp::Job(IndexJob::Gone { id, path }) => forget(connection, *id, path),
        WriteOp::Job(IndexJob::Edge(edge)) => edges::write(connection, edge),
        WriteOp::Job(IndexJob::EdgeStatus { child, status }) => edges::set_status(connection, *child, *status),
    }
}

fn write_thread(
    connection: &mut SqliteConnection,
    thread: &StoredThread,
    landmarks: &Landmarks,
    outline: &OutlineChange,
) -> QueryResult<()> {
    let row = ThreadRow::new(thread, landmarks);
    let key: i32 = diesel::insert_into(threads::table)
        .values(&row)
        .on_conflict(threads::id)
        .do_update()
        .set(&row)
        .returning(threads::key)
        .get_result(connection)?;
    if let Some(edge) = SpawnEdge::of(thread) {
        edges::write_told(connection, &edge)?;
    }
    if let Some(from) = outline.truncate_from {
        diesel::delete(
            turns::table
                .filter(turns::thread_key.eq(key))
                .filter(turns::position.ge(position(from))),
        )
        .execute(connection)?;
    }
    for turn in &outline.turns {
        let cleared = outline.truncate_from.is_some_and(|from| turn.position >= from);
        if !cleared {
            // The turn's items go with it.
            diesel::delete(turns::table.find((key, position(turn.position)))).execute(connection)?;
        }
        diesel::insert_into(turns::table)
            .values(TurnRow::new(key, turn))
            .execute(connection)?;
        for (place, item) in turn.items.iter().enumerate() {
            diesel::insert_into(items::table)
                .values(ItemRow::new(key, turn.position, place, item))
                .execute(connection)?;
        }
    }
    Ok(())
}

fn forget(connection: &mut SqliteConnection, id: ThreadId, path: &Path) -> QueryResult<()> {
    diesel::delete(
        threads::table
            .filter(threads::id.eq(id.to_string()))
            .filter(threads::rollout_path.eq(path.display().to_string())),
    )
    .execute(connection)?;
    Ok(())
}
