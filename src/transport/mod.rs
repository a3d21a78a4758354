//! Transports that are not HTTP: stdio, the control socket's place, its bridge, and the listen addresses of all of them.

pub mod listen;
pub mod proxy;
pub mod stdio;
pub mod unix;

use std::future::Future;
use std::pin::Pin;

use crate::actors::Kernel;

/// A future that stays on its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Starts a listener once the kernel is there. Runs on the main arbiter; the error is told to the user as it is.
pub type StartListener = Box<dyn FnOnce(Kernel) -> LocalFuture<Result<RunningListener, String>>>;

/// A listener that accepts clients.
pub struct RunningListener {
    /// What it listens on, for logs.
    pub address: String,
    /// Stops accepting, lets go of the address, and resolves when that is done. Open connections are closed by their
    /// actors, not here.
    pub stop: Box<dyn FnOnce() -> LocalFuture<()>>,
}

impl std::fmt::Debug for RunningListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningListener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
