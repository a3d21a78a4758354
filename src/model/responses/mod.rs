//! A provider that speaks the Responses API over HTTP with server-sent events.
//!
//! One [`ResponsesProvider`] holds what is constant for a configured provider: URL, fixed headers, credentials, limits.
//! Each sampling step is one POST whose body is put together from already encoded parts ([`request`]); the answer is
//! decoded from bytes to events in one pass ([`sse`], [`events`]). It keeps no conversation: every request is whole.

mod auth;
mod client;
mod compact;
mod events;
mod failure;
mod headers;
mod http;
mod request;
mod sse;

pub use client::ResponsesProvider;

#[cfg(test)]
mod tests;
