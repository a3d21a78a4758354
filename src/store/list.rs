//! Lists of threads: what is asked, which threads answer it, and where a page ends.
//!
//! A cursor is the sort time of the last thread shown, RFC 3339 with milliseconds, and its id behind a bar, so that
//! threads of the same millisecond are neither skipped nor shown twice. A bare time, as other programs make it, is
//! taken too.

use std::cmp::Ordering;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat};

use crate::protocol::{SessionSource, SortDirection, SubAgentSource, ThreadId, ThreadSortKey, ThreadSourceKind};
use crate::store::StoreError;
use crate::store::thread::StoredThread;

/// How many threads a page has unless the client says so.
pub const DEFAULT_LIMIT: u32 = 25;
/// How many threads a page has at most.
pub const MAX_LIMIT: u32 = 100;

/// What a list is asked for.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Where the page begins: a cursor of an earlier page.
    pub cursor: Option<String>,
    /// How many threads; `None` is the default, 0 counts as 1, and there is a maximum.
    pub limit: Option<u32>,
    /// What orders the threads.
    pub sort_key: ThreadSortKey,
    /// Which end comes first.
    pub direction: SortDirection,
    /// The providers to show; `None` is the default provider alone, an empty list all.
    pub model_providers: Option<Vec<String>>,
    /// The provider of threads that name none, and the one that `None` above stands for.
    pub default_provider: String,
    /// The sources to show; none or an empty list is the interactive ones.
    pub source_kinds: Vec<ThreadSourceKind>,
    /// Archived threads instead of the others.
    pub archived: bool,
    /// The folders to show; an empty list matches nothing.
    pub cwds: Option<Vec<PathBuf>>,
    /// A text that the name or the first message must contain, in this case.
    pub search_term: Option<String>,
    /// Answer from the index alone.
    pub index_only: bool,
}

impl ListQuery {
    /// The list a client gets that asks for nothing in particular.
    pub fn new(default_provider: impl Into<String>) -> Self {
        ListQuery {
            cursor: None,
            limit: None,
            sort_key: ThreadSortKey::CreatedAt,
            direction: SortDirection::Desc,
            model_providers: None,
            default_provider: default_provider.into(),
            source_kinds: Vec::new(),
            archived: false,
            cwds: None,
            search_term: None,
            index_only: false,
        }
    }

