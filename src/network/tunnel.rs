//! Bytes in both directions, until both sides have said all.

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;

/// How much of each direction is on its way at once.
const PIECE: usize = 16 * 1024;

/// Passes on what either side says. An end that comes early is nobody's fault.
pub(super) async fn tunnel(mut inside: impl AsyncRead + AsyncWrite + Unpin, mut outside: TcpStream) {
    if let Err(error) = copy_bidirectional_with_sizes(&mut inside, &mut outside, PIECE, PIECE).await {
        tracing::trace!(%error, "a tunnel ended early");
    }
}
