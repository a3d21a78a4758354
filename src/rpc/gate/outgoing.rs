//! What the server asks of clients, cut to what they may see.
//!
//! Fields that need the experimental API are left out of requests to clients that did not ask for it; such a client gets
//! a message of its own, made once, and everyone else shares the full one. Notifications are gated whole, by their row
//! in the table: no published notification has a gated field, and no message that the server starts has a gated variant.

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::protocol::RequestId;

#[cfg(test)]
mod tests;

/// `(method, wire name)` of every gated field in the parameters of server requests.
pub const FIELDS: &[(&str, &str)] = &[("item/commandExecution/requestApproval", "additionalPermissions")];

/// An encoded server request, in the form for every kind of client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRequestMessage {
    full: Bytes,
    /// Only when it differs.
    stable: Option<Bytes>,
}

#[derive(Serialize)]
struct Envelope<'a, P> {
    id: &'a RequestId,
    method: &'a str,
    params: &'a P,
}

impl ServerRequestMessage {
    /// Encodes a request.
    pub fn new<P: Serialize>(id: &RequestId, method: &str, params: &P) -> Self {
        ServerRequestMessage {
            full: encode(id, method, params),
            stable: without_gated(method, params).map(|params| encode(id, method, &params)),
        }
    }

    /// The form for a client, by whether the experimental API is open to it.
    pub fn form(&self, experimental: bool) -> &Bytes {
        match &self.stable {
            Some(stable) if !experimental => stable,
            _ => &self.full,
        }
    }
}

/// The parameters without their gated fields; `None` when there are none in them.
fn without_gated<P: Serialize>(method: &str, params: &P) -> Option<Value> {
    let mut gated = FIELDS.iter().filter(|(of, _)| *of == method).peekable();
    gated.peek()?;
    let mut params = serde_json::to_value(params).ok()?;
    let fields = params.as_object_mut()?;
    let before = fields.len();
    gated.for_each(|(_, field)| {
        fields.remove(*field);
    });
    (fields.len() < before).then_some(params)
}

fn encode<P: Serialize>(id: &RequestId, method: &str, params: &P) -> Bytes {
    Bytes::from(serde_json::to_vec(&Envelope { id, method, params }).unwrap_or_default())
}
