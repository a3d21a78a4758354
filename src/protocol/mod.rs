//! The wire: envelopes, identifiers, the payload types of every method, and the table that names them all.
//!
//! Types carry the names of the published schema and are read and written with serde. Unknown fields are ignored on
//! input and never emitted. The payload files hold plain data: what a field means is told where it is used (the
//! handler in `methods/`, or the actor that emits it), so they carry a line of documentation for each type and none
//! for each field. Nothing here knows connections, actors or files.

#![allow(
    missing_docs,
    reason = "payload fields are data; types are documented, and so is everything else in here"
)]

pub mod account;
pub mod app;
pub mod approval;
pub mod attestation;
pub mod command_exec;
pub mod config;
pub mod config_requirements;
pub mod device_key;
pub mod dynamic_tool;
pub mod envelope;
pub mod environment;
pub mod exec_server;
pub mod external_agent;
pub mod feedback;
pub mod fs;
pub mod fuzzy_file_search;
pub mod goal;
pub mod guardian;
pub mod hooks;
pub mod ident;
pub mod initialize;
pub mod item;
pub mod item_delta;
pub mod legacy_approval;
pub mod marketplace;
pub mod mcp;
pub mod mcp_elicitation;
pub mod memory;
pub mod methods;
pub mod mock;
pub mod model;
pub mod notice;
pub mod permissions;
pub mod plugin;
pub mod plugin_share;
pub mod process;
pub mod realtime;
pub mod reconnect;
pub mod remote_control;
pub mod response_item;
pub mod review;
pub mod schema;
pub mod skills;
pub mod thread;
pub mod thread_history;
pub mod thread_start;
pub mod turn;
pub mod windows;

pub use account::*;
pub use app::*;
pub use approval::*;
pub use attestation::*;
pub use command_exec::*;
pub use config::*;
pub use config_requirements::*;
pub use device_key::*;
pub use dynamic_tool::*;
pub use envelope::*;
pub use environment::*;
pub use external_agent::*;
pub use feedback::*;
pub use fs::*;
pub use fuzzy_file_search::*;
pub use goal::*;
pub use guardian::*;
pub use hooks::*;
pub use ident::*;
pub use initialize::*;
pub use item::*;
pub use item_delta::*;
pub use legacy_approval::*;
pub use marketplace::*;
pub use mcp::*;
pub use mcp_elicitation::*;
pub use memory::*;
pub use mock::*;
pub use model::*;
pub use notice::*;
pub use permissions::*;
pub use plugin::*;
pub use plugin_share::*;
pub use process::*;
pub use realtime::*;
pub use reconnect::*;
pub use remote_control::*;
pub use response_item::*;
pub use review::*;
pub use skills::*;
pub use thread::*;
pub use thread_history::*;
pub use thread_start::*;
pub use turn::*;
pub use windows::*;

use serde::{Deserialize, Deserializer};

/// Reads a member that tells "left out" (`None`), "null" (`Some(None)`) and a value apart.
pub(crate) fn double_option<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The default of switches that are on unless turned off.
pub(crate) fn default_true() -> bool {
    true
}
