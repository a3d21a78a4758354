//! A connected client as the rest of the server sees it: an id, what it asked for at `initialize`, and a bounded outbox.
//!
//! The handle can be cloned and used from any thread. Sending never waits: what cannot be delivered in time is the
//! outbox's policy (merge text deltas, then close the connection), never the sender's problem. Order of pushes is the
//! order on the wire, for answers, notifications and requests alike.

use std::collections::HashSet;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;

use crate::protocol::methods::{Notification, Stability};
use crate::protocol::{InitializeCapabilities, RequestId};
use crate::rpc::error::RpcError;
use crate::rpc::gate::outgoing::ServerRequestMessage;
use crate::rpc::output::OutputRoom;
use crate::rpc::replay::EventNumber;

/// The process-wide number of a connection, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ConnectionId(pub u64);

/// What a client said about itself at `initialize`.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// `clientInfo.name`.
    pub name: String,
    /// `clientInfo.version`.
    pub version: String,
    /// Whether experimental methods, fields and notifications are open to it.
    pub experimental_api: bool,
    /// Whether it answers `attestation/generate`.
    pub request_attestation: bool,
    /// Notification methods it does not want.
    pub opt_out: HashSet<String>,
    /// Whether it wants the events of threads numbered (docs/reconnect.md).
    pub event_replay: bool,
}

impl ClientInfo {
    /// Takes over what `initialize` carried.
    pub fn new(name: String, version: String, capabilities: Option<InitializeCapabilities>) -> Self {
        let capabilities = capabilities.unwrap_or_default();
        ClientInfo {
            name,
            version,
            experimental_api: capabilities.experimental_api,
            request_attestation: capabilities.request_attestation,
            event_replay: capabilities.greenroom.unwrap_or_default().event_replay,
            opt_out: capabilities
                .opt_out_notification_methods
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    }
}

/// One message ready for the wire.
#[derive(Debug, Clone)]
pub enum OutFrame {
    /// A whole JSON message, shared by all who are sent it.
    Whole(Bytes),
    /// A whole message that is large on purpose: bounded by whoever made it, it does not count as the client's backlog.
    Bulk(Bytes),
    /// A text delta: neighbours of one `key` may be merged while the client is slow, by joining their texts.
    Delta {
        /// What the text belongs to (method, thread, turn, item, index), as one comparable string.
        key: Arc<str>,
        /// The whole message.
        whole: Bytes,
        /// Where in `whole` the JSON-escaped text stands, quotes excluded. Escaped texts join by concatenation.
        text: std::ops::Range<usize>,
    },
}

impl OutFrame {
    /// The whole message.
    pub fn bytes(&self) -> &Bytes {
        match self {
            OutFrame::Whole(bytes) | OutFrame::Bulk(bytes) | OutFrame::Delta { whole: bytes, .. } => bytes,
        }
    }
}

/// The events that one message stands for: one, or neighbours of one stream that were joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRange {
    /// The stream.
    pub stream: Arc<str>,
    /// The first event's number.
    pub first: u64,
    /// The last event's number.
    pub last: u64,
}

impl EventRange {
    /// The most bytes that numbers add to a message.
    pub const LONGEST: usize = 112;

    /// The message with its numbers.
    pub fn written_on(&self, message: &[u8]) -> Bytes {
        let Some(open) = message.strip_suffix(b"}") else {
            return Bytes::copy_from_slice(message);
        };
        let mut numbered = Vec::with_capacity(message.len() + Self::LONGEST);
        numbered.extend_from_slice(open);
        // Writing to memory cannot fail. Streams are hexadecimal: nothing in them needs escaping.
        let _ = write!(numbered, ",\"greenroom\":{{\"stream\":\"{}\"", self.stream);
        if self.first < self.last {
            let _ = write!(numbered, ",\"firstSeq\":{}", self.first);
        }
        let _ = write!(numbered, ",\"seq\":{}}}}}", self.last);
        Bytes::from(numbered)
    }
}

/// Where frames go: implemented by the connection's outbox.
pub trait Outbox: Send + Sync {
    /// Queues a frame without waiting. Frames pushed after the connection ended are dropped.
    fn push(&self, frame: OutFrame);

    /// Queues a frame that carries its number.
    fn push_numbered(&self, frame: OutFrame, event: EventRange) {
        self.push(OutFrame::Whole(event.written_on(frame.bytes())));
    }

