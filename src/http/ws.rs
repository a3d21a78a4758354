//! The WebSocket edge: the one place that knows actix-web-actors, which its authors have deprecated.
//!
//! [`Edge`] is polled as a response body, so it stands still whenever its client does not read. It therefore only
//! writes: batches from the connection's outbox, pongs, the goodbye. Reading and obeying the connection run in a task
//! beside it ([`conduct`]), which goes on while the writer is stuck and cuts the socket when a goodbye is not taken. The
//! state of the client, its heartbeat and its limits live in the connection actor.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::prelude::*;
use actix_web::body::BodyStream;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use crate::actors::{ConnectionEdge, EdgeCommand, Kernel, Liveness, connection};
use crate::http::frames::{FrameLimits, Incoming, MessageDecoder, Violation};
use crate::http::peer::{Peer, PeerSocket};
use crate::rpc::outbox::OutboxQueue;

/// How long a client has to take the last frames and the goodbye before its socket is cut.
const GOODBYE: Duration = Duration::from_secs(2);

/// Answers a checked upgrade request and connects its client.
pub fn open(
    request: &HttpRequest,
    payload: web::Payload,
    kernel: &Kernel,
    peer: &Peer,
) -> Result<HttpResponse, actix_web::Error> {
    let mut response = ws::handshake(request)?;
    let settings = &kernel.services().settings;
    let decoder = MessageDecoder::new(FrameLimits {
        frame: settings.frame_limit,
        message: settings.message_limit,
    });
    let connection = connection::open(kernel, peer.transport());
    let (running, ended) = oneshot::channel();
    let outbox = connection.outbox.clone();
    let socket = peer.socket();
    // The edge reads nothing: its own frame stream stays silent.
    let silence = stream::pending::<Result<Bytes, actix_web::error::PayloadError>>();
    let body = ws::WebsocketContext::with_factory(silence, move |context| {
        context.add_stream(Batches { outbox, pause: false });
        let writer = context.address();
        actix_rt::spawn(conduct(payload, decoder, connection, writer, socket, ended));
        Edge {
            goodbye: None,
            drained: false,
            _running: running,
        }
    });
    Ok(response.body(BodyStream::new(body)))
}

/// The writing side of a WebSocket.
struct Edge {
    /// The Close frame to write once the outbox has handed out everything.
    goodbye: Option<ws::CloseReason>,
    drained: bool,
    /// Dropped with the actor: tells the task beside it that the writer is gone.
    _running: oneshot::Sender<()>,
}

impl Actor for Edge {
    type Context = ws::WebsocketContext<Self>;
}

impl Edge {
    fn finish(reason: Option<ws::CloseReason>, context: &mut ws::WebsocketContext<Self>) {
        context.close(reason);
        context.stop();
    }
}

/// Frames to write together; actix-web-actors encodes all of them into one buffer.
struct Batch(Vec<Bytes>);

