//! The home: its configuration, whether it can be written, and the state of its index.

use std::path::Path;

use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::report::Report;
use crate::config::{ConfigError, ConfigLoader, ResolvedConfig};
use crate::store::index::{IndexError, IndexReader, connection};
use crate::store::scan;

/// Less room than this is soon used up.
const LITTLE_ROOM: u64 = 256 << 20;

/// What config.toml says to a thread in the present folder.
pub(super) fn configuration(
    report: &mut Report,
    loader: &ConfigLoader,
    resolved: Result<ResolvedConfig, ConfigError>,
) -> Option<ResolvedConfig> {
    const AREA: &str = "configuration";
    let problems = loader.problems();
    for problem in &problems {
        report.failure(
            AREA,
            "config.toml",
            problem,
            "the file is passed over until it is mended",
        );
    }
    match loader.check_strict() {
        Err(error) if problems.is_empty() => report.warning(
            AREA,
            "keys",
            error,
            "nobody heeds it; with --strict-config a server does not start",
        ),
        _ => {}
    }
    match resolved {
        Ok(config) => {
            let model = config.model.clone().unwrap_or_else(|| "its default model".to_owned());
            report.good(AREA, "model", format_args!("{model} of `{}`", config.model_provider));
            Some(config)
        }
        Err(error) => {
            report.failure(
                AREA,
                "threads",
                error,
                "no thread can be started with this configuration",
            );
            None
        }
    }
}

/// The folder and what is in it.
pub(super) fn state(report: &mut Report, home: &Path) {
    const AREA: &str = "home";
    if !home.exists() {
        let parent = home.ancestors().skip(1).find(|folder| folder.exists());
        let writable = parent.is_some_and(|folder| access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok());
        match writable {
            true => report.good(AREA, "folder", format_args!("{} will be made", home.display())),
            false => report.failure(
                AREA,
                "folder",
                format_args!("{} cannot be made", home.display()),
                "set GREENROOM_HOME to a folder that can be written",
            ),
        }
        return;
    }
    let all = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
    match access(home, all) {
        Ok(()) if home.is_dir() => report.good(AREA, "folder", home.display()),
        Ok(()) => {
            let text = format!("{} is no folder", home.display());
            report.failure(AREA, "folder", text, "set GREENROOM_HOME to a folder");
            return;
        }
        Err(errno) => report.failure(
            AREA,
            "folder",
            format_args!("{}: {}", home.display(), errno.desc()),
            "threads cannot be kept; mend the rights of the folder",
        ),
    }
    if let Ok(room) = statvfs(home) {
        let free = room.blocks_available() * room.fragment_size();
        match free < LITTLE_ROOM {
            true => report.warning(
                AREA,
                "room",
                format_args!("{} MiB are free", free >> 20),
                "threads cannot be kept on a full disk",
            ),
            false => report.good(AREA, "room", format_args!("{} MiB are free", free >> 20)),
        }
    }
    index(report, home);
}

fn index(report: &mut Report, home: &Path) {
    const AREA: &str = "home";
    let files = scan::all_files(home, false).len() + scan::all_files(home, true).len();
    if !connection::path(home).exists() {
        report.note(
            AREA,
            "index",
            format_args!("not made yet; {files} threads are in files"),
        );
        return;
    }
    let known = connection::check(home).and_then(|()| IndexReader::new(home).files());
    match known {
        Ok(known) if known.len() == files => {
            report.good(AREA, "index", format_args!("sound, and knows all {files} threads"));
        }
        Ok(known) => report.note(
            AREA,
            "index",
            format_args!("sound; knows {} threads, {files} are in files", known.len()),
        ),
        Err(IndexError::Busy(_)) => report.note(AREA, "index", "in use; it could not be looked at"),
        Err(error) => report.warning(
            AREA,
            "index",
            error,
            "a server puts a broken index aside and fills a new one from the files",
        ),
    }
}
