//! A bridge of bytes between this process's stdin and stdout and a control socket.
//!
//! It knows no frames: whoever stands behind stdin speaks WebSocket itself. It ends when either side ends.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

/// Why there is no bridge.
#[derive(Debug, thiserror::Error)]
#[error("failed to connect to socket at {}\n\nCaused by:\n    {source}", .path.display())]
pub struct ProxyError {
    path: PathBuf,
    source: std::io::Error,
}

/// Connects to `socket` and copies until one side ends.
pub async fn run(socket: &Path) -> Result<(), ProxyError> {
    let stream = UnixStream::connect(socket).await.map_err(|source| ProxyError {
        path: socket.to_path_buf(),
        source,
    })?;
    bridge(stream, tokio::io::stdin(), tokio::io::stdout()).await;
    Ok(())
}

async fn bridge(stream: UnixStream, mut input: impl AsyncRead + Unpin, mut output: impl AsyncWrite + Unpin) {
    let (mut from_server, mut to_server) = stream.into_split();
    let sent = tokio::io::copy(&mut input, &mut to_server);
    let received = tokio::io::copy(&mut from_server, &mut output);
    let ended = tokio::select! {
        ended = sent => ended,
        ended = received => ended,
    };
    if let Err(error) = ended {
        tracing::debug!("bridge ended: {error}");
    }
    // What was received is with the reader before the process goes.
    let _ = output.flush().await;
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn bytes_go_both_ways_until_the_server_hangs_up() {
        let (ours, mut server) = UnixStream::pair().expect("a pair");
        let (mut client, bridge_end) = tokio::io::duplex(64);
        let (input, output) = tokio::io::split(bridge_end);
        let bridge = tokio::spawn(bridge(ours, input, output));
        client.write_all(b"ping").await.expect("to write");
        let mut seen = [0; 4];
        server.read_exact(&mut seen).await.expect("to read");
        assert_eq!(&seen, b"ping");
        server.write_all(b"pong").await.expect("to write");
        client.read_exact(&mut seen).await.expect("to read");
        assert_eq!(&seen, b"pong");
        drop(server);
        bridge.await.expect("the bridge to end");
    }

    #[tokio::test]
    async fn a_missing_server_is_named_with_its_cause() {
        let error = run(Path::new("/nowhere/x.sock"))
            .await
            .expect_err("no server")
            .to_string();
        let expected =
            "failed to connect to socket at /nowhere/x.sock\n\nCaused by:\n    No such file or directory (os error 2)";
        assert_eq!(error, expected);
    }
}
