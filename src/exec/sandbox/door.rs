//! The one open port in the network of a command that is to reach others through the proxy alone.
//!
//! It is opened here, inside, and handed over to the server, who accepts the connections to it from outside. The line by
//! which that happens stays open, in the processes that look after the command, for as long as anything of it runs.

use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socket};

use super::stage::StageError;
use crate::network::PORT;

/// The device by which a machine reaches itself.
const LOOPBACK: &[u8] = b"lo";

/// Takes over the line, which was inherited by its number.
#[allow(unsafe_code, reason = "a descriptor that was inherited by number has no safe form")]
pub(super) fn line(descriptor: i32) -> Result<UnixStream, StageError> {
    if descriptor <= 2 {
        return Err(StageError::Usage);
    }
    // SAFETY: this process has just begun and has one thread; nobody else here owns the descriptor, which its order names.
    // One that is not open makes the calls on it fail.
    Ok(UnixStream::from(unsafe { OwnedFd::from_raw_fd(descriptor) }))
}

/// Opens the port and hands it over.
pub(super) fn open(line: &UnixStream) -> Result<(), StageError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).map_err(StageError::Door)?;
    let sent = [port.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&sent)];
    let said = [IoSlice::new(b"p")];
    sendmsg::<()>(line.as_raw_fd(), &said, &rights, MsgFlags::empty(), None)
        .map_err(|errno| StageError::Door(errno.into()))?;
    Ok(())
}

/// Switches the loopback device of a new network on.
#[allow(unsafe_code, reason = "the flags of a device have no safe form")]
pub(super) fn wake_loopback() -> Result<(), StageError> {
    let failed = |errno: nix::errno::Errno| StageError::Door(errno.into());
    let any = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    // SAFETY: all zeroes is a valid value of this structure of plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(LOOPBACK) {
        *place = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the call reads a structure that lives here; the name ends with a zero.
    match unsafe { libc::ioctl(any.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) } {
        -1 => Err(StageError::Door(io::Error::last_os_error())),
        _ => Ok(()),
    }
}
