//! Reading a process: one pump for each stream, which passes on what it reads or keeps it.
//!
//! A pump reads only what it has room for, so a process whose client does not read stands still. Past the cap it reads on
//! and forgets, so that the process can end. Once the process has ended, a pump goes on until the end of the stream; what
//! the process left running may hold that up for a while, in which time spent on waiting for the client does not count.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::exec::spawn::OutputEnd;
use crate::rpc::ClientHandle;
use crate::rpc::output::{CHUNK, OutputTemplate};
use crate::telemetry::metrics;

/// How long a stream is read after the end of its process.
const DRAIN: Duration = Duration::from_secs(2);
/// A stream that has been read this recently is in a hurry.
const HURRY: Duration = Duration::from_millis(3);
/// How long it is then left to itself, unless there is a whole chunk to read.
const GATHER: Duration = Duration::from_millis(1);
/// The most that is kept of a stream that has no cap: it becomes one message.
const MOST_KEPT: usize = 64 << 20;

thread_local! {
    /// Where this thread reads into: whatever is read is passed on or kept before anything else happens here.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Where output goes.
pub(super) enum Sink {
    /// To the client, as it comes.
    Client(ClientHandle, OutputTemplate),
    /// Into memory, until the end.
    Memory(Vec<u8>),
}

/// What became of a stream.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What was kept.
    pub kept: Vec<u8>,
    /// Whether the cap was reached.
    pub cap_reached: bool,
}

/// Reads one stream.
pub(super) struct Pump {
    source: OutputEnd,
    sink: Sink,
    cap: usize,
    taken: usize,
    cap_reached: bool,
    /// When it was last read.
    last: Option<Instant>,
    /// Cancelled when the process has ended.
    ended: CancellationToken,
    /// What is left of the time after that.
    patience: Duration,
}

impl Pump {
    /// A pump for a stream, of which `cap` bytes count.
    pub(super) fn new(source: OutputEnd, sink: Sink, cap: Option<usize>, ended: CancellationToken) -> Self {
        let most = match sink {
            Sink::Client(..) => usize::MAX,
            Sink::Memory(_) => MOST_KEPT,
        };
        Pump {
            source,
            sink,
            cap: cap.unwrap_or(usize::MAX).min(most),
            taken: 0,
            cap_reached: false,
            last: None,
            ended,
            patience: DRAIN,
        }
    }

    /// Reads to the end.
    pub(super) async fn run(mut self) -> Read {
        while self.readable().await {
            let room = match &self.sink {
                Sink::Client(client, _) if !self.cap_reached => {
                    self.gather().await;
                    Some(client.output_room().reserve().await)
                }
                _ => None,
            };
            let started = Instant::now();
            self.last = Some(started);
            let went_on = SCRATCH.with_borrow_mut(|scratch| self.read(scratch, room));
            if !went_on {
                break;
            }
            // A stream that always has more must not keep its thread from the others.
            tokio::task::yield_now().await;
            if self.ended.is_cancelled() {
                self.patience = self.patience.saturating_sub(started.elapsed());
            }
        }
        Read {
            kept: match self.sink {
                Sink::Client(..) => Vec::new(),
                Sink::Memory(kept) => kept,
            },
            cap_reached: self.cap_reached,
        }
    }

    /// A stream in a hurry is given a moment to print more, so that it goes in pieces that are worth their messages. What
    /// comes after a pause goes at once.
    async fn gather(&self) {
        let in_a_hurry = self.last.is_some_and(|last| last.elapsed() < HURRY);
        if in_a_hurry && !self.ended.is_cancelled() && (1..CHUNK).contains(&self.source.available()) {
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Waits for something to read; false when there will be nothing, or it comes too late.
    async fn readable(&mut self) -> bool {
        if self.patience.is_zero() {
            return false;
        }
        let started = Instant::now();
        let (ended, patience) = (&self.ended, self.patience);
        let too_late = async {
            ended.cancelled().await;
            tokio::time::sleep(patience).await;
        };
        let was_ended = ended.is_cancelled();
        let readable = tokio::select! {
            biased;
            readable = self.source.readable() => readable.is_ok(),
            () = too_late => false,
        };
        if was_ended {
            self.patience = self.patience.saturating_sub(started.elapsed());
        }
        readable
    }

    /// Reads once; false at the end of the stream.
    fn read(&mut self, scratch: &mut [u8], room: Option<crate::rpc::output::Reserved>) -> bool {
        let count = match self.source.try_fill(scratch) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        };
        if self.cap_reached {
            return true;
        }
        let counted = &scratch[..count.min(self.cap - self.taken)];
        self.taken += counted.len();
        self.cap_reached = self.taken == self.cap;
        match (&mut self.sink, room) {
            (Sink::Client(client, template), Some(room)) => {
                metrics::process_output(counted.len());
                client.notify(&template.fill(counted, self.cap_reached, room));
            }
            (Sink::Client(..), None) => {}
            (Sink::Memory(kept), _) => kept.extend_from_slice(counted),
        }
        true
    }
}
