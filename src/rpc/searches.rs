//! The file searches that go on: single ones that can be called off, and sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;

use crate::rpc::client::ConnectionId;
use crate::rpc::error::RpcError;
use crate::search::Session;

/// How many sessions one connection may have.
const MOST_SESSIONS: usize = 32;

/// All file searches.
#[derive(Default)]
pub struct FileSearches {
    single: DashMap<(ConnectionId, String), Arc<AtomicBool>>,
    sessions: DashMap<String, (ConnectionId, Session)>,
}

impl FileSearches {
    /// Begins a search that can be called off by its token. One that has the token already is called off.
    pub fn begin(&self, client: ConnectionId, token: &str, stop: &Arc<AtomicBool>) {
        if let Some(former) = self.single.insert((client, token.to_owned()), stop.clone()) {
            former.store(true, Ordering::Relaxed);
        }
    }

    /// Forgets a search that has ended, unless its token belongs to another one by now.
    pub fn end(&self, client: ConnectionId, token: &str, stop: &Arc<AtomicBool>) {
        self.single
            .remove_if(&(client, token.to_owned()), |_, present| Arc::ptr_eq(present, stop));
    }

    /// Takes a session in. One of the same id ends.
    pub fn open(&self, client: ConnectionId, id: &str, session: Session) -> Result<(), RpcError> {
        let own = |open: &dashmap::mapref::multiple::RefMulti<'_, String, (ConnectionId, Session)>| {
            open.value().0 == client && open.key() != id
        };
        if self.sessions.iter().filter(own).count() >= MOST_SESSIONS {
            return Err(RpcError::invalid_request(format!(
                "a connection can have {MOST_SESSIONS} file search sessions at a time: stop one first"
            )));
        }
        if let Some((_, former)) = self.sessions.insert(id.to_owned(), (client, session)) {
            former.stop();
        }
        Ok(())
    }

    /// The session of an id.
    pub fn session(&self, id: &str) -> Option<Session> {
        self.sessions.get(id).map(|open| open.1.clone())
    }

    /// Ends a session, if there is one: it tells nothing any more.
    pub fn close(&self, id: &str) {
        if let Some((_, (_, session))) = self.sessions.remove(id) {
            session.stop();
        }
    }

    /// Ends a session unless its id belongs to another one by now.
    pub fn close_own(&self, id: &str, session: &Session) {
        session.stop();
        self.sessions.remove_if(id, |_, (_, present)| present.is(session));
    }
}
