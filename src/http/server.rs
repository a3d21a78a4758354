//! Binds the listeners and serves them: one actix-web server for all TCP addresses and Unix sockets of the process.
//!
//! Binding happens in [`bind`], at once and with errors for the terminal; serving begins with [`HttpService::start`]. The
//! server handles no signals: `startup` decides when to stop. One that ends before it is bound again (`keeper.rs`).

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer};

use crate::actors::Kernel;
use crate::http::app::{self, HttpState};
use crate::http::auth::AuthPolicy;
use crate::http::metrics;
use crate::http::peer::Peer;
use crate::transport::listen::Listeners;
use crate::transport::unix::{ControlSocket, SocketError};
use crate::transport::{LocalFuture, RunningListener};

mod keeper;

use keeper::Keeper;

/// Handshakes that may wait to be accepted, so that a thousand clients at once need no second try.
const BACKLOG: u32 = 4096;
/// How often the end looks whether the last client has gone.
const GOODBYE_CHECK: Duration = Duration::from_millis(2);

/// Why the listeners cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A TCP address that cannot be bound.
    #[error("cannot listen on ws://{address}: {source}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A Unix socket that cannot be bound.
    #[error(transparent)]
    Unix(#[from] SocketError),
    /// A bound Unix socket that cannot be served.
    #[error("{0}")]
    Serve(io::Error),
}

/// What one server of a process is made of.
struct Bound {
    server: actix_web::dev::Server,
    addresses: Vec<SocketAddr>,
    sockets: Vec<ControlSocket>,
}

/// Binds everything once more, after a fall.
type Again = Box<dyn Fn() -> Result<Bound, ServeError>>;

/// Bound listeners, not yet served. Dropping it removes the sockets.
pub struct HttpService {
    bound: Bound,
    again: Again,
}

/// Binds everything that `listeners` name. Must be called inside the actix system.
pub fn bind(kernel: &Kernel, listeners: &Listeners, auth: AuthPolicy) -> Result<HttpService, ServeError> {
    raise_file_limit();
    let state = Arc::new(HttpState {
        kernel: kernel.clone(),
        auth,
        started: Instant::now(),
    });
    let bound = open(&state, listeners)?;
    // A port that was free to choose stays what it became.
    let same = Listeners {
        tcp: bound.addresses.clone(),
        ..listeners.clone()
    };
    Ok(HttpService {
        bound,
        again: Box::new(move || open(&state, &same)),
    })
}

fn open(state: &Arc<HttpState>, listeners: &Listeners) -> Result<Bound, ServeError> {
    let settings = &state.kernel.services().settings;
    let routes = app::configure(state.clone());
    let per_worker = settings.max_connections.div_ceil(settings.http_workers);
    let mut server = HttpServer::new(move || App::new().configure(routes.clone()))
        .on_connect(Peer::note)
        .workers(settings.http_workers)
        .backlog(BACKLOG)
        .max_connections(per_worker)
        .tcp_nodelay(true)
        .client_request_timeout(settings.handshake_timeout)
        .keep_alive(settings.handshake_timeout)
        .disable_signals();
    for address in &listeners.tcp {
        server = server.bind(address).map_err(|source| ServeError::Tcp {
            address: *address,
            source,
        })?;
    }
    let addresses = server.addrs();
    let mut sockets = Vec::with_capacity(listeners.unix.len());
    for path in &listeners.unix {
        let (listener, socket) = ControlSocket::bind(path)?;
        sockets.push(socket);
        server = server.listen_uds(listener).map_err(ServeError::Serve)?;
    }
    // actix counts Unix listeners among its addresses as 0.0.0.0:0 in some versions; ours were taken before.
    Ok(Bound {
        server: server.run(),
        addresses,
        sockets,
    })
}

impl HttpService {
    /// The TCP addresses, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.bound.addresses
    }

    /// The Unix sockets.
    pub fn sockets(&self) -> impl Iterator<Item = &Path> {
        self.bound.sockets.iter().map(ControlSocket::path)
    }

    /// Serves from now on, on its own threads, until told to stop.
    pub fn start(self, kernel: Kernel) -> RunningListener {
        let address = self.names();
        let upkeep = actix_rt::spawn(metrics::upkeep());
        let keeper = Keeper::start(self.bound, self.again);
        let stop = Box::new(move || -> LocalFuture<()> {
            upkeep.abort();
            let server = keeper.stop();
            // Told now, awaited later: nobody is accepted while the threads end.
            let paused = server.as_ref().map(|server| server.pause());
            Box::pin(async move {
                if let Some(paused) = paused {
                    paused.await;
                }
                // Clients get their goodbyes from their connections; the workers live until those are written.
                while kernel.open_edges() > 0 {
                    tokio::time::sleep(GOODBYE_CHECK).await;
                }
                if let Some(server) = server {
                    server.stop(false).await;
                }
                drop(keeper);
            })
        });
        RunningListener { address, stop }
    }

    fn names(&self) -> String {
        let tcp = self.addresses().iter().map(|address| format!("ws://{address}"));
        let unix = self.sockets().map(|path| format!("unix://{}", path.display()));
        tcp.chain(unix).collect::<Vec<_>>().join(" ")
    }
}

/// Each client costs two descriptors, so the soft limit is raised as far as the hard one allows.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!("cannot raise the limit of open files: {error}");
    }
}
