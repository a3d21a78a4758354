//! What the store counts: opening and filling the index, and reads that had to do without it.
//!
//! Names and labels are the field's (a scrape shows the dots as underscores), so that dashboards made for it read on. The
//! process installs one recorder; until then, and in processes that nobody scrapes, counting costs nothing and changes
//! nothing.

use std::time::Duration;

use metrics::{counter, histogram};

/// Who fell back, by what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Caller {
    FindThreadPath,
    ListThreads,
    ListTurns,
    ListItems,
}

/// Why it fell back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    DbUnavailable,
    DbError,
    BackfillIncomplete,
    MissingRow,
    StalePath,
    Mismatch,
}

/// A read did without the index.
pub(crate) fn fell_back(caller: Caller, reason: Reason) {
    let caller = match caller {
        Caller::FindThreadPath => "find_thread_path",
        Caller::ListThreads => "list_threads",
        Caller::ListTurns => "list_turns",
        Caller::ListItems => "list_items",
    };
    let reason = match reason {
        Reason::DbUnavailable => "db_unavailable",
        Reason::DbError => "db_error",
        Reason::BackfillIncomplete => "backfill_incomplete",
        Reason::MissingRow => "missing_row",
        Reason::StalePath => "stale_path",
        Reason::Mismatch => "mismatch",
    };
    counter!("codex.sqlite.fallback.count", "caller" => caller, "reason" => reason).increment(1);
}

/// A phase of opening the index ended. `error` is `none` or the class of the error.
pub(crate) fn initialised(phase: &'static str, error: &'static str, took: Duration) {
    let status = if error == "none" { "success" } else { "failed" };
    let labels = [
        ("phase", phase),
        ("status", status),
        ("error", error),
        ("db", "state"),
        ("originator", "codex-app-server"),
    ];
    counter!("codex.sqlite.init.count", &labels).increment(1);
    histogram!("codex.sqlite.init.duration_ms", &labels).record(milliseconds(took));
}

/// Files were read into the index, or could not be.
pub(crate) fn backfilled(upserted: usize, failed: usize) {
    for (status, count) in [("upserted", upserted), ("failed", failed)] {
        if count > 0 {
            counter!("codex.db.backfill", "status" => status).increment(count as u64);
        }
    }
    if failed > 0 {
        counter!("codex.db.error", "stage" => "backfill_sessions").increment(failed as u64);
    }
}

/// A pass over all files ended.
pub(crate) fn backfill_ended(status: &'static str, took: Duration) {
    histogram!("codex.db.backfill.duration_ms", "status" => status).record(milliseconds(took));
}

/// The process has begun to use an index.
pub(crate) fn process_started() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| counter!("codex.process.start", "originator" => "codex-app-server").increment(1));
}

fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}
