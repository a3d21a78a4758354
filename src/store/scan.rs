//! Finding rollouts in the file system: all of them, one by id, and what a file says in small. Blocks.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Local};

use crate::protocol::ThreadId;
use crate::store::StoreError;
use crate::store::digest::Digest;
use crate::store::rollout::writer::FileStamp;
use crate::store::rollout::{Decoded, Interest, RolloutReader, path as rollout_path};
use crate::store::thread::StoredThread;
use crate::store::turns::outline::{Outline, OutlineChange};
use crate::store::turns::{Landmarks, Span};

/// How far a look at a file's head goes in search of the first message.
const HEAD_BYTES: u64 = 16 * 1024 * 1024;
/// In how many lines a thread's own meta is looked for.
const META_LINES: usize = 10;
/// How many files without an id in their names are looked into for one thread.
const UNNAMED: usize = 1_000;

/// A rollout read for the index.
#[derive(Debug)]
pub struct Scanned {
    /// The thread.
    pub thread: StoredThread,
    /// All its turns and items.
    pub outline: OutlineChange,
    /// Where it is to be taken up.
    pub landmarks: Landmarks,
    /// How many lines were damaged.
    pub damaged_lines: u64,
}

/// Whether a file's name is that of a rollout.
pub fn is_rollout(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with("rollout-") && name.ends_with(".jsonl"))
}

/// The folders that hold rollouts: each day's, newest first, or the archive.
pub fn folders(home: &Path, archived: bool) -> Vec<PathBuf> {
    if archived {
        return vec![home.join(rollout_path::ARCHIVED)];
    }
    let below = |folder: &PathBuf| {
        let mut folders: Vec<PathBuf> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect();
        folders.sort_unstable_by(|a, b| b.cmp(a));
        folders
    };
    let years = below(&home.join(rollout_path::SESSIONS));
    let months: Vec<_> = years.iter().flat_map(below).collect();
    months.iter().flat_map(below).collect()
}

/// The rollouts in a folder, newest name first.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| (entry.file_type(), entry.path()))
        .filter(|(kind, path)| is_rollout(path) && is_ordinary(kind, path))
        .map(|(_, path)| path)
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    files
}

/// Whether an entry is a file or a link to one. The entry tells mostly, without a look at the file.
fn is_ordinary(kind: &io::Result<fs::FileType>, path: &Path) -> bool {
    match kind {
        Ok(kind) if kind.is_file() => true,
        Ok(kind) if kind.is_dir() || kind.is_fifo() => false,
        _ => path.is_file(),
    }
}

/// All rollouts, newest name first.
pub fn all_files(home: &Path, archived: bool) -> Vec<PathBuf> {
    folders(home, archived)
        .iter()
        .flat_map(|folder| files(folder))
        .collect()
}

/// Looks for the rollout of a thread: by the id in file names, then in the files whose names tell none. A file that says
/// itself that it is another thread's is passed over, whatever its name.
pub fn find(home: &Path, id: ThreadId, archived: bool) -> Option<PathBuf> {
    let ending = format!("-{id}.jsonl");
    let matches = |path: &PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| name.starts_with("rollout-") && name.ends_with(&ending))
            && !is_of_another(path, id)
    };
    let in_folder = |folder: &Path| files(folder).into_iter().find(matches);
    // A time-ordered id tells its day; the name tells the local one, which may be a neighbour.
    if !archived && let Some(created) = created(id) {
        let direct = rollout_path::rollout_path(home, id, created);
        if direct.is_file() && matches(&direct) {
            return Some(direct);
        }
        if let Some(found) = direct.parent().and_then(in_folder) {
            return Some(found);
        }
    }
    let folders = folders(home, archived);
    folders.iter().find_map(|folder| in_folder(folder)).or_else(|| {
        let all = folders.iter().flat_map(|folder| files(folder));
        all.filter(|path| !rollout_path::tells_id(path))
            .take(UNNAMED)
            .find(|path| matches!(identity(path), Ok(Some(found)) if found == id))
    })
}

/// Whether a file can be read and is the rollout of another thread.
pub fn is_of_another(path: &Path, id: ThreadId) -> bool {
    matches!(identity(path), Ok(Some(found)) if found != id)
}

