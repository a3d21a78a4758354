//! JSON-RPC over any transport: envelopes, the client handle and its outbox, dispatch, lanes, requests to clients.

pub mod client;
pub mod error;

pub use client::{ClientHandle, ClientInfo, ConnectionId, EncodedNotification, OutFrame, Outbox};
pub use error::RpcError;
