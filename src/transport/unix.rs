//! The control socket: who may bind it, and its removal at the end.
//!
//! Only the owner may reach it: the folder is made with mode 0700, the socket with 0600. A socket that answers belongs to
//! a running server and is never taken over; one that refuses is a leftover and is replaced. The socket is served by
//! `http::server`; here is only its place in the file system.

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why a socket cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another server answers there.
    #[error("app-server control socket is already in use at {}", .0.display())]
    InUse(PathBuf),
    /// The path belongs to something else.
    #[error("app-server control socket path exists and is not a socket: {}", .0.display())]
    NotASocket(PathBuf),
    /// The system refused.
    #[error("cannot bind the control socket {}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A bound socket's file; dropping it removes the file, unless another server has put its own there since.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from its successor at the same place; inode numbers alone are used again.
type Identity = (u64, i64, i64);

fn identity(path: &Path) -> std::io::Result<Identity> {
    std::fs::symlink_metadata(path).map(|found| (found.ino(), found.ctime(), found.ctime_nsec()))
}

impl ControlSocket {
    /// Binds `path`. Briefly blocking: meant for start-up.
    pub fn bind(path: &Path) -> Result<(UnixListener, Self), SocketError> {
        let io = |source| SocketError::Io {
            path: path.to_path_buf(),
            source,
        };
        if let Some(folder) = path.parent() {
            make_private_folder(folder).map_err(io)?;
        }
        clear_the_way(path)?;
        let listener = match UnixListener::bind(path) {
            Ok(listener) => listener,
            // Somebody was faster between the probe and here.
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(SocketError::InUse(path.to_path_buf())),
            Err(error) => return Err(io(error)),
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
        let socket = ControlSocket {
            path: path.to_path_buf(),
            identity: identity(path).map_err(io)?,
        };
        Ok((listener, socket))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let ours = identity(&self.path).is_ok_and(|found| found == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), "cannot remove the control socket: {error}");
        }
    }
}

/// Makes the folder for its owner alone. One that exists is left as it is: it may be shared with others on purpose.
fn make_private_folder(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes sure that nothing stands at `path`, deleting what a dead server left.
fn clear_the_way(path: &Path) -> Result<(), SocketError> {
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_path_buf())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => {
            // Some systems report a missing path as refused, so look before calling it stale.
            let Ok(found) = std::fs::symlink_metadata(path) else {
                return Ok(());
            };
            if !found.file_type().is_socket() {
                return Err(SocketError::NotASocket(path.to_path_buf()));
            }
            if error.kind() != ErrorKind::ConnectionRefused {
                return Err(SocketError::Io {
                    path: path.to_path_buf(),
                    source: error,
                });
            }
            match std::fs::remove_file(path) {
                Err(source) if source.kind() != ErrorKind::NotFound => Err(SocketError::Io {
                    path: path.to_path_buf(),
                    source,
                }),
                _ => Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).expect("a file").mode() & 0o777
    }

    #[test]
    fn the_socket_is_private_and_goes_with_its_guard() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("control").join("c.sock");
        let (_listener, socket) = ControlSocket::bind(&path).expect("a socket");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a parent")), 0o700);
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_living_server_keeps_its_socket() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("c.sock");
        let (_listener, _socket) = ControlSocket::bind(&path).expect("a socket");
        let error = ControlSocket::bind(&path).expect_err("a second server").to_string();
        assert_eq!(
            error,
            format!("app-server control socket is already in use at {}", path.display())
        );
    }

    #[test]
    fn a_stale_socket_is_replaced_but_another_file_is_not() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("c.sock");
        drop(UnixListener::bind(&path).expect("a socket"));
        assert!(path.exists());
        let (_listener, socket) = ControlSocket::bind(&path).expect("a socket");
        drop(socket);
        std::fs::write(&path, "mine").expect("a file");
        assert!(matches!(ControlSocket::bind(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "mine");
    }

    #[test]
    fn a_successors_socket_is_left_alone() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("c.sock");
        let (listener, first) = ControlSocket::bind(&path).expect("a socket");
        drop(listener);
        let (_listener, _second) = ControlSocket::bind(&path).expect("a socket");
        drop(first);
        assert!(path.exists());
    }
}
