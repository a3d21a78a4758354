//! The exec-server on a WebSocket.
//!
//! Whoever connects is checked at the upgrade: pages in a browser are turned away, and a token is asked for where one
//! is configured. A client that says nothing, not even to a ping, loses its connection; its session then waits for it.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::Executor;
use super::connection::Connection;
use super::outbox::Outbox;
use crate::http::auth::AuthPolicy;

/// The longest message that is taken.
pub(super) const MAX_MESSAGE: usize = 128 << 20;
/// The most connections at a time.
const MAX_CONNECTIONS: usize = 256;
/// How long a client may take for the upgrade.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a silent client is asked whether it is there.
const PING: Duration = Duration::from_secs(10);
/// How long a client may be silent.
const SILENCE: Duration = Duration::from_secs(45);

/// Serves until the process is told to end.
pub(super) async fn serve(
    executor: &Arc<Executor>,
    address: SocketAddr,
    auth: AuthPolicy,
    announce: impl FnOnce(SocketAddr),
) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let listener = TcpListener::bind(address).await?;
    announce(listener.local_addr()?);
    let auth = Arc::new(auth);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        };
        match accepted {
            Ok((stream, peer, place)) => {
                let (executor, auth) = (Arc::clone(executor), Arc::clone(&auth));
                tokio::spawn(async move {
                    connect(&executor, stream, peer, &auth).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                // Out of descriptors, most likely: a moment later there may be some.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn connect(executor: &Arc<Executor>, mut stream: TcpStream, peer: SocketAddr, auth: &AuthPolicy) {
    let _ = stream.set_nodelay(true);
    match timeout(HANDSHAKE, asks_for_readiness(&stream)).await {
        Ok(Ok(true)) => {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(answer).await;
            return;
        }
        Ok(Ok(false)) => {}
        Ok(Err(_)) | Err(_) => return,
    }
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let upgrade = tokio_tungstenite::accept_hdr_async_with_config(stream, Gate(auth), Some(limits));
    match timeout(HANDSHAKE, upgrade).await {
        Ok(Ok(socket)) => talk(executor, socket, peer).await,
        Ok(Err(error)) => tracing::debug!(%error, %peer, "no websocket came of a connection"),
        Err(_) => tracing::debug!(%peer, "a client took too long for its upgrade"),
    }
}

/// Whether a client only wants to know whether the server is there.
async fn asks_for_readiness(stream: &TcpStream) -> io::Result<bool> {
    const ASKED: &[u8] = b"GET /readyz ";
    let mut start = [0; ASKED.len()];
    loop {
        let count = stream.peek(&mut start).await?;
        if count == start.len() || !ASKED.starts_with(&start[..count]) || count == 0 {
            return Ok(start[..count] == *ASKED);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Who may upgrade.
struct Gate<'a>(&'a AuthPolicy);

impl Callback for Gate<'_> {
    fn on_request(self, request: &Request, response: Response) -> Result<Response, ErrorResponse> {
        if request.uri().path() != "/" {
            return Err(refusal(StatusCode::NOT_FOUND, String::new()));
        }
        // Programs do not send it. A page of whatever site could otherwise run commands here.
        if request.headers().contains_key(header::ORIGIN) {
            let why = "browsers may not connect to an exec-server";
            return Err(refusal(StatusCode::FORBIDDEN, why.to_owned()));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let presented = request.headers().get(header::AUTHORIZATION);
        match self.0.check(presented.map(|value| value.as_bytes()), now) {
            Ok(()) => Ok(response),
            Err(why) => Err(refusal(StatusCode::UNAUTHORIZED, why.to_string())),
        }
    }
}

fn refusal(status: StatusCode, why: String) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why));
    *response.status_mut() = status;
    response
}

async fn talk(executor: &Arc<Executor>, socket: WebSocketStream<TcpStream>, peer: SocketAddr) {
    let (outbox, mut messages) = Outbox::new();
    let label = format!("websocket JSON-RPC message from exec-server websocket {peer}");
    let mut connection = Connection::new(executor, outbox, label);
    let (mut sink, mut source) = socket.split();
    // Its own task: a client that does not read must not keep us from reading.
    let (pings, mut asked) = tokio::sync::mpsc::channel::<()>(1);
    let mut writer = tokio::spawn(async move {
        loop {
            let sent = tokio::select! {
                biased;
                Some(()) = asked.recv() => sink.send(Message::Ping(Default::default())).await,
                message = messages.recv() => match message {
                    Some(message) => sink.send(Message::text(message.text)).await,
                    None => break,
                },
            };
            if sent.is_err() {
                break;
            }
        }
        let _ = timeout(Duration::from_secs(1), sink.close()).await;
    });
    let mut clock = interval(PING);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = source.next() => {
                heard = Instant::now();
                if take(&mut connection, message).await.is_break() {
                    break;
                }
            }
            _ = clock.tick() => {
                if heard.elapsed() > SILENCE {
                    tracing::debug!(%peer, "a client has been silent for too long");
                    break;
                }
                let _ = pings.try_send(());
            }
            _ = &mut writer => break,
        }
    }
    drop(connection);
}

async fn take(connection: &mut Connection, message: Option<Result<Message, Error>>) -> ControlFlow<()> {
    match message {
        Some(Ok(Message::Text(text))) => connection.receive(text.as_str()).await,
        Some(Ok(Message::Binary(bytes))) => connection.receive(&String::from_utf8_lossy(&bytes)).await,
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => ControlFlow::Continue(()),
        Some(Ok(Message::Close(_)) | Err(_)) | None => ControlFlow::Break(()),
    }
}
