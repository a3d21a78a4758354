//! Greenroom: an actor-based app server for coding agents that speaks the Codex app-server v2 protocol.
//!
//! Rooms, from the edges down: `cli`, `http` and `transport` move bytes; `actors` own state; `rpc` and `methods` turn
//! messages into calls; `engine` runs turns; `model`, `exec`, `store`, `hooks`, `watch`, `search`, `skills` and `config` do the work; `network` is the
//! proxy of confined commands; `protocol` is the wire.
//! Imports run downward only.

pub mod actors;
pub mod cli;
pub mod config;
pub mod engine;
pub mod exec;
pub mod executor;
pub mod files;
pub mod hooks;
pub mod http;
pub mod methods;
pub mod model;
pub mod network;
pub mod protocol;
pub mod rpc;
pub mod search;
pub mod settings;
pub mod skills;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod watch;
