//! Reading the index: a few connections that cannot write, opened when first needed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PooledConnection};
use diesel::sql_types::{Bool, Text};
use diesel::sqlite::SqliteConnection;

use crate::protocol::{SortDirection, ThreadId, ThreadSortKey};
use crate::store::index::connection::{self, IndexError};
use crate::store::index::row::ThreadRow;
use crate::store::index::schema::threads;
use crate::store::list::{Cursor, ListQuery};
use crate::store::rollout::writer::FileStamp;
use crate::store::thread::StoredThread;

const READERS: u32 = 3;
const WAIT: Duration = Duration::from_secs(5);

diesel::define_sql_function! {
    /// The place of a text in another, 0 when it is not there. Tells cases apart.
    fn instr(text: Text, part: Text) -> Integer;
}

#[derive(Debug)]
struct ReadOnly;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for ReadOnly {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        connection
            .batch_execute("PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;")
            .map_err(diesel::r2d2::Error::QueryError)
    }
}

/// What a row says of its file.
#[derive(Debug, Clone)]
pub struct KnownFile {
    /// The thread.
    pub id: ThreadId,
    /// The file.
    pub path: PathBuf,
    /// Whether it is archived.
    pub archived: bool,
    /// Its size and time when it was read.
    pub stamp: FileStamp,
}

/// The reading end of the index. All methods block.
pub struct IndexReader {
    pool: Pool<ConnectionManager<SqliteConnection>>,
}

impl std::fmt::Debug for IndexReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IndexReader")
    }
}

impl IndexReader {
    /// A reader of the index of `home`. Opens nothing yet.
    pub fn new(home: &Path) -> Self {
        let manager = ConnectionManager::new(connection::path(home).display().to_string());
        let pool = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(0))
            .connection_timeout(WAIT)
            .idle_timeout(Some(Duration::from_secs(60)))
            .test_on_check_out(false)
            .connection_customizer(Box::new(ReadOnly))
            .build_unchecked(manager);
        IndexReader { pool }
    }

    pub(super) fn connection(&self) -> Result<PooledConnection<ConnectionManager<SqliteConnection>>, IndexError> {
        self.pool
            .get()
            .map_err(|error| IndexError::Unavailable(error.to_string()))
    }

    /// The row of a thread.
    pub fn thread(&self, id: ThreadId) -> Result<Option<StoredThread>, IndexError> {
        let row = threads::table
            .filter(threads::id.eq(id.to_string()))
            .select(ThreadRow::as_select())
            .first(&mut *self.connection()?)
            .optional()?;
        Ok(row.map(StoredThread::from))
    }

    /// The files the rows point at.
    pub fn files(&self) -> Result<Vec<KnownFile>, IndexError> {
        let rows: Vec<(String, String, bool, i64, i64)> = threads::table
            .select((
                threads::id,
                threads::rollout_path,
                threads::archived,
                threads::file_size,
                threads::file_mtime_ns,
            ))
            .load(&mut *self.connection()?)?;
        Ok(rows
            .into_iter()
            .filter_map(|(id, path, archived, size, mtime_ns)| {
                Some(KnownFile {
                    id: ThreadId::parse(&id).ok()?,
                    path: PathBuf::from(path),
                    archived,
                    stamp: FileStamp {
                        size: u64::try_from(size).unwrap_or_default(),
                        mtime_ns,
                    },
                })
            })
            .collect())
    }

    /// The first `limit` threads after the cursor. `named` are threads whose name contains the search term.
    pub(crate) fn list(
        &self,
        query: &ListQuery,
        cursor: Option<&Cursor>,
        limit: usize,
        named: &[ThreadId],
    ) -> Result<Vec<StoredThread>, IndexError> {
        let mut select = threads::table
            .select(ThreadRow::as_select())
            .filter(threads::archived.eq(query.archived))
            .filter(threads::listed.eq(true))
            .filter(threads::source_kind.eq_any(query.kinds()))
            .limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .into_boxed();
        if let Some(providers) = query.providers() {
            select = select.filter(threads::model_provider.eq_any(providers));
        }
        if let Some(cwds) = &query.cwds {
            select = select.filter(threads::cwd.eq_any(cwds.iter().map(|cwd| cwd.display().to_string())));
        }
        if let Some(term) = &query.search_term {
            let ids: Vec<String> = named.iter().map(ToString::to_string).collect();
            let ids = serde_json::to_string(&ids).unwrap_or_default();
            let by_name = diesel::dsl::sql::<Bool>("threads.id IN (SELECT value FROM json_each(")
                .bind::<Text, _>(ids)
                .sql("))");
            select = select.filter(instr(threads::title, term).gt(0).or(by_name));
        }
        macro_rules! page {
            ($time:expr) => {{
                if let Some(Cursor { time_ms, id }) = cursor {
                    let id = id.map(|id| id.to_string());
                    select = match (query.direction, id) {
                        (SortDirection::Desc, None) => select.filter($time.lt(*time_ms)),
                        (SortDirection::Asc, None) => select.filter($time.gt(*time_ms)),
                        (SortDirection::Desc, Some(id)) => select
                            .filter($time.le(*time_ms))
                            .filter($time.lt(*time_ms).or(threads::id.lt(id))),
                        (SortDirection::Asc, Some(id)) => select
                            .filter($time.ge(*time_ms))
                            .filter($time.gt(*time_ms).or(threads::id.gt(id))),
                    };
                }
                match query.direction {
                    SortDirection::Desc => select.order(($time.desc(), threads::id.desc())),
                    SortDirection::Asc => select.order(($time.asc(), threads::id.asc())),
                }
            }};
        }
        let select = match query.sort_key {
            ThreadSortKey::CreatedAt => page!(threads::created_at_ms),
            ThreadSortKey::UpdatedAt => page!(threads::updated_at_ms),
        };
        let rows = select.load(&mut *self.connection()?)?;
        Ok(rows.into_iter().map(StoredThread::from).collect())
    }
}
