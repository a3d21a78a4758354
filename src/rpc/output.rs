//! Output of processes on its way to a client: how it is written, and how much of it may wait.
//!
//! A delta is written around its bytes: head, base64, tail. Base64 needs no escaping, so nothing of it is looked at again.
//! Output waits for its client, not the other way round: before it is read from the process, room for it is reserved, and
//! the room comes back when the message has left the outbox. While a client does not read, its processes stand still at
//! their full pipes, and all they cost is one client's room.

use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::protocol::methods::Notification;
use crate::protocol::{
    CommandExecOutputDeltaNotification, CommandExecOutputStream, ProcessOutputDeltaNotification, ProcessOutputStream,
};
use crate::rpc::client::EncodedNotification;

/// Output is most of what some servers do: it is worth the processor's wide registers.
static BASE64: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));
/// The most that is read from a process at once.
pub const CHUNK: usize = 64 * 1024;
/// What a message costs beside its bytes.
const MESSAGE: usize = 256;
/// How many bytes of output may wait for one client.
const ROOM: usize = 8 * (CHUNK + MESSAGE);

/// The room for output on the way to one client. Whoever waits for it is served in turn, so a client's processes share
/// it alike.
#[derive(Debug, Clone)]
pub struct OutputRoom(Arc<Semaphore>);

impl Default for OutputRoom {
    fn default() -> Self {
        OutputRoom(Arc::new(Semaphore::new(ROOM)))
    }
}

impl OutputRoom {
    /// Waits for the room that one chunk takes.
    pub async fn reserve(&self) -> Reserved {
        // The semaphore is never closed; without room the chunk is merely not counted.
        Reserved(Arc::clone(&self.0).acquire_many_owned(needed(CHUNK)).await.ok())
    }

    /// How many bytes wait, or are about to.
    pub fn taken(&self) -> usize {
        ROOM - self.0.available_permits()
    }
}

/// Room for one chunk; given back when dropped.
#[derive(Debug)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Reserved {
    /// Gives back what a chunk of this length does not need.
    fn shrink(&mut self, length: usize) {
        if let Some(permit) = &mut self.0 {
            let spare = permit.num_permits().saturating_sub(needed(length) as usize);
            drop(permit.split(spare));
        }
    }
}

fn needed(length: usize) -> u32 {
    u32::try_from(length + MESSAGE).unwrap_or(u32::MAX)
}

/// A message that holds its room until nobody has it any more.
struct Held {
    message: Vec<u8>,
    _room: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

/// One of the two streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The deltas of one stream of one process, written but for their bytes.
#[derive(Debug)]
pub struct OutputTemplate {
    encode: fn(Bytes) -> EncodedNotification,
    head: Vec<u8>,
    /// What follows the bytes, before and when the cap is reached.
    tails: [&'static [u8]; 2],
}

/// `capReached` stands behind the bytes.
const TAILS: [&[u8]; 2] = [b"\",\"capReached\":false}}", b"\",\"capReached\":true}}"];

impl OutputTemplate {
    /// Deltas of `process/outputDelta`.
    pub fn process(handle: &str, stream: OutputStream) -> Self {
        let stream = match stream {
            OutputStream::Stdout => ProcessOutputStream::Stdout,
            OutputStream::Stderr => ProcessOutputStream::Stderr,
        };
        Self::new::<ProcessOutputDeltaNotification>("processHandle", handle, &stream)
    }

    /// Deltas of `command/exec/outputDelta`.
    pub fn command(id: &str, stream: OutputStream) -> Self {
        let stream = match stream {
            OutputStream::Stdout => CommandExecOutputStream::Stdout,
            OutputStream::Stderr => CommandExecOutputStream::Stderr,
        };
        Self::new::<CommandExecOutputDeltaNotification>("processId", id, &stream)
    }

    fn new<N: Notification>(member: &str, name: &str, stream: &impl serde::Serialize) -> Self {
        let name = serde_json::Value::from(name);
        let stream = serde_json::to_string(stream).unwrap_or_default();
        let method = N::NAME;
        let head = format!(
            "{{\"method\":\"{method}\",\"params\":{{\"{member}\":{name},\"stream\":{stream},\"deltaBase64\":\""
        );
        OutputTemplate {
            encode: EncodedNotification::written::<N>,
            head: head.into_bytes(),
            tails: TAILS,
        }
    }

    /// The delta of these bytes, which holds `room` until it has left the outbox.
    pub fn fill(&self, bytes: &[u8], cap_reached: bool, mut room: Reserved) -> EncodedNotification {
        room.shrink(bytes.len());
        let tail = self.tails[usize::from(cap_reached)];
        let encoded = bytes.len().div_ceil(3) * 4;
        let mut message = Vec::with_capacity(self.head.len() + encoded + tail.len());
        message.extend_from_slice(&self.head);
        message.resize(self.head.len() + encoded, 0);
        // The slice has the length that the encoder asks for.
        let _ = BASE64.encode_slice(bytes, &mut message[self.head.len()..]);
        message.extend_from_slice(tail);
        (self.encode)(Bytes::from_owner(Held { message, _room: room }))
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use futures_util::FutureExt;

    use super::*;
    use crate::rpc::OutFrame;

    fn parsed(notification: &EncodedNotification) -> serde_json::Value {
        serde_json::from_slice(notification.frame().bytes()).unwrap()
    }

    #[tokio::test]
    async fn deltas_read_as_their_types_do() {
        let room = OutputRoom::default();
        for bytes in [&b""[..], b"a", b"ab", b"abc", &[0xff; CHUNK]] {
            let template = OutputTemplate::process("a \"handle\"\n", OutputStream::Stderr);
            let delta = template.fill(bytes, true, room.reserve().await);
            assert_eq!(delta.method(), "process/outputDelta");
            let value = parsed(&delta);
            let params: ProcessOutputDeltaNotification = serde_json::from_value(value["params"].clone()).unwrap();
            assert_eq!(params.process_handle, "a \"handle\"\n");
            assert_eq!(params.stream, ProcessOutputStream::Stderr);
            assert!(params.cap_reached);
            assert_eq!(STANDARD.decode(params.delta_base64).unwrap(), bytes);
        }
        let delta = OutputTemplate::command("7", OutputStream::Stdout).fill(b"x", false, room.reserve().await);
        let expected = r#"{"method":"command/exec/outputDelta","params":{"processId":"7","stream":"stdout","deltaBase64":"eA==","capReached":false}}"#;
        assert_eq!(delta.frame().bytes(), expected);
    }

    #[tokio::test]
    async fn room_comes_back_with_the_last_holder_of_a_message() {
        let room = OutputRoom::default();
        let template = OutputTemplate::process("p", OutputStream::Stdout);
        let mut waiting: Vec<OutFrame> = Vec::new();
        while let Some(reserved) = room.reserve().now_or_never() {
            waiting.push(template.fill(&[0; CHUNK], false, reserved).frame().clone());
        }
        assert_eq!(waiting.len(), 8);
        let copy = waiting[0].clone();
        waiting.remove(0);
        assert!(room.reserve().now_or_never().is_none());
        drop(copy);
        let small = template.fill(b"x", false, room.reserve().now_or_never().unwrap());
        assert!(room.reserve().now_or_never().is_none() || room.taken() < ROOM);
        drop((small, waiting));
        assert_eq!(room.taken(), 0);
    }
}
