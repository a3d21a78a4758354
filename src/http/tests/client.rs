//! A server on port 0 and a client that sends exactly the bytes it is told to.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http::auth::AuthPolicy;
use crate::http::server;
use crate::settings::Settings;
use crate::startup::{Options, Server, build};
use crate::transport::RunningListener;
use crate::transport::listen::Listeners;

const DEADLINE: Duration = Duration::from_secs(10);

/// A running server.
pub(super) struct Serving {
    pub(super) address: SocketAddr,
    pub(super) server: Server,
    pub(super) _listener: RunningListener,
    pub(super) home: tempfile::TempDir,
}

/// An answer, taken apart.
pub(super) struct Answer {
    pub(super) status: String,
    pub(super) body: String,
}

pub(super) async fn serve(change: impl FnOnce(&mut Settings), auth: AuthPolicy) -> Serving {
    crate::telemetry::metrics::install();
    let home = tempfile::tempdir().expect("a home");
    let mut settings = Settings::defaults(home.path().to_path_buf());
    settings.http_workers = 1;
    change(&mut settings);
    let options = Options {
        settings: Some(settings),
        ..Options::default()
    };
    let server = build(options).await.expect("a server");
    let listeners = Listeners {
        tcp: vec!["127.0.0.1:0".parse().expect("an address")],
        unix: vec![home.path().join("control").join("c.sock")],
        ..Listeners::default()
    };
    let service = server::bind(server.kernel(), &listeners, auth).expect("a listener");
    let address = service.addresses()[0];
    let listener = service.start(server.kernel().clone());
    Serving {
        address,
        server,
        _listener: listener,
        home,
    }
}

impl Serving {
    /// Sends a request with a loopback `Host` and reads its answer.
    pub(super) async fn ask(&self, line: &str, headers: &str) -> Answer {
        self.ask_as(line, &format!("Host: {}\r\n{headers}", self.address)).await
    }

    /// Sends a request with these headers only.
    pub(super) async fn ask_as(&self, line: &str, headers: &str) -> Answer {
        let mut raw = Raw::connect(self).await;
        raw.send(format!("{line}\r\n{headers}\r\n").as_bytes()).await;
        raw.answer().await
    }
}

/// The headers of a good upgrade.
pub(super) fn upgrade() -> String {
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .into()
}

/// A client's frame, masked with zeros.
pub(super) fn masked(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    match u16::try_from(payload.len()) {
        Ok(short @ 0..=125) => bytes.push(0x80 | u8::try_from(short).expect("a byte")),
        Ok(middle) => {
            bytes.push(0x80 | 126);
            bytes.extend(middle.to_be_bytes());
        }
        Err(_) => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

/// A socket and what was read from it.
pub(super) struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    pub(super) async fn connect(server: &Serving) -> Self {
        Raw {
            stream: TcpStream::connect(server.address).await.expect("a connection"),
            buffer: Vec::new(),
        }
    }

    pub(super) async fn upgraded(server: &Serving) -> Self {
        let mut raw = Raw::connect(server).await;
        raw.send(format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", upgrade()).as_bytes())
            .await;
        assert_eq!(raw.answer().await.status, "101 Switching Protocols");
        raw
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("to send");
    }

    async fn read_more(&mut self) -> usize {
        let read = timeout(DEADLINE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("something in time").unwrap_or(0)
    }

    async fn take(&mut self, count: usize) -> Vec<u8> {
        while self.buffer.len() < count {
            assert_ne!(self.read_more().await, 0, "closed after {:?}", self.buffer);
        }
        self.buffer.drain(..count).collect()
    }

    pub(super) async fn answer(&mut self) -> Answer {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            assert_ne!(self.read_more().await, 0, "closed before an answer");
        };
        let head = String::from_utf8(self.take(end + 4).await).expect("a text head");
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(String::from)
            })
            .map_or(0, |length| length.parse().expect("a length"));
        Answer {
            status: head["HTTP/1.1 ".len()..].lines().next().unwrap_or_default().to_string(),
            body: String::from_utf8(self.take(length).await).expect("a text body"),
        }
    }

    /// The next frame: opcode and payload.
    pub(super) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2).await;
        let length = match head[1] {
            126 => u16::from_be_bytes(self.take(2).await.try_into().expect("two bytes")).into(),
            127 => usize::try_from(u64::from_be_bytes(self.take(8).await.try_into().expect("eight bytes")))
                .expect("a length"),
            short => short.into(),
        };
        (head[0] & 0x0f, self.take(length).await)
    }

    /// Reads until the server ends the connection.
    pub(super) async fn until_closed(&mut self) {
        while self.read_more().await > 0 {}
    }
}
