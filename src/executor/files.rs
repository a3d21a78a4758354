//! Operations on files, one after the other for each connection, on the blocking pool.
//!
//! Links are followed, as by a program that opens a path. Pipes and devices are not waited for: they read as what is
//! there. An operation that comes with a restricted sandbox context runs in a process of its own that is confined so
//! (see `confined.rs`), or not at all.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use super::confined;
use super::outbox::Outbox;
use super::refusal::Refusal;
use crate::exec::Sandbox;
use crate::exec::files::resolved;
use crate::files;
use crate::protocol::RequestId;
use crate::protocol::exec_server::*;

/// The largest file that is read at once.
const MAX_READ: u64 = 512 << 20;
/// How deep a copied tree may be.
const MAX_DEPTH: usize = 128;

/// An operation with its parameters.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FileJob {
    Read(PathParams),
    Write(WriteFileParams),
    CreateDirectory(CreateDirectoryParams),
    Metadata(PathParams),
    ReadDirectory(PathParams),
    Remove(RemoveParams),
    Copy(CopyParams),
}

/// What an operation touches.
#[derive(Debug)]
pub(super) struct Touched {
    /// The path that it reads: as it was named, and with links resolved.
    pub(super) read: Option<(PathBuf, PathBuf)>,
    /// The path that it writes to or removes, links resolved.
    pub(super) written: Option<PathBuf>,
}

/// Does the operations of a connection until there are no more.
pub(super) async fn work(mut jobs: mpsc::Receiver<(RequestId, FileJob)>, outbox: Outbox, sandbox: Arc<Sandbox>) {
    while let Some((id, job)) = jobs.recv().await {
        let outcome = perform(job, &sandbox).await;
        outbox.answer(&id, outcome).await;
    }
}

async fn perform(mut job: FileJob, sandbox: &Arc<Sandbox>) -> Result<Value, Refusal> {
    if let Some(context) = job.take_context()
        && let Some(confinement) = confined::confinement(context).await?
    {
        return confined::perform(&job, confinement, sandbox).await;
    }
    tokio::task::spawn_blocking(move || job.run())
        .await
        .unwrap_or_else(|error| Err(Refusal::internal(error.to_string())))
}

impl FileJob {
    fn take_context(&mut self) -> Option<FileSystemSandboxContext> {
        match self {
            FileJob::Read(params) | FileJob::Metadata(params) | FileJob::ReadDirectory(params) => params.sandbox.take(),
            FileJob::Write(params) => params.sandbox.take(),
            FileJob::CreateDirectory(params) => params.sandbox.take(),
            FileJob::Remove(params) => params.sandbox.take(),
            FileJob::Copy(params) => params.sandbox.take(),
        }
    }

    /// The paths that it reads and those that it writes to or removes.
    pub(super) async fn touched(&self) -> Result<Touched, Refusal> {
        let (read, written) = match self {
            FileJob::Read(params) | FileJob::Metadata(params) | FileJob::ReadDirectory(params) => {
                (Some(&params.path), None)
            }
            FileJob::Write(params) => (None, Some(&params.path)),
            FileJob::CreateDirectory(params) => (None, Some(&params.path)),
            FileJob::Remove(params) => (None, Some(&params.path)),
            FileJob::Copy(params) => (Some(&params.source_path), Some(&params.destination_path)),
        };
        let (read, written) = (read.map(|path| path.0.clone()), written.map(|path| path.0.clone()));
        let resolve = move || Touched {
            read: read.map(|path| (path.clone(), resolved(&path))),
            written: written.map(|path| resolved(&path)),
        };
        tokio::task::spawn_blocking(resolve)
            .await
            .map_err(|error| Refusal::internal(error.to_string()))
    }

    /// Does it here and now. Blocks.
    pub(super) fn run(self) -> Result<Value, Refusal> {
        match self {
            FileJob::Read(params) => told(&ReadFileResponse {
                data_base64: Base64Bytes(read(&params.path.0)?),
            }),
            FileJob::Write(params) => write(&params).and_then(|()| told(&Done {})),
            FileJob::CreateDirectory(params) => {
                match params.recursive.unwrap_or(true) {
                    true => fs::create_dir_all(&params.path.0)?,
                    false => fs::create_dir(&params.path.0)?,
                }
                told(&Done {})
            }
            FileJob::Metadata(params) => told(&metadata(&params.path.0)?),
            FileJob::ReadDirectory(params) => told(&ReadDirectoryResponse {
                entries: entries(&params.path.0)?,
            }),
            FileJob::Remove(params) => remove(&params).map_err(Refusal::from).and_then(|()| told(&Done {})),
            FileJob::Copy(params) => copy(&params).and_then(|()| told(&Done {})),
        }
    }
}