impl StreamHandler<Batch> for Edge {
    fn handle(&mut self, batch: Batch, context: &mut Self::Context) {
        for message in batch.0 {
            match bytestring::ByteString::try_from(message) {
                Ok(text) => context.text(text),
                Err(error) => tracing::error!("a message for a client is not text: {error}"),
            }
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.drained = true;
        if self.goodbye.is_some() {
            Edge::finish(self.goodbye.take(), context);
        }
    }
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Edge {
    fn handle(&mut self, _message: Result<ws::Message, ws::ProtocolError>, _context: &mut Self::Context) {}
}

/// What the task beside the writer asks of it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
enum Say {
    Ping,
    Pong(Bytes),
    /// Close once everything queued is written.
    GoodbyeAtLast(ws::CloseReason),
    /// Close now.
    GoodbyeNow(Option<ws::CloseReason>),
    /// End without a word: nobody listens.
    Nothing,
}

impl Handler<Say> for Edge {
    type Result = ();

    fn handle(&mut self, say: Say, context: &mut Self::Context) {
        match say {
            Say::Ping => context.ping(b""),
            Say::Pong(payload) => context.pong(&payload),
            Say::GoodbyeAtLast(reason) if self.drained => Edge::finish(Some(reason), context),
            Say::GoodbyeAtLast(reason) => self.goodbye = Some(reason),
            Say::GoodbyeNow(reason) => Edge::finish(reason, context),
            Say::Nothing => context.stop(),
        }
    }
}

/// The outbox as a stream of batches, at most one of which is in the writer's hands at a time.
struct Batches {
    outbox: Arc<OutboxQueue>,
    pause: bool,
}

impl Stream for Batches {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Batch>> {
        // After a batch the body is encoded and written before more is taken, so that the rest waits in the outbox,
        // where it is counted. No waker is needed: a body that just returned data is always polled again.
        if std::mem::take(&mut self.pause) {
            return Poll::Pending;
        }
        let batch = ready!(self.outbox.poll_batch(cx));
        self.pause = batch.is_some();
        Poll::Ready(batch.map(Batch))
    }
}

/// Reads from the client and obeys the connection until either is done with the other, then sees to it that the writer
/// ends too.
async fn conduct(
    payload: web::Payload,
    decoder: MessageDecoder,
    connection: ConnectionEdge,
    writer: Addr<Edge>,
    socket: Option<PeerSocket>,
    mut ended: oneshot::Receiver<()>,
) {
    let id = connection.id;
    let liveness = connection.liveness();
    let reader = Reader {
        payload,
        decoder,
        inbound: connection.inbound,
        liveness,
        writer: &writer,
    };
    let client_is_done = tokio::select! {
        _ = &mut ended => return,
        () = reader.run() => true,
        () = obey(connection.commands, &writer) => false,
    };
    let taken = tokio::time::timeout(GOODBYE, ended).await.is_ok();
    let Some(socket) = socket else { return };
    if !taken {
        tracing::info!(
            conn.id = id.0,
            "cutting the socket of a client that does not take its goodbye"
        );
        socket.cut();
    } else if client_is_done {
        // Nothing follows the goodbye; actix alone would hold the socket open for a while to see what else comes.
        socket.hang_up();
    }
}

async fn obey(mut commands: mpsc::Receiver<EdgeCommand>, writer: &Addr<Edge>) {
    while let Some(command) = commands.recv().await {
        match command {
            // A writer that cannot take a ping has a client that does not read; its silence will tell.
            EdgeCommand::Ping => drop(writer.try_send(Say::Ping)),
            EdgeCommand::Close { code, reason } => {
                let reason = ws::CloseReason {
                    code: code.into(),
                    description: Some(reason.into()),
                };
                let _ = writer.try_send(Say::GoodbyeAtLast(reason));
                return;
            }
        }
    }
    let _ = writer.try_send(Say::Nothing);
}

struct Reader<'a> {
    payload: web::Payload,
    decoder: MessageDecoder,
    inbound: mpsc::Sender<Bytes>,
    liveness: Liveness,
    writer: &'a Addr<Edge>,
}

impl Reader<'_> {
    /// Hands messages to the connection until the client has gone; ends by dropping the connection's sender.
    async fn run(mut self) {
        let last_word = loop {
            match self.decoder.next_message() {
                Ok(Some(Incoming::Text(text))) => {
                    if self.inbound.send(text).await.is_err() {
                        // The connection has closed its end; its order to the writer is on the way.
                        return std::future::pending().await;
                    }
                }
                Ok(Some(Incoming::Binary)) => tracing::warn!("dropping unsupported binary websocket message"),
                Ok(Some(Incoming::Ping(payload))) => drop(self.writer.try_send(Say::Pong(payload))),
                Ok(Some(Incoming::Pong)) => {}
                Ok(Some(Incoming::Close(reason))) => break Say::GoodbyeNow(reason),
                Ok(None) => match self.payload.next().await {
                    Some(Ok(chunk)) => {
                        self.liveness.pong();
                        self.decoder.push(&chunk);
                    }
                    Some(Err(error)) => {
                        tracing::debug!("client gone: {error}");
                        break Say::Nothing;
                    }
                    None => break Say::Nothing,
                },
                Err(violation) => {
                    tracing::warn!("closing a websocket: {violation}");
                    break Say::GoodbyeNow(Some(close_reason(&violation)));
                }
            }
        };
        let _ = self.writer.try_send(last_word);
    }
}

fn close_reason(violation: &Violation) -> ws::CloseReason {
    let code = match violation {
        Violation::TooBig => ws::CloseCode::Size,
        Violation::Protocol(_) => ws::CloseCode::Protocol,
    };
    ws::CloseReason {
        code,
        description: Some(violation.to_string()),
    }
}
