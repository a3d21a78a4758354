//! Where the places of an entry lie on this machine.

use std::path::{Path, PathBuf};

use crate::exec::sandbox::policy::Place;
use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, FileSystemPath, FileSystemSpecialPath};

/// A path as a model or a configuration writes it: relative to `base`, or below the user's home (`~`).
pub fn named(base: &AbsolutePathBuf, path: &str) -> AbsolutePathBuf {
    let path = below_home(path).unwrap_or_else(|| base.as_path().join(path));
    AbsolutePathBuf::rooted(normalised(&path))
}

/// What `~` and `~/…` stand for; none for other paths, and where there is no home.
pub fn below_home(path: &str) -> Option<PathBuf> {
    let home = || {
        std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
    };
    match path.strip_prefix('~')? {
        "" => home(),
        rest => Some(home()?.join(rest.strip_prefix('/')?)),
    }
}

/// The user's folder for temporary files, when it has one of its own.
pub fn temporary() -> Option<PathBuf> {
    std::env::var_os("TMPDIR")
        .map(PathBuf::from)
        .filter(|folder| folder.is_absolute())
}

/// What programs need to run, as the peer has it, and the list of name servers wherever it lies.
const PLATFORM: [&str; 9] = [
    "/bin",
    "/sbin",
    "/usr",
    "/etc",
    "/lib",
    "/lib64",
    "/nix/store",
    "/run/current-system/sw",
    "/etc/resolv.conf",
];

/// A place on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The folder or file.
    pub path: PathBuf,
    /// Whether others share it: names that do not exist in it are not ours to occupy.
    pub shared: bool,
}

/// Where a place lies: nowhere, or in several folders when it is below each root of the workspace. A pattern lies
/// nowhere.
pub fn spots(path: &FileSystemPath, place: &Place<'_>) -> Vec<Spot> {
    let own = |path: PathBuf| Spot { path, shared: false };
    let shared = |path: PathBuf| Spot { path, shared: true };
    match path {
        FileSystemPath::Path { path } => vec![own(path.as_path().to_path_buf())],
        FileSystemPath::GlobPattern { .. } => Vec::new(),
        FileSystemPath::Special { value } => match value {
            FileSystemSpecialPath::Root => vec![own("/".into())],
            FileSystemSpecialPath::ProjectRoots { subpath } => {
                let below = |root: &AbsolutePathBuf| own(joined(root.as_path(), subpath.as_deref()));
                place.workspace_roots.iter().map(below).collect()
            }
            FileSystemSpecialPath::Tmpdir => temporary().map(shared).into_iter().collect(),
            FileSystemSpecialPath::SlashTmp => vec![shared("/tmp".into())],
            // What programs need to run can be read wherever anything can; unknown places are not for this version.
            FileSystemSpecialPath::Minimal | FileSystemSpecialPath::Unknown { .. } => Vec::new(),
        },
    }
}

/// What an entry lets be read: its places, or what programs need to run.
pub fn readable(path: &FileSystemPath, place: &Place<'_>) -> Vec<PathBuf> {
    let minimal = FileSystemPath::Special {
        value: FileSystemSpecialPath::Minimal,
    };
    match *path == minimal {
        true => PLATFORM.map(PathBuf::from).to_vec(),
        false => spots(path, place).into_iter().map(|spot| spot.path).collect(),
    }
}

/// What this program needs to be loaded.
pub fn loader() -> Vec<PathBuf> {
    let parts = [
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/nix/store",
        "/etc/ld.so.cache",
    ];
    let own = std::env::current_exe().ok();
    parts.map(PathBuf::from).into_iter().chain(own).collect()
}

/// A folder and what is below it; one that would lead out of the folder leads nowhere else.
pub fn joined(root: &Path, subpath: Option<&str>) -> PathBuf {
    let path = normalised(&root.join(subpath.unwrap_or_default()));
    match path.starts_with(root) {
        true => path,
        false => root.to_path_buf(),
    }
}
