//! A bounded memory of what a process printed: its beginning and its end.
//!
//! The first and the last half MiB are kept; what lies between is counted and dropped. So a process that floods its
//! output costs a bounded amount of memory however long it runs.

use std::collections::VecDeque;

/// Bytes kept at either end.
const HALF: usize = 512 * 1024;

/// Head and tail of an output.
#[derive(Debug, Default)]
pub struct HeadTail {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl HeadTail {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = HALF - self.head.len();
        let (to_head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(to_head);
        if rest.len() >= HALF {
            self.dropped += (self.tail.len() + rest.len() - HALF) as u64;
            self.tail.clear();
            self.tail.extend(&rest[rest.len() - HALF..]);
            return;
        }
        let overflow = (self.tail.len() + rest.len()).saturating_sub(HALF);
        self.dropped += overflow as u64;
        self.tail.drain(..overflow);
        self.tail.extend(rest);
    }

    /// Whether nothing was printed.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }

    /// What is kept, as text; a gap is marked.
    pub fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        if self.dropped == 0 {
            return String::from_utf8_lossy(&[&self.head, front, back].concat()).into_owned();
        }
        let tail = [front, back].concat();
        format!(
            "{}\n…{} bytes dropped…\n{}",
            String::from_utf8_lossy(&self.head),
            self.dropped,
            String::from_utf8_lossy(&tail)
        )
    }

    /// Takes what is kept and starts anew.
    pub fn take(&mut self) -> HeadTail {
        std::mem::take(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_output_is_whole() {
        let mut kept = HeadTail::default();
        kept.push(b"one ");
        kept.push("zwö".as_bytes());
        assert_eq!(kept.text(), "one zwö");
        assert_eq!(kept.take().text(), "one zwö");
        assert!(kept.is_empty());
    }

    #[test]
    fn a_flood_keeps_its_ends() {
        for step in [1000, 8192, HALF, HALF + 1, 3 * HALF] {
            let flood: Vec<u8> = (0..4 * HALF).map(|n| b'a' + (n % 26) as u8).collect();
            let mut kept = HeadTail::default();
            flood.chunks(step).for_each(|chunk| kept.push(chunk));
            assert_eq!(kept.dropped, 2 * HALF as u64, "step {step}");
            let text = kept.text();
            assert!(text.as_bytes().starts_with(&flood[..HALF]));
            assert!(text.as_bytes().ends_with(&flood[3 * HALF..]));
            assert!(text.contains("bytes dropped"));
        }
    }
}