/// The thread that a file says it holds: by its meta, which stands in front, or by its name where that is damaged.
pub fn identity(path: &Path) -> io::Result<Option<ThreadId>> {
    let mut reader = RolloutReader::open(path)?.asking_for(Interest::Turns);
    let mut digest = Digest::of_file(path, false);
    for _ in 0..META_LINES {
        let Some(line) = reader.next_line()? else { break };
        match line.decoded {
            Decoded::Line(line) => digest.observe(&line.item),
            Decoded::Damaged => digest.damage(),
            Decoded::Skimmed(_) => digest.pass(),
            Decoded::Blank | Decoded::Unknown => {}
        }
        if digest.is_identified() {
            break;
        }
    }
    Ok(digest.is_thread().then(|| digest.thread().id))
}

fn created(id: ThreadId) -> Option<DateTime<Local>> {
    let (seconds, nanos) = id.0.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos).map(|time| time.with_timezone(&Local))
}

/// The stamp of a file, `None` when it is gone.
pub fn stamp(path: &Path) -> Option<FileStamp> {
    fs::metadata(path).ok().map(|metadata| FileStamp::of(&metadata))
}

/// Reads a file's head: enough to list the thread. `None` when it holds no thread.
pub fn head(path: &Path, archived: bool) -> Result<Option<StoredThread>, StoreError> {
    let failed = |error: io::Error| StoreError::read(path, error);
    let mut reader = RolloutReader::open(path).map_err(failed)?;
    let mut digest = Digest::of_file(path, archived);
    while reader.offset() < HEAD_BYTES
        && !(digest.thread().is_listed() && !digest.thread().title.is_empty() && digest.is_thread())
    {
        let Some(line) = reader.next_line().map_err(failed)? else {
            break;
        };
        match line.decoded {
            Decoded::Line(line) => digest.observe(&line.item),
            Decoded::Damaged => digest.damage(),
            Decoded::Blank | Decoded::Unknown | Decoded::Skimmed(_) => {}
        }
    }
    digest.stamp(FileStamp::of(&reader.file().metadata().map_err(failed)?));
    Ok(digest.is_thread().then(|| digest.thread().clone()))
}

/// A rollout folded from its first line to its last.
#[derive(Debug)]
pub(crate) struct Folded {
    pub(crate) thread: StoredThread,
    pub(crate) outline: Outline,
    pub(crate) landmarks: Landmarks,
    damaged_lines: u64,
}

/// Folds a whole file. `None` when it holds no thread.
pub(crate) fn fold(path: &Path, archived: bool) -> Result<Option<Folded>, StoreError> {
    let failed = |error: io::Error| StoreError::read(path, error);
    let mut reader = RolloutReader::open(path).map_err(failed)?.asking_for(Interest::Turns);
    // The stamp before the lines: what is appended meanwhile makes the row stale, not wrong.
    let stamp = FileStamp::of(&reader.file().metadata().map_err(failed)?);
    let mut digest = Digest::of_file(path, archived);
    let mut outline = Outline::default();
    let mut landmarks = Landmarks::default();
    while let Some(line) = reader.next_line().map_err(failed)? {
        let span = Span {
            offset: line.offset,
            len: line.len,
        };
        match line.decoded {
            Decoded::Line(found) => {
                digest.observe(&found.item);
                outline.observe(&found.item, line.offset, line.len);
                landmarks.observe(&found.item, span, digest.thread().id, outline.last_turn_id());
            }
            Decoded::Skimmed(skimmed) => {
                digest.pass();
                outline.observe_skimmed(skimmed, line.offset, line.len);
                landmarks.observe_skimmed(skimmed, span);
            }
            Decoded::Damaged => digest.damage(),
            Decoded::Blank | Decoded::Unknown => {}
        }
    }
    digest.stamp(stamp);
    landmarks.tail = outline.tail();
    Ok(digest.is_thread().then(|| Folded {
        thread: digest.thread().clone(),
        outline,
        landmarks,
        damaged_lines: reader.damaged(),
    }))
}

/// Reads a whole file for the index. `None` when it holds no thread.
pub fn whole(path: &Path, archived: bool) -> Result<Option<Scanned>, StoreError> {
    Ok(fold(path, archived)?.map(|mut folded| Scanned {
        thread: folded.thread,
        outline: OutlineChange {
            truncate_from: Some(0),
            turns: folded.outline.take_change().turns,
        },
        landmarks: folded.landmarks,
        damaged_lines: folded.damaged_lines,
    }))
}
