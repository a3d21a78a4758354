//! The actors: supervisor, connection, thread, process, db. Each owns its state; nobody else locks it.

pub mod connection;
pub mod db;
pub mod edge;
pub(crate) mod gate;
pub mod handle;
pub(crate) mod inbound;
pub mod kernel;
pub mod process;
pub(crate) mod skills_watcher;
pub mod supervisor;
pub mod thread;

pub use connection::open;
pub use edge::{ConnectionEdge, EdgeCommand, Liveness};
pub use handle::{Handle, MailError};
pub use kernel::Kernel;
