//! The addresses that `exec-server --listen` understands.

use std::net::SocketAddr;
use std::str::FromStr;

/// One `--listen` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecListen {
    /// `stdio` or `stdio://`: JSON lines on stdin and stdout, one client.
    Stdio,
    /// `ws://IP:PORT`; port 0 takes any free port.
    WebSocket(SocketAddr),
}

/// Why an address is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecListenError {
    /// No known scheme.
    #[error("unsupported --listen URL `{0}`; expected `ws://IP:PORT` or `stdio`")]
    Unsupported(String),
    /// `ws://` with something else than a literal address and a port.
    #[error("invalid websocket --listen URL `{0}`; expected `ws://IP:PORT`")]
    WebSocket(String),
    /// Other machines could reach it, and nobody would be asked for anything.
    #[error(
        "refusing to start non-loopback exec-server listener {0} without auth; configure `--ws-auth capability-token` \
         or `--ws-auth signed-bearer-token`"
    )]
    Open(SocketAddr),
}

impl ExecListen {
    /// Where an exec-server listens if nobody says.
    pub const DEFAULT: &'static str = "ws://127.0.0.1:0";

    /// Refuses an address that other machines can reach when clients are not asked who they are.
    pub fn check(&self, authenticated: bool) -> Result<(), ExecListenError> {
        match self {
            ExecListen::WebSocket(address) if !authenticated && !address.ip().is_loopback() => {
                Err(ExecListenError::Open(*address))
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for ExecListen {
    type Err = ExecListenError;

    fn from_str(url: &str) -> Result<Self, ExecListenError> {
        match url.strip_prefix("ws://") {
            Some(address) => match address.parse() {
                Ok(address) => Ok(ExecListen::WebSocket(address)),
                Err(_) => Err(ExecListenError::WebSocket(url.to_owned())),
            },
            None if url == "stdio" || url == "stdio://" => Ok(ExecListen::Stdio),
            None => Err(ExecListenError::Unsupported(url.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!("stdio".parse(), Ok(ExecListen::Stdio));
        assert_eq!("stdio://".parse(), Ok(ExecListen::Stdio));
        let local: ExecListen = ExecListen::DEFAULT.parse().unwrap();
        assert_eq!(local.check(false), Ok(()));
        let open: ExecListen = "ws://0.0.0.0:7".parse().unwrap();
        assert!(open.check(true).is_ok() && open.check(false).is_err());
        for (url, said) in [
            (
                "foo",
                "unsupported --listen URL `foo`; expected `ws://IP:PORT` or `stdio`",
            ),
            (
                "ws://localhost:1",
                "invalid websocket --listen URL `ws://localhost:1`; expected `ws://IP:PORT`",
            ),
        ] {
            assert_eq!(url.parse::<ExecListen>().unwrap_err().to_string(), said);
        }
    }
}
