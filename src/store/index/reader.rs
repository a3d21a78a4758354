//! Reading the index: a few connections that cannot write, opened when first needed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PooledConnection};
use diesel::sql_types::{Bool, Integer, Text};
use diesel::sqlite::SqliteConnection;

use crate::protocol::{SortDirection, ThreadId, ThreadSortKey};
use crate::store::index::connection::{self, IndexError};
use crate::store::index::row::ThreadRow;
use crate::store::index::schema::threads;
use crate::store::list::{Cursor, ListQuery};
use crate::store::rollout::writer::FileStamp;
use crate::store::thread::StoredThread;

const READERS: u32 = 3;
/// How many hits of a search are looked at one by one.
const FEW: usize = 512;
/// How many trigrams of a term are asked for; more would not narrow the hits.
const TRIGRAMS: usize = 32;
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
        self.pool.get().map_err(|error| IndexError::of_text(error.to_string()))
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

    /// Every thread whose first message may contain the term, and those of `named`; `None` when there are so many that
    /// walking the list in its order finds a page sooner, or when the term is too short for the index of texts.
    pub(crate) fn search(&self, term: &str, named: &[ThreadId]) -> Result<Option<Vec<StoredThread>>, IndexError> {
        let Some(pattern) = trigrams(term).filter(|_| named.len() <= FEW) else {
            return Ok(None);
        };
        #[derive(QueryableByName)]
        struct Hit {
            #[diesel(sql_type = Integer)]
            rowid: i32,
        }
        let mut connection = self.connection()?;
        let hits: Vec<Hit> =
            diesel::sql_query("SELECT rowid FROM threads_by_text WHERE threads_by_text MATCH ? LIMIT ?")
                .bind::<Text, _>(pattern)
                .bind::<Integer, _>(i32::try_from(FEW + 1).unwrap_or(i32::MAX))
                .load(&mut connection)?;
        if hits.len() > FEW {
            return Ok(None);
        }
        let mut rows: Vec<ThreadRow> = threads::table
            .filter(threads::key.eq_any(hits.iter().map(|hit| hit.rowid).collect::<Vec<_>>()))
            .select(ThreadRow::as_select())
            .load(&mut connection)?;
        let known: HashSet<String> = rows.iter().map(|row| row.id().to_owned()).collect();
        let others = named.iter().map(ToString::to_string).filter(|id| !known.contains(id));
        rows.extend(
            threads::table
                .filter(threads::id.eq_any(others.collect::<Vec<_>>()))
                .select(ThreadRow::as_select())
                .load(&mut connection)?,
        );
        Ok(Some(rows.into_iter().map(StoredThread::from).collect()))
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

/// What the index of texts is asked for a term: all its groups of three letters. The hits are only candidates. `None` for
/// a term that is too short, or that the index keeps no whole text of.
fn trigrams(term: &str) -> Option<String> {
    let letters: Vec<char> = term.chars().collect();
    if letters.len() < 3 || letters.contains(&'\0') {
        return None;
    }
    let groups: Vec<String> = letters
        .windows(3)
        .take(TRIGRAMS)
        .map(|group| format!("\"{}\"", group.iter().collect::<String>().replace('"', "\"\"")))
        .collect();
    Some(groups.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::trigrams;

    #[test]
    fn a_term_becomes_its_groups_of_three() {
        assert_eq!(trigrams("abcd").as_deref(), Some("\"abc\" AND \"bcd\""));
        assert_eq!(trigrams("a\"b").as_deref(), Some("\"a\"\"b\""));
        assert_eq!(trigrams("äöü").as_deref(), Some("\"äöü\""));
        assert_eq!(trigrams("ab"), None);
    }
}
