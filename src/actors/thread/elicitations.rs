//! Questions that others ask the user about this thread, outside of this server: while there are any, the waiting of the
//! turn's tools does not count.
//!
//! State: how many questions each connection has open. Any connection may close one, its own first. A helper may well
//! open one, leave, and close it with another connection, so leaving closes nothing at once; but what a connection that
//! is gone left open lapses after a while, so that no thread stands still for good.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::AsyncContext;

use super::ThreadActor;
use crate::engine::thread_ref::ThreadError;
use crate::rpc::ConnectionId;

/// How often it is checked whether those who asked are still there, and so the longest that a question outlives them
/// is twice that.
const LAPSE: Duration = Duration::from_secs(30 * 60);

/// The open questions.
#[derive(Debug, Default)]
pub(super) struct Elicitations {
    open: BTreeMap<ConnectionId, u64>,
}

impl Elicitations {
    fn count(&self) -> u64 {
        self.open.values().sum()
    }

    /// Opens one; whether the connection had none before.
    fn open(&mut self, client: ConnectionId) -> bool {
        let count = self.open.entry(client).or_default();
        *count += 1;
        *count == 1
    }

    /// Closes one, if there is one.
    fn close(&mut self, client: ConnectionId) -> bool {
        let whose = match self.open.contains_key(&client) {
            true => Some(client),
            false => self.open.keys().next().copied(),
        };
        let Some(whose) = whose else { return false };
        if let Some(count) = self.open.get_mut(&whose) {
            *count -= 1;
            if *count == 0 {
                self.open.remove(&whose);
            }
        }
        true
    }

    /// Closes what a connection that is gone left open.
    fn lapse(&mut self, client: ConnectionId) {
        self.open.remove(&client);
    }
}

impl ThreadActor {
    /// A connection asks the user something; gives how many do.
    pub(super) fn open_elicitation(&mut self, client: ConnectionId, ctx: &mut actix::Context<Self>) -> u64 {
        if self.elicitations.open(client) {
            self.watch_elicitations(client, ctx);
        }
        self.note_elicitations()
    }

    /// A question was answered; gives how many are left.
    pub(super) fn close_elicitation(&mut self, client: ConnectionId) -> Result<u64, ThreadError> {
        match self.elicitations.close(client) {
            true => Ok(self.note_elicitations()),
            false => Err(ThreadError::NothingElicited),
        }
    }

    fn note_elicitations(&self) -> u64 {
        let count = self.elicitations.count();
        self.turn_services.commands.pause.set(count > 0);
        count
    }

    fn watch_elicitations(&self, client: ConnectionId, ctx: &mut actix::Context<Self>) {
        ctx.run_later(LAPSE, move |act, ctx| {
            if !act.elicitations.open.contains_key(&client) {
                return;
            }
            if act.surroundings.clients.get(client).is_some() {
                return act.watch_elicitations(client, ctx);
            }
            tracing::info!(thread.id = %act.id, "thread.elicitation_lapsed: who asked is gone");
            act.elicitations.lapse(client);
            act.note_elicitations();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_closes_its_own_first_then_anybodys() {
        let (a, b) = (ConnectionId(1), ConnectionId(2));
        let mut open = Elicitations::default();
        assert!(!open.close(a));
        assert!(open.open(a) && !open.open(a) && open.open(b));
        assert!(open.close(b) && open.close(b));
        assert_eq!((open.count(), open.open.get(&a)), (1, Some(&1)));
        open.lapse(a);
        assert_eq!(open.count(), 0);
        assert!(!open.close(a));
    }
}
