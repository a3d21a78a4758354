//! Opening the index: pragmas, migrations, and what to do with a file that is none.
//!
//! Opening happens under an exclusive lock on a file beside the database, so that servers starting at the same instant
//! on one home create it once. A database that is broken is moved aside and made anew; one that is merely busy or out
//! of reach is an error, and the server runs without it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use chrono::Utc;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use nix::fcntl::{Flock, FlockArg};

use crate::store::counters;
use crate::store::index::schema::{items, thread_spawn_edges, threads, turns};

/// The database's name in the home.
pub const FILE: &str = "greenroom.sqlite";
const LOCK: &str = "greenroom.sqlite.lock";
const HEADER: &[u8] = b"SQLite format 3\0";

/// The migrations of this version.
pub const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file is no database, or one that lost its integrity.
    #[error("{0}")]
    Broken(String),
    /// Somebody else holds it for too long.
    #[error("{0}")]
    Busy(String),
    /// The rest: no permission, no room, I/O.
    #[error("{0}")]
    Unavailable(String),
}

impl IndexError {
    pub(super) fn of_text(text: String) -> Self {
        let has = |part: &str| text.contains(part);
        if has("not a database")
            || has("malformed")
            || has("no such table")
            || has("no such column")
            || has("already exists")
            || has("corrupt")
        {
            IndexError::Broken(text)
        } else if has("database is locked") || has("table is locked") {
            IndexError::Busy(text)
        } else {
            IndexError::Unavailable(text)
        }
    }
}

impl IndexError {
    /// Whether the database is well and refused what was to be written.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, IndexError::Unavailable(text) if text.contains("constraint"))
    }

    /// Whether an error's text tells of a database that is no good, not of one that cannot be had.
    pub fn tells_damage(text: &str) -> bool {
        matches!(Self::of_text(text.to_owned()), IndexError::Broken(_))
    }

    /// The class that metrics name it by: SQLite's primary result code, as far as its message tells it.
    fn class(&self) -> &'static str {
        let text = match self {
            IndexError::Broken(text) | IndexError::Busy(text) | IndexError::Unavailable(text) => text,
        };
        let classes = [
            ("database is locked", "busy"),
            ("table is locked", "locked"),
            ("readonly", "readonly"),
            ("disk I/O", "io"),
            ("malformed", "corrupt"),
            ("full", "full"),
            ("unable to open", "cantopen"),
            ("schema", "schema"),
            ("constraint", "constraint"),
        ];
        classes
            .iter()
            .find(|(words, _)| text.contains(words))
            .map_or("unknown", |(_, class)| class)
    }
}

impl From<diesel::result::Error> for IndexError {
    fn from(error: diesel::result::Error) -> Self {
        Self::of_text(error.to_string())
    }
}

impl From<diesel::ConnectionError> for IndexError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::of_text(error.to_string())
    }
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        IndexError::Unavailable(error.to_string())
    }
}

/// Where the index of a home is.
pub fn path(home: &Path) -> PathBuf {
    home.join(FILE)
}

/// Opens the index for writing; makes or replaces it where necessary. Returns where a broken one was put. Blocks.
pub fn open_for_writing(home: &Path) -> Result<(SqliteConnection, Option<PathBuf>), IndexError> {
    std::fs::create_dir_all(home)?;
    let _lock = lock(home)?;
    let path = path(home);
    match connect(&path) {
        Ok(connection) => Ok((connection, None)),
        Err(error) => {
            let replace = match &error {
                IndexError::Broken(_) => true,
                IndexError::Busy(_) => false,
                IndexError::Unavailable(_) => path.is_dir(),
            };
            if !replace {
                return Err(error);
            }
            let aside = move_aside(&path)?;
            Ok((connect(&path)?, Some(aside)))
        }
    }
}

