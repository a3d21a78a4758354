//! The services of a process: one value, made by `startup`, shared by everything that handles requests.
//!
//! Fields are set once. What is costly (SQLite pools, the HTTP client, root certificates) is created behind its own
//! field on first use, so that the first answer of a fresh process waits for nothing.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::config::ConfigLoader;
use crate::engine::extension::Extensions;
use crate::exec::Sandbox;
use crate::model::Models;
use crate::protocol::ThreadId;
use crate::rpc::directory::{ClientDirectory, ThreadDirectory};
use crate::rpc::identity::Identity;
use crate::rpc::notices::Notices;
use crate::rpc::pending::PendingServerRequests;
use crate::rpc::processes::ProcessDirectory;
use crate::rpc::replay::ReplayLimits;
use crate::rpc::searches::FileSearches;
use crate::rpc::watches::FsWatches;
use crate::settings::Settings;
use crate::skills::{Skills, WatchedRoots};
use crate::store::{AgentGraphStore, ThreadStore};
use crate::watch::FolderWatcher;

/// Everything handlers can reach.
pub struct Services {
    /// The state root.
    pub home: PathBuf,
    /// How this process runs.
    pub settings: Arc<Settings>,
    /// config.toml and its layers.
    pub config: Arc<ConfigLoader>,
    /// Where threads are kept: one store for the process, made from its start-up settings.
    pub store: Arc<dyn ThreadStore>,
    /// Which agents were spawned by which thread.
    pub agents: Arc<dyn AgentGraphStore>,
    /// How many agents are being made, by session: they count before they are loaded.
    pub spawning: Mutex<HashMap<ThreadId, usize>>,
    /// What holds commands to their policy.
    pub sandbox: Arc<Sandbox>,
    /// Model providers by id.
    pub models: Models,
    /// The loaded threads.
    pub threads: Arc<dyn ThreadDirectory>,
    /// The processes that clients run.
    pub processes: Arc<dyn ProcessDirectory>,
    /// The connected clients.
    pub clients: Arc<ClientDirectory>,
    /// Requests to clients that wait for an answer.
    pub pending: Arc<PendingServerRequests>,
    /// What is kept for clients that come back, and how much of it there is.
    pub replay: Arc<ReplayLimits>,
    /// Running turns; the shutdown waits for them.
    pub turn_count: Arc<TurnCounter>,
    /// How this server names itself.
    pub identity: Identity,
    /// The skills of every folder.
    pub skills: Arc<Skills>,
    /// The roots of skills that loaded threads use.
    pub watched_roots: Arc<WatchedRoots>,
    /// What adds to threads.
    pub extensions: Extensions,
    /// Watches folders for whoever asks.
    pub watcher: Arc<FolderWatcher>,
    /// The paths that clients watch.
    pub fs_watches: FsWatches,
    /// The file searches that go on.
    pub file_searches: FileSearches,
    /// What every new client is told after `initialize`.
    pub notices: Notices,
}

impl Services {
    /// The originator told to model providers: the override from the environment, else the first client's name.
    pub fn originator(&self) -> String {
        self.identity.originator()
    }

    /// The id of this installation, made and kept in the home on first use. Touches a file.
    pub fn installation_id(&self) -> String {
        self.identity.installation_id(&self.home)
    }

    /// The user agent for a client.
    pub fn user_agent(&self, client_name: &str, client_version: &str) -> String {
        self.identity.user_agent(client_name, client_version)
    }
}

/// Counts running turns and tells when there are none.
#[derive(Debug, Default)]
pub struct TurnCounter {
    running: AtomicUsize,
    idle: Notify,
}

impl TurnCounter {
    /// Counts a turn until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> TurnGuard {
        self.running.fetch_add(1, Ordering::AcqRel);
        TurnGuard(self.clone())
    }

    /// How many turns run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// Resolves when no turn runs.
    pub async fn idle(&self) {
        loop {
            let idle = self.idle.notified();
            tokio::pin!(idle);
            idle.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// A running turn, as counted.
#[derive(Debug)]
pub struct TurnGuard(Arc<TurnCounter>);

impl Drop for TurnGuard {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
