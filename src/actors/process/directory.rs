//! The processes that clients run: who has which, how many there may be, and where they run.
//!
//! State: the names in use, connection by connection. A name is taken before its process starts, and free from the moment
//! in which the end of the process is told. Processes are spread over arbiters of their own, so that what they print
//! keeps neither threads nor connections waiting; these arbiters start with the first process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use actix::{Actor, Arbiter, ArbiterHandle, Handler, Message, System};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Kill, ProcessActor, Resize, Write};
use crate::actors::handle::{Handle, MailError};
use crate::exec::pty::PtySize;
use crate::rpc::ConnectionId;
use crate::rpc::directory::BoxFuture;
use crate::rpc::processes::{
    InputRoom, ProcessDirectory, ProcessError, ProcessInput, ProcessKey, ProcessName, ProcessSeed,
};

/// How many arbiters processes run on at most.
const MAX_ARBITERS: usize = 4;

/// How many processes clients may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessLimits {
    /// On one connection.
    pub each_connection: usize,
    /// In all.
    pub total: usize,
}

#[derive(Default)]
struct Table {
    /// The handle is missing while a process is being started.
    connections: HashMap<ConnectionId, HashMap<ProcessName, Option<Handle<ProcessActor>>>>,
    total: usize,
    closed: bool,
}

/// The names in use.
struct Register {
    table: Mutex<Table>,
    limits: ProcessLimits,
    stopping: CancellationToken,
    none_left: Notify,
}

impl Register {
    fn free(&self, key: &ProcessKey, told: impl FnOnce()) {
        let mut table = self.table();
        told();
        let Some(own) = table.connections.get_mut(&key.0) else {
            return;
        };
        own.remove(&key.1);
        if own.is_empty() {
            table.connections.remove(&key.0);
        }
        table.total -= 1;
        if table.total == 0 {
            self.none_left.notify_waiters();
        }
    }

    /// Takes a name.
    fn take(self: &Arc<Self>, key: ProcessKey) -> Result<TakenName, ProcessError> {
        let mut table = self.table();
        let total = table.total;
        let own = table.connections.get(&key.0);
        if own.is_some_and(|own| own.contains_key(&key.1)) {
            return Err(ProcessError::Duplicate);
        }
        if own.is_some_and(|own| own.len() >= self.limits.each_connection) {
            return Err(ProcessError::TooManyHere(self.limits.each_connection));
        }
        if total >= self.limits.total || table.closed {
            return Err(ProcessError::TooMany(total));
        }
        table.connections.entry(key.0).or_default().insert(key.1.clone(), None);
        table.total += 1;
        Ok(TakenName {
            key,
            register: Arc::clone(self),
            freed: false,
        })
    }

    /// Makes a process reachable, unless it has ended already.
    fn reachable(&self, key: &ProcessKey, handle: Handle<ProcessActor>) {
        if let Some(own) = self.table().connections.get_mut(&key.0)
            && let Entry::Occupied(mut entry) = own.entry(key.1.clone())
        {
            entry.insert(Some(handle));
        }
    }

    fn get(&self, key: &ProcessKey) -> Option<Handle<ProcessActor>> {
        self.table().connections.get(&key.0)?.get(&key.1)?.clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name in use; free when this is dropped.
pub(super) struct TakenName {
    key: ProcessKey,
    register: Arc<Register>,
    freed: bool,
}

impl TakenName {
    /// The name.
    pub(super) fn name(&self) -> &ProcessName {
        &self.key.1
    }

    /// Cancelled when all processes are to end.
    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.register.stopping
    }

    /// Frees the name; nobody can take it before `told` has run.
    pub(super) fn free_when(mut self, told: impl FnOnce()) {
        self.freed = true;
        self.register.free(&self.key, told);
    }
}

impl Drop for TakenName {
    fn drop(&mut self) {
        if !self.freed {
            self.register.free(&self.key, || {});
        }
    }
}

/// The processes of all clients.
pub struct Processes {
    register: Arc<Register>,
    system: System,
    arbiters: OnceLock<Vec<ArbiterHandle>>,
    next: AtomicUsize,
}

impl Processes {
    /// A directory without processes. Must be called inside the actix system.
    pub fn new(limits: ProcessLimits) -> Self {
        Processes {
            register: Arc::new(Register {
                table: Mutex::default(),
                limits,
                stopping: CancellationToken::new(),
                none_left: Notify::new(),
            }),
            system: System::current(),
            arbiters: OnceLock::new(),
            next: AtomicUsize::new(0),
        }
    }

    /// The next arbiter in turn.
    fn arbiter(&self) -> &ArbiterHandle {
        let arbiters = self.arbiters.get_or_init(|| {
            // Whoever comes first may be on a thread that does not know the system.
            if !System::is_registered() {
                System::set_current(self.system.clone());
            }
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let start = |_| Arbiter::new().handle();
            (0..cores.clamp(1, MAX_ARBITERS)).map(start).collect()
        });
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        &arbiters[turn % arbiters.len()]
    }

    fn ask<M, T>(&self, key: &ProcessKey, message: M) -> BoxFuture<Result<T, ProcessError>>
    where
        ProcessActor: Handler<M, Result = Result<T, ProcessError>>,
        M: Message<Result = Result<T, ProcessError>> + Send + 'static,
        T: Send + 'static,
    {
        let handle = self.register.get(key);
        Box::pin(async move {
            let handle = handle.ok_or(ProcessError::Unknown)?;
            match handle.call(message).await {
                Ok(done) => done,
                Err(MailError::Full) => Err(ProcessError::Overloaded),
                Err(MailError::Gone) => Err(ProcessError::Unknown),
            }
        })
    }
}

impl ProcessDirectory for Processes {
    fn spawn(&self, seed: ProcessSeed) -> BoxFuture<Result<(), ProcessError>> {
        let key = (seed.client.id(), seed.name.clone());
        let name = match self.register.take(key.clone()) {
            Ok(name) => name,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let (started, outcome) = oneshot::channel();
        let address =
            ProcessActor::start_in_arbiter(self.arbiter(), move |_ctx| ProcessActor::new(seed, name, started));
        self.register.reachable(&key, Handle::new(address));
        Box::pin(async move {
            // Without a word the actor fell, or never came to be because the server ends.
            outcome.await.unwrap_or(Err(ProcessError::NotRunning))
        })
    }

    fn write(&self, key: &ProcessKey, input: ProcessInput) -> BoxFuture<Result<Option<InputRoom>, ProcessError>> {
        self.ask(key, Write(input))
    }

    fn resize(&self, key: &ProcessKey, size: PtySize) -> BoxFuture<Result<(), ProcessError>> {
        self.ask(key, Resize(size))
    }

    fn kill(&self, key: &ProcessKey) -> BoxFuture<Result<(), ProcessError>> {
        self.ask(key, Kill)
    }

    fn running(&self) -> usize {
        self.register.table().total
    }

    fn shutdown(&self) -> BoxFuture<()> {
        let register = Arc::clone(&self.register);
        register.table().closed = true;
        register.stopping.cancel();
        Box::pin(async move {
            loop {
                let none_left = register.none_left.notified();
                tokio::pin!(none_left);
                none_left.as_mut().enable();
                if register.table().total == 0 {
                    return;
                }
                none_left.await;
            }
        })
    }
}
