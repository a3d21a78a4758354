//! The turn engine: the loop of sampling and tools, the context a model sees, approvals. Knows tokio, not actors.

pub mod agents;
pub mod approvals;
pub mod commands;
pub mod compaction;
pub mod context;
pub mod diff;
pub mod environments;
pub mod extension;
pub mod goal;
pub mod guardian;
pub mod history;
pub mod hooks;
pub mod host;
pub mod hosts;
pub mod items;
pub mod pause;
pub mod pending;
pub mod review;
pub mod scope;
pub mod settings;
pub mod skills;
pub mod subthread;
pub mod thread_ref;
pub mod tools;
pub mod turn;
pub mod visible_text;
