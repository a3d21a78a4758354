//! The Db actor: the only writer of the index, alone on its arbiter, where blocking is allowed.
//!
//! Live threads mark themselves in the store and send a wake-up; other jobs come by mail and are answered after the
//! commit. The first of either posts a flush, which runs when the mailbox is empty and writes everything that waits,
//! up to a limit, in one transaction. State owned: the connection and the jobs under way. A database that fails is left
//! alone and tried again with growing pauses, a broken one is replaced; meanwhile the store reads from files. Nothing
//! here ever stops the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::actors::handle::Handle;
use crate::store::index::{IndexConnection, IndexError, PendingChange, WriteOp};
use crate::store::{IndexJob, IndexWriter, LocalThreadStore, StoreError, StoreFuture};

/// How much mail may wait. Wake-ups beyond it are not needed, calls are limited by the handle.
const MAILBOX: usize = 256;
/// How many changes one transaction holds at most.
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many pauses a batch is kept for before the index counts as out of reach.
const PATIENCE: u32 = 8;
/// How long after a look doubts are of what was before it.
const LATE_DOUBTS: Duration = Duration::from_secs(1);
/// A database that is in doubt twice within this time is not kept, whatever a look into it says.
const DOUBTS_APART: Duration = Duration::from_secs(60);

type Reply = oneshot::Sender<Result<(), StoreError>>;

/// Jobs of one sender.
#[derive(Debug)]
struct Jobs {
    ops: Vec<WriteOp>,
    reply: Reply,
}

/// The actor.
pub struct Db {
    store: LocalThreadStore,
    connection: Option<IndexConnection>,
    changes: Vec<PendingChange>,
    jobs: Vec<Jobs>,
    flush_posted: bool,
    failures: u32,
    /// When the database was last looked into because of a doubt.
    examined: Option<Instant>,
    ended: bool,
    fallen: Fallen,
}

/// Tells whoever supervises that the actor has ended without being told to.
pub type Fallen = Box<dyn Fn() + Send>;

/// Some live thread changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Write these and answer when they are committed. Without jobs: answer when no live thread's change waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Apply(Jobs);

/// Write what waits.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Flush;

/// Open the database, or try again.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Open;

/// A reader found the database damaged.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Doubt;

/// Write what waits, tidy up and end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Shutdown;

impl Db {
    /// Starts the actor on an arbiter of its own and ties it into the store. The database is opened there, so nobody
    /// waits for it.
    pub fn start_on(arbiter: &ArbiterHandle, store: LocalThreadStore, fallen: Fallen) -> Handle<Db> {
        let ours = store.clone();
        let address = Db::start_in_arbiter(arbiter, move |context| {
            context.set_mailbox_capacity(MAILBOX);
            Db {
                store: ours,
                connection: None,
                changes: Vec::new(),
                jobs: Vec::new(),
                flush_posted: false,
                failures: 0,
                examined: None,
                ended: false,
                fallen,
            }
        });
        let handle = Handle::new(address);
        store.set_index_writer(Arc::new(DbWriter(handle.clone())));
        handle
    }

    fn post_flush(&mut self, context: &mut Context<Self>) {
        if !std::mem::replace(&mut self.flush_posted, true) {
            context.notify(Flush);
        }
    }

    fn open(&mut self, context: &mut Context<Self>) {
        match IndexConnection::open(self.store.home()) {
            Ok((connection, aside)) => {
                if let Some(aside) = aside {
                    self.store.index_replaced(&aside);
                }
                self.connection = Some(connection);
                let store = self.store.clone();
                let filled = async move { store.index_opened().await };
                context.spawn(filled.into_actor(self).map(|result, db, context| match result {
                    Ok(()) => db.failures = 0,
                    // What is damaged opens, and fails when it is read.
                    Err(error) => {
                        let reason = error.to_string();
                        if IndexError::tells_damage(&reason) {
                            db.doubted(&reason, context);
                        } else {
                            db.out_of_reach(&reason, context);
                        }
                    }
                }));
                self.post_flush(context);
            }
            Err(error) => self.out_of_reach(&error.to_string(), context),
        }
    }

    /// The database cannot be used: whoever waits is told, and it is tried again later.
    fn out_of_reach(&mut self, reason: &str, context: &mut Context<Self>) {
        self.connection = None;
        self.store.index_unavailable(reason);
        self.give_up(reason);
        self.failures += 1;
        context.notify_later(Open, pause(self.failures.max(PATIENCE)));
    }

    /// The database cannot be believed: it is looked into, and opened again or begun anew, at once the first time.
    fn doubted(&mut self, reason: &str, context: &mut Context<Self>) {
        if self.connection.take().is_none() {
            return;
        }
        let again = self.examined.is_some_and(|at| at.elapsed() < DOUBTS_APART);
        self.examined = Some(Instant::now());
        self.store.examine_index(again);
        if again {
            self.out_of_reach(reason, context);
        } else {
            self.lost(reason, context);
        }
    }

    /// The connection is of no use; another one is opened at once.
    fn lost(&mut self, reason: &str, context: &mut Context<Self>) {
        self.connection = None;
        self.store.index_unavailable(reason);
        self.give_up(reason);
        context.notify(Open);
    }

    fn give_up(&mut self, reason: &str) {
        for change in self.changes.drain(..) {
            self.store.change_written(&change, false);
        }
        for jobs in self.jobs.drain(..) {
            let _ = jobs
                .reply
                .send(Err(StoreError::Internal(format!("the thread index: {reason}"))));
        }
    }

