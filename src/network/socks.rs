//! The proxy as SOCKS5: connections by TCP, without a password. Datagrams are refused: nobody could say where they lead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::admission::{Closed, connect};
use super::host::Host;
use super::keeper::{Keeper, Request};
use super::reach::Unreachable;
use super::tunnel::tunnel;
use crate::protocol::NetworkApprovalProtocol;

/// The version, the first byte of each message.
pub(super) const VERSION: u8 = 5;
/// How long the client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(30);
/// No password.
const PLAIN: u8 = 0;
/// No way in that we know.
const NO_WAY: u8 = 0xff;
const CONNECT: u8 = 1;
/// The longest request: head, a name of 255 bytes with its length, a port.
const LONGEST: usize = 4 + 1 + 255 + 2;

/// What a client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    Done = 0,
    Refused = 2,
    Unreachable = 4,
    NoConnection = 5,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

/// What could be read of a request.
#[derive(Debug, PartialEq, Eq)]
enum Read {
    /// A connection to a host, said with so many bytes.
    Wanted(Host, u16, usize),
    /// More has to come.
    Short,
    /// It is refused, whatever comes.
    Odd(Reply),
}

/// Serves a connection to its end.
pub(super) async fn serve(mut stream: TcpStream, keeper: Arc<dyn Keeper>) {
    let asked = match timeout(PATIENCE, ask(&mut stream)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(_)) | Err(_) => return,
    };
    let wanted = match asked {
        Ok((host, port)) if keeper.policy().socks => Request {
            protocol: NetworkApprovalProtocol::Socks5Tcp,
            host,
            port,
            method: None,
        },
        Ok(_) => return drop(reply(&mut stream, Reply::Refused).await),
        Err(odd) => return drop(reply(&mut stream, odd).await),
    };
    match connect(&*keeper, &wanted).await {
        Ok(route) => {
            if reply(&mut stream, Reply::Done).await.is_ok() {
                tunnel(stream, route.stream).await;
            }
        }
        Err(closed) => {
            let why = match closed {
                Closed::Refused(_) => Reply::Refused,
                Closed::Unreachable(Unreachable::Connection(_)) => Reply::NoConnection,
                Closed::Unreachable(_) => Reply::Unreachable,
            };
            let _ = reply(&mut stream, why).await;
        }
    }
}

/// Greets and hears what is wanted, or why it is refused.
async fn ask(stream: &mut TcpStream) -> std::io::Result<Result<(Host, u16), Reply>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await?;
    let mut ways = vec![0; head[1].into()];
    stream.read_exact(&mut ways).await?;
    let way = match ways.contains(&PLAIN) {
        true => PLAIN,
        false => NO_WAY,
    };
    stream.write_all(&[VERSION, way]).await?;
    if way == NO_WAY {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    let mut said = Vec::with_capacity(LONGEST);
    loop {
        // Byte by byte: what follows is the host's, though no client sends it before it is answered.
        said.push(stream.read_u8().await?);
        match read(&said) {
            Read::Wanted(host, port, _) => return Ok(Ok((host, port))),
            Read::Odd(why) => return Ok(Err(why)),
            Read::Short => {}
        }
    }
}

/// Reads a request.
fn read(said: &[u8]) -> Read {
    let Some((&[version, command, _, kind], rest)) = said.split_first_chunk::<4>() else {
        return Read::Short;
    };
    if version != VERSION || command != CONNECT {
        return Read::Odd(Reply::UnknownCommand);
    }
    let (length, skipped) = match (kind, rest.first()) {
        (1, _) => (4, 0),
        (4, _) => (16, 0),
        (3, Some(length)) => (usize::from(*length), 1),
        (3, None) => return Read::Short,
        _ => return Read::Odd(Reply::UnknownAddress),
    };
    let Some(address) = rest.get(skipped..skipped + length) else {
        return Read::Short;
    };
    let Some(&[high, low]) = rest.get(skipped + length..skipped + length + 2) else {
        return Read::Short;
    };
    let port = u16::from_be_bytes([high, low]);
    let host = match kind {
        1 => <[u8; 4]>::try_from(address)
            .ok()
            .map(|bytes| Host::from(IpAddr::V4(Ipv4Addr::from(bytes)))),
        4 => <[u8; 16]>::try_from(address)
            .ok()
            .map(|bytes| Host::from(IpAddr::V6(Ipv6Addr::from(bytes)))),
        _ => std::str::from_utf8(address).ok().and_then(Host::parse),
    };
    match host {
        Some(host) if port != 0 => Read::Wanted(host, port, 4 + skipped + length + 2),
        _ => Read::Odd(Reply::UnknownAddress),
    }
}

/// Answers; from where the connection goes out is nobody's business.
async fn reply(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    stream.write_all(&[VERSION, reply as u8, 0, 1, 0, 0, 0, 0, 0, 0]).await
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(command: u8, kind: u8, address: &[u8], port: u16) -> Vec<u8> {
        [&[VERSION, command, 0, kind], address, &port.to_be_bytes()].concat()
    }

    #[test]
    fn requests_name_hosts_by_address_and_by_name() {
        for (kind, address, host) in [
            (1, vec![10, 0, 0, 1], "10.0.0.1"),
            (3, [&[9][..], b"A.Example"].concat(), "a.example"),
            (3, [&[7][..], b"1.2.3.4"].concat(), "1.2.3.4"),
            (4, Ipv6Addr::LOCALHOST.octets().to_vec(), "::1"),
        ] {
            let said = request(CONNECT, kind, &address, 443);
            let expected = Read::Wanted(Host::parse(host).unwrap(), 443, said.len());
            assert_eq!(read(&said), expected);
            for short in 0..said.len() {
                assert_eq!(read(&said[..short]), Read::Short, "{host} {short}");
            }
        }
        // Datagrams, listening, and what is no host.
        assert_eq!(
            read(&request(3, 1, &[1, 1, 1, 1], 53)),
            Read::Odd(Reply::UnknownCommand)
        );
        assert_eq!(
            read(&request(2, 1, &[1, 1, 1, 1], 53)),
            Read::Odd(Reply::UnknownCommand)
        );
        assert_eq!(read(&request(1, 9, &[], 53)), Read::Odd(Reply::UnknownAddress));
        assert_eq!(read(&request(1, 3, b"\x03a/b", 53)), Read::Odd(Reply::UnknownAddress));
        assert_eq!(read(&request(1, 1, &[1, 1, 1, 1], 0)), Read::Odd(Reply::UnknownAddress));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(said in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Read::Wanted(host, _, length) = read(&said) {
                prop_assert!(length <= said.len() && length <= LONGEST);
                prop_assert_eq!(Host::parse(host.as_str()), Some(host));
            }
        }
    }
}
