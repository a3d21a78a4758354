//! How a model is reached over HTTP, whatever it speaks there: clients, credentials, headers, server-sent events, what
//! a refusal means, and the exchange itself ([`Endpoint`]).

pub(in crate::model) mod auth;
mod client;
mod exchange;
pub(in crate::model) mod failure;
pub(in crate::model) mod headers;
pub(in crate::model) mod sse;
mod upgrade;

pub(in crate::model) use exchange::{Endpoint, EventReader};
pub(in crate::model) use upgrade::{Socket, Upgrade};