/// Reads through the index with a connection of its own. Costs a pass over the file; for when there is doubt. Blocks.
pub fn check(home: &Path) -> Result<(), IndexError> {
    #[derive(QueryableByName)]
    struct Finding {
        #[diesel(sql_type = diesel::sql_types::Text)]
        quick_check: String,
    }
    let mut connection = SqliteConnection::establish(&path(home).display().to_string())?;
    connection.batch_execute("PRAGMA busy_timeout = 5000;")?;
    probe(&mut connection)?;
    let findings: Vec<Finding> = diesel::sql_query("PRAGMA quick_check(1)").load(&mut connection)?;
    match findings.first() {
        Some(finding) if finding.quick_check != "ok" => Err(IndexError::Broken(finding.quick_check.clone())),
        _ => Ok(()),
    }
}

/// Puts the index out of the way. Blocks.
pub fn set_aside(home: &Path) -> Result<PathBuf, IndexError> {
    let _lock = lock(home)?;
    move_aside(&path(home))
}

/// Looks at the file's first bytes, and moves a file aside that is no database. Cheap when all is well. Blocks.
pub fn check_header(home: &Path) -> Option<PathBuf> {
    let path = path(home);
    if !is_foreign(&path) {
        return None;
    }
    let _lock = lock(home).ok()?;
    // Somebody else may have done it meanwhile.
    if is_foreign(&path) {
        move_aside(&path).ok()
    } else {
        None
    }
}

fn is_foreign(path: &Path) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let mut header = [0; HEADER.len()];
    let mut filled = 0;
    while let Some(rest) = header.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            // A folder by that name.
            Err(error) => return error.kind() == io::ErrorKind::IsADirectory,
        }
    }
    filled > 0 && header[..filled] != HEADER[..filled]
}

fn lock(home: &Path) -> Result<Flock<File>, IndexError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(home.join(LOCK))?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno).into())
}

/// Puts a broken database, and what belongs to it, out of the way.
fn move_aside(path: &Path) -> Result<PathBuf, IndexError> {
    let stamp = Utc::now().format("%Y%m%dT%H%M%S%3fZ");
    let aside = path.with_file_name(format!("{FILE}.broken-{stamp}"));
    std::fs::rename(path, &aside)?;
    for ending in ["-wal", "-shm"] {
        let beside = path.with_file_name(format!("{FILE}{ending}"));
        if beside.exists() {
            std::fs::rename(&beside, aside.with_file_name(format!("{FILE}.broken-{stamp}{ending}")))?;
        }
    }
    Ok(aside)
}

fn connect(path: &Path) -> Result<SqliteConnection, IndexError> {
    counters::process_started();
    let mut connection = counted("open_state", || {
        let mut connection = SqliteConnection::establish(&path.display().to_string())?;
        connection.batch_execute(
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;",
        )?;
        Ok(connection)
    })?;
    counted("migrate_state", || migrate(&mut connection))?;
    counted("post_init_query", || probe(&mut connection))?;
    Ok(connection)
}

/// Runs a phase of opening and counts how it went.
fn counted<T>(phase: &'static str, work: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    let began = Instant::now();
    let outcome = work();
    let error = outcome.as_ref().err().map_or("none", IndexError::class);
    counters::initialised(phase, error, began.elapsed());
    outcome
}

/// Brings the schema up to this version, in one immediate transaction.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<(), IndexError> {
    let pending = connection
        .has_pending_migration(MIGRATIONS)
        .map_err(|error| IndexError::of_text(error.to_string()))?;
    if pending {
        connection
            .run_pending_migrations(MIGRATIONS)
            .map_err(|error| IndexError::of_text(error.to_string()))?;
    }
    Ok(())
}

/// Fails where the tables are not what this version thinks they are.
fn probe(connection: &mut SqliteConnection) -> Result<(), IndexError> {
    threads::table
        .limit(0)
        .select(threads::all_columns)
        .execute(connection)?;
    turns::table.limit(0).select(turns::all_columns).execute(connection)?;
    items::table.limit(0).select(items::all_columns).execute(connection)?;
    thread_spawn_edges::table
        .limit(0)
        .select(thread_spawn_edges::all_columns)
        .execute(connection)?;
    Ok(())
}