    /// How many bytes wait for the client.
    fn backlog(&self) -> usize {
        0
    }
}

/// A notification encoded once, to be shared by every client that is sent it.
#[derive(Debug, Clone)]
pub struct EncodedNotification {
    method: &'static str,
    stability: Stability,
    frame: OutFrame,
}

/// The wire form of a notification.
#[derive(Serialize)]
struct NotificationEnvelope<'a, N> {
    method: &'static str,
    params: &'a N,
}

impl EncodedNotification {
    /// Encodes a notification.
    pub fn new<N: Notification>(payload: &N) -> Self {
        EncodedNotification {
            method: N::NAME,
            stability: N::STABILITY,
            frame: OutFrame::Whole(encode::<N>(payload)),
        }
    }

    /// Takes a message that was written elsewhere.
    pub(super) fn written<N: Notification>(message: Bytes) -> Self {
        EncodedNotification {
            method: N::NAME,
            stability: N::STABILITY,
            frame: OutFrame::Whole(message),
        }
    }

    /// Encodes a text delta. The payload's first member must be `delta`; `key` names what the text belongs to.
    pub fn delta<N: Notification>(payload: &N, key: Arc<str>) -> Self {
        let whole = encode::<N>(payload);
        let frame = match escaped_delta(&whole) {
            Some(text) => OutFrame::Delta { key, whole, text },
            None => OutFrame::Whole(whole),
        };
        EncodedNotification {
            method: N::NAME,
            stability: N::STABILITY,
            frame,
        }
    }

    /// The wire name.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The frame to send.
    pub fn frame(&self) -> &OutFrame {
        &self.frame
    }
}

/// The deltas of one text, encoded but for the text: each delta then costs one allocation and the escaping of its text.
#[derive(Debug, Clone)]
pub struct DeltaTemplate {
    method: &'static str,
    stability: Stability,
    key: Arc<str>,
    head: Bytes,
    tail: Bytes,
}

impl DeltaTemplate {
    /// Takes a payload whose first member is an empty `delta`; `None` when it is not.
    pub fn new<N: Notification>(payload: &N) -> Option<Self> {
        let whole = encode::<N>(payload);
        let at = escaped_delta(&whole)?.start;
        let head = whole.slice(..at - 1);
        let tail = whole.slice(at + 1..);
        Some(DeltaTemplate {
            method: N::NAME,
            stability: N::STABILITY,
            key: String::from_utf8_lossy(&whole).into(),
            head,
            tail,
        })
    }

    /// The notification of one delta.
    pub fn fill(&self, delta: &str) -> EncodedNotification {
        let mut whole = Vec::with_capacity(self.head.len() + self.tail.len() + delta.len() + delta.len() / 8 + 8);
        whole.extend_from_slice(&self.head);
        // Writing a string to memory cannot fail.
        let _ = serde_json::to_writer(&mut whole, delta);
        let text = self.head.len() + 1..whole.len() - 1;
        whole.extend_from_slice(&self.tail);
        EncodedNotification {
            method: self.method,
            stability: self.stability,
            frame: OutFrame::Delta {
                key: Arc::clone(&self.key),
                whole: Bytes::from(whole),
                text,
            },
        }
    }
}

fn encode<N: Notification>(payload: &N) -> Bytes {
    let envelope = NotificationEnvelope {
        method: N::NAME,
        params: payload,
    };
    Bytes::from(serde_json::to_vec(&envelope).unwrap_or_default())
}

