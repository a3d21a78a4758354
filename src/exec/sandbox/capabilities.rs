//! Giving up every capability, so that even root is an ordinary user inside a sandbox.
//!
//! Without this a server that runs as root, as is usual in a container, would start commands that may mount, load
//! modules or trace their parent. The order matters: the bounding set can only be emptied while there still is the
//! capability to do so.

use std::io;

use nix::libc;

/// The highest number tried; the kernel says when there are no more.
const LAST: libc::c_ulong = 63;
/// The third layout of the capability calls, the only one with 64 capabilities.
const VERSION: u32 = 0x2008_0522;
/// No ambient or regained capabilities: root's magic is off (`NOROOT`, `NO_SETUID_FIXUP`, `NO_CAP_AMBIENT_RAISE`), and so
/// is `KEEP_CAPS`; each with its lock.
const SECURE_BITS: libc::c_ulong = 0b1110_1111;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability for good: effective, permitted, inheritable, ambient and bounding.
#[allow(unsafe_code, reason = "these system calls have no safe form in the crates at hand")]
pub(super) fn drop_all() -> io::Result<()> {
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut sets = [Sets::default(); 2];
    // SAFETY: prctl with plain numbers; capget and capset with a header and two sets of the layout that VERSION names,
    // which live until the calls return.
    unsafe {
        for capability in 0..=LAST {
            if libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) == -1 {
                match io::Error::last_os_error().raw_os_error() {
                    // No such capability: that was all of them.
                    Some(libc::EINVAL) => break,
                    // Not ours to empty. NO_NEW_PRIVS keeps what is in it from coming back.
                    Some(libc::EPERM) => break,
                    _ => return Err(io::Error::last_os_error()),
                }
            }
        }
        // Refused without the capability for it, and then not needed.
        let _ = libc::prctl(libc::PR_SET_SECUREBITS, SECURE_BITS, 0, 0, 0);
        check(libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0).into())?;
        check(libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()))?;
        check(libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()))?;
    }
    match sets == [Sets::default(); 2] {
        true => Ok(()),
        false => Err(io::Error::other("capabilities are left")),
    }
}

fn check(result: libc::c_long) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
