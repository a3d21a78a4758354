//! Server-sent events from bytes, whatever their division into chunks.
//!
//! Only `data` matters here: every payload names its own type. The decoder hands out slices of its buffer and copies a
//! payload only when an event has several `data` lines. It replaces the crate `eventsource-stream` on this path, which
//! moves the rest of its buffer at every line and scans a long line again at every chunk (20,000 small deltas took it
//! 50 to 70 ms, and take 0.5 ms here); the tests keep that crate as the oracle for what an event is.
//!
//! Invariant: bytes before `start` are spent, bytes in `start..scanned` hold no line end.

use memchr::memchr2;

/// The longest event: room for a picture. A provider that never ends its line must not fill the memory.
pub(in crate::model) const MAX_EVENT: usize = 64 << 20;

/// An incremental decoder. Feed it with [`Decoder::push`], then call [`Decoder::next`] until it returns `None`.
#[derive(Debug, Default)]
pub(in crate::model) struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    scanned: usize,
    /// A carriage return ended the last line: a line feed right behind it belongs to it.
    after_return: bool,
    begun: bool,
    /// The `data` lines of the event in progress; the payload when there is one line only is a slice instead.
    lines: Vec<u8>,
    data_lines: usize,
}

impl Decoder {
    /// Adds a chunk.
    pub(in crate::model) fn push(&mut self, chunk: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// Whether the event in progress is longer than any may be.
    pub(in crate::model) fn is_overfull(&self) -> bool {
        let lines = if self.data_lines > 0 { self.lines.len() } else { 0 };
        self.buffer.len() - self.start + lines > MAX_EVENT
    }

    /// The payload of the next whole event. Events without data are passed over.
    pub(in crate::model) fn next(&mut self) -> Option<&[u8]> {
        loop {
            let line = self.line()?;
            let (from, to) = line;
            if from == to {
                if self.data_lines == 0 {
                    continue;
                }
                self.data_lines = 0;
                return Some(&self.lines);
            }
            if let Some(value) = data_value(&self.buffer[from..to]) {
                let value_from = to - value;
                if self.data_lines == 0 && self.ends_event_at_start() {
                    return Some(&self.buffer[value_from..to]);
                }
                if self.data_lines == 0 {
                    self.lines.clear();
                } else {
                    self.lines.push(b'\n');
                }
                self.lines.extend_from_slice(&self.buffer[value_from..to]);
                self.data_lines += 1;
            }
        }
    }

    /// Takes the blank line behind the only `data` line of an event, when it is there already.
    fn ends_event_at_start(&mut self) -> bool {
        if !self.after_return && self.buffer.get(self.start) == Some(&b'\n') {
            self.start += 1;
            self.scanned = self.start;
            return true;
        }
        false
    }

    /// The next whole line, without its end.
    fn line(&mut self) -> Option<(usize, usize)> {
        if self.after_return && self.start < self.buffer.len() {
            self.after_return = false;
            if self.buffer[self.start] == b'\n' {
                self.start += 1;
                self.scanned = self.scanned.max(self.start);
            }
        }
        if !self.begun {
            self.pass_byte_order_mark()?;
        }
        let Some(offset) = memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + offset;
        let line = (self.start, end);
        self.after_return = self.buffer[end] == b'\r';
        self.start = end + 1;
        self.scanned = self.start;
        Some(line)
    }

    fn pass_byte_order_mark(&mut self) -> Option<()> {
        const MARK: &[u8] = b"\xEF\xBB\xBF";
        let head = &self.buffer[..self.buffer.len().min(MARK.len())];
        if head == MARK {
            self.start = MARK.len();
            self.scanned = self.start;
        } else if MARK.starts_with(head) {
            return None;
        }
        self.begun = true;
        Some(())
    }
}

/// The length of a line's value, when it is a `data` field: the value is the line's end.
fn data_value(line: &[u8]) -> Option<usize> {
    let rest = line.strip_prefix(b"data")?;
    match rest.split_first() {
        None => Some(0),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value).len()),
        Some(_) => None,
    }
}
