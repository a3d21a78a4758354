//! HTTP: the WebSocket edge, probes, metrics and the admin endpoints.

pub mod admin;
pub mod app;
pub mod auth;
pub mod frames;
pub mod metrics;
pub mod peer;
pub mod server;
pub mod ws;

#[cfg(test)]
mod tests;
