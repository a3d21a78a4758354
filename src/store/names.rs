//! The explicit names of threads: lines appended to `session_index.jsonl`, the newest line of an id wins.
//!
//! The file is shared with other programs, so its size is looked at before each answer and only what was added is read.
//! Lines that make no sense are passed over.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::protocol::ThreadId;
use crate::store::StoreError;
use crate::store::rollout::writer::RolloutFile;

/// The file's name in the home.
pub const FILE: &str = "session_index.jsonl";

#[derive(Serialize, Deserialize)]
struct Line {
    id: ThreadId,
    thread_name: String,
    #[serde(default)]
    updated_at: String,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<ThreadId, Arc<str>>,
    inode: u64,
    consumed: u64,
}

/// The names, read as far as the file goes.
#[derive(Debug)]
pub struct Names {
    path: PathBuf,
    known: Mutex<Known>,
}

impl Names {
    /// The names of the threads below `home`.
    pub fn new(home: &Path) -> Self {
        Names {
            path: home.join(FILE),
            known: Mutex::default(),
        }
    }

    /// The name of a thread. Blocks.
    pub fn get(&self, id: ThreadId) -> Option<String> {
        self.with(|names| names.get(&id).map(|name| name.to_string()))
    }

    /// The threads whose name contains `term`. Blocks.
    pub fn matching(&self, term: &str) -> Vec<ThreadId> {
        self.with(|names| {
            names
                .iter()
                .filter(|(_, name)| name.contains(term))
                .map(|(id, _)| *id)
                .collect()
        })
    }

    /// Looks at the names as they are now. Blocks.
    pub fn with<T>(&self, look: impl FnOnce(&HashMap<ThreadId, Arc<str>>) -> T) -> T {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = known.catch_up(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "thread names could not be read");
        }
        look(&known.names)
    }

    /// Appends a name. Blocks.
    pub fn set(&self, id: ThreadId, name: &str) -> Result<(), StoreError> {
        let line = Line {
            id,
            thread_name: name.to_owned(),
            updated_at: Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true),
        };
        let mut bytes = serde_json::to_vec(&line)
            .map_err(|error| StoreError::Internal(format!("failed to encode a name: {error}")))?;
        bytes.push(b'\n');
        let mut file = RolloutFile::create(&self.path).map_err(|error| StoreError::write(&self.path, &error))?;
        file.append(&bytes)
            .map_err(|error| StoreError::write(&self.path, &error))?;
        Ok(())
    }
}

impl Known {
    /// Reads what was added since the last look; everything, if the file is another or was cut.
    fn catch_up(&mut self, path: &Path) -> io::Result<()> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) => {
                *self = Known::default();
                return Err(error);
            }
        };
        if metadata.ino() != self.inode || metadata.len() < self.consumed {
            *self = Known {
                inode: metadata.ino(),
                ..Known::default()
            };
        }
        if metadata.len() == self.consumed {
            return Ok(());
        }
        let mut file = files::open(path)?;
        file.seek(SeekFrom::Start(self.consumed))?;
        let mut input = BufReader::new(file);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let count = input.read_until(b'\n', &mut bytes)?;
            // A line without its end is still being written.
            if count == 0 || bytes.last() != Some(&b'\n') {
                return Ok(());
            }
            self.consumed += count as u64;
            if let Ok(line) = serde_json::from_slice::<Line>(&bytes) {
                self.names.insert(line.id, line.thread_name.into());
            }
        }
    }
}
