//! The exec-server on its own stdin and stdout: a message on each line, one client, which is the parent process.

use std::io;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

use super::Executor;
use super::connection::Connection;
use super::outbox::Outbox;
use super::socket::MAX_MESSAGE;

/// Serves until stdin ends, or the client says something that ends the connection.
pub(super) async fn serve(executor: &Arc<Executor>) -> io::Result<()> {
    let (outbox, mut messages) = Outbox::new();
    let writer = tokio::spawn(async move {
        let mut out = tokio::io::stdout();
        while let Some(message) = messages.recv().await {
            out.write_all(message.text.as_bytes()).await?;
            out.write_all(b"\n").await?;
            out.flush().await?;
        }
        io::Result::Ok(())
    });
    let label = "JSON-RPC message from exec-server stdio".to_owned();
    let mut connection = Connection::new(executor, outbox, label);
    let mut lines = FramedRead::new(tokio::io::stdin(), LinesCodec::new_with_max_length(MAX_MESSAGE));
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                if connection.receive(&line).await.is_break() {
                    break;
                }
            }
            Err(LinesCodecError::MaxLineLengthExceeded) => {
                tracing::warn!("a message was longer than {MAX_MESSAGE} bytes; the connection ends");
                break;
            }
            Err(LinesCodecError::Io(error)) => return Err(error),
        }
    }
    drop(connection);
    executor.sessions.end_all();
    // What was answered already is written out, but nobody waits for a parent that does not read.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), writer).await;
    Ok(())
}
