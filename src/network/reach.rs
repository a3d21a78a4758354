//! Looking names up and connecting, with patience that ends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::keeper::Request;

/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(10);
/// How long an address may take to answer.
const CONNECT: Duration = Duration::from_secs(20);
/// The most addresses of a name that are tried.
const TRIED: usize = 4;

/// Why a host cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreachable {
    /// Its name is not known.
    #[error("the name cannot be resolved")]
    Name,
    /// It does not answer.
    #[error("no connection: {0}")]
    Connection(#[source] io::Error),
    /// The proxy in between does not let it be reached.
    #[error("the proxy of this server says no")]
    Proxy,
}

/// The addresses of a host.
pub(super) async fn lookup(request: &Request) -> Result<Vec<SocketAddr>, Unreachable> {
    if let Some(address) = request.host.address() {
        return Ok(vec![SocketAddr::new(address, request.port)]);
    }
    let found = timeout(LOOKUP, tokio::net::lookup_host((request.host.as_str(), request.port))).await;
    let found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.collect(),
        Ok(Err(_)) | Err(_) => return Err(Unreachable::Name),
    };
    match found.is_empty() {
        true => Err(Unreachable::Name),
        false => Ok(found),
    }
}

/// A connection to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, Unreachable> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(TRIED) {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Whoever tunnels small pieces does not want them held back.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(Unreachable::Connection(last))
}
