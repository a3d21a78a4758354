//! A tiny HTTP server: each request takes the next script, a list of byte pieces written one at a time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What to do for one request.
pub(crate) struct Script {
    pub(crate) pieces: Vec<Vec<u8>>,
    /// Wait for the notification before this piece.
    pub(crate) hold_before: Option<usize>,
    /// Close the socket at the end.
    pub(crate) close: bool,
}

/// One request as it came.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) connection: usize,
    pub(crate) head: String,
    pub(crate) body: serde_json::Value,
    pub(crate) raw_body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

#[derive(Clone)]
pub(crate) struct Server {
    port: u16,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) release: Arc<Notify>,
    pub(crate) closed: Arc<Notify>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            scripts: Arc::default(),
            seen: Arc::default(),
            release: Arc::default(),
            closed: Arc::default(),
        };
        let shared = server.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(shared.clone().serve(socket, connection));
            }
        });
        server
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn play(&self, script: Script) {
        self.scripts.lock().unwrap().push_back(script);
    }

    /// A stream of server-sent events in one chunk.
    pub(crate) fn stream(&self, events: &str) {
        self.stream_with("", &[events.as_bytes()]);
    }

    /// A stream in several chunks, with more headers.
    pub(crate) fn stream_with(&self, headers: &str, chunks: &[&[u8]]) {
        let mut pieces = vec![stream_head(headers)];
        pieces.extend(chunks.iter().map(|chunk| chunked(chunk)));
        pieces.push(b"0\r\n\r\n".to_vec());
        self.play(Script {
            pieces,
            hold_before: None,
            close: false,
        });
    }

    /// A stream that is held before its piece number `hold_before` (the head is number 0).
    pub(crate) fn stream_held(&self, events: &[&str], hold_before: usize) {
        let mut pieces = vec![stream_head("")];
        pieces.extend(events.iter().map(|event| chunked(event.as_bytes())));
        pieces.push(b"0\r\n\r\n".to_vec());
        self.play(Script {
            pieces,
            hold_before: Some(hold_before),
            close: false,
        });
    }

    /// A stream whose connection is cut in the middle of a chunk.
    pub(crate) fn stream_cut(&self, events: &str) {
        let mut cut = format!("{:x}\r\n", events.len() + 100).into_bytes();
        cut.extend_from_slice(events.as_bytes());
        self.play(Script {
            pieces: vec![stream_head(""), cut],
            hold_before: None,
            close: true,
        });
    }

    /// Any answer that is not a stream.
    pub(crate) fn answer(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        let whole = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}");
        self.play(Script {
            pieces: vec![whole.into_bytes()],
            hold_before: None,
            close: false,
        });
    }

    async fn serve(self, mut socket: TcpStream, connection: usize) {
        socket.set_nodelay(true).unwrap();
        let mut buffer = Vec::new();
        while let Some(seen) = read_request(&mut socket, &mut buffer, connection).await {
            self.seen.lock().unwrap().push(seen);
            let script = self.scripts.lock().unwrap().pop_front();
            let script = script.unwrap_or_else(|| Script {
                pieces: vec![b"HTTP/1.1 400 Bad Request\r\ncontent-length: 10\r\n\r\nunscripted".to_vec()],
                hold_before: None,
                close: false,
            });
            for (index, piece) in script.pieces.iter().enumerate() {
                if script.hold_before == Some(index) {
                    let mut byte = [0];
                    tokio::select! {
                        () = self.release.notified() => {}
                        _ = socket.read(&mut byte) => {
                            self.closed.notify_one();
                            return;
                        }
                    }
                }
                if socket.write_all(piece).await.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if script.close {
                return;
            }
        }
    }
}

fn stream_head(headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{headers}\r\n").into()
}

fn chunked(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

async fn read_request(socket: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap();
    let mut seen = Seen {
        connection,
        head,
        body: serde_json::Value::Null,
        raw_body: String::new(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while buffer.len() < length {
        if socket.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    seen.raw_body = String::from_utf8(buffer.drain(..length).collect()).unwrap();
    seen.body = serde_json::from_str(&seen.raw_body).unwrap_or_default();
    Some(seen)
}
