//! From bytes to whole WebSocket messages: frame limits, fragments put together, control frames in between.
//!
//! A plain state machine over actix's frame codec; it does no I/O. actix looks at a frame's size only once all of it is
//! buffered and hands fragments out raw, so the limits on frames, messages and pieces are kept here, before memory is
//! spent. Whether text is UTF-8 is not checked: broken text is one broken message, for the connection to drop, and
//! framing goes on behind it.

use actix_http::ws::{CloseReason, Codec, Frame, Item, ProtocolError};
use bytes::{Bytes, BytesMut};
use tokio_util::codec::Decoder;

#[cfg(test)]
mod tests;

/// A message may have this many fragments.
const MOST_PIECES: usize = 1 << 16;
/// A drained buffer that grew beyond this is given back.
const KEPT_CAPACITY: usize = 8 << 10;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message, not yet known to be UTF-8.
    Text(Bytes),
    /// A whole binary message; nobody understands it, so its content is not kept.
    Binary,
    /// A ping to answer.
    Ping(Bytes),
    /// The answer to a ping.
    Pong,
    /// The client's goodbye.
    Close(Option<CloseReason>),
}

/// How a client broke the rules so that its stream cannot be followed any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A frame or message beyond the limits.
    #[error("the message is too big")]
    TooBig,
    /// Anything else.
    #[error("{0}")]
    Protocol(String),
}

impl From<ProtocolError> for Violation {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Overflow => Violation::TooBig,
            other => Violation::Protocol(other.to_string()),
        }
    }
}

/// How big things may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// One frame's payload.
    pub frame: usize,
    /// A whole message.
    pub message: usize,
}

/// The message whose fragments are coming in.
#[derive(Debug)]
struct Fragments {
    text: bool,
    content: BytesMut,
    size: usize,
    pieces: usize,
}

/// Decodes one client's stream.
#[derive(Debug)]
pub struct MessageDecoder {
    codec: Codec,
    limits: FrameLimits,
    buffer: BytesMut,
    fragments: Option<Fragments>,
}

impl MessageDecoder {
    /// A decoder for the server's side of a connection.
    pub fn new(limits: FrameLimits) -> Self {
        MessageDecoder {
            codec: Codec::new().max_size(limits.frame),
            limits,
            buffer: BytesMut::new(),
            fragments: None,
        }
    }

    /// Adds what was read.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Takes the next message or control frame; `None` when more must be read. After an error the stream is lost.
    pub fn next_message(&mut self) -> Result<Option<Incoming>, Violation> {
        loop {
            if self.buffer.is_empty() {
                if self.buffer.capacity() > KEPT_CAPACITY {
                    self.buffer = BytesMut::new();
                }
                return Ok(None);
            }
            if announced_length(&self.buffer).is_some_and(|length| length > self.limits.frame as u64) {
                return Err(Violation::TooBig);
            }
            let Some(frame) = self.codec.decode(&mut self.buffer)? else {
                return Ok(None);
            };
            let message = match frame {
                Frame::Text(text) => Some(Incoming::Text(text)),
                Frame::Binary(_) => Some(Incoming::Binary),
                Frame::Ping(payload) => Some(Incoming::Ping(payload)),
                Frame::Pong(_) => Some(Incoming::Pong),
                Frame::Close(reason) => Some(Incoming::Close(reason)),
                Frame::Continuation(piece) => self.piece(piece)?,
            };
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    /// Adds a fragment; returns the message that it completes.
    fn piece(&mut self, piece: Item) -> Result<Option<Incoming>, Violation> {
        let (content, last) = match piece {
            Item::FirstText(content) => (self.begin(true, content), false),
            Item::FirstBinary(content) => (self.begin(false, content), false),
            Item::Continue(content) => (content, false),
            Item::Last(content) => (content, true),
        };
        let Some(fragments) = &mut self.fragments else {
            return Err(Violation::Protocol("a fragment of nothing".into()));
        };
        fragments.size += content.len();
        fragments.pieces += 1;
        if fragments.size > self.limits.message || fragments.pieces > MOST_PIECES {
            return Err(Violation::TooBig);
        }
        if fragments.text {
            fragments.content.extend_from_slice(&content);
        }
        if !last {
            return Ok(None);
        }
        Ok(self.fragments.take().map(|whole| match whole.text {
            true => Incoming::Text(whole.content.freeze()),
            false => Incoming::Binary,
        }))
    }

    fn begin(&mut self, text: bool, content: Bytes) -> Bytes {
        self.fragments = Some(Fragments {
            text,
            content: BytesMut::new(),
            size: 0,
            pieces: 0,
        });
        content
    }
}

/// The payload length that the frame at the start of `buffer` announces, once it is all there.
fn announced_length(buffer: &[u8]) -> Option<u64> {
    match buffer.get(1)? & 0x7f {
        126 => Some(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?).into()),
        127 => Some(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)),
        short => Some(short.into()),
    }
}
