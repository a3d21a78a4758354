//! An empty root, for commands that may read only some places: all that they see was put there for them.
//!
//! The old root hangs below the new one while this is done, because the kernel shows processes anew only to those who can
//! see them already; then it is let go, and nothing leads to it any more.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::pivot_root;

use super::calls::{attach_tree, copy_tree, locate, make_read_only};
use super::mounts::{Tree, at, mounted, read_only};
use super::stage::StageError;

/// A folder that is there on every system. The command gets one of its own.
const PLACE: &str = "/dev";
/// Where the old root is kept for a while.
const OLD: &str = "/.old";

/// Makes an empty root with links in it this process's own.
pub(super) fn enter(links: &[(PathBuf, PathBuf)]) -> Result<(), StageError> {
    let root = Path::new(PLACE);
    let old = root.join(&OLD[1..]);
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mounted(root, mount(Some("tmpfs"), root, Some("tmpfs"), quiet, Some("mode=755")))?;
    at(&old, std::fs::create_dir(&old))?;
    mounted(root, pivot_root(root, &old))?;
    let made = || {
        std::env::set_current_dir("/")?;
        std::fs::create_dir("/dev")?;
        std::fs::create_dir("/proc")?;
        links.iter().try_for_each(|(link, target)| make_link(link, target))
    };
    at(Path::new("/"), made())
}

/// Lets the old root go and closes the new one.
pub(super) fn leave_old() -> Result<(), StageError> {
    let old = Path::new(OLD);
    mounted(old, umount2(old, MntFlags::MNT_DETACH))?;
    at(old, std::fs::remove_dir(old))?;
    read_only(Path::new("/"), false)
}

/// Shows a folder as it was in the old root, read-only.
pub(super) fn take_over(folder: &str) -> Result<(), StageError> {
    let folder = Path::new(folder);
    let taken = || {
        let below = folder.strip_prefix("/").unwrap_or(folder);
        let copy = copy_tree(locate(&Path::new(OLD).join(below))?)?;
        make_read_only(&copy, true)?;
        attach_tree(copy, locate(folder)?)
    };
    at(folder, taken())
}

/// Makes something empty that a copy of mounts can be attached to.
pub(super) fn make_place(tree: &Tree) -> io::Result<()> {
    if is_folder(&tree.copy) {
        return std::fs::create_dir_all(&tree.path);
    }
    if let Some(folder) = tree.path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::File::create(&tree.path).map(drop)
}

/// Whether a descriptor is that of a folder.
pub(super) fn is_folder(descriptor: &OwnedFd) -> bool {
    fstat(descriptor).is_ok_and(|found| SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

fn make_link(link: &Path, target: &Path) -> io::Result<()> {
    if let Some(folder) = link.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::os::unix::fs::symlink(target, link) {
        // Two places may be named by the same link.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}
