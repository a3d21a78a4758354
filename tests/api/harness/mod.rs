//! A real server process with its own home, a typed client for every transport, and a scripted model over real HTTP.

mod client;
mod exec_server;
mod model;
mod peer;
mod rollouts;
mod server;

pub use client::Client;
pub use exec_server::{ExecServer, handshake};
pub use model::{Reply, ScriptedModel};
pub use peer::{Peer, peer_binary};
pub use rollouts::{Rollout, fill};
pub use server::{Process, TestServer, Transport, banner_port, binary, counted, home_with, indexed, scrape};

use std::time::Duration;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, and fails the test by name when it does not come.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing within {PATIENCE:?}"),
    }
}

/// Makes one test for each transport from an async function that takes a [`Transport`].
#[macro_export]
macro_rules! on_every_transport {
    ($($name:ident),+ $(,)?) => {
        mod over_stdio { $(#[tokio::test] async fn $name() { super::$name($crate::harness::Transport::Stdio).await })+ }
        mod over_ws { $(#[tokio::test] async fn $name() { super::$name($crate::harness::Transport::Ws).await })+ }
        mod over_unix { $(#[tokio::test] async fn $name() { super::$name($crate::harness::Transport::Unix).await })+ }
    };
}
