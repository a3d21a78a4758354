//! Writing to a process: a queue bounded in bytes, and a task that writes it out.
//!
//! Input is taken in order. As long as little waits, whoever writes hears at once; past that, when their input has been
//! written; past the limit nothing more is taken. A process that closed its input takes in anything, and reads none of it.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use crate::exec::streams::InputEnd;
use crate::rpc::processes::{InputRoom, ProcessError};

/// So much may wait before writers have to.
const EASY: usize = 1 << 20;
/// So much may wait at all, unless one message alone is larger.
const LIMIT: usize = 64 << 20;
/// What an entry costs beside its bytes.
const ENTRY: usize = 64;

struct Entry {
    bytes: Vec<u8>,
    written: Option<oneshot::Sender<()>>,
}

/// The input of a process.
pub(super) enum Input {
    /// There is none.
    None,
    /// It can be written to.
    Open(Writer),
    /// It was closed; what was written before may still be on its way.
    Closed { _on_its_way: AbortOnDropHandle<()> },
}

/// The queue of an open input.
pub(super) struct Writer {
    // Unbounded in entries, but every entry is counted in `waiting`, and that is bounded.
    queue: mpsc::UnboundedSender<Entry>,
    waiting: Rc<Cell<usize>>,
    task: AbortOnDropHandle<()>,
}

impl Input {
    /// The input of a process that has just started.
    pub(super) fn of(end: Option<InputEnd>) -> Self {
        let Some(end) = end else { return Input::None };
        let (queue, entries) = mpsc::unbounded_channel();
        let waiting = Rc::new(Cell::new(0));
        let task = actix_rt::spawn(write_out(end, entries, Rc::clone(&waiting)));
        Input::Open(Writer {
            queue,
            waiting,
            task: AbortOnDropHandle::new(task),
        })
    }

    /// Takes in what is to be written.
    pub(super) fn write(&mut self, bytes: Vec<u8>) -> Result<Option<InputRoom>, ProcessError> {
        match self {
            Input::None => Err(ProcessError::NoInput),
            Input::Closed { .. } if bytes.is_empty() => Ok(None),
            Input::Closed { .. } => Err(ProcessError::InputClosed),
            Input::Open(_) if bytes.is_empty() => Ok(None),
            Input::Open(writer) => writer.write(bytes),
        }
    }

    /// Closes it, once what waits has been written.
    pub(super) fn close(&mut self) {
        *self = match std::mem::replace(self, Input::None) {
            Input::Open(writer) => Input::Closed {
                _on_its_way: writer.task,
            },
            other => other,
        };
    }
}

impl Writer {
    fn write(&self, bytes: Vec<u8>) -> Result<Option<InputRoom>, ProcessError> {
        let before = self.waiting.get();
        let after = before + bytes.len() + ENTRY;
        if before > 0 && after > LIMIT {
            return Err(ProcessError::Overloaded);
        }
        let (written, room) = match after > EASY {
            true => {
                let (written, room) = oneshot::channel();
                (Some(written), Some(room))
            }
            false => (None, None),
        };
        self.waiting.set(after);
        match self.queue.send(Entry { bytes, written }) {
            Ok(()) => Ok(room),
            // The process reads no more.
            Err(_) => {
                self.waiting.set(before);
                Ok(None)
            }
        }
    }
}

async fn write_out(mut end: InputEnd, mut entries: mpsc::UnboundedReceiver<Entry>, waiting: Rc<Cell<usize>>) {
    while let Some(Entry { bytes, written }) = entries.recv().await {
        let length = bytes.len() + ENTRY;
        if let Err(error) = end.write_all(&bytes).await {
            tracing::debug!("a process reads no more: {error}");
            entries.close();
            let mut rest: Vec<_> = written.into_iter().collect();
            while let Ok(entry) = entries.try_recv() {
                rest.extend(entry.written);
            }
            for written in rest {
                let _ = written.send(());
            }
            waiting.set(0);
            return;
        }
        waiting.set(waiting.get() - length);
        if let Some(written) = written {
            let _ = written.send(());
        }
    }
    if let Err(error) = end.close().await {
        tracing::debug!("the input of a process was not ended: {error}");
    }
}
