//! Asking about hosts that commands want to reach, and remembering what was said.
//!
//! State: for each loaded thread the hosts that were allowed or refused for the session, the questions that are open, and
//! the turn that can be asked in. A question is asked once, however many connections wait for it. Somebody is asked only
//! where an administrator has the network filtered: elsewhere the lists decide alone, and a command sees the refusal. Where
//! somebody could have been asked, a refusal ends the command that wanted the host.

mod keeper;
mod question;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

pub use keeper::HostKeeper;

use crate::engine::scope::TurnScope;
use crate::network::Request;
use crate::protocol::NetworkApprovalProtocol;

/// A host as answers are kept for it: by one protocol, at one port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Door {
    host: String,
    protocol: NetworkApprovalProtocol,
    port: u16,
}

impl Door {
    fn of(request: &Request) -> Self {
        Door {
            host: request.host.to_string(),
            protocol: request.protocol,
            port: request.port,
        }
    }

    /// The name of its protocol, as questions spell it.
    fn protocol(&self) -> &'static str {
        match self.protocol {
            NetworkApprovalProtocol::Http => "http",
            NetworkApprovalProtocol::Https => "https",
            NetworkApprovalProtocol::Socks5Tcp => "socks5-tcp",
            NetworkApprovalProtocol::Socks5Udp => "socks5-udp",
        }
    }

    /// The item by which clients know a question about it.
    fn item_id(&self) -> String {
        format!("network#{}#{}#{}", self.protocol(), self.host, self.port)
    }

    /// Where it leads.
    fn target(&self) -> String {
        format!("{}://{}:{}", self.protocol(), self.host, self.port)
    }
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// The host may be reached.
    Allowed,
    /// Nobody could be asked.
    Unasked,
    /// It may not; why, as the model is told.
    Refused(String),
}

/// A question that is open; who waits for its answer subscribes.
type Open = watch::Sender<Option<Verdict>>;

#[derive(Debug, Default)]
struct Known {
    allowed: HashSet<Door>,
    refused: HashSet<Door>,
    open: HashMap<Door, Open>,
}

/// What a thread knows about hosts.
#[derive(Default)]
pub struct Hosts {
    known: Mutex<Known>,
    turn: Mutex<Weak<TurnScope>>,
}

impl std::fmt::Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.known().fmt(f)
    }
}

impl Hosts {
    /// A turn has begun, in which can be asked.
    pub fn turn_began(&self, turn: &Arc<TurnScope>) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(turn);
    }

    /// It is over.
    pub fn turn_ended(&self) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Weak::new();
    }

    fn turn(&self) -> Option<Arc<TurnScope>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an answer for the session.
    fn remember(&self, door: &Door, allowed: bool) {
        let mut known = self.known();
        let Known {
            allowed: may,
            refused: must_not,
            ..
        } = &mut *known;
        let (now, before) = match allowed {
            true => (may, must_not),
            false => (must_not, may),
        };
        before.remove(door);
        now.insert(door.clone());
    }
}
