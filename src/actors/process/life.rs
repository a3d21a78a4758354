//! One process from its start to the end of its output: it ends by itself, is killed, has no time left, or nobody wants it
//! any more. However it ends, its group is ended with it and it is waited for.

use std::cell::Cell;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::output::{Pump, Read};
use crate::exec::spawn::GroupEnd;
use crate::exec::text::text_of;
use crate::rpc::processes::{KeptOutput, ProcessEnd};

/// The exit code of a process whose time was over.
const TIMED_OUT: i32 = 124;
/// The exit code of a process that a signal ended.
pub(super) const SIGNALLED: i32 = -1;
/// The same under a terminal.
const SIGNALLED_ON_TERMINAL: i32 = 1;

/// A process and all that decides about its end.
pub(super) struct Life {
    /// The process.
    pub child: Child,
    /// Its group.
    pub group: GroupEnd,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// How long it may run.
    pub timeout: Option<Duration>,
    /// Cancelled when somebody kills it.
    pub kill: CancellationToken,
    /// Cancelled when nobody wants it any more: its connection is gone, or the server stops.
    pub unwanted: [CancellationToken; 2],
    /// Whether it runs, for those who ask meanwhile.
    pub running: Rc<Cell<bool>>,
    /// To be cancelled when it has ended.
    pub ended: CancellationToken,
}

/// Why a process was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Killed,
    TimeOver,
    Unwanted,
}

/// The tasks that read its streams.
struct Readers {
    output: AbortOnDropHandle<Read>,
    errors: Option<AbortOnDropHandle<Read>>,
}

impl Life {
    /// Sees the process through. Its streams are read from the moment in which `go` is given.
    pub(super) async fn run(
        mut self,
        output: Pump,
        errors: Option<Pump>,
        go: Option<oneshot::Receiver<()>>,
    ) -> ProcessEnd {
        let readers = Readers::start(output, errors, go);
        let (status, cause) = self.end().await;
        self.group.leader_ended();
        self.running.set(false);
        self.ended.cancel();
        let (output, errors) = match cause {
            // Nobody is there to be told.
            Some(Cause::Unwanted) => Default::default(),
            _ => self.last_words(readers).await,
        };
        let exit_code = match (cause, status) {
            (Some(Cause::TimeOver), _) => TIMED_OUT,
            (_, Ok(status)) => self.code_of(status),
            (_, Err(_)) => self.signalled(),
        };
        drop(self);
        ProcessEnd {
            exit_code,
            stdout: kept(output).await,
            stderr: kept(errors).await,
        }
    }

    /// Waits for the process, and asks it to end when there is a cause.
    async fn end(&mut self) -> (io::Result<ExitStatus>, Option<Cause>) {
        let time_over = after(self.timeout);
        tokio::pin!(time_over);
        let mut asked: Option<(Cause, Instant)> = None;
        loop {
            let before = asked.map(|(cause, _)| cause);
            let patience = asked.map_or_else(Instant::now, |(_, at)| at + GroupEnd::STUBBORN);
            let cause = tokio::select! {
                biased;
                () = any(&self.unwanted), if before != Some(Cause::Unwanted) => Cause::Unwanted,
                () = self.kill.cancelled(), if before.is_none() => Cause::Killed,
                () = &mut time_over, if before.is_none() => Cause::TimeOver,
                () = tokio::time::sleep_until(patience), if before.is_some() => {
                    self.group.force();
                    asked = before.map(|cause| (cause, Instant::now()));
                    continue;
                }
                status = self.child.wait() => return (status, before),
            };
            self.group.kill();
            asked = Some((cause, Instant::now()));
        }
    }

    /// Waits for the end of its streams, which what the process left running may still hold.
    async fn last_words(&self, readers: Readers) -> (Read, Read) {
        let left_behind = async {
            self.kill.cancelled().await;
            self.group.kill();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            read = readers.done() => read,
            () = left_behind => Default::default(),
            () = any(&self.unwanted) => Default::default(),
        }
    }

    fn code_of(&self, status: ExitStatus) -> i32 {
        match status.signal() {
            Some(_) => self.signalled(),
            None => status.code().unwrap_or(SIGNALLED),
        }
    }

    fn signalled(&self) -> i32 {
        match self.terminal {
            true => SIGNALLED_ON_TERMINAL,
            false => SIGNALLED,
        }
    }
}

impl Readers {
    fn start(output: Pump, errors: Option<Pump>, go: Option<oneshot::Receiver<()>>) -> Self {
        let go = async move {
            if let Some(go) = go {
                // Without a word the answer will never come, and nobody is kept waiting for it.
                let _ = go.await;
            }
        };
        let go = go.shared();
        let reading = |pump: Pump| {
            let go = go.clone();
            AbortOnDropHandle::new(actix_rt::spawn(async move {
                go.await;
                pump.run().await
            }))
        };
        Readers {
            output: reading(output),
            errors: errors.map(reading),
        }
    }

    async fn done(self) -> (Read, Read) {
        let errors = async {
            match self.errors {
                Some(errors) => errors.await.unwrap_or_default(),
                None => Read::default(),
            }
        };
        let (output, errors) = futures_util::future::join(self.output, errors).await;
        (output.unwrap_or_default(), errors)
    }
}

/// Resolves when one of the two is cancelled.
async fn any(tokens: &[CancellationToken; 2]) {
    tokio::select! {
        () = tokens[0].cancelled() => {}
        () = tokens[1].cancelled() => {}
    }
}

/// Resolves after a time, or never.
async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn kept(read: Read) -> KeptOutput {
    KeptOutput {
        text: text_of(read.kept).await,
        cap_reached: read.cap_reached,
    }
}
