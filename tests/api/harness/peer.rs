//! The peer, where it is installed: the same client over its stdio, on the home of a test.
//!
//! `GREENROOM_PEER` names the binary; else it is looked for where the conformance suite's `peer.sh` installs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::client::Client;
use super::within;

/// The release that `peer.sh` installs.
const VERSION: &str = "0.131.0";

/// The peer's binary, if there is one here.
pub fn peer_binary() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    if let Some(named) = variable("GREENROOM_PEER") {
        return Some(named).filter(|path| path.is_file());
    }
    let cache = variable("PEER_CACHE").or_else(|| {
        let caches = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        Some(caches?.join("greenroom-peer"))
    });
    let packages = cache?.join(VERSION).join("node_modules/@openai");
    executable_below(&packages, 8)
}

/// The first file named `codex` below a `vendor` folder; releases differ in how deep it lies.
fn executable_below(folder: &Path, depth: u8) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).collect();
    let program = |path: &&PathBuf| {
        path.is_file() && path.ends_with("codex") && path.components().any(|part| part.as_os_str() == "vendor")
    };
    if let Some(found) = entries.iter().find(program) {
        return Some(found.clone());
    }
    let mut folders = entries.iter().filter(|path| path.is_dir() && depth > 0);
    folders.find_map(|path| executable_below(path, depth - 1))
}

/// A running peer.
pub struct Peer {
    child: Child,
    /// Its one client, initialised.
    pub client: Client,
}

impl Peer {
    /// Starts it on the folders that [`super::home_with`] made.
    pub async fn start(program: &Path, root: &Path) -> Self {
        let mut child = Command::new(program)
            .args(["app-server", "--listen", "stdio://"])
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", root)
            .env("SHELL", "/bin/bash")
            .env("TZ", "UTC")
            .env("CODEX_HOME", root.join("home"))
            .current_dir(root.join("work"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the peer starts");
        let stdin = child.stdin.take().expect("stdin");
        let client = Client::over_stdio(stdin, child.stdout.take().expect("stdout"));
        client.initialize().await;
        Peer { child, client }
    }

    /// Ends it politely and waits, so that everything it holds is written.
    pub async fn stop(mut self) {
        let pid = self.child.id().expect("a running peer");
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid as i32),
            nix::sys::signal::Signal::SIGTERM,
        );
        within("the peer's end", self.child.wait())
            .await
            .expect("an exit status");
    }
}
