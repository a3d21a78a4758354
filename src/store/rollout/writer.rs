//! The file end of recording: whole lines appended with one write, and nothing left of a write that failed.
//!
//! A file whose last byte is not a newline (the remains of a torn write) gets one in front of the next line, so that
//! damage never spreads to what follows. A failed write is taken back; where that is impossible, the next append
//! repairs in the same way. Everything here blocks.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the file system says of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Unix nanoseconds.
    pub mtime_ns: i64,
}

impl FileStamp {
    /// From the file's metadata.
    pub fn of(metadata: &fs::Metadata) -> Self {
        FileStamp {
            size: metadata.len(),
            mtime_ns: metadata.mtime().saturating_mul(1_000_000_000) + metadata.mtime_nsec(),
        }
    }

    /// Unix milliseconds.
    pub fn mtime_ms(self) -> i64 {
        self.mtime_ns.div_euclid(1_000_000)
    }
}

/// A rollout open for appending.
#[derive(Debug)]
pub struct RolloutFile {
    path: PathBuf,
    file: Arc<File>,
    torn: bool,
}

impl RolloutFile {
    /// Creates the file and the folders above it. A file that is already there is appended to.
    pub fn create(path: &Path) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
                Self::over(path, file)
            }
            opened => opened,
        }
    }

    /// Opens a file that is there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).open(path)?;
        Self::over(path, file)
    }

    fn over(path: &Path, file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not an ordinary file"));
        }
        let size = metadata.len();
        let mut last = [b'\n'];
        if size > 0 {
            file.read_exact_at(&mut last, size - 1)?;
        }
        Ok(RolloutFile {
            path: path.to_path_buf(),
            file: Arc::new(file),
            torn: last != [b'\n'],
        })
    }

    /// Where the file was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Appends whole lines. On an error none of them counts, and none is left where that can be helped.
    /// Returns the file's state afterwards and where the first line begins.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<(FileStamp, u64)> {
        let repair: &[u8] = if self.torn { b"\n" } else { b"" };
        let total = repair.len() + lines.len();
        let mut written = 0;
        while written < total {
            let outcome = if written < repair.len() {
                (&*self.file).write_vectored(&[IoSlice::new(repair), IoSlice::new(lines)])
            } else {
                (&*self.file).write(&lines[written - repair.len()..])
            };
            match outcome {
                Ok(0) => return Err(self.take_back(repair, lines, written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.take_back(repair, lines, written, error)),
            }
        }
        self.torn = false;
        let stamp = FileStamp::of(&self.file.metadata()?);
        Ok((stamp, stamp.size.saturating_sub(lines.len() as u64)))
    }

    /// Cuts off what a failed append left, if it is still the end of the file.
    pub(super) fn take_back(&mut self, repair: &[u8], lines: &[u8], written: usize, error: io::Error) -> io::Error {
        if written == 0 {
            return error;
        }
        let mut ours = Vec::with_capacity(written);
        ours.extend_from_slice(&repair[..written.min(repair.len())]);
        ours.extend_from_slice(&lines[..written - ours.len()]);
        if self.cut(&ours).is_err() {
            self.torn = ours.last() != Some(&b'\n');
        }
        error
    }

    fn cut(&self, tail: &[u8]) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        let start = size.checked_sub(tail.len() as u64).ok_or(io::ErrorKind::InvalidData)?;
        let mut found = vec![0; tail.len()];
        self.file.read_exact_at(&mut found, start)?;
        if found != tail {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.file.set_len(start)
    }
}
