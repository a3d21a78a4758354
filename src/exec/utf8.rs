//! Bytes of a process to text for clients: never half a character, never more than a bounded piece.
//!
//! Output arrives cut wherever the pipe was read. An incomplete character at the end of one read waits for the next;
//! what can never become a character turns into U+FFFD.

/// The largest piece of text sent as one delta, in bytes.
pub const MAX_PIECE: usize = 8 * 1024;

/// Joins reads into text; holds back at most three bytes.
#[derive(Debug, Default)]
pub struct Utf8Joiner {
    carry: Vec<u8>,
}

impl Utf8Joiner {
    /// Takes a read and gives the text that is complete now.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        let joined;
        let bytes = if self.carry.is_empty() {
            bytes
        } else {
            self.carry.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.carry);
            &joined
        };
        let complete = bytes.len() - incomplete_suffix(bytes);
        self.carry.extend_from_slice(&bytes[complete..]);
        String::from_utf8_lossy(&bytes[..complete]).into_owned()
    }

    /// The end of the output: what is still held back was no character.
    pub fn finish(&mut self) -> String {
        let rest = std::mem::take(&mut self.carry);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// How many bytes at the end begin a character that is not complete.
fn incomplete_suffix(bytes: &[u8]) -> usize {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    for (from_end, &byte) in tail.iter().rev().enumerate() {
        let length = from_end + 1;
        let needed = match byte {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return 0,
        };
        let start = bytes.len() - length;
        let hopeful = matches!(std::str::from_utf8(&bytes[start..]), Err(e) if e.error_len().is_none());
        return if length < needed && hopeful { length } else { 0 };
    }
    0
}

/// Cuts a text into pieces of at most [`MAX_PIECE`] bytes, between characters.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(MAX_PIECE));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_split_character_waits() {
        let mut joiner = Utf8Joiner::default();
        assert_eq!(joiner.push(b"a\xe2"), "a");
        assert_eq!(joiner.push(b"\x82"), "");
        assert_eq!(joiner.push(b"\xac!"), "€!");
        assert_eq!(joiner.push(b"\xff\xf0\x9f"), "\u{fffd}");
        assert_eq!(joiner.finish(), "\u{fffd}");
        assert_eq!(joiner.finish(), "");
    }

    proptest! {
        #[test]
        fn any_split_of_a_text_gives_the_text(text in "\\PC{0,64}", cuts in prop::collection::vec(0usize..80, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());
            let (mut joiner, mut got, mut from) = (Utf8Joiner::default(), String::new(), 0);
            for cut in cuts {
                got += &joiner.push(&bytes[from..cut]);
                from = cut;
            }
            got += &joiner.finish();
            prop_assert_eq!(got, text);
        }

        #[test]
        fn garbage_never_sticks(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut joiner = Utf8Joiner::default();
            for read in &reads {
                joiner.push(read);
                prop_assert!(joiner.carry.len() <= 3);
            }
        }

        #[test]
        fn pieces_are_bounded_and_whole(text in "\\PC{0,4000}", repeat in 1usize..12) {
            let text = text.repeat(repeat);
            prop_assert!(pieces(&text).all(|piece| piece.len() <= MAX_PIECE && !piece.is_empty()));
            prop_assert_eq!(pieces(&text).collect::<String>(), text);
        }
    }
}
