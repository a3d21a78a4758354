//! What is kept of a process for clients that read later: its latest output and how it ended.
//!
//! One counter numbers output, exit and close, from 1. When more than a MiB is kept the oldest output goes.

use std::collections::VecDeque;

use crate::protocol::exec_server::{Base64Bytes, OutputChunk, OutputStream, ReadResponse};

/// The output that is kept, in bytes.
const LIMIT: usize = 1 << 20;

/// The memory of one process.
#[derive(Debug)]
pub(super) struct Retained {
    chunks: VecDeque<(u64, OutputStream, Vec<u8>)>,
    bytes: usize,
    next_seq: u64,
    exit_code: Option<i32>,
    closed: bool,
}

impl Default for Retained {
    fn default() -> Self {
        Retained {
            chunks: VecDeque::new(),
            bytes: 0,
            next_seq: 1,
            exit_code: None,
            closed: false,
        }
    }
}

impl Retained {
    /// Keeps a piece of output; gives its number.
    pub(super) fn push(&mut self, stream: OutputStream, bytes: &[u8]) -> u64 {
        let seq = self.number();
        self.bytes += bytes.len();
        self.chunks.push_back((seq, stream, bytes.to_vec()));
        while self.bytes > LIMIT
            && let Some((.., old)) = self.chunks.pop_front()
        {
            self.bytes -= old.len();
        }
        seq
    }

    /// The process ended.
    pub(super) fn exited(&mut self, code: i32) -> u64 {
        self.exit_code = Some(code);
        self.number()
    }

    /// All of its output is here.
    pub(super) fn close(&mut self) -> u64 {
        self.closed = true;
        self.number()
    }

    /// Whether it ended.
    pub(super) fn has_exited(&self) -> bool {
        self.exit_code.is_some()
    }

    /// Whether its output ended too.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// What came after a number, up to a size but at least one piece.
    pub(super) fn read(&self, after: u64, max_bytes: usize) -> ReadResponse {
        let mut chunks = Vec::new();
        let mut bytes = 0usize;
        for (seq, stream, chunk) in self.chunks.iter().filter(|(seq, ..)| *seq > after) {
            bytes = bytes.saturating_add(chunk.len());
            if bytes > max_bytes && !chunks.is_empty() {
                break;
            }
            chunks.push(OutputChunk {
                seq: *seq,
                stream: *stream,
                chunk: Base64Bytes(chunk.clone()),
            });
        }
        ReadResponse {
            next_seq: chunks.last().map_or(self.next_seq, |last| last.seq + 1),
            chunks,
            exited: self.exit_code.is_some(),
            exit_code: self.exit_code,
            closed: self.closed,
            failure: None,
        }
    }

    fn number(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seqs(read: &ReadResponse) -> Vec<u64> {
        read.chunks.iter().map(|chunk| chunk.seq).collect()
    }

    #[test]
    fn numbers_run_over_output_and_ends() {
        let mut kept = Retained::default();
        assert_eq!(kept.push(OutputStream::Stdout, b"out\n"), 1);
        assert_eq!(kept.push(OutputStream::Stderr, b"err\n"), 2);
        assert_eq!((kept.exited(3), kept.close()), (3, 4));
        let all = kept.read(0, usize::MAX);
        assert_eq!((seqs(&all), all.next_seq, all.exit_code), (vec![1, 2], 3, Some(3)));
        let rest = kept.read(1, usize::MAX);
        assert_eq!((seqs(&rest), rest.next_seq), (vec![2], 3));
        let none = kept.read(2, usize::MAX);
        assert_eq!((seqs(&none), none.next_seq), (vec![], 5));
        for (size, expected) in [(0, vec![1]), (5, vec![1]), (8, vec![1, 2])] {
            assert_eq!(seqs(&kept.read(0, size)), expected, "{size}");
        }
    }

    #[test]
    fn the_oldest_output_goes() {
        let mut kept = Retained::default();
        for _ in 0..300 {
            kept.push(OutputStream::Pty, &[b'a'; 8192]);
        }
        let read = kept.read(0, usize::MAX);
        assert!(read.chunks[0].seq > 1);
        assert_eq!(read.chunks.len() * 8192, LIMIT);
        assert_eq!(read.next_seq, 301);
    }
}
