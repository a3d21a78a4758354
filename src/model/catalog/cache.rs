//! `models_cache.json` of a home: what a provider listed last, for the next minutes and the next process.
//!
//! Other programs of the same home read and write it. One that is of another version, too old or not readable counts as
//! missing. Blocking.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::config::CatalogModel;
use crate::files;

/// For how long a list counts.
pub(super) const LIFETIME: TimeDelta = TimeDelta::seconds(300);
/// The most that is read.
const LIMIT: u64 = 16 << 20;

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Cached {
    pub(super) fetched_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_version: Option<String>,
    pub(super) models: Vec<CatalogModel>,
}

/// What tells one state of the file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

impl Stamp {
    /// The state of the file; none when it is missing.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(path).ok()?;
        Some(Stamp {
            modified: meta.modified().ok(),
            size: meta.len(),
        })
    }
}

impl Cached {
    /// What was listed just now.
    pub(super) fn now(models: Vec<CatalogModel>, etag: Option<String>, version: &str) -> Self {
        Cached {
            fetched_at: Utc::now(),
            etag,
            client_version: Some(version.to_owned()),
            models,
        }
    }

    /// What a file holds for clients of this version.
    pub(super) fn read(path: &Path, version: &str) -> Option<Self> {
        let text = files::read(path, LIMIT).ok()?;
        let cached: Cached = serde_json::from_slice(&text)
            .inspect_err(|error| tracing::warn!("{} is not readable: {error}", path.display()))
            .ok()?;
        (cached.client_version.as_deref() == Some(version)).then_some(cached)
    }

    /// Whether it still counts.
    pub(super) fn is_fresh(&self) -> bool {
        is_fresh(self.fetched_at)
    }

    /// Writes the file, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let temporary = folder.join(format!(".models_cache.json.{}", uuid::Uuid::new_v4().simple()));
        let text = serde_json::to_vec_pretty(self)?;
        let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
        written.inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
    }
}

/// Whether what was listed at a time still counts.
pub(super) fn is_fresh(fetched_at: DateTime<Utc>) -> bool {
    Utc::now().signed_duration_since(fetched_at) <= LIFETIME
}
