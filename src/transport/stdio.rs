//! JSON lines on stdin and stdout: one client for the life of the process.
//!
//! Two small threads do the blocking reads and writes, because the standard streams may be anything (a pipe, a socket, a
//! terminal, a file). The reader cuts lines and waits while the connection has enough to do; a line over the limit is
//! skipped with a warning and the connection goes on. The writer takes what is queued in one go. Standard output carries
//! protocol lines and nothing else.

use std::io::{self, Read, Write};
use std::thread;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::actors::{self, ConnectionEdge, Kernel};

#[cfg(test)]
mod tests;

const STACK: usize = 128 << 10;
const READ: usize = 64 << 10;

/// Serves the parent process on this arbiter. The receiver resolves when the connection has ended and every answer has
/// been written.
pub fn serve(kernel: &Kernel) -> io::Result<oneshot::Receiver<()>> {
    let ConnectionEdge {
        inbound,
        outbox,
        commands,
        _counted: counted,
        ..
    } = actors::open(kernel, "stdio");
    // Nobody pings a parent process, and it is told the end by the end of the stream.
    drop(commands);
    let limit = kernel.services().settings.message_limit;
    thread::Builder::new()
        .name("stdin".into())
        .stack_size(STACK)
        .spawn(move || {
            let mut input = io::stdin().lock();
            if let Err(error) = read_lines(&mut input, limit, &inbound) {
                tracing::error!("reading stdin failed: {error}");
            }
        })?;
    let (done, ended) = oneshot::channel();
    let runtime = Handle::current();
    thread::Builder::new()
        .name("stdout".into())
        .stack_size(STACK)
        .spawn(move || {
            let mut output = io::stdout().lock();
            let mut buffer = Vec::new();
            while let Some(batch) = runtime.block_on(outbox.next_batch()) {
                if let Err(error) = write_lines(&mut output, &batch, &mut buffer) {
                    tracing::error!("writing stdout failed: {error}");
                    outbox.close(crate::rpc::outbox::CloseReason::Disconnected);
                    break;
                }
            }
            drop(counted);
            let _ = done.send(());
        })?;
    Ok(ended)
}

/// Writes whole messages, a line each, with one call where that is possible.
fn write_lines(output: &mut impl Write, batch: &[Bytes], buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    for message in batch {
        buffer.extend_from_slice(message);
        buffer.push(b'\n');
    }
    output.write_all(buffer)?;
    output.flush()?;
    if buffer.capacity() > 4 * READ {
        *buffer = Vec::new();
    }
    Ok(())
}

/// Reads lines until the end of the input or of the connection. A last line without an end counts too.
fn read_lines(input: &mut impl Read, limit: usize, lines: &mpsc::Sender<Bytes>) -> io::Result<()> {
    let mut cutter = LineCutter::new(limit);
    let mut chunk = vec![0; READ];
    loop {
        let count = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        cutter.feed(&chunk[..count]);
        while let Some(line) = cutter.next() {
            if lines.blocking_send(line).is_err() {
                return Ok(());
            }
        }
    }
    if let Some(line) = cutter.rest() {
        let _ = lines.blocking_send(line);
    }
    Ok(())
}

/// Cuts a stream of bytes into lines. Holds no more than one line below the limit and one chunk.
struct LineCutter {
    buffer: BytesMut,
    /// Up to here no line end was found.
    searched: usize,
    skipping: bool,
    limit: usize,
}

impl LineCutter {
    fn new(limit: usize) -> Self {
        LineCutter {
            buffer: BytesMut::new(),
            searched: 0,
            skipping: false,
            limit,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line that is not blank, without its end.
    fn next(&mut self) -> Option<Bytes> {
        loop {
            let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                if self.searched > self.limit {
                    if !std::mem::replace(&mut self.skipping, true) {
                        tracing::warn!(line.limit_bytes = self.limit, "a line over the limit is skipped");
                    }
                    self.buffer.clear();
                    self.searched = 0;
                }
                return None;
            };
            let mut line = self.buffer.split_to(self.searched + end + 1);
            line.truncate(line.len() - 1);
            self.searched = 0;
            let skipped = std::mem::take(&mut self.skipping);
            if skipped || line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if line.len() > self.limit {
                tracing::warn!(line.limit_bytes = self.limit, "a line over the limit is skipped");
                continue;
            }
            return Some(line.freeze());
        }
    }

    /// What stands behind the last line end.
    fn rest(&mut self) -> Option<Bytes> {
        let line = self.buffer.split();
        self.searched = 0;
        let usable = !self.skipping && line.len() <= self.limit && !line.iter().all(u8::is_ascii_whitespace);
        usable.then(|| line.freeze())
    }
}
