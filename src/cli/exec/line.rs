//! The line between `exec` and a server: JSON text both ways, over a WebSocket or within the process.

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::actors::edge::{ConnectionEdge, EdgeCommand};

/// Messages that may wait on either side.
const QUEUE: usize = 1024;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The address is none.
    #[error("unsupported --remote URL `{0}`; expected `ws://HOST:PORT` or `unix://PATH`")]
    Url(String),
    /// The token cannot be read.
    #[error("failed to read the token file {path}: {source}")]
    Token {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody answers there.
    #[error("cannot connect to {url}: {reason}. Is the server running? Start one with `greenroom`")]
    Connect {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
}

/// An open line to a server.
#[derive(Debug)]
pub struct ExecLine {
    /// JSON text for the server. Waits when the server has enough to do.
    pub send: mpsc::Sender<String>,
    /// JSON text from the server; ends with the connection.
    pub receive: mpsc::Receiver<String>,
}

impl ExecLine {
    /// A WebSocket to a running server.
    pub async fn remote(url: &str, token: Option<&str>) -> Result<Self, LineError> {
        let failed = |reason: String| LineError::Connect {
            url: url.to_string(),
            reason,
        };
        if let Some(path) = url.strip_prefix("unix://") {
            let stream = UnixStream::connect(path)
                .await
                .map_err(|error| failed(error.to_string()))?;
            return Self::upgrade(stream, "ws://localhost/", token).await.map_err(failed);
        }
        let Some(authority) = url.strip_prefix("ws://").map(|rest| rest.trim_end_matches('/')) else {
            return Err(LineError::Url(url.to_string()));
        };
        let stream = TcpStream::connect(authority)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let _ = stream.set_nodelay(true);
        Self::upgrade(stream, url, token).await.map_err(failed)
    }

    async fn upgrade<S>(stream: S, url: &str, token: Option<&str>) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut request = url.into_client_request().map_err(|error| error.to_string())?;
        if let Some(token) = token {
            let value = format!("Bearer {token}")
                .parse()
                .map_err(|_| "the token has characters a header cannot carry")?;
            request.headers_mut().insert("authorization", value);
        }
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .map_err(|error| error.to_string())?;
        let (mut sink, mut source) = socket.split();
        let (send, mut outgoing) = mpsc::channel::<String>(QUEUE);
        let (incoming, receive) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            while let Some(text) = outgoing.recv().await {
                if sink.send(Message::text(text)).await.is_err() {
                    return;
                }
            }
            let _ = sink.close().await;
        });
        tokio::spawn(async move {
            while let Some(Ok(message)) = source.next().await {
                if let Message::Text(text) = message
                    && incoming.send(text.to_string()).await.is_err()
                {
                    return;
                }
            }
        });
        Ok(ExecLine { send, receive })
    }

    /// A line to a connection of this process. Must be called on the connection's arbiter.
    pub fn in_process(edge: ConnectionEdge) -> Self {
        let (send, mut outgoing) = mpsc::channel::<String>(QUEUE);
        let (incoming, receive) = mpsc::channel(QUEUE);
        let ConnectionEdge {
            inbound,
            outbox,
            mut commands,
            ..
        } = edge;
        tokio::spawn(async move {
            while let Some(text) = outgoing.recv().await {
                if inbound.send(text.into_bytes().into()).await.is_err() {
                    return;
                }
            }
        });
        let closing = outbox.clone();
        tokio::spawn(async move {
            while let Some(batch) = outbox.next_batch().await {
                for message in batch {
                    let text = String::from_utf8_lossy(&message).into_owned();
                    if incoming.send(text).await.is_err() {
                        return;
                    }
                }
            }
        });
        tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                if matches!(command, EdgeCommand::Close { .. }) {
                    closing.close_when_drained();
                    return;
                }
            }
        });
        ExecLine { send, receive }
    }
}
