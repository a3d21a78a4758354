//! What every edge needs to open connections: the services, the supervisor's address, the limits. Cheap to clone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::actors::supervisor::SupervisorHandle;
use crate::rpc::ConnectionId;
use crate::rpc::context::Services;
use crate::rpc::outbox::OutboxLimits;
use crate::telemetry::metrics::Load;

/// The heart of a running process, shared by everything that serves clients.
#[derive(Clone)]
pub struct Kernel(Arc<Parts>);

struct Parts {
    services: Arc<Services>,
    supervisor: SupervisorHandle,
    load: Arc<Load>,
    outbox: Arc<OutboxLimits>,
    patient_outbox: Arc<OutboxLimits>,
    next_connection: AtomicU64,
    stopping: CancellationToken,
    edges: Arc<()>,
}

/// The grace time of a stdio client: its whole server would end with its connection, and it may just be stopped in a
/// debugger.
const STDIO_GRACE: Duration = Duration::from_secs(600);

impl Kernel {
    /// Ties the parts together.
    pub(crate) fn new(services: Arc<Services>, supervisor: SupervisorHandle, load: Arc<Load>) -> Self {
        let outbox = OutboxLimits::new(services.settings.outbox_limit, services.settings.outbox_grace);
        let patient = OutboxLimits::new(services.settings.outbox_limit, outbox.grace.max(STDIO_GRACE));
        Kernel(Arc::new(Parts {
            services,
            supervisor,
            load,
            outbox: Arc::new(outbox),
            patient_outbox: Arc::new(patient),
            next_connection: AtomicU64::new(0),
            stopping: CancellationToken::new(),
            edges: Arc::new(()),
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

    pub(crate) fn supervisor(&self) -> &SupervisorHandle {
        &self.0.supervisor
    }

    /// The work in hand.
    pub fn load(&self) -> &Arc<Load> {
        &self.0.load
    }

    /// How many edges still hold their connection: they write what is left, say goodbye, and let go.
    pub fn open_edges(&self) -> usize {
        Arc::strong_count(&self.0.edges) - 1
    }

    pub(crate) fn edge_count(&self) -> Arc<()> {
        self.0.edges.clone()
    }

    pub(crate) fn outbox_limits(&self, transport: &str) -> Arc<OutboxLimits> {
        match transport {
            "stdio" => self.0.patient_outbox.clone(),
            _ => self.0.outbox.clone(),
        }
    }

    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.next_connection.fetch_add(1, Ordering::Relaxed))
    }
}