    fn flush(&mut self, context: &mut Context<Self>) {
        let Some(connection) = &mut self.connection else { return };
        let room = BATCH.saturating_sub(self.changes.len());
        self.changes.extend(self.store.take_changes(room));
        let mut ops: Vec<&WriteOp> = self.changes.iter().map(|change| &change.op).collect();
        let mut jobs = 0;
        while let Some(next) = self.jobs.get(jobs)
            && (jobs == 0 || ops.len() + next.ops.len() <= BATCH)
            && !(next.ops.is_empty() && self.store.has_changes())
        {
            ops.extend(&next.ops);
            jobs += 1;
        }
        if ops.is_empty() && jobs == 0 {
            return;
        }
        if connection.is_displaced() {
            return self.lost("its file was removed or replaced", context);
        }
        let began = Instant::now();
        let outcome = if ops.is_empty() {
            Ok(Vec::new())
        } else {
            connection.write(&ops)
        };
        metrics::histogram!("greenroom_db_commit_seconds").record(began.elapsed());
        metrics::histogram!("greenroom_db_batch_size").record(ops.len() as f64);
        match outcome {
            Ok(results) => {
                self.failures = 0;
                let mut results = results.into_iter();
                for change in self.changes.drain(..) {
                    let result = results.next().unwrap_or(Ok(()));
                    if let Err(error) = &result {
                        tracing::warn!(%error, thread.id = %change.id, "the index refused a change");
                    }
                    self.store.change_written(&change, true);
                }
                for done in self.jobs.drain(..jobs) {
                    let refused = results.by_ref().take(done.ops.len()).find_map(Result::err);
                    let _ = done.reply.send(match refused {
                        None => Ok(()),
                        Some(error) => Err(StoreError::Internal(format!("the thread index: {error}"))),
                    });
                }
                if !self.jobs.is_empty() || self.store.has_changes() {
                    self.post_flush(context);
                }
            }
            Err(error) => self.failed(&error, context),
        }
    }

    fn failed(&mut self, error: &IndexError, context: &mut Context<Self>) {
        if let IndexError::Broken(reason) = error {
            tracing::error!(%reason, "the thread index is broken");
            return self.doubted(reason, context);
        }
        self.failures += 1;
        // Another process is done soon. Anything else (no room, no access) may last, and callers wait meanwhile.
        if self.failures > PATIENCE || !matches!(error, IndexError::Busy(_)) {
            self.out_of_reach(&error.to_string(), context);
            return;
        }
        tracing::debug!(%error, "the thread index is busy");
        self.flush_posted = true;
        context.notify_later(Flush, pause(self.failures));
    }
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE)
}

impl Actor for Db {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.open(context);
    }

    fn stopped(&mut self, _context: &mut Self::Context) {
        if !self.ended {
            // A panic or a lost arbiter: the store goes on from the files.
            self.store.index_unavailable("the writer of the thread index has ended");
            self.give_up("its writer has ended");
            (self.fallen)();
        }
    }
}

impl Handler<Wake> for Db {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        self.post_flush(context);
    }
}

impl Handler<Apply> for Db {
    type Result = ();

    fn handle(&mut self, Apply(jobs): Apply, context: &mut Self::Context) {
        if self.connection.is_none() {
            let _ = jobs
                .reply
                .send(Err(StoreError::Internal("the thread index is out of reach".to_owned())));
            return;
        }
        self.jobs.push(jobs);
        if self.jobs.len() >= BATCH {
            self.flush(context);
        } else {
            self.post_flush(context);
        }
    }
}

impl Handler<Flush> for Db {
    type Result = ();

    fn handle(&mut self, _: Flush, context: &mut Self::Context) {
        self.flush_posted = false;
        self.flush(context);
    }
}

impl Handler<Doubt> for Db {
    type Result = ();

    fn handle(&mut self, _: Doubt, context: &mut Self::Context) {
        // Readers that began before it was looked into may still come.
        if self.examined.is_none_or(|at| at.elapsed() > LATE_DOUBTS) {
            self.doubted("it is damaged", context);
        }
    }
}

impl Handler<Open> for Db {
    type Result = ();

    fn handle(&mut self, _: Open, context: &mut Self::Context) {
        if self.connection.is_none() {
            self.open(context);
        }
    }
}

impl Handler<Shutdown> for Db {
    type Result = ();

    fn handle(&mut self, _: Shutdown, context: &mut Self::Context) {
        while self.connection.is_some() && (self.store.has_changes() || !self.jobs.is_empty()) {
            let before = self.failures;
            self.flush(context);
            if self.failures > before {
                break;
            }
        }
        if let Some(mut connection) = self.connection.take() {
            connection.checkpoint();
        }
        self.give_up("the server stops");
        self.ended = true;
        context.stop();
    }
}

/// The actor's address as the store knows it.
#[derive(Debug, Clone)]
struct DbWriter(Handle<Db>);

impl IndexWriter for DbWriter {
    fn wake(&self) {
        // A full mailbox holds something that will cause a flush anyway.
        let _ = self.0.try_send(Wake);
    }

    fn doubt(&self) {
        // Whoever reads next doubts again.
        let _ = self.0.try_send(Doubt);
    }

    fn apply(&self, jobs: Vec<IndexJob>) -> StoreFuture<'_, ()> {
        let ops = jobs.into_iter().map(WriteOp::Job).collect();
        Box::pin(async move {
            let (reply, answer) = oneshot::channel();
            self.0
                .call(Apply(Jobs { ops, reply }))
                .await
                .map_err(|error| StoreError::Internal(format!("the thread index: {error}")))?;
            answer
                .await
                .unwrap_or_else(|_| Err(StoreError::Internal("the thread index has ended".to_owned())))
        })
    }
}

#[cfg(test)]
mod tests;
