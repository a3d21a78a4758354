//! HTTP: the WebSocket edge, probes, metrics and the admin endpoints.

pub mod auth;
