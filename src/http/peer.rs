//! Who is at the other end of a socket: which kind of listener took it, and a way to cut it.
//!
//! Collected when a connection is accepted, before any byte of it is read, and reachable from each of its requests.

use std::any::Any;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use actix_rt::net::{TcpStream, UnixStream};
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use nix::sys::socket::{Shutdown, shutdown};

/// A socket's other end.
#[derive(Debug, Clone)]
pub struct Peer {
    unix: bool,
    socket: Option<PeerSocket>,
}

impl Peer {
    /// For `HttpServer::on_connect`: notes the peer among the data of its connection.
    pub fn note(io: &dyn Any, data: &mut Extensions) {
        let (unix, duplicate) = match (io.downcast_ref::<TcpStream>(), io.downcast_ref::<UnixStream>()) {
            (Some(tcp), _) => (false, tcp.as_fd().try_clone_to_owned()),
            (None, Some(unix)) => (true, unix.as_fd().try_clone_to_owned()),
            (None, None) => return,
        };
        if let Err(error) = &duplicate {
            tracing::warn!("cannot duplicate a client's socket, so it cannot be cut: {error}");
        }
        let socket = duplicate.ok().map(|socket| PeerSocket(Rc::new(socket)));
        data.insert(Peer { unix, socket });
    }

    /// The peer of a request.
    pub fn of(request: &HttpRequest) -> Peer {
        request.conn_data::<Peer>().cloned().unwrap_or(Peer {
            unix: false,
            socket: None,
        })
    }

    /// Whether it came through a Unix socket.
    pub fn is_unix(&self) -> bool {
        self.unix
    }

    /// The name of its transport.
    pub fn transport(&self) -> &'static str {
        if self.unix { "unix" } else { "ws" }
    }

    /// The means to cut its socket.
    pub fn socket(&self) -> Option<PeerSocket> {
        self.socket.clone()
    }
}

/// A duplicate of a client's socket: cutting it works even while whoever writes to it is stuck.
#[derive(Debug, Clone)]
pub struct PeerSocket(Rc<OwnedFd>);

impl PeerSocket {
    /// Ends both directions at once.
    pub fn cut(&self) {
        // The only failure is that the socket is no longer connected, which is the aim.
        let _ = shutdown(self.0.as_raw_fd(), Shutdown::Both);
    }

    /// Ends our direction once what was written is sent; the client's last bytes are still taken.
    pub fn hang_up(&self) {
        let _ = shutdown(self.0.as_raw_fd(), Shutdown::Write);
    }
}
