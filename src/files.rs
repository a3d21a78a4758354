//! Reading files that somebody else put there: ordinary ones only, and never more than a limit. And writing them, without
//! losing what was there to a full disk.
//!
//! A name in a home, a project or a request may belong to a pipe without a writer, a terminal, or a device without an
//! end. Opening or reading one would hold a thread for good. So what is no ordinary file is refused before it is opened
//! (opening alone can do something to a device), and again afterwards, should it have been exchanged in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

mod overwrite;

pub use overwrite::overwrite;

/// The most that is read of a text which people write: configuration, instructions, skills.
pub const MAX_TEXT: u64 = 16 << 20;

/// The mode of a folder that stands where nothing is to be made for a while (see `exec/sandbox/placeholders.rs`).
pub const PLACEHOLDER_MODE: u32 = 0o1755;

/// Whether what is at `path` stands there only so that nothing else can be made, and counts as missing.
pub fn is_placeholder(path: &Path) -> bool {
    let marked = |meta: fs::Metadata| meta.is_dir() && meta.mode() & 0o7777 == PLACEHOLDER_MODE;
    path.symlink_metadata().is_ok_and(marked) && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Opens an ordinary file for reading. Links are followed.
pub fn open(path: &Path) -> io::Result<File> {
    ordinary(&fs::metadata(path)?)?;
    // A pipe that has taken the file's place is opened without waiting for its writer, and refused below.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    ordinary(&file.metadata()?)?;
    Ok(file)
}

/// The whole of an ordinary file, which must not be longer than `limit`.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let bytes = read_start(path, limit.saturating_add(1))?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("the file is larger than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// The same, of a file that must be UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, MAX_TEXT)?).map_err(|_| {
        // The words of the standard library, which clients have been shown so far.
        io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8")
    })
}

/// At most the first `limit` bytes of an ordinary file.
pub fn read_start(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `path` without `.` and `..`, by its text alone.
pub fn normalised(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn ordinary(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else if metadata.is_dir() {
        Err(io::Error::from_raw_os_error(libc::EISDIR))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not an ordinary file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_folders_are_refused_at_once() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [&pipe, &link, Path::new("/dev/zero")] {
            assert_eq!(open(path).unwrap_err().to_string(), "not an ordinary file");
        }
        assert_eq!(open(root.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(
            open(&root.path().join("none")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn no_more_than_the_limit_is_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("file");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_start(&path, 4).unwrap(), b"1234");
        fs::write(&path, [0xff]).unwrap();
        assert_eq!(read_text(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
