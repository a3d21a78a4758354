//! Starting this program again, confined, for a piece of work that needs no more than its pipes.

use std::io;
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::exec::sandbox::Launch;
use crate::exec::spawn::prepare_child;

/// Starts a confined process with an empty environment and pipes for its input and output; what it says on standard
/// error is nobody's. It is killed when it is dropped, or ends
/// with its input.
#[allow(clippy::disallowed_methods, reason = "this room starts processes")]
pub fn spawn(launch: &Launch) -> io::Result<Child> {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Who is supervised ends when its input does.
        .kill_on_drop(!launch.supervised);
    if let Some(folder) = std::env::var_os("TMPDIR") {
        command.env("TMPDIR", folder);
    }
    prepare_child(&mut command, false, launch.inherited());
    command.spawn()
}
