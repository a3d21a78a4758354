//! A provider that speaks the Responses API over HTTP with server-sent events.
//!
//! Each sampling step is one POST whose body is put together from already encoded parts ([`request`]); the answer is
//! decoded from bytes to events in one pass ([`events`]). It keeps no conversation: every request is whole. The exchange
//! itself is [`crate::model::http`]'s; providers that can are spoken to over WebSockets ([`socket`]).

mod client;
mod compact;
mod events;
mod request;
mod socket;

pub use client::ResponsesProvider;

#[cfg(test)]
mod tests;
