//! An exec-server process: Greenroom's own, or another program that speaks its protocol.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::Client;
use super::server::binary;
use super::within;

/// A running exec-server with folders of its own. Ends with the test.
pub struct ExecServer {
    root: TempDir,
    child: Child,
    port: u16,
}

impl ExecServer {
    /// Greenroom's own on loopback.
    pub async fn start() -> Self {
        Self::of(Path::new(binary()), &[]).await
    }

    /// A program's, with further flags.
    pub async fn of(program: &Path, flags: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder");
        let mut child = Self::command(program, root.path())
            .args(["--listen", "ws://127.0.0.1:0"])
            .args(flags)
            .stdin(Stdio::null())
            .spawn()
            .expect("the exec-server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = within("the address of the exec-server", lines.next_line()).await;
        let line = line.expect("a line").expect("the exec-server says where it listens");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        ExecServer {
            root,
            child,
            port: port.expect("a port"),
        }
    }

    /// The command line of an exec-server on these folders.
    pub fn command(program: &Path, root: &Path) -> Command {
        std::fs::create_dir_all(root.join("home")).expect("home");
        std::fs::create_dir_all(root.join("work")).expect("work");
        let mut command = Command::new(program);
        command
            .arg("exec-server")
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", root)
            .env("SHELL", "/bin/bash")
            .env("GREENROOM_HOME", root.join("home"))
            .env("CODEX_HOME", root.join("home"))
            .env("GREENROOM_SECRET", "hidden")
            .env("EXECUTOR_SIDE", "yes")
            .current_dir(root.join("work"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// The folder that commands run in.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Where app servers reach it.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client with a new session, and the session's id.
    pub async fn client(&self) -> (Client, String) {
        let client = Client::over_ws(self.port, None).await.expect("a WebSocket");
        let session = handshake(&client, json!({"clientName": "tests"})).await;
        (client, session["sessionId"].as_str().expect("an id").to_owned())
    }

    /// A client that comes back to a session.
    pub async fn resumed(&self, session: &str) -> Client {
        let client = Client::over_ws(self.port, None).await.expect("a WebSocket");
        handshake(&client, json!({"clientName": "tests", "resumeSessionId": session})).await;
        client
    }

    /// Ends it as an operator would.
    pub async fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().expect("a running exec-server") as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("signal");
        within("the exec-server's end", self.child.wait())
            .await
            .expect("an exit status");
    }
}

/// Opens a session.
pub async fn handshake(client: &Client, params: Value) -> Value {
    let session = client.call_raw("initialize", params).await.expect("initialize");
    client.send(json!({"method": "initialized"}));
    session
}
