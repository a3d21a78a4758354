//! The addresses that `--listen` understands, and the rules about which of them may be served together.
//!
//! Parsing only: nothing is bound and no file is touched here. The texts of the errors are part of the command line's
//! contract (clap puts `error: invalid value … for '--listen <URL>': ` before them).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One `--listen` URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenUrl {
    /// `stdio://`: JSON lines on stdin and stdout, one client.
    Stdio,
    /// `unix://`: the control socket of the home.
    UnixDefault,
    /// `unix://PATH`, made absolute.
    Unix(PathBuf),
    /// `ws://IP:PORT`; port 0 takes any free port.
    WebSocket(SocketAddr),
    /// `off`: no local listener.
    Off,
}

/// Why a `--listen` URL is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// No known scheme.
    #[error("unsupported --listen URL `{0}`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`")]
    Unsupported(String),
    /// `ws://` with something else than a literal address and a port.
    #[error("invalid websocket --listen URL `{0}`; expected `ws://IP:PORT`")]
    WebSocket(String),
    /// The path of a socket cannot be made absolute.
    #[error("invalid unix socket --listen URL `{0}`; failed to resolve socket path: {1}")]
    Unix(String, String),
}

impl FromStr for ListenUrl {
    type Err = ListenError;

    fn from_str(url: &str) -> Result<Self, ListenError> {
        if url == "stdio://" {
            return Ok(ListenUrl::Stdio);
        }
        if url == "off" {
            return Ok(ListenUrl::Off);
        }
        if let Some(path) = url.strip_prefix("unix://") {
            if path.is_empty() {
                return Ok(ListenUrl::UnixDefault);
            }
            return match std::path::absolute(path) {
                Ok(path) => Ok(ListenUrl::Unix(path)),
                Err(error) => Err(ListenError::Unix(url.into(), error.to_string())),
            };
        }
        if let Some(address) = url.strip_prefix("ws://") {
            return match address.parse() {
                Ok(address) => Ok(ListenUrl::WebSocket(address)),
                Err(_) => Err(ListenError::WebSocket(url.into())),
            };
        }
        Err(ListenError::Unsupported(url.into()))
    }
}

/// The control socket of a home.
pub fn control_socket(home: &Path) -> PathBuf {
    home.join("app-server-control").join("app-server-control.sock")
}

/// Everything that one server process listens on, without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listeners {
    /// Whether the process speaks JSON lines with its parent.
    pub stdio: bool,
    /// TCP addresses for HTTP and WebSockets.
    pub tcp: Vec<SocketAddr>,
    /// Unix sockets for WebSockets.
    pub unix: Vec<PathBuf>,
}

/// Why a set of listeners cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListenersError {
    /// Nothing but `off`, and no remote control either.
    #[error("no transport configured; use --listen or enable remote control")]
    None,
    /// A TCP address that other machines can reach, without authentication.
    #[error(
        "refusing to start non-loopback websocket listener {0} without auth; configure `--ws-auth capability-token` \
         or `--ws-auth signed-bearer-token`"
    )]
    Open(SocketAddr),
}

impl Listeners {
    /// Collects the URLs of the command line. `authenticated` tells whether websocket auth is configured.
    pub fn collect(urls: &[ListenUrl], home: &Path, authenticated: bool) -> Result<Self, ListenersError> {
        let mut all = Listeners::default();
        for url in urls {
            match url {
                ListenUrl::Stdio => all.stdio = true,
                ListenUrl::UnixDefault => push_new(&mut all.unix, control_socket(home)),
                ListenUrl::Unix(path) => push_new(&mut all.unix, path.clone()),
                // Two free ports are two listeners, not one.
                ListenUrl::WebSocket(address) if address.port() == 0 => all.tcp.push(*address),
                ListenUrl::WebSocket(address) => push_new(&mut all.tcp, *address),
                ListenUrl::Off => {}
            }
        }
        if let Some(open) = all
            .tcp
            .iter()
            .find(|address| !authenticated && !address.ip().is_loopback())
        {
            return Err(ListenersError::Open(*open));
        }
        if !all.stdio && all.tcp.is_empty() && all.unix.is_empty() {
            return Err(ListenersError::None);
        }
        Ok(all)
    }

    /// Whether anything needs the HTTP server.
    pub fn http(&self) -> bool {
        !self.tcp.is_empty() || !self.unix.is_empty()
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, value: T) {
    if !list.contains(&value) {
        list.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_are_understood() {
        assert_eq!("stdio://".parse(), Ok(ListenUrl::Stdio));
        assert_eq!("off".parse(), Ok(ListenUrl::Off));
        assert_eq!("unix://".parse(), Ok(ListenUrl::UnixDefault));
        assert_eq!("unix:///run/x.sock".parse(), Ok(ListenUrl::Unix("/run/x.sock".into())));
        let here = std::env::current_dir().expect("a working folder");
        assert_eq!("unix://x.sock".parse(), Ok(ListenUrl::Unix(here.join("x.sock"))));
        let v6 = ListenUrl::WebSocket("[::1]:0".parse().expect("an address"));
        assert_eq!("ws://[::1]:0".parse(), Ok(v6));
    }

    #[test]
    fn urls_that_are_refused_say_what_is_expected() {
        for url in [
            "",
            "stdio",
            "stdio:",
            "foo",
            "http://127.0.0.1:3",
            "OFF",
            "WS://127.0.0.1:1",
        ] {
            assert_eq!(url.parse::<ListenUrl>(), Err(ListenError::Unsupported(url.into())));
        }
        for url in [
            "ws://",
            "ws://localhost:1",
            "ws://1.2.3.4",
            "ws://127.0.0.1:1/x",
            "ws://[::1]:99999",
        ] {
            assert_eq!(url.parse::<ListenUrl>(), Err(ListenError::WebSocket(url.into())));
        }
        assert_eq!(
            "stdio".parse::<ListenUrl>().unwrap_err().to_string(),
            "unsupported --listen URL `stdio`; expected `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`"
        );
    }

    #[test]
    fn several_listeners_are_served_together_but_none_twice() {
        let urls: Vec<ListenUrl> = [
            "ws://127.0.0.1:1",
            "ws://127.0.0.1:1",
            "ws://127.0.0.1:0",
            "unix://",
            "stdio://",
        ]
        .iter()
        .map(|url| url.parse().expect("a listen URL"))
        .collect();
        let all = Listeners::collect(&urls, Path::new("/h"), false).expect("listeners");
        assert!(all.stdio && all.http());
        assert_eq!(all.tcp.len(), 2);
        assert_eq!(
            all.unix,
            [PathBuf::from("/h/app-server-control/app-server-control.sock")]
        );
    }

    #[test]
    fn an_open_address_needs_auth_and_off_alone_is_nothing() {
        let open = ["ws://0.0.0.0:0".parse().expect("a listen URL")];
        assert_eq!(
            Listeners::collect(&open, Path::new("/h"), false)
                .unwrap_err()
                .to_string(),
            "refusing to start non-loopback websocket listener 0.0.0.0:0 without auth; configure `--ws-auth \
             capability-token` or `--ws-auth signed-bearer-token`"
        );
        assert!(Listeners::collect(&open, Path::new("/h"), true).is_ok());
        let off = Listeners::collect(&[ListenUrl::Off], Path::new("/h"), true);
        assert_eq!(off, Err(ListenersError::None));
    }
}
