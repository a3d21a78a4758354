//! Files, here or on an executor, as the tools of a turn use them. Everything here blocks: run it on the blocking pool.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::files;
use crate::files::normalised;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// It is a folder, or leads to one.
    pub is_dir: bool,
    /// It is an ordinary file, or leads to one.
    pub is_file: bool,
    /// It is a link.
    pub is_link: bool,
}

/// Access to files.
pub trait Files: Send + Sync + std::fmt::Debug {
    /// The whole of an ordinary file, which must not be longer than `limit`.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// At most the first `limit` bytes of an ordinary file.
    fn read_start(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;

    /// What stands there, links followed. A link that leads nowhere may count as nothing.
    fn look(&self, path: &Path) -> io::Result<Look>;

    /// Writes a whole file.
    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()>;

    /// Makes a folder and those above it.
    fn make_folders(&self, path: &Path) -> io::Result<()>;

    /// Removes a file or a link.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Where a path leads, with the links of its existing part resolved, as far as that can be told.
    fn resolve(&self, path: &Path) -> PathBuf;
}

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        files::read(path, limit)
    }

    fn read_start(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        files::read_start(path, limit)
    }

    fn look(&self, path: &Path) -> io::Result<Look> {
        let own = fs::symlink_metadata(path)?;
        let is_link = own.is_symlink();
        let target = if is_link { fs::metadata(path).ok() } else { Some(own) };
        Ok(Look {
            is_dir: target.as_ref().is_some_and(fs::Metadata::is_dir),
            is_file: target.as_ref().is_some_and(fs::Metadata::is_file),
            is_link,
        })
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        files::overwrite(path, content.len() as u64, |file| file.write_all(content))
    }

    fn make_folders(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        resolved(path)
    }
}

/// How many dangling links are followed.
const LINKS: usize = 40;

/// `path` with the links of its existing part resolved.
pub fn resolved(path: &Path) -> PathBuf {
    follow(path, LINKS)
}

fn follow(path: &Path, links: usize) -> PathBuf {
    let mut missing = Vec::new();
    let mut existing = path;
    let rest =
        |base: PathBuf, missing: &[std::ffi::OsString]| missing.iter().rev().fold(base, |at, name| at.join(name));
    loop {
        if let Ok(real) = existing.canonicalize() {
            return rest(real, &missing);
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            return path.to_owned();
        };
        // A write would go through a dangling link, so it counts as where it points.
        if let Ok(target) = existing.read_link()
            && links > 0
        {
            return rest(follow(&normalised(&parent.join(target)), links - 1), &missing);
        }
        missing.push(name.to_owned());
        existing = parent;
    }
}
