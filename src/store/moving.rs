//! Archiving: a rename there, and a rename back. A live recorder's file is followed to its new place.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Local};

use crate::protocol::ThreadId;
use crate::store::core::StoreCore;
use crate::store::rollout::path as rollout_path;
use crate::store::{Scope, StoreError, scan};

impl StoreCore {
    /// Moves a thread's file to the archive. Blocks.
    pub(crate) fn archive(&self, id: ThreadId) -> Result<PathBuf, StoreError> {
        let missing = || StoreError::NotFound(id.to_string());
        let (path, _) = self.find_path(id, Scope::Active).ok_or_else(missing)?;
        let name = path.file_name().ok_or_else(missing)?;
        let target = self.home.join(rollout_path::ARCHIVED).join(name);
        self.move_file(id, &path, target, true)
    }

    /// Moves a thread's file back. The thread counts as used now. Blocks.
    pub(crate) fn unarchive(&self, id: ThreadId) -> Result<PathBuf, StoreError> {
        let (path, _) = self
            .find_path(id, Scope::Archived)
            .ok_or_else(|| StoreError::NotFound(id.to_string()))?;
        let target = self.unarchived_path(&path)?;
        let target = self.move_file(id, &path, target, false)?;
        let touched = fs::File::options()
            .append(true)
            .open(&target)
            .and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = touched {
            tracing::warn!(%error, "unarchived rollout keeps its old time");
        }
        Ok(target)
    }

    /// Where an archived file goes: the day is in its name, or else in its meta.
    fn unarchived_path(&self, path: &Path) -> Result<PathBuf, StoreError> {
        let nowhere = || StoreError::Invalid(format!("{} tells no day", path.display()));
        let name = path.file_name().ok_or_else(nowhere)?;
        if let Some(target) = name
            .to_str()
            .and_then(|name| rollout_path::unarchived_path(&self.home, name))
        {
            return Ok(target);
        }
        let created = scan::head(path, true)?.map(|thread| thread.created_at_ms);
        let created = created.and_then(DateTime::from_timestamp_millis).ok_or_else(nowhere)?;
        let day = created.with_timezone(&Local).naive_local();
        Ok(rollout_path::day_folder(&self.home, &day).join(name))
    }

    fn move_file(&self, id: ThreadId, from: &Path, to: PathBuf, archived: bool) -> Result<PathBuf, StoreError> {
        let live = self.live.get(id);
        let recorder = live.as_ref().and_then(|live| live.recorder());
        let rename = || {
            to.parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::rename(from, &to))
                .map_err(|error| StoreError::Internal(format!("failed to move {}: {error}", from.display())))?;
            if let Some(live) = &live {
                live.moved(to.clone(), archived);
            }
            Ok(())
        };
        match &recorder {
            Some(recorder) => recorder.at_rest(rename)?,
            None => rename()?,
        }
        self.folders().learn(&to, id, archived);
        if let Some(live) = &live {
            self.index_live(id, live);
        }
        Ok(to)
    }
}
