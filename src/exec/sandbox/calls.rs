//! The system calls for mounts that work on descriptors, which the crates at hand do not have.
//!
//! Paths are opened without following any link: they were resolved before, so a link that is there now was put there
//! since by somebody else.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

const OPEN_TREE_CLONE: libc::c_uint = 1;
const OPEN_TREE_CLOEXEC: libc::c_uint = libc::O_CLOEXEC as libc::c_uint;
const AT_RECURSIVE: libc::c_uint = 0x8000;
const AT_EMPTY_PATH: libc::c_uint = libc::AT_EMPTY_PATH as libc::c_uint;
const MOVE_MOUNT_FROM_EMPTY: libc::c_uint = 0x4;
const MOVE_MOUNT_TO_EMPTY: libc::c_uint = 0x40;
const RESOLVE_NO_LINKS: u64 = 0x04 | 0x02;
const READ_ONLY: u64 = 0x1;

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// A path as a descriptor that gives no access to contents; a link at its end is opened itself.
#[allow(unsafe_code, reason = "openat2 has no safe form")]
pub(super) fn locate(path: &Path) -> io::Result<OwnedFd> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    let how = OpenHow {
        flags: (libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW) as u64,
        mode: 0,
        resolve: RESOLVE_NO_LINKS,
    };
    // SAFETY: the name and the structure live until the call returns, and the length is the structure's.
    let opened = unsafe {
        let length = size_of::<OpenHow>();
        libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, name.as_ptr(), &raw const how, length)
    };
    owned(opened)
}

/// A copy of the mounts at and below what a descriptor names, attached nowhere yet.
#[allow(unsafe_code, reason = "open_tree has no safe form")]
pub(super) fn copy_tree(of: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE;
    // SAFETY: an open descriptor, an empty name that is a constant, and flags.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, of.as_fd().as_raw_fd(), c"".as_ptr(), flags) })
}

/// Attaches a copy of mounts at what another descriptor names.
#[allow(unsafe_code, reason = "move_mount has no safe form")]
pub(super) fn attach_tree(tree: impl AsFd, at: impl AsFd) -> io::Result<()> {
    // SAFETY: two open descriptors, empty names that are constants, and flags.
    check(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            at.as_fd().as_raw_fd(),
            c"".as_ptr(),
            MOVE_MOUNT_FROM_EMPTY | MOVE_MOUNT_TO_EMPTY,
        )
    })
}

/// Makes the mount of a descriptor read-only, and all mounts below it if wanted.
#[allow(unsafe_code, reason = "mount_setattr has no safe form")]
pub(super) fn make_read_only(mount: impl AsFd, below: bool) -> io::Result<()> {
    let attributes = MountAttributes {
        set: READ_ONLY,
        clear: 0,
        propagation: 0,
        user_namespace: 0,
    };
    let flags = AT_EMPTY_PATH | if below { AT_RECURSIVE } else { 0 };
    // SAFETY: an open descriptor, an empty name that is a constant, and a structure that lives until the call returns.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    })
}

#[allow(unsafe_code, reason = "a descriptor that a raw call returns has no safe form")]
fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    check(result)?;
    let descriptor = i32::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the call that succeeded made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

fn check(result: libc::c_long) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
