//! The clients that hear a thread.
//!
//! State: one entry for each subscribed connection, in order of subscription, and the thread's event log. A client that
//! joins while its response is being made has what is published meanwhile held back, so that the response comes first
//! and nothing is missed; what it missed before, if it said how far it came, stands in front of that. Publishing never
//! waits and never fails: a slow or vanished client is its outbox's business.

use std::sync::Arc;

use crate::protocol::{EventMark, EventPosition, ReplayOutcome};
use crate::rpc::directory::ClientDirectory;
use crate::rpc::replay::{EventLog, EventNumber, Missed};
use crate::rpc::{ClientHandle, ConnectionId, EncodedNotification};
use crate::telemetry::metrics;

#[derive(Debug)]
struct Subscriber {
    client: ClientHandle,
    /// Every event after this one was sent, or is held back. Only for those who count.
    complete_after: u64,
    /// What is held back; none once the client's response is out.
    held: Option<Vec<(Option<EventNumber>, EncodedNotification)>>,
}

impl Subscriber {
    fn tell(&mut self, notification: &EncodedNotification, number: Option<&EventNumber>) {
        match &mut self.held {
            Some(held) => held.push((number.cloned(), notification.clone())),
            None => self.client.notify_event(notification, number),
        }
    }
}

/// The subscribed clients of one thread.
#[derive(Debug)]
pub(super) struct Subscribers {
    entries: Vec<Subscriber>,
    log: Arc<EventLog>,
}

impl Subscribers {
    /// The clients a thread has from its first moment.
    pub(super) fn new(clients: Vec<ClientHandle>, log: Arc<EventLog>) -> Self {
        if clients.iter().any(ClientHandle::counts_events) {
            log.arm();
        }
        let complete_after = log.position().seq;
        let entry = |client| Subscriber {
            client,
            complete_after,
            held: None,
        };
        Subscribers {
            entries: clients.into_iter().map(entry).collect(),
            log,
        }
    }

    /// Adds a client and holds back what it would hear, until [`Subscribers::release`]. One that says which event it saw
    /// last gets what followed, if that is still known; the position says so.
    pub(super) fn join(&mut self, client: ClientHandle, after: Option<&EventMark>) -> EventPosition {
        if client.counts_events() {
            self.log.arm();
        }
        let mut position = self.log.position();
        let missed = self.missed(&client, after, &mut position);
        let from = match position.replay {
            Some(ReplayOutcome::Complete) => after.map_or(position.seq, |after| after.seq),
            _ => position.seq,
        };
        let missed = missed.into_iter().map(|(number, event)| (Some(number), event));
        match self.entries.iter_mut().find(|one| one.client == client) {
            Some(known) => {
                known.complete_after = known.complete_after.min(from);
                let held = known.held.get_or_insert_with(Vec::new);
                held.splice(0..0, missed);
            }
            None => self.entries.push(Subscriber {
                client,
                complete_after: from,
                held: Some(missed.collect()),
            }),
        }
        position
    }

    /// What a client missed after its mark, as far as this connection was not sent it already.
    fn missed(&self, client: &ClientHandle, after: Option<&EventMark>, position: &mut EventPosition) -> Vec<Missed> {
        let Some(after) = after.filter(|_| client.counts_events()) else {
            return Vec::new();
        };
        match self.log.since(after) {
            Ok(mut missed) => {
                metrics::replayed("complete");
                position.replay = Some(ReplayOutcome::Complete);
                if let Some(known) = self.entries.iter().find(|one| one.client == *client) {
                    missed.retain(|(number, _)| number.seq <= known.complete_after);
                }
                missed
            }
            Err(reason) => {
                metrics::replayed("snapshot");
                position.replay = Some(ReplayOutcome::SnapshotNeeded);
                position.reason = Some(reason);
                Vec::new()
            }
        }
    }

    /// Sends a client what was held back; the client, when it is still subscribed.
    pub(super) fn release(&mut self, client: ConnectionId) -> Option<ClientHandle> {
        let entry = self.entries.iter_mut().find(|one| one.client.id() == client)?;
        for (number, notification) in entry.held.take().unwrap_or_default() {
            entry.client.notify_event(&notification, number.as_ref());
        }
        Some(entry.client.clone())
    }

    /// Removes a client; false when it was not there.
    pub(super) fn remove(&mut self, client: ConnectionId) -> bool {
        let before = self.entries.len();
        self.entries.retain(|one| one.client.id() != client);
        self.entries.len() != before
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Whether nobody listens.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether an event needs no encoding: nobody listens, and nobody who did could come back for it.
    pub(super) fn is_deaf(&self) -> bool {
        self.is_empty() && !self.log.is_armed()
    }

    /// The connections, oldest first.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.entries.iter().map(|one| one.client.id()).collect()
    }

    /// Sends a notification to all of them; its bytes are shared.
    pub(super) fn publish(&mut self, notification: &EncodedNotification) {
        let number = self.log.append(notification);
        for one in &mut self.entries {
            one.tell(notification, number.as_ref());
        }
    }

    /// Sends a notification to everybody connected. For those subscribers who count it is an event like any other.
    pub(super) fn broadcast(&mut self, notification: &EncodedNotification, everybody: &ClientDirectory) {
        let Some(number) = self.log.append(notification) else {
            return everybody.broadcast(notification);
        };
        let mut told = Vec::new();
        for one in self.entries.iter_mut().filter(|one| one.client.counts_events()) {
            one.tell(notification, Some(&number));
            told.push(one.client.id());
        }
        everybody.broadcast_except(notification, |client| told.contains(&client));
    }

    /// Those whose responses are out: they are asked at once, the others with the replay.
    pub(super) fn listening(&self) -> impl Iterator<Item = &ClientHandle> {
        self.entries
            .iter()
            .filter(|one| one.held.is_none())
            .map(|one| &one.client)
    }
}