    pub(crate) fn page_size(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT) as usize
    }

    pub(crate) fn sort_ms(&self, thread: &StoredThread) -> i64 {
        match self.sort_key {
            ThreadSortKey::CreatedAt => thread.created_at_ms,
            ThreadSortKey::UpdatedAt => thread.updated_at_ms,
        }
    }

    /// The kinds of source shown, as the index names them.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        if self.source_kinds.is_empty() {
            return vec!["cli", "vscode", "custom"];
        }
        let mut kinds: Vec<&'static str> = self
            .source_kinds
            .iter()
            .flat_map(|kind| match kind {
                ThreadSourceKind::Cli => &["cli"][..],
                ThreadSourceKind::Vscode => &["vscode"],
                ThreadSourceKind::Exec => &["exec"],
                ThreadSourceKind::AppServer => &["appServer"],
                ThreadSourceKind::SubAgent => &[
                    "subAgentReview",
                    "subAgentCompact",
                    "subAgentThreadSpawn",
                    "subAgentOther",
                ],
                ThreadSourceKind::SubAgentReview => &["subAgentReview"],
                ThreadSourceKind::SubAgentCompact => &["subAgentCompact"],
                ThreadSourceKind::SubAgentThreadSpawn => &["subAgentThreadSpawn"],
                ThreadSourceKind::SubAgentOther => &["subAgentOther"],
                ThreadSourceKind::Unknown => &["unknown"],
            })
            .copied()
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The providers shown; `None` is all. Threads without a provider are of the default one: the empty name.
    pub(crate) fn providers(&self) -> Option<Vec<String>> {
        let mut providers = match &self.model_providers {
            None => vec![self.default_provider.clone()],
            Some(providers) if providers.is_empty() => return None,
            Some(providers) => providers.clone(),
        };
        if providers.contains(&self.default_provider) {
            providers.push(String::new());
        }
        Some(providers)
    }

    /// Whether the list shows this thread, cursor and page aside.
    pub(crate) fn matches(&self, thread: &StoredThread) -> bool {
        thread.is_listed()
            && thread.archived == self.archived
            && self.kinds().contains(&source_kind(&thread.source))
            && self
                .providers()
                .is_none_or(|providers| providers.contains(&thread.model_provider))
            && self.cwds.as_ref().is_none_or(|cwds| cwds.contains(&thread.cwd))
            && self.search_term.as_deref().is_none_or(|term| {
                thread.title.contains(term) || thread.name.as_deref().is_some_and(|name| name.contains(term))
            })
    }

    /// The order of two threads on the page.
    pub(crate) fn order(&self, a: &StoredThread, b: &StoredThread) -> Ordering {
        let ascending = (self.sort_ms(a), a.id).cmp(&(self.sort_ms(b), b.id));
        match self.direction {
            SortDirection::Asc => ascending,
            SortDirection::Desc => ascending.reverse(),
        }
    }

    /// Whether the thread comes after the cursor.
    pub(crate) fn is_after(&self, thread: &StoredThread, cursor: &Cursor) -> bool {
        let time = self.sort_ms(thread).cmp(&cursor.time_ms);
        let place = match cursor.id {
            Some(id) => time.then(thread.id.cmp(&id)),
            None => time,
        };
        match self.direction {
            SortDirection::Asc => place == Ordering::Greater,
            SortDirection::Desc => place == Ordering::Less,
        }
    }

    /// Cuts sorted threads into the page; there may be more of them than fit.
    pub(crate) fn page(&self, mut threads: Vec<StoredThread>) -> ThreadPage {
        let more = threads.len() > self.page_size();
        threads.truncate(self.page_size());
        let cursor = |thread: &StoredThread| format!("{}|{}", rfc3339(self.sort_ms(thread)), thread.id);
        let step = match self.direction {
            SortDirection::Asc => 1,
            SortDirection::Desc => -1,
        };
        ThreadPage {
            next_cursor: threads.last().filter(|_| more).map(cursor),
            backwards_cursor: threads.first().map(|thread| rfc3339(self.sort_ms(thread) + step)),
            threads,
        }
    }
}

/// A page of threads.
#[derive(Debug, Clone, Default)]
pub struct ThreadPage {
    /// The threads in order.
    pub threads: Vec<StoredThread>,
    /// Where the next page begins; `None` on the last.
    pub next_cursor: Option<String>,
    /// Where a page in the other direction begins that shows this page's first thread again.
    pub backwards_cursor: Option<String>,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) time_ms: i64,
    pub(crate) id: Option<ThreadId>,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let invalid = || StoreError::Invalid(format!("invalid cursor: {text}"));
        let (time, id) = match text.split_once('|') {
            Some((time, id)) => (time, Some(ThreadId::parse(id).map_err(|_| invalid())?)),
            None => (text, None),
        };
        let time = DateTime::parse_from_rfc3339(time).map_err(|_| invalid())?;
        Ok(Cursor {
            time_ms: time.timestamp_millis(),
            id,
        })
    }
}

fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The kind of a source, as the index names it.
pub(crate) fn source_kind(source: &SessionSource) -> &'static str {
    match source {
        SessionSource::Cli => "cli",
        SessionSource::Vscode => "vscode",
        SessionSource::Exec => "exec",
        SessionSource::AppServer => "appServer",
        SessionSource::Unknown => "unknown",
        // The ones that people use; those of others are in no list of kinds.
        SessionSource::Custom(name) if matches!(name.as_str(), "atlas" | "chatgpt") => "custom",
        SessionSource::Custom(_) => "otherCustom",
        SessionSource::SubAgent(agent) => match agent {
            SubAgentSource::Review => "subAgentReview",
            SubAgentSource::Compact => "subAgentCompact",
            SubAgentSource::ThreadSpawn { .. } => "subAgentThreadSpawn",
            SubAgentSource::MemoryConsolidation | SubAgentSource::Other(_) => "subAgentOther",
        },
    }
}
