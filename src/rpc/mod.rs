//! JSON-RPC over any transport: envelopes, the client handle and its outbox, dispatch, lanes, requests to clients.

pub mod client;
pub mod context;
pub mod directory;
pub mod dispatch;
pub mod envelope;
pub mod error;
pub mod gate;
pub mod identity;
pub mod lanes;
pub mod notices;
pub mod outbox;
pub mod output;
pub mod pending;
pub mod processes;
pub mod replay;
pub mod searches;
pub mod services;
pub mod watches;

pub use client::{
    ClientHandle, ClientInfo, ConnectionId, DeltaTemplate, EncodedNotification, EventRange, OutFrame, Outbox,
};
pub use error::RpcError;
