//! Folders and their entries: made, listed, removed.

use std::fs;
use std::io;
use std::path::Path;

use super::on_files;
use crate::protocol::{
    FsCreateDirectoryParams, FsCreateDirectoryResponse, FsReadDirectoryEntry, FsReadDirectoryParams,
    FsReadDirectoryResponse, FsRemoveParams, FsRemoveResponse,
};
use crate::rpc::RpcError;
use crate::rpc::context::RequestContext;

/// `fs/createDirectory`: with its parents, unless the client says otherwise.
pub async fn create_directory(
    _cx: RequestContext,
    params: FsCreateDirectoryParams,
) -> Result<FsCreateDirectoryResponse, RpcError> {
    on_files(move || {
        let path = params.path.as_path();
        match params.recursive.unwrap_or(true) {
            true => fs::create_dir_all(path),
            false => fs::create_dir(path),
        }
    })
    .await?;
    Ok(FsCreateDirectoryResponse {})
}

/// `fs/readDirectory`: the direct entries, in the folder's own order. Links count as what they lead to; those that lead
/// nowhere are left out.
pub async fn read_directory(
    _cx: RequestContext,
    params: FsReadDirectoryParams,
) -> Result<FsReadDirectoryResponse, RpcError> {
    let entries = on_files(move || list(params.path.as_path())).await?;
    Ok(FsReadDirectoryResponse { entries })
}

fn list(folder: &Path) -> io::Result<Vec<FsReadDirectoryEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match fs::metadata(entry.path()) {
                Ok(target) => kind = target.file_type(),
                Err(_) => continue,
            }
        }
        entries.push(FsReadDirectoryEntry {
            file_name: entry.file_name().to_string_lossy().into_owned(),
            is_directory: kind.is_dir(),
            is_file: kind.is_file(),
        });
    }
    Ok(entries)
}

/// `fs/remove`: a link itself, never what it leads to.
pub async fn remove(_cx: RequestContext, params: FsRemoveParams) -> Result<FsRemoveResponse, RpcError> {
    on_files(move || {
        let removed = remove_entry(params.path.as_path(), params.recursive.unwrap_or(true));
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound && params.force.unwrap_or(true) => Ok(()),
            removed => removed,
        }
    })
    .await?;
    Ok(FsRemoveResponse {})
}

fn remove_entry(path: &Path, recursive: bool) -> io::Result<()> {
    // Without its closing slash, a link to a folder is the link.
    let path: &Path = &path.components().collect::<std::path::PathBuf>();
    match (fs::symlink_metadata(path)?.is_dir(), recursive) {
        (true, true) => fs::remove_dir_all(path),
        (true, false) => fs::remove_dir(path),
        (false, _) => fs::remove_file(path),
    }
}
