//! The permissions that a model names in the arguments of a call.
//!
//! Relative paths start at the folder of the call, `~` at the user's home. There are two spellings: lists of paths to
//! read and to write, and entries.

use std::num::NonZeroUsize;

use serde::Deserialize;

use super::grants::Grants;
use super::places;
use crate::protocol::{
    AbsolutePathBuf, FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
};

/// What `request_permissions` asks for. Anything else in it is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPermissionProfile {
    network: Option<NetworkPermissions>,
    file_system: Option<FileSystemPermissionsDe>,
}

/// What a single command asks for.
#[derive(Debug, Clone, Deserialize)]
pub struct AdditionalPermissionProfile {
    network: Option<NetworkPermissions>,
    file_system: Option<FileSystemPermissionsDe>,
}

#[derive(Debug, Clone, Deserialize)]
struct NetworkPermissions {
    enabled: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum FileSystemPermissionsDe {
    Entries {
        entries: Vec<Entry>,
        #[serde(default)]
        glob_scan_max_depth: Option<NonZeroUsize>,
    },
    Lists {
        #[serde(default)]
        read: Option<Vec<String>>,
        #[serde(default)]
        write: Option<Vec<String>>,
    },
}

#[derive(Debug, Clone, Deserialize)]
struct Entry {
    path: Place,
    access: FileSystemAccessMode,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Place {
    Path { path: String },
    GlobPattern { pattern: String },
    Special { value: FileSystemSpecialPath },
}

impl RequestPermissionProfile {
    /// The permissions, with relative paths taken from `base`.
    pub fn grants(self, base: &AbsolutePathBuf) -> Grants {
        grants(self.network, self.file_system, base)
    }
}

impl AdditionalPermissionProfile {
    /// The permissions, with relative paths taken from `base`.
    pub fn grants(self, base: &AbsolutePathBuf) -> Grants {
        grants(self.network, self.file_system, base)
    }
}

fn grants(
    network: Option<NetworkPermissions>,
    files: Option<FileSystemPermissionsDe>,
    base: &AbsolutePathBuf,
) -> Grants {
    let (entries, glob_scan_max_depth) = match files {
        None => (Vec::new(), None),
        Some(FileSystemPermissionsDe::Entries {
            entries,
            glob_scan_max_depth,
        }) => (
            entries.into_iter().map(|entry| entry.resolved(base)).collect(),
            glob_scan_max_depth.map(NonZeroUsize::get),
        ),
        Some(FileSystemPermissionsDe::Lists { read, write }) => {
            let listed = |paths: Option<Vec<String>>, access| {
                let entry = move |path: String| FileSystemSandboxEntry {
                    access,
                    path: FileSystemPath::Path {
                        path: places::named(base, &path),
                    },
                };
                paths.unwrap_or_default().into_iter().map(entry)
            };
            let read = listed(read, FileSystemAccessMode::Read);
            let write = listed(write, FileSystemAccessMode::Write);
            (read.chain(write).collect(), None)
        }
    };
    Grants::new(
        network.and_then(|network| network.enabled),
        entries,
        glob_scan_max_depth,
    )
}

impl Entry {
    fn resolved(self, base: &AbsolutePathBuf) -> FileSystemSandboxEntry {
        let path = match self.path {
            Place::Path { path } => FileSystemPath::Path {
                path: places::named(base, &path),
            },
            Place::GlobPattern { pattern } => FileSystemPath::GlobPattern {
                pattern: base.as_path().join(pattern).display().to_string(),
            },
            Place::Special { value } => FileSystemPath::Special { value },
        };
        FileSystemSandboxEntry {
            access: self.access,
            path,
        }
    }
}
