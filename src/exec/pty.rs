//! A pseudo-terminal: our end of it, read and written without a thread of its own.
//!
//! The descriptor is non-blocking and waits in the runtime's poller, so an idle terminal costs a descriptor and no
//! stack. Reading after the last program closed its end is an error on Linux; here it is the end of the output.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::termios::{SpecialCharacterIndices, tcgetattr};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PtySize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

impl Default for PtySize {
    fn default() -> Self {
        PtySize { rows: 24, columns: 80 }
    }
}

impl From<PtySize> for Winsize {
    fn from(size: PtySize) -> Self {
        Winsize {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        }
    }
}

/// What a line discipline takes for the end of input unless it was told otherwise: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// Our end of a pseudo-terminal. Clones share it.
#[derive(Debug, Clone)]
pub struct Pty(Arc<AsyncFd<OwnedFd>>);

impl Pty {
    /// Opens a terminal; the second value is the program's end, to be dropped here once the program has it.
    pub fn open(size: PtySize) -> io::Result<(Pty, OwnedFd)> {
        let pair = openpty(Some(&size.into()), None)?;
        for end in [&pair.master, &pair.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
        let flags = OFlag::from_bits_truncate(fcntl(&pair.master, FcntlArg::F_GETFL)?);
        fcntl(&pair.master, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        Ok((Pty(Arc::new(watched(pair.master)?)), pair.slave))
    }

    /// Reads what the program printed; 0 at the end.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match ready.try_io(|fd| nix::unistd::read(fd.get_ref().as_fd(), buffer).map_err(io::Error::from)) {
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EIO as i32) => return Ok(0),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(result) => return result,
                Err(_would_block) => continue,
            }
        }
    }

    /// Waits until there is something to read, or the end.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await.map(drop)
    }

    /// Reads what is there; 0 at the end, `WouldBlock` when there is nothing yet.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.try_io(Interest::READABLE, |fd| {
            nix::unistd::read(fd.as_fd(), buffer).map_err(io::Error::from)
        });
        match read {
            Err(error) if error.raw_os_error() == Some(Errno::EIO as i32) => Ok(0),
            read => read,
        }
    }

    /// Tells the program that no more will be typed: ends the line, then types the end of input.
    pub async fn end_input(&self) -> io::Result<()> {
        let settings = tcgetattr(self.0.get_ref())?;
        let end = match settings.control_chars[SpecialCharacterIndices::VEOF as usize] {
            0 => END_OF_INPUT,
            end => end,
        };
        self.write_all(&[b'\n', end]).await
    }

    /// Gives the terminal another size; its programs are told by a signal.
    #[allow(unsafe_code, reason = "this request has no safe form in the crates at hand")]
    pub fn resize(&self, size: PtySize) -> io::Result<()> {
        let size = Winsize::from(size);
        // SAFETY: the descriptor is open for as long as `self` lives, and the request reads one `Winsize`, which lives
        // until the call returns.
        match unsafe {
            nix::libc::ioctl(
                self.0.get_ref().as_raw_fd(),
                nix::libc::TIOCSWINSZ as _,
                &raw const size,
            )
        } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    /// Types into the terminal. Waits while the program does not read; to be given up by dropping the future.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut ready = self.0.writable().await?;
            match ready.try_io(|fd| nix::unistd::write(fd.get_ref().as_fd(), bytes).map_err(io::Error::from)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(result) => bytes = &bytes[result?..],
                Err(_would_block) => continue,
            }
        }
        Ok(())
    }
}

impl AsRawFd for Pty {
    fn as_raw_fd(&self) -> RawFd {
        self.0.get_ref().as_raw_fd()
    }
}

/// Puts a descriptor under the runtime's watch.
#[allow(unsafe_code, reason = "the poller has no safe form for descriptors")]
fn watched(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always names the same open descriptor until it is dropped, and the `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register(master)? })
}
