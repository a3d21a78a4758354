//! The clients that hear a thread.
//!
//! State: one entry for each subscribed connection, in order of subscription. A client that joins while its response
//! is being made has what is published meanwhile held back, so that the response comes first and nothing is missed.
//! Publishing never waits and never fails: a slow or vanished client is its outbox's business.

use crate::rpc::{ClientHandle, ConnectionId, EncodedNotification};

#[derive(Debug)]
struct Subscriber {
    client: ClientHandle,
    /// What is held back; none once the client's response is out.
    held: Option<Vec<EncodedNotification>>,
}

/// The subscribed clients of one thread.
#[derive(Debug, Default)]
pub(super) struct Subscribers(Vec<Subscriber>);

impl Subscribers {
    /// The clients a thread has from its first moment.
    pub(super) fn new(clients: Vec<ClientHandle>) -> Self {
        let entry = |client| Subscriber { client, held: None };
        Subscribers(clients.into_iter().map(entry).collect())
    }

    /// Adds a client and holds back what it would hear, until [`Subscribers::release`].
    pub(super) fn join(&mut self, client: ClientHandle) {
        match self.0.iter_mut().find(|one| one.client == client) {
            Some(known) => {
                known.held.get_or_insert_with(Vec::new);
            }
            None => self.0.push(Subscriber {
                client,
                held: Some(Vec::new()),
            }),
        }
    }

    /// Sends a client what was held back; the client, when it is still subscribed.
    pub(super) fn release(&mut self, client: ConnectionId) -> Option<ClientHandle> {
        let entry = self.0.iter_mut().find(|one| one.client.id() == client)?;
        for notification in entry.held.take().unwrap_or_default() {
            entry.client.notify(&notification);
        }
        Some(entry.client.clone())
    }

    /// Removes a client; false when it was not there.
    pub(super) fn remove(&mut self, client: ConnectionId) -> bool {
        let before = self.0.len();
        self.0.retain(|one| one.client.id() != client);
        self.0.len() != before
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The connections, oldest first.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.0.iter().map(|one| one.client.id()).collect()
    }

    /// Sends a notification to all of them; its bytes are shared.
    pub(super) fn publish(&mut self, notification: &EncodedNotification) {
        for one in &mut self.0 {
            match &mut one.held {
                Some(held) => held.push(notification.clone()),
                None => one.client.notify(notification),
            }
        }
    }

    /// Those whose responses are out: they are asked at once, the others with the replay.
    pub(super) fn listening(&self) -> impl Iterator<Item = &ClientHandle> {
        self.0.iter().filter(|one| one.held.is_none()).map(|one| &one.client)
    }
}
