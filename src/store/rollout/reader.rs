//! Reads a rollout as a stream of lines.
//!
//! Memory is bounded by the longest line, never by the file; a line beyond [`MAX_LINE`] is damage and is skipped
//! without being held. The reader tells where each line stands, so that an index can point at it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use crate::files;
use crate::store::rollout::codec::{Decoded, decode_line};
use crate::store::rollout::item::RolloutItem;
use crate::store::rollout::skim::{Interest, skim};

/// The longest line that is read: room for a few inline images.
pub const MAX_LINE: usize = 256 * 1024 * 1024;

const BUFFER: usize = 256 * 1024;

/// A decoded line and where it stands.
#[derive(Debug)]
pub struct LineAt {
    /// The first byte's place in the file.
    pub offset: u64,
    /// The length, newline included.
    pub len: u64,
    /// What it is.
    pub decoded: Decoded,
}

/// A stream over the lines of a rollout.
#[derive(Debug)]
pub struct RolloutReader {
    input: BufReader<File>,
    interest: Interest,
    offset: u64,
    end: u64,
    line: Vec<u8>,
    damaged: u64,
}

impl RolloutReader {
    /// Opens a rollout at its beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_at(path, 0)
    }

    /// Opens a rollout at the start of a line.
    pub fn open_at(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = files::open(path)?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(RolloutReader {
            input: BufReader::with_capacity(BUFFER, file),
            interest: Interest::Everything,
            offset,
            end: u64::MAX,
            line: Vec::new(),
            damaged: 0,
        })
    }

    /// The same, decoding only what is asked for.
    pub fn asking_for(mut self, interest: Interest) -> Self {
        self.interest = interest;
        self
    }

    /// The same, up to the line that begins at `end` or behind it.
    pub fn until(mut self, end: u64) -> Self {
        self.end = end;
        self
    }

    /// The open file, to ask for its size and time.
    pub fn file(&self) -> &File {
        self.input.get_ref()
    }

    /// How many damaged lines were passed so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Where the next line begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line, whatever it is; `None` at the end.
    pub fn next_line(&mut self) -> io::Result<Option<LineAt>> {
        let offset = self.offset;
        if offset >= self.end {
            return Ok(None);
        }
        let (len, whole) = self.fill_line()?;
        if len == 0 {
            return Ok(None);
        }
        self.offset += len;
        let decoded = if whole {
            skim(&self.line, self.interest).map_or_else(|| decode_line(&self.line), Decoded::Skimmed)
        } else {
            Decoded::Damaged
        };
        if matches!(decoded, Decoded::Damaged) {
            self.damaged += 1;
        }
        Ok(Some(LineAt { offset, len, decoded }))
    }

    /// The next line that is understood; everything else is passed over.
    pub fn next_item(&mut self) -> io::Result<Option<RolloutItem>> {
        while let Some(line) = self.next_line()? {
            if let Some(item) = line.decoded.into_item() {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Reads up to the next newline; returns the bytes passed and whether all of them are held.
    fn fill_line(&mut self) -> io::Result<(u64, bool)> {
        // An image-sized buffer is not kept for the ordinary lines that follow.
        if self.line.capacity() > 1024 * 1024 {
            self.line = Vec::new();
        }
        self.line.clear();
        let mut passed = 0u64;
        let mut whole = true;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if available.is_empty() {
                return Ok((passed, whole));
            }
            let newline = memchr::memchr(b'\n', available);
            let take = newline.map_or(available.len(), |at| at + 1);
            if whole && self.line.len() + take <= MAX_LINE {
                self.line.extend_from_slice(&available[..take]);
            } else {
                whole = false;
                self.line = Vec::new();
            }
            self.input.consume(take);
            passed += take as u64;
            if newline.is_some() {
                return Ok((passed, whole));
            }
        }
    }
}
