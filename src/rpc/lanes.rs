//! Serialization lanes: first in, first out for each key, with neighbouring shared reads side by side.
//!
//! A pure data structure: it neither waits nor runs anything. An entry either starts at once or is queued; each end of a
//! running entry may start others. A read that arrives while reads run, with nothing queued, joins them; behind a waiting
//! write it stays behind it, so writes never starve. Entries whose owner is gone are skipped when their turn comes. A lane
//! exists only while something runs or waits in it.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::protocol::methods::Global;
use crate::rpc::ConnectionId;

#[cfg(test)]
mod tests;

/// The queue a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LaneKey {
    /// A process-wide scope.
    Global(Global),
    /// A thread, by the id exactly as the client wrote it.
    Thread(String),
    /// A stored thread named by its file.
    Path(String),
    /// A command's process on one connection.
    CommandProcess(ConnectionId, String),
    /// A process session on one connection.
    ProcessHandle(ConnectionId, String),
    /// A fuzzy file search session.
    FuzzySession(String),
    /// A file watch on one connection.
    FsWatch(ConnectionId, String),
    /// The OAuth login of an MCP server.
    McpOauth(String),
}

impl LaneKey {
    /// The thread id, for keys that are one.
    pub fn thread(&self) -> Option<&str> {
        match self {
            LaneKey::Thread(id) => Some(id),
            _ => None,
        }
    }
}

/// How an entry shares its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Alone.
    Exclusive,
    /// Beside neighbouring shared entries.
    Shared,
}

#[derive(Debug)]
struct Lane<T> {
    running: usize,
    access: Access,
    waiting: VecDeque<(Access, T)>,
}

/// What the end of an entry leads to.
#[derive(Debug, PartialEq, Eq)]
pub struct Left<T> {
    /// What starts now.
    pub started: Vec<T>,
    /// How many waiting entries were taken out, those that were skipped included.
    pub taken: usize,
}

/// All lanes. `T` is what starts when its turn comes.
#[derive(Debug)]
pub struct Lanes<K, T> {
    lanes: HashMap<K, Lane<T>>,
}

impl<K, T> Default for Lanes<K, T> {
    fn default() -> Self {
        Lanes { lanes: HashMap::new() }
    }
}

impl<K: Eq + Hash, T> Lanes<K, T> {
    /// Takes in an entry. Returned, it starts now; otherwise it waits.
    pub fn enter(&mut self, key: K, access: Access, entry: T) -> Option<T> {
        match self.lanes.get_mut(&key) {
            None => {
                self.lanes.insert(
                    key,
                    Lane {
                        running: 1,
                        access,
                        waiting: VecDeque::new(),
                    },
                );
                Some(entry)
            }
            Some(lane) if lane.waiting.is_empty() && lane.access == Access::Shared && access == Access::Shared => {
                lane.running += 1;
                Some(entry)
            }
            Some(lane) => {
                lane.waiting.push_back((access, entry));
                None
            }
        }
    }

    /// One running entry of the lane has ended. Entries that are not `alive` are dropped when their turn comes.
    pub fn leave(&mut self, key: &K, alive: impl Fn(&T) -> bool) -> Left<T> {
        let mut left = Left {
            started: Vec::new(),
            taken: 0,
        };
        let Some(lane) = self.lanes.get_mut(key) else {
            return left;
        };
        lane.running = lane.running.saturating_sub(1);
        if lane.running > 0 {
            return left;
        }
        while let Some((access, _)) = lane.waiting.front() {
            let access = *access;
            if access == Access::Exclusive && !left.started.is_empty() {
                break;
            }
            let Some((_, entry)) = lane.waiting.pop_front() else {
                break;
            };
            left.taken += 1;
            if !alive(&entry) {
                continue;
            }
            lane.access = access;
            left.started.push(entry);
            if access == Access::Exclusive {
                break;
            }
        }
        lane.running = left.started.len();
        if left.started.is_empty() {
            self.lanes.remove(key);
        }
        left
    }

    /// How many lanes exist.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether nothing runs or waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many entries wait, over all lanes.
    pub fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.waiting.len()).sum()
    }
}
