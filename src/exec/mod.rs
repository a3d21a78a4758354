//! Running commands: sessions, terminals, output caps, and what may run without asking.
//!
//! This is the only room that starts processes. A command of the model goes through [`decision`] first (rules, safe
//! and dangerous lists, sandbox policy), then becomes a [`session::Session`] of its thread's [`sessions::Sessions`].
//! Knows neither items nor clients: what a command means on the wire is told in `engine/tools`.

pub mod actions;
pub mod bash;
pub mod decision;
pub mod environment;
pub mod helper;
pub mod output;
pub mod permissions;
pub mod policy;
pub mod pty;
pub mod safety;
pub mod sandbox;
pub mod script;
pub mod session;
pub mod sessions;
pub mod shell;
pub mod spawn;
pub mod streams;
pub mod text;
pub mod truncate;
pub mod utf8;

pub use sandbox::Sandbox;
pub use session::{Session, SpawnError};
pub use sessions::Sessions;
