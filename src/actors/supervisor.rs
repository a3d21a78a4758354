//! The switchboard: which lane a request waits in, and who is restarted when it falls.

use actix::{Actor, Context};

/// The one supervisor of a process.
#[derive(Debug, Default)]
pub struct Supervisor {}

impl Actor for Supervisor {
    type Context = Context<Self>;
}
