//! The files of an executor. Reading may always be done; what writes carries its bounds, for the executor to keep.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Remote;
use super::link::Resend;
use crate::exec::files::{Files, Look};
use crate::exec::place::Bounds;
use crate::exec::sandbox::policy::PROTECTED_NAMES;
use crate::protocol::exec_server::*;
use crate::protocol::{
    AbsolutePathBuf, FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath, SandboxPolicy,
};

/// Files behind a connection.
#[derive(Debug)]
pub(super) struct RemoteFiles {
    remote: Arc<Remote>,
    sandbox: Option<FileSystemSandboxContext>,
}

impl RemoteFiles {
    pub(super) fn new(remote: Arc<Remote>, bounds: Option<Bounds>) -> Self {
        RemoteFiles {
            remote,
            sandbox: bounds.as_ref().and_then(context),
        }
    }

    fn ask<P: Serialize, R: DeserializeOwned>(&self, method: &'static str, params: &P, again: Resend) -> io::Result<R> {
        Ok(self.remote.call_blocking(method, params, again)?)
    }
}

impl Files for RemoteFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let read: ReadFileResponse = self.ask(FS_READ_FILE, &at(path), Resend::Yes)?;
        let bytes = read.data_base64.0;
        match bytes.len() as u64 > limit {
            false => Ok(bytes),
            true => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the file is larger than {limit} bytes"),
            )),
        }
    }

    fn read_start(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = self.read(path, u64::MAX)?;
        bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(bytes)
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let found: MetadataResponse = self.ask(FS_GET_METADATA, &at(path), Resend::Yes)?;
        Ok(Look {
            is_dir: found.is_directory,
            is_file: found.is_file,
            is_link: found.is_symlink,
        })
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        use base64::Engine as _;
        let params = WriteFileParams {
            path: ExecutorPath(path.to_owned()),
            data_base64: base64::engine::general_purpose::STANDARD.encode(content),
            sandbox: self.sandbox.clone(),
        };
        self.ask(FS_WRITE_FILE, &params, Resend::Yes).map(|Done {}| ())
    }

    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let params = CreateDirectoryParams {
            path: ExecutorPath(path.to_owned()),
            recursive: Some(true),
            sandbox: self.sandbox.clone(),
        };
        self.ask(FS_CREATE_DIRECTORY, &params, Resend::Yes).map(|Done {}| ())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let params = RemoveParams {
            path: ExecutorPath(path.to_owned()),
            recursive: Some(false),
            force: Some(false),
            sandbox: self.sandbox.clone(),
        };
        self.ask(FS_REMOVE, &params, Resend::No).map(|Done {}| ())
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        // The protocol cannot tell; links out of the workspace are the executor's to refuse.
        path.to_owned()
    }
}

fn at(path: &Path) -> PathParams {
    PathParams {
        path: ExecutorPath(path.to_owned()),
        sandbox: None,
    }
}

/// Bounds as the protocol tells them; none when they restrict nothing.
fn context(bounds: &Bounds) -> Option<FileSystemSandboxContext> {
    let special = |value, access| FileSystemSandboxEntry {
        access,
        path: FileSystemPath::Special { value },
    };
    let path = |path: &AbsolutePathBuf, access| FileSystemSandboxEntry {
        access,
        path: FileSystemPath::Path { path: path.clone() },
    };
    let mut entries = vec![special(FileSystemSpecialPath::Root, FileSystemAccessMode::Read)];
    match &bounds.policy {
        SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => return None,
        SandboxPolicy::ReadOnly { .. } => {}
        SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp,
            exclude_tmpdir_env_var,
            writable_roots,
            ..
        } => {
            for root in bounds.workspace_roots.iter().chain(writable_roots) {
                entries.push(path(root, FileSystemAccessMode::Write));
                for name in PROTECTED_NAMES {
                    entries.push(path(&AbsolutePathBuf::resolve(root, name), FileSystemAccessMode::Read));
                }
            }
            if !exclude_slash_tmp {
                entries.push(special(FileSystemSpecialPath::SlashTmp, FileSystemAccessMode::Write));
            }
            if !exclude_tmpdir_env_var {
                entries.push(special(FileSystemSpecialPath::Tmpdir, FileSystemAccessMode::Write));
            }
        }
    }
    let network = match bounds.network() {
        true => Network::Enabled,
        false => Network::Restricted,
    };
    Some(FileSystemSandboxContext {
        permissions: FilePermissions::Managed {
            file_system: FileRules::Restricted {
                entries,
                glob_scan_max_depth: None,
            },
            network,
        },
        cwd: bounds
            .workspace_roots
            .first()
            .map(|root| ExecutorPath(root.as_path().to_owned())),
        windows_sandbox_level: "disabled".to_owned(),
        windows_sandbox_private_desktop: false,
        use_legacy_landlock: false,
    })
}