fn told<T: Serialize>(result: &T) -> Result<Value, Refusal> {
    serde_json::to_value(result).map_err(|error| Refusal::internal(error.to_string()))
}

fn read(path: &Path) -> Result<Vec<u8>, Refusal> {
    // Without waiting for somebody who writes to a pipe.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let kind = file.metadata()?.file_type();
    let mut bytes = Vec::new();
    match file.take(MAX_READ + 1).read_to_end(&mut bytes) {
        // What a pipe or a terminal has not got yet is not waited for.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        other => drop(other?),
    }
    if bytes.len() as u64 > MAX_READ {
        let what = match kind.is_file() {
            true => "file is too large to read",
            false => "there is no end to read to",
        };
        return Err(Refusal::invalid_request(format!("{what}: limit is {MAX_READ} bytes")));
    }
    Ok(bytes)
}

fn write(params: &WriteFileParams) -> Result<(), Refusal> {
    let bytes = STANDARD
        .decode(&params.data_base64)
        .map_err(|error| Refusal::invalid_request(format!("fs/writeFile requires valid base64 dataBase64: {error}")))?;
    let length = bytes.len() as u64;
    Ok(files::overwrite(&params.path.0, length, |file| file.write_all(&bytes))?)
}

fn metadata(path: &Path) -> io::Result<MetadataResponse> {
    let is_symlink = fs::symlink_metadata(path)?.is_symlink();
    let found = fs::metadata(path)?;
    Ok(MetadataResponse {
        is_directory: found.is_dir(),
        is_file: found.is_file(),
        is_symlink,
        // Where the system does not know, and where its answer depends on the way the server was built.
        created_at_ms: unix_ms(found.created()),
        modified_at_ms: unix_ms(Metadata::modified(&found)),
    })
}

/// Milliseconds since 1970; 0 where the file system does not know.
fn unix_ms(time: io::Result<SystemTime>) -> i64 {
    let since = time.ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

fn entries(path: &Path) -> io::Result<Vec<DirectoryEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        // A link that leads nowhere is not listed: there is nothing to read at it.
        let Ok(target) = fs::metadata(entry.path()) else {
            continue;
        };
        entries.push(DirectoryEntry {
            file_name: entry.file_name().to_string_lossy().into_owned(),
            is_directory: target.is_dir(),
            is_file: target.is_file(),
        });
    }
    Ok(entries)
}

fn remove(params: &RemoveParams) -> io::Result<()> {
    let path = &params.path.0;
    let removed = fs::symlink_metadata(path).and_then(|found| match found.is_dir() {
        true if params.recursive.unwrap_or(true) => fs::remove_dir_all(path),
        true => fs::remove_dir(path),
        false => fs::remove_file(path),
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound && params.force.unwrap_or(true) => Ok(()),
        other => other,
    }
}

fn copy(params: &CopyParams) -> Result<(), Refusal> {
    let (from, to) = (&params.source_path.0, &params.destination_path.0);
    let found = fs::symlink_metadata(from)?;
    if !found.is_dir() {
        return copy_one(from, to, &found);
    }
    if !params.recursive {
        return Err(Refusal::invalid_request(
            "fs/copy requires recursive: true when sourcePath is a directory",
        ));
    }
    if resolved(to).starts_with(resolved(from)) {
        return Err(Refusal::invalid_request(
            "fs/copy cannot copy a directory to itself or one of its descendants",
        ));
    }
    copy_tree(from, to, 0)
}

fn copy_tree(from: &Path, to: &Path, depth: usize) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(Refusal::invalid_request(format!(
            "fs/copy copies folders that are nested up to {MAX_DEPTH} times"
        )));
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let found = fs::symlink_metadata(&path)?;
        match found.is_dir() {
            true => copy_tree(&path, &target, depth + 1)?,
            // What is neither file nor link is passed over inside of a tree.
            false if is_special(&found) => {}
            false => copy_one(&path, &target, &found)?,
        }
    }
    Ok(())
}

fn copy_one(from: &Path, to: &Path, found: &Metadata) -> Result<(), Refusal> {
    if found.is_symlink() {
        let target = fs::read_link(from)?;
        return Ok(std::os::unix::fs::symlink(target, to)?);
    }
    if !found.is_file() {
        return Err(Refusal::invalid_request(
            "fs/copy only supports regular files, directories, and symlinks",
        ));
    }
    // Copying a file onto itself would empty it.
    if resolved(to) != resolved(from) {
        fs::copy(from, to)?;
    }
    Ok(())
}

fn is_special(found: &Metadata) -> bool {
    let kind = found.file_type();
    kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device()
}
