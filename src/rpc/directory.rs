//! Who is connected and which threads are loaded, for reading from anywhere.
//!
//! The actors write these directories; everybody else only looks things up. No guard of a map leaves this file, so none
//! is ever held over an await.

use std::future::Future;
use std::pin::Pin;

use dashmap::DashMap;

use crate::engine::thread_ref::{ThreadRef, ThreadSeed};
use crate::protocol::ThreadId;
use crate::rpc::client::{ClientHandle, ConnectionId, EncodedNotification};
use crate::rpc::error::RpcError;

/// A future that can be sent anywhere.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// All connected clients.
#[derive(Debug, Default)]
pub struct ClientDirectory {
    clients: DashMap<ConnectionId, ClientHandle>,
}

impl ClientDirectory {
    /// The client of a connection.
    pub fn get(&self, id: ConnectionId) -> Option<ClientHandle> {
        self.clients.get(&id).map(|client| client.value().clone())
    }

    /// Every connected client, in no order.
    pub fn all(&self) -> Vec<ClientHandle> {
        self.clients.iter().map(|client| client.value().clone()).collect()
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// How many bytes wait, for all clients together.
    pub fn backlog(&self) -> usize {
        self.clients.iter().map(|client| client.backlog()).sum()
    }

    /// Sends a notification to every initialised client that wants it.
    pub fn broadcast(&self, notification: &EncodedNotification) {
        for client in &self.clients {
            client.notify(notification);
        }
    }

    /// The same, but for those whom the caller tells in another way.
    pub fn broadcast_except(&self, notification: &EncodedNotification, told: impl Fn(ConnectionId) -> bool) {
        for client in &self.clients {
            if !told(client.id()) {
                client.notify(notification);
            }
        }
    }

    /// Adds a connection.
    pub(crate) fn insert(&self, client: ClientHandle) {
        self.clients.insert(client.id(), client);
    }

    /// Forgets a connection.
    pub(crate) fn remove(&self, id: ConnectionId) {
        self.clients.remove(&id);
    }
}

/// All loaded threads.
pub trait ThreadDirectory: Send + Sync {
    /// The thread, when it is loaded.
    fn get(&self, id: &ThreadId) -> Option<ThreadRef>;

    /// The ids of all loaded threads, in no order.
    fn loaded_ids(&self) -> Vec<ThreadId>;

    /// Loads a thread. When it is loaded already, the running one is returned and the seed is dropped.
    fn spawn(&self, seed: ThreadSeed) -> BoxFuture<Result<ThreadRef, RpcError>>;

    /// Forgets a thread; its actor has ended.
    fn remove(&self, id: &ThreadId);

    /// Tells every loaded thread that a connection is gone.
    fn client_gone(&self, client: ConnectionId) -> BoxFuture<()>;

    /// Interrupts every running turn and ends every thread; resolves when nothing of them runs any more.
    fn shutdown(&self) -> BoxFuture<()>;
}

/// A directory without threads, until the real one is in place.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoThreads;

impl ThreadDirectory for NoThreads {
    fn get(&self, _id: &ThreadId) -> Option<ThreadRef> {
        None
    }

    fn loaded_ids(&self) -> Vec<ThreadId> {
        Vec::new()
    }

    fn spawn(&self, seed: ThreadSeed) -> BoxFuture<Result<ThreadRef, RpcError>> {
        let error = RpcError::internal(format!("thread {} cannot be loaded here", seed.id));
        Box::pin(std::future::ready(Err(error)))
    }

    fn remove(&self, _id: &ThreadId) {}

    fn client_gone(&self, _client: ConnectionId) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }

    fn shutdown(&self) -> BoxFuture<()> {
        Box::pin(std::future::ready(()))
    }
}
