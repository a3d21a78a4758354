//! One text message from a client, taken apart without copying: parameters and results stay raw text.
//!
//! Nothing here answers or fails: a message that is none is [`Incoming::Junk`], to be logged and dropped, because
//! without a usable id there is nobody to answer. Raw parts are checked for syntax by a scanner that keeps its own stack,
//! so nesting of any depth costs memory for the message and nothing else.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::protocol::{JSONRPCErrorError, RequestId, W3cTraceContext};

#[cfg(test)]
mod tests;

/// A request as it came.
#[derive(Debug)]
pub struct IncomingRequest<'a> {
    /// The client's id.
    pub id: RequestId,
    /// The method's name, not yet looked up.
    pub method: Cow<'a, str>,
    /// The parameters' text; absent and null are the same.
    pub params: Option<&'a RawValue>,
    /// Trace context, when there is one.
    pub trace: Option<W3cTraceContext>,
}

/// A message from a client.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// Wants an answer.
    Request(IncomingRequest<'a>),
    /// Wants none.
    Notification {
        /// Its name.
        method: Cow<'a, str>,
    },
    /// Answers a request of the server.
    Response {
        /// The server's id.
        id: RequestId,
        /// The result's text.
        result: &'a RawValue,
    },
    /// Refuses a request of the server.
    Error {
        /// The server's id.
        id: RequestId,
        /// What the client says.
        error: JSONRPCErrorError,
    },
    /// No message: why.
    Junk(String),
}

/// The members that mean something; all others are ignored, `jsonrpc` among them.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trace: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// A null result is a result.
fn even_null<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&'a RawValue>::deserialize(deserializer).map(Some)
}

/// Takes a message apart.
pub fn decode(message: &[u8]) -> Incoming<'_> {
    let text = match std::str::from_utf8(message) {
        Ok(text) => text,
        Err(error) => return Incoming::Junk(error.to_string()),
    };
    // A struct also reads from an array; a message may not (it would be a batch).
    if !text.trim_start().starts_with('{') {
        return Incoming::Junk("not a JSON object".to_owned());
    }
    match serde_json::from_str::<Members<'_>>(text) {
        Ok(members) => classify(members),
        Err(error) => Incoming::Junk(error.to_string()),
    }
}

fn classify(members: Members<'_>) -> Incoming<'_> {
    let id = members.id.and_then(request_id);
    if let Some(method) = members.method.and_then(text) {
        let trace = match members.trace {
            None => Ok(None),
            Some(raw) => serde_json::from_str(raw.get()).map(Some),
        };
        // What cannot be answered (no usable id) counts as a notification, like a message without any id.
        return match (id, trace) {
            (Some(id), Ok(trace)) => Incoming::Request(IncomingRequest {
                id,
                method,
                params: members.params,
                trace,
            }),
            _ => Incoming::Notification { method },
        };
    }
    let Some(id) = id else {
        return Incoming::Junk("neither a method nor a usable id".to_owned());
    };
    if let Some(result) = members.result {
        return Incoming::Response { id, result };
    }
    match members.error.map(|raw| serde_json::from_str(raw.get())) {
        Some(Ok(error)) => Incoming::Error { id, error },
        Some(Err(error)) => Incoming::Junk(error.to_string()),
        None => Incoming::Junk("an id without a method, a result or an error".to_owned()),
    }
}

/// A string or a 64-bit integer; nothing else, fractions without a fractional part included.
fn request_id(raw: &RawValue) -> Option<RequestId> {
    match text(raw) {
        Some(text) => Some(RequestId::Text(text.into_owned())),
        None => serde_json::from_str(raw.get()).ok().map(RequestId::Integer),
    }
}

/// The text of a JSON string, borrowed when it holds no escapes.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let raw = raw.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}
