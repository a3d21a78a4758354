//! The paths that clients watch, by connection and by the id that the client chose.

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::rpc::client::ConnectionId;
use crate::rpc::error::RpcError;
use crate::watch::PathWatch;

/// How many paths one connection may watch.
const MOST_WATCHES: usize = 4096;

/// All watched paths.
#[derive(Default)]
pub struct FsWatches {
    open: DashMap<(ConnectionId, String), Option<PathWatch>>,
}

impl FsWatches {
    /// Takes an id, for a watch that is about to begin.
    pub fn reserve(&self, client: ConnectionId, id: &str) -> Result<(), RpcError> {
        if self.open.iter().filter(|open| open.key().0 == client).count() >= MOST_WATCHES {
            return Err(RpcError::invalid_request(format!(
                "a connection can watch {MOST_WATCHES} paths at a time: end one with fs/unwatch first"
            )));
        }
        match self.open.entry((client, id.to_owned())) {
            Entry::Occupied(_) => Err(RpcError::invalid_request(format!("watchId already exists: {id}"))),
            Entry::Vacant(free) => {
                free.insert(None);
                Ok(())
            }
        }
    }

    /// Puts the watch in the place that was taken for it.
    pub fn fill(&self, client: ConnectionId, id: &str, watch: PathWatch) {
        self.open.insert((client, id.to_owned()), Some(watch));
    }

    /// Ends a watch, if there is one of that id: it tells nothing any more.
    pub fn end(&self, client: ConnectionId, id: &str) {
        if let Some((_, Some(watch))) = self.open.remove(&(client, id.to_owned())) {
            watch.close();
        }
    }
}
