//! What every edge needs to open connections: the services, the supervisor's address, the limits. Cheap to clone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::actors::handle::Handle;
use crate::actors::supervisor::Supervisor;
use crate::rpc::ConnectionId;
use crate::rpc::context::Services;
use crate::rpc::outbox::OutboxLimits;

/// The heart of a running process, shared by everything that serves clients.
#[derive(Clone)]
pub struct Kernel(Arc<Parts>);

struct Parts {
    services: Arc<Services>,
    supervisor: Handle<Supervisor>,
    outbox: Arc<OutboxLimits>,
    next_connection: AtomicU64,
    stopping: CancellationToken,
}

impl Kernel {
    /// Ties the parts together.
    pub(crate) fn new(services: Arc<Services>, supervisor: Handle<Supervisor>) -> Self {
        let outbox = OutboxLimits::new(services.settings.outbox_limit, services.settings.outbox_grace);
        Kernel(Arc::new(Parts {
            services,
            supervisor,
            outbox: Arc::new(outbox),
            next_connection: AtomicU64::new(0),
            stopping: CancellationToken::new(),
        }))
    }

    /// The process's services.
    pub fn services(&self) -> &Arc<Services> {
        &self.0.services
    }

    /// Cancelled when the process ends: listeners stop, connections close.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    pub(crate) fn supervisor(&self) -> &Handle<Supervisor> {
        &self.0.supervisor
    }

    pub(crate) fn outbox_limits(&self) -> Arc<OutboxLimits> {
        self.0.outbox.clone()
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.next_connection.fetch_add(1, Ordering::Relaxed))
    }
}
