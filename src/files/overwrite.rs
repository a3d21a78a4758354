//! Replacing the content of a file that stays the same file: its links, its owner and whoever watches it go on.
//!
//! The disk has to promise room for the new content before the old one is touched, so that a full disk costs nothing.
//! File systems that make no promises (and those that copy what is overwritten) may still leave half of it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

/// Puts `length` bytes into a file, which is made if it does not exist. `write` gets the file at its beginning. Blocking.
pub fn overwrite(path: &Path, length: u64, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let missing = fs::metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let before = file.metadata()?;
    // A device or a pipe has no content to keep.
    if !before.is_file() {
        return write(&mut file);
    }
    let outcome = reserve(&file, before.len(), length)
        .and_then(|()| write(&mut file))
        .and_then(|()| file.set_len(length));
    if outcome.is_err() && missing {
        // Nobody had it before; the error says why nobody has it now.
        let _ = fs::remove_file(path);
    }
    outcome
}

fn reserve(file: &File, before: u64, length: u64) -> io::Result<()> {
    let Ok(wanted) = i64::try_from(length) else {
        return Err(io::ErrorKind::FileTooLarge.into());
    };
    if wanted == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, wanted) {
        Ok(()) => Ok(()),
        Err(full @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG)) => {
            // Gives back what was reserved behind the old content.
            let _ = file.set_len(before);
            Err(full.into())
        }
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn content_is_replaced_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        let put = |text: &str| overwrite(&file, text.len() as u64, |file| file.write_all(text.as_bytes()));
        put("a long beginning").unwrap();
        fs::hard_link(&file, &link).unwrap();
        for text in ["short", "", "longer than all that was there before"] {
            put(text).unwrap();
            assert_eq!(fs::read_to_string(&link).unwrap(), text);
        }
        let failing = |path: &Path| overwrite(path, 3, |_| Err(io::Error::other("no")));
        failing(&folder.path().join("new")).unwrap_err();
        failing(&file).unwrap_err();
        assert!(file.exists() && !folder.path().join("new").exists());
        overwrite(Path::new("/dev/null"), 3, |file| file.write_all(b"abc")).unwrap();
    }
}
