//! Rows of the index and the threads, turns and items they stand for.

use std::path::PathBuf;

use diesel::prelude::*;

use crate::protocol::{GitInfo, ThreadId, TurnStatus};
use crate::store::index::schema::{items, threads, turns};
use crate::store::list::source_kind;
use crate::store::rollout::source;
use crate::store::thread::StoredThread;
use crate::store::turns::Landmarks;
use crate::store::turns::items::kind_named;
use crate::store::turns::outline::{OutlineItem, OutlineTurn};

/// A thread's row, without its key.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = threads, check_for_backend(diesel::sqlite::Sqlite), treat_none_as_null = true)]
pub(super) struct ThreadRow {
    id: String,
    rollout_path: String,
    archived: bool,
    listed: bool,
    forked_from_id: Option<String>,
    created_at_ms: i64,
    updated_at_ms: i64,
    cwd: String,
    cli_version: String,
    source: String,
    source_kind: String,
    thread_source: Option<String>,
    agent_nickname: Option<String>,
    agent_role: Option<String>,
    agent_path: Option<String>,
    model_provider: String,
    model: Option<String>,
    reasoning_effort: Option<String>,
    title: String,
    preview: String,
    git_sha: Option<String>,
    git_branch: Option<String>,
    git_origin_url: Option<String>,
    memory_mode: Option<String>,
    tokens_used: i64,
    file_size: i64,
    file_mtime_ns: i64,
    landmarks: String,
}

fn text_of(value: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Some(text),
        _ => None,
    }
}

fn value_of<T: serde::de::DeserializeOwned>(text: String) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text)).ok()
}

