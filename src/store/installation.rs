//! The id of this installation: a UUID in a file of the home, made once, whoever comes first.
//!
//! Processes that start at the same instant agree: who makes the id holds a lock on the file while doing so.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

/// The file's name in the home.
pub const FILE: &str = "installation_id";

/// Reads the id, or makes one if the file is missing, blank or holds no UUID. Blocks.
pub fn installation_id(home: &Path) -> io::Result<String> {
    let path = home.join(FILE);
    if let Ok(text) = crate::files::read_text(&path)
        && let Some(id) = parse(&text)
    {
        return Ok(id);
    }
    std::fs::create_dir_all(home)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(&path)?;
    let mut file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    if let Some(id) = std::str::from_utf8(&text).ok().and_then(parse) {
        return Ok(id);
    }
    let id = uuid::Uuid::new_v4().to_string();
    write(&mut file, &id)?;
    Ok(id)
}

fn write(file: &mut File, id: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(id.as_bytes())?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.sync_all()
}

fn parse(text: &str) -> Option<String> {
    uuid::Uuid::parse_str(text.trim()).ok().map(|id| id.to_string())
}
