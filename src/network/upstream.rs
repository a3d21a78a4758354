//! The proxy that the server itself has to use, where its environment names one: HTTP proxies only.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::keeper::Request;
use super::reach::{self, Unreachable};
use crate::protocol::NetworkApprovalProtocol;

/// How long it may take to open a tunnel.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of its answer.
const LONGEST_HEAD: usize = 16 * 1024;

/// A connection to a host, or to a proxy that is to pass a request on.
#[derive(Debug)]
pub(super) struct Route {
    /// The connection.
    pub(super) stream: TcpStream,
    /// The proxy at its other end, if requests are to name their host.
    pub(super) proxy: Option<Upstream>,
}

impl Route {
    /// To the host itself.
    pub(super) fn direct(stream: TcpStream) -> Self {
        Route { stream, proxy: None }
    }
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Upstream {
    host: String,
    port: u16,
    /// What it wants to be shown.
    pub(super) authorization: Option<String>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({}:{})", self.host, self.port)
    }
}

/// The proxy for a request; none when it is to go straight.
pub(super) fn of(request: &Request) -> Option<Upstream> {
    chosen(request, |name| {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    })
}

fn chosen(request: &Request, variable: impl Fn(&str) -> Option<String>) -> Option<Upstream> {
    let either = |lower: &str| variable(lower).or_else(|| variable(&lower.to_ascii_uppercase()));
    let exempt = either("no_proxy").unwrap_or_default();
    let host = request.host.as_str();
    let spared = exempt.split(',').map(str::trim).any(|entry| {
        let domain = entry.trim_start_matches('*').trim_start_matches('.');
        entry == "*" || (!domain.is_empty() && (host == domain || host.ends_with(&format!(".{domain}"))))
    });
    if spared {
        return None;
    }
    let named = match request.protocol {
        NetworkApprovalProtocol::Http => either("http_proxy"),
        _ => either("https_proxy"),
    };
    Upstream::parse(&named.or_else(|| either("all_proxy"))?)
}

impl Upstream {
    fn parse(text: &str) -> Option<Self> {
        let text = match text.contains("://") {
            true => text.to_owned(),
            false => format!("http://{text}"),
        };
        let uri: Uri = text.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let (user, _) = uri.authority()?.as_str().rsplit_once('@').unzip();
        Some(Upstream {
            host: uri.host()?.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(user))),
        })
    }

    /// A connection through it.
    pub(super) async fn connect(self, request: &Request) -> Result<Route, Unreachable> {
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<_> = addresses.map_err(|_| Unreachable::Proxy)?.collect();
        let mut stream = reach::connect(&addresses).await?;
        if request.protocol == NetworkApprovalProtocol::Http {
            let proxy = Some(self);
            return Ok(Route { stream, proxy });
        }
        match timeout(PATIENCE, self.open_tunnel(&mut stream, request)).await {
            Ok(Ok(true)) => Ok(Route::direct(stream)),
            Ok(Ok(false)) => Err(Unreachable::Proxy),
            Ok(Err(error)) => Err(Unreachable::Connection(error)),
            Err(_) => Err(Unreachable::Connection(std::io::ErrorKind::TimedOut.into())),
        }
    }

    async fn open_tunnel(&self, stream: &mut TcpStream, request: &Request) -> std::io::Result<bool> {
        let target = request.authority();
        let shown = self
            .authorization
            .as_deref()
            .map(|value| format!("Proxy-Authorization: {value}\r\n"));
        let head = format!(
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{}\r\n",
            shown.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        // Byte by byte: what follows the head is the host's.
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < LONGEST_HEAD {
            answer.push(stream.read_u8().await?);
        }
        let code = answer.split(|byte| *byte == b' ').nth(1);
        Ok(code.is_some_and(|code| code.first() == Some(&b'2')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Host;

    #[test]
    fn the_servers_own_proxy_is_found_and_its_exceptions_count() {
        let request = |protocol, host: &str| Request {
            protocol,
            host: Host::parse(host).unwrap(),
            port: 443,
            method: None,
        };
        let variable = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://me:secret@proxy.example:3128".to_owned()),
            "all_proxy" => Some("socks5://other:1080".to_owned()),
            "NO_PROXY" => Some("localhost, .inner.example,exact.example".to_owned()),
            _ => None,
        };
        use NetworkApprovalProtocol::{Http, Https};
        let found = chosen(&request(Https, "a.example"), variable).unwrap();
        assert_eq!((found.host.as_str(), found.port), ("proxy.example", 3128));
        assert_eq!(found.authorization.as_deref(), Some("Basic bWU6c2VjcmV0"));
        assert!(!format!("{found:?}").contains("bWU6"));
        // What it would speak is not spoken here.
        assert_eq!(chosen(&request(Http, "a.example"), variable), None);
        for spared in ["x.inner.example", "inner.example", "exact.example"] {
            assert_eq!(chosen(&request(Https, spared), variable), None, "{spared}");
        }
        assert!(chosen(&request(Https, "outer.example"), variable).is_some());
    }
}