impl ThreadRow {
    pub(super) fn new(thread: &StoredThread, landmarks: &Landmarks) -> Self {
        let git = thread.git.clone().unwrap_or_default();
        ThreadRow {
            id: thread.id.to_string(),
            rollout_path: thread
                .path
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            archived: thread.archived,
            listed: thread.is_listed(),
            forked_from_id: thread.forked_from_id.map(|id| id.to_string()),
            created_at_ms: thread.created_at_ms,
            updated_at_ms: thread.updated_at_ms,
            cwd: thread.cwd.display().to_string(),
            cli_version: thread.cli_version.clone(),
            source: source::to_value(&thread.source).to_string(),
            source_kind: source_kind(&thread.source).to_owned(),
            thread_source: thread.thread_source.as_ref().and_then(text_of),
            agent_nickname: thread.agent_nickname.clone(),
            agent_role: thread.agent_role.clone(),
            agent_path: thread.agent_path.clone(),
            model_provider: thread.model_provider.clone(),
            model: thread.model.clone(),
            reasoning_effort: thread.reasoning_effort.as_ref().and_then(text_of),
            title: thread.title.clone(),
            preview: thread.preview.clone(),
            git_sha: git.sha,
            git_branch: git.branch,
            git_origin_url: git.origin_url,
            memory_mode: thread.memory_mode.clone(),
            tokens_used: thread.tokens_used,
            file_size: i64::try_from(thread.file_size).unwrap_or(i64::MAX),
            file_mtime_ns: thread.file_mtime_ns,
            landmarks: serde_json::to_string(landmarks).unwrap_or_default(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where the thread is to be taken up; `None` in a row that does not know.
    pub(super) fn landmarks(&self) -> Option<Landmarks> {
        serde_json::from_str(&self.landmarks).ok()
    }
}

impl From<ThreadRow> for StoredThread {
    fn from(row: ThreadRow) -> Self {
        let git = GitInfo {
            branch: row.git_branch,
            origin_url: row.git_origin_url,
            sha: row.git_sha,
        };
        StoredThread {
            id: ThreadId::parse(&row.id).unwrap_or(ThreadId(uuid::Uuid::nil())),
            path: Some(PathBuf::from(row.rollout_path)),
            archived: row.archived,
            forked_from_id: row.forked_from_id.and_then(|id| ThreadId::parse(&id).ok()),
            created_at_ms: row.created_at_ms,
            updated_at_ms: row.updated_at_ms,
            cwd: PathBuf::from(row.cwd),
            cli_version: row.cli_version,
            source: source::from_value(serde_json::from_str(&row.source).unwrap_or_default()),
            thread_source: row.thread_source.and_then(value_of),
            agent_nickname: row.agent_nickname,
            agent_role: row.agent_role,
            agent_path: row.agent_path,
            model_provider: row.model_provider,
            model: row.model,
            reasoning_effort: row.reasoning_effort.and_then(value_of),
            title: row.title,
            preview: row.preview,
            git: (git != GitInfo::default()).then_some(git),
            memory_mode: row.memory_mode,
            tokens_used: row.tokens_used,
            name: None,
            file_size: u64::try_from(row.file_size).unwrap_or_default(),
            file_mtime_ns: row.file_mtime_ns,
        }
    }
}

/// A turn's row.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = turns, check_for_backend(diesel::sqlite::Sqlite))]
pub(super) struct TurnRow {
    thread_key: i32,
    position: i32,
    turn_id: String,
    status: String,
    started_at: Option<i64>,
    completed_at: Option<i64>,
    duration_ms: Option<i64>,
    has_user_message: bool,
    start_offset: i64,
    end_offset: i64,
    error: Option<String>,
    item_count: i32,
}

impl TurnRow {
    pub(super) fn new(thread_key: i32, turn: &OutlineTurn) -> Self {
        TurnRow {
            thread_key,
            position: position(turn.position),
            turn_id: turn.id.clone(),
            status: text_of(&turn.status).unwrap_or_default(),
            started_at: turn.started_at,
            completed_at: turn.completed_at,
            duration_ms: turn.duration_ms,
            has_user_message: turn.has_user_message,
            start_offset: offset(turn.start),
            end_offset: offset(turn.end),
            error: turn.error.as_ref().and_then(|error| serde_json::to_string(error).ok()),
            item_count: position(turn.items.len()),
        }
    }
}

impl From<TurnRow> for OutlineTurn {
    /// Without its items.
    fn from(row: TurnRow) -> Self {
        OutlineTurn {
            position: usize::try_from(row.position).unwrap_or_default(),
            id: row.turn_id,
            status: value_of(row.status).unwrap_or(TurnStatus::Completed),
            started_at: row.started_at,
            completed_at: row.completed_at,
            duration_ms: row.duration_ms,
            error: row.error.and_then(|text| serde_json::from_str(&text).ok()),
            has_user_message: row.has_user_message,
            start: bytes(row.start_offset),
            end: bytes(row.end_offset),
            items: Vec::new(),
        }
    }
}

/// An item's row.
#[derive(Debug, Insertable)]
#[diesel(table_name = items)]
pub(super) struct ItemRow<'a> {
    thread_key: i32,
    turn_position: i32,
    position: i32,
    item_id: &'a str,
    kind: &'static str,
    line_offset: i64,
    line_length: i64,
}

impl<'a> ItemRow<'a> {
    pub(super) fn new(thread_key: i32, turn: usize, place: usize, item: &'a OutlineItem) -> Self {
        ItemRow {
            thread_key,
            turn_position: position(turn),
            position: position(place),
            item_id: &item.id,
            kind: item.kind,
            line_offset: offset(item.offset),
            line_length: offset(item.len),
        }
    }
}

/// An item's row as it is read.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = items, check_for_backend(diesel::sqlite::Sqlite))]
pub(super) struct ItemPlaceRow {
    pub(super) turn_position: i32,
    item_id: String,
    kind: String,
    line_offset: i64,
    line_length: i64,
}

impl ItemPlaceRow {
    /// The item; `None` for a kind of another version.
    pub(super) fn into_item(self) -> Option<OutlineItem> {
        Some(OutlineItem {
            id: self.item_id,
            kind: kind_named(&self.kind)?,
            offset: bytes(self.line_offset),
            len: bytes(self.line_length),
        })
    }
}

fn bytes(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}

/// A place in a sequence as SQLite keeps it.
pub(super) fn position(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

fn offset(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