/// Where the escaped text of the member `delta` stands, when it is the first member of `params`.
fn escaped_delta(message: &[u8]) -> Option<std::ops::Range<usize>> {
    const MARK: &[u8] = b"\"params\":{\"delta\":\"";
    let start = message.windows(MARK.len()).position(|w| w == MARK)? + MARK.len();
    let mut end = start;
    loop {
        match message.get(end)? {
            b'"' => return Some(start..end),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

struct Client {
    id: ConnectionId,
    transport: &'static str,
    info: OnceLock<ClientInfo>,
    outbox: Arc<dyn Outbox>,
    output: OnceLock<OutputRoom>,
}

/// A connected client. Equal handles are the same connection.
#[derive(Clone)]
pub struct ClientHandle(Arc<Client>);

impl std::fmt::Debug for ClientHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientHandle({})", self.0.id.0)
    }
}

impl PartialEq for ClientHandle {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl ClientHandle {
    /// A handle for a new connection; `transport` is `stdio`, `ws`, `unix` or `in-process`.
    pub fn new(id: ConnectionId, transport: &'static str, outbox: Arc<dyn Outbox>) -> Self {
        ClientHandle(Arc::new(Client {
            id,
            transport,
            info: OnceLock::new(),
            outbox,
            output: OnceLock::new(),
        }))
    }

    /// The connection's number.
    pub fn id(&self) -> ConnectionId {
        self.0.id
    }

    /// How the client is connected.
    pub fn transport(&self) -> &'static str {
        self.0.transport
    }

    /// What it said at `initialize`; `None` before.
    pub fn info(&self) -> Option<&ClientInfo> {
        self.0.info.get()
    }

    /// How many bytes wait for the client.
    pub fn backlog(&self) -> usize {
        self.0.outbox.backlog()
    }

    /// The room that output of processes has on its way to the client.
    pub fn output_room(&self) -> &OutputRoom {
        self.0.output.get_or_init(OutputRoom::default)
    }

    /// Marks the connection initialised. Returns false when it already was.
    pub fn initialize(&self, info: ClientInfo) -> bool {
        self.0.info.set(info).is_ok()
    }

    /// Whether experimental parts of the protocol are open to it.
    pub fn experimental(&self) -> bool {
        self.info().is_some_and(|info| info.experimental_api)
    }

    /// Sends a notification, unless the client is not initialised, opted out, or may not see it.
    pub fn notify(&self, notification: &EncodedNotification) {
        if self.wants(notification) {
            self.0.outbox.push(notification.frame.clone());
        }
    }

    /// Whether it asked for numbered events.
    pub fn counts_events(&self) -> bool {
        self.info().is_some_and(|info| info.event_replay)
    }

    /// Sends an event of a thread, with its number if the client asked for numbers.
    pub fn notify_event(&self, notification: &EncodedNotification, number: Option<&EventNumber>) {
        match number {
            Some(number) if self.counts_events() => {
                if self.wants(notification) {
                    let event = EventRange {
                        stream: Arc::clone(&number.stream),
                        first: number.seq,
                        last: number.seq,
                    };
                    self.0.outbox.push_numbered(notification.frame.clone(), event);
                }
            }
            _ => self.notify(notification),
        }
    }

    /// Initialised, not opted out, and allowed to see it.
    fn wants(&self, notification: &EncodedNotification) -> bool {
        self.info().is_some_and(|info| {
            !info.opt_out.contains(notification.method)
                && (notification.stability == Stability::Stable || info.experimental_api)
        })
    }

    /// Encodes and sends a notification to this client alone.
    pub fn notify_one<N: Notification>(&self, payload: &N) {
        self.notify(&EncodedNotification::new(payload));
    }

    /// Answers a request. `result` is the JSON text of the result.
    pub fn respond(&self, id: &RequestId, result: Result<Box<serde_json::value::RawValue>, RpcError>) {
        self.push_json(&match &result {
            Ok(result) => serde_json::to_vec(&ResultEnvelope { id, result }),
            Err(error) => serde_json::to_vec(&ErrorEnvelope {
                error: error.clone().into(),
                id,
            }),
        });
    }

    /// Sends a server request, in the form that this client may see.
    pub fn ask(&self, request: &ServerRequestMessage) {
        self.send_raw(request.form(self.experimental()).clone());
    }

    /// Sends a frame.
    pub fn send(&self, frame: OutFrame) {
        self.0.outbox.push(frame);
    }

    /// Sends an encoded message.
    pub fn send_raw(&self, message: Bytes) {
        self.0.outbox.push(OutFrame::Whole(message));
    }

    fn push_json(&self, message: &serde_json::Result<Vec<u8>>) {
        if let Ok(message) = message {
            self.0.outbox.push(OutFrame::Whole(Bytes::copy_from_slice(message)));
        }
    }
}

#[derive(Serialize)]
struct ResultEnvelope<'a> {
    id: &'a RequestId,
    result: &'a serde_json::value::RawValue,
}

#[derive(Serialize)]
struct ErrorEnvelope<'a> {
    error: crate::protocol::JSONRPCErrorError,
    id: &'a RequestId,
}
