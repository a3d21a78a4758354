//! Where rollouts lie: `sessions/YYYY/MM/DD/rollout-<local time>-<id>.jsonl`, and `archived_sessions/` for archived ones.
//!
//! Folder and name carry the local time of the thread's creation. The name need not be trusted: the id in the file's
//! `session_meta` decides.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Local, NaiveDateTime, TimeZone, Utc};

use crate::protocol::ThreadId;

/// The folder of live threads below the home.
pub const SESSIONS: &str = "sessions";
/// The folder of archived threads below the home.
pub const ARCHIVED: &str = "archived_sessions";

/// Where the rollout of a thread made at `created` belongs.
pub fn rollout_path(home: &Path, id: ThreadId, created: DateTime<Local>) -> PathBuf {
    day_folder(home, &created.naive_local()).join(file_name(id, created))
}

/// The name of a thread's rollout file.
pub fn file_name(id: ThreadId, created: DateTime<Local>) -> String {
    format!("rollout-{}-{id}.jsonl", created.format("%Y-%m-%dT%H-%M-%S"))
}

/// The folder of a day's threads.
pub fn day_folder(home: &Path, day: &NaiveDateTime) -> PathBuf {
    home.join(SESSIONS).join(day.format("%Y/%m/%d").to_string())
}

/// Where a file of `archived_sessions/` goes when it is unarchived: the day is taken from its name.
pub fn unarchived_path(home: &Path, name: &str) -> Option<PathBuf> {
    let (day, _) = parse_name(name)?;
    Some(day_folder(home, &day).join(name))
}

/// The local time and the id in a rollout's file name.
pub fn parse_name(name: &str) -> Option<(NaiveDateTime, ThreadId)> {
    let rest = name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
    let time = NaiveDateTime::parse_from_str(rest.get(..19)?, "%Y-%m-%dT%H-%M-%S").ok()?;
    let id = ThreadId::parse(rest.get(19..)?.strip_prefix('-')?).ok()?;
    Some((time, id))
}

/// Whether the file's name is that of the thread's rollout.
pub fn names(path: &Path, id: ThreadId) -> bool {
    named(path) == Some(id)
}

/// Whether the file's name tells a thread.
pub fn tells_id(path: &Path) -> bool {
    named(path).is_some()
}

fn named(path: &Path) -> Option<ThreadId> {
    let name = path.file_name()?.to_str()?;
    parse_name(name).map(|(_, id)| id)
}

/// The creation time a file name tells, for files whose meta is lost.
pub fn created_ms(time: NaiveDateTime) -> i64 {
    Local.from_local_datetime(&time).earliest().map_or_else(
        || time.and_utc().timestamp_millis(),
        |local| local.with_timezone(&Utc).timestamp_millis(),
    )
}

/// Whether `path` lies in the folder of archived threads.
pub fn is_archived(home: &Path, path: &Path) -> bool {
    path.starts_with(home.join(ARCHIVED))
}
