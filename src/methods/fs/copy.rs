//! fs/copy: files, links, and whole folders.
//!
//! A folder is merged into one that is there; its pipes, sockets and devices are left out. A link is copied as a link. A
//! file that is copied onto itself is left as it is.

use std::fs::{self, FileType};
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::on_files;
use crate::files::normalised;
use crate::protocol::{FsCopyParams, FsCopyResponse};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `fs/copy`.
pub async fn copy(_cx: RequestContext, params: FsCopyParams) -> Result<FsCopyResponse, RpcError> {
    on_files(move || {
        copy_entry(
            params.source_path.as_path(),
            params.destination_path.as_path(),
            params.recursive,
        )
    })
    .await?;
    Ok(FsCopyResponse {})
}

fn copy_entry(source: &Path, destination: &Path, recursive: bool) -> io::Result<()> {
    let kind = fs::symlink_metadata(source)?.file_type();
    if !kind.is_dir() {
        return match copy_one(kind, source, destination)? {
            true => Ok(()),
            false => refused("fs/copy only supports regular files, directories, and symlinks"),
        };
    }
    if !recursive {
        return refused("fs/copy requires recursive: true when sourcePath is a directory");
    }
    if resolved(destination)?.starts_with(fs::canonicalize(source)?) {
        return refused("fs/copy cannot copy a directory to itself or one of its descendants");
    }
    let mut folders = vec![(source.to_path_buf(), destination.to_path_buf())];
    while let Some((from, to)) = folders.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
            match kind.is_dir() {
                true => folders.push((entry.path(), to)),
                false => {
                    copy_one(kind, &entry.path(), &to)?;
                }
            }
        }
    }
    Ok(())
}

/// Copies what is no folder. False when it is of a kind that cannot be copied.
fn copy_one(kind: FileType, source: &Path, destination: &Path) -> io::Result<bool> {
    if kind.is_symlink() {
        symlink(fs::read_link(source)?, destination)?;
    } else if kind.is_file() {
        copy_file(source, destination)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn copy_file(source: &Path, destination: &Path) -> io::Result<()> {
    if let Ok(there) = fs::metadata(destination) {
        if !there.is_file() && !there.is_dir() {
            // Opening a pipe would wait for somebody who reads it.
            return refused("not an ordinary file");
        }
        let own = fs::metadata(source)?;
        if (own.dev(), own.ino()) == (there.dev(), there.ino()) {
            return Ok(());
        }
    }
    fs::copy(source, destination).map(|_| ())
}

/// Where a path leads, as far as it exists; what does not exist yet is taken by its name.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let path = normalised(path);
    for ancestor in path.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => {
                let rest = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(real.join(rest));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

fn refused<T>(message: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}
