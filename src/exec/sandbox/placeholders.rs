//! Names that a confined command must not make, occupied while it runs.
//!
//! Nothing can be mounted on a name that does not exist. So a protected name that is missing is made for the time of the
//! command, as an empty folder with a mode of its own by which everybody here knows it for what it is
//! ([`crate::files::is_placeholder`]), and removed afterwards. Several commands may need the same one: each holds a
//! shared lock on it, and who can have the lock alone is the last and removes it. What a crash left behind is taken
//! over, and then removed, by the next command.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::{Mode, umask};

use super::policy::Confinement;
use super::stage::StageError;
use crate::files::{PLACEHOLDER_MODE, is_placeholder};

/// How often a name that others remove at the same time is tried.
const TRIES: usize = 16;

/// Names that are occupied until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Placeholders(Vec<(PathBuf, File)>);

impl Placeholders {
    /// Occupies every protected name that is missing, unless others share the folder.
    pub(super) fn hold(confinement: &Confinement) -> Result<Self, StageError> {
        let mut held = Placeholders::default();
        for root in confinement.roots.iter().filter(|root| !root.shared) {
            let closed = confinement.read_only.iter().chain(&confinement.hidden);
            let closed = closed.filter(|path| path.starts_with(&root.path));
            for path in root.protected.iter().chain(closed) {
                let Some(path) = missing(&root.path, path) else {
                    continue;
                };
                if held.0.iter().any(|(known, _)| known == path) {
                    continue;
                }
                match occupy(path) {
                    Ok(Some(folder)) => held.0.push((path.to_owned(), folder)),
                    Ok(None) => {}
                    Err(source) => {
                        let path = path.to_owned();
                        return Err(StageError::Placeholder { path, source });
                    }
                }
            }
        }
        Ok(held)
    }

    /// The names.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|(path, _)| path.clone()).collect()
    }
}

impl Drop for Placeholders {
    fn drop(&mut self) {
        for (path, folder) in &self.0 {
            // Another command holds it still: that one removes it.
            if folder.try_lock().is_ok() {
                // Fails if somebody outside put something into it: then it is theirs.
                let _ = std::fs::remove_dir(path);
            }
        }
    }
}

/// The first part of `path` below `root` that does not exist or is a placeholder.
fn missing<'a>(root: &Path, path: &'a Path) -> Option<&'a Path> {
    let below: Vec<&Path> = path.ancestors().take_while(|part| *part != root).collect();
    if !path.starts_with(root) || !root.is_dir() {
        return None;
    }
    let absent = |part: &&Path| match part.symlink_metadata() {
        Ok(_) => is_placeholder(part),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    below.into_iter().rev().find(absent)
}

/// Makes and locks a placeholder; none if the command could not make the name either, or somebody else just did.
fn occupy(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        // With its whole mode from the first moment: others must know it for what it is.
        let mask = umask(Mode::empty());
        let made = DirBuilder::new().mode(PLACEHOLDER_MODE).create(path);
        umask(mask);
        match made {
            Ok(()) => {}
            Err(error) => match error.kind() {
                io::ErrorKind::AlreadyExists if is_placeholder(path) => {}
                // It exists now, and is protected as such.
                io::ErrorKind::AlreadyExists => return Ok(None),
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => return Ok(None),
                _ => return Err(error),
            },
        }
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW)
            .open(path);
        let folder = match opened {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        match folder.try_lock_shared() {
            Ok(()) => {}
            // Somebody is about to remove it.
            Err(TryLockError::WouldBlock) => folder.lock_shared()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let (ours, there) = (folder.metadata()?, path.symlink_metadata());
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Ok(Some(folder));
        }
    }
    Err(io::Error::other("others keep removing it"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::super::policy::WritableRoot;
    use super::*;

    fn confinement(root: &Path) -> Confinement {
        let protected = [".git", ".codex", ".agents"].map(|name| root.join(name)).to_vec();
        let path = root.to_owned();
        Confinement {
            roots: vec![WritableRoot {
                path,
                protected,
                shared: false,
            }],
            ..Confinement::default()
        }
    }

    #[test]
    fn the_last_holder_removes_what_was_missing_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at(".codex")).unwrap();
        let confinement = confinement(folder.path());
        let first = Placeholders::hold(&confinement).unwrap();
        assert_eq!(first.paths(), [at(".git"), at(".agents")]);
        let second = Placeholders::hold(&confinement).unwrap();
        assert_eq!(second.paths(), first.paths());
        drop(first);
        assert!(is_placeholder(&at(".git")));
        // Somebody outside takes the name.
        std::fs::write(at(".agents/mine"), "").unwrap();
        drop(second);
        assert!(!at(".git").exists() && at(".agents/mine").exists() && at(".codex").exists());
    }

    #[test]
    fn what_a_crash_left_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".git");
        std::fs::create_dir(&left).unwrap();
        std::fs::set_permissions(&left, Permissions::from_mode(PLACEHOLDER_MODE)).unwrap();
        let held = Placeholders::hold(&confinement(folder.path())).unwrap();
        assert_eq!(held.paths().len(), 3);
        drop(held);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
