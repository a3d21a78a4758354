//! Starting and ending the server process of a test.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

use super::client::Client;
use super::model::ScriptedModel;
use super::within;

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// The process's own stdin and stdout.
    Stdio,
    /// A WebSocket on loopback TCP.
    Ws,
    /// A WebSocket on a Unix socket.
    Unix,
}

/// The binary under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_greenroom")
}

/// A fresh folder with `home/config.toml` that names the scripted provider, and an empty `work/`.
pub fn home_with(model: &ScriptedModel, extra: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(root.path().join("home")).expect("home");
    std::fs::create_dir_all(root.path().join("work")).expect("work");
    let config = format!(
        "model = \"gpt-5.4\"\nmodel_provider = \"scripted\"\napproval_policy = \"never\"\n\
         sandbox_mode = \"danger-full-access\"\n{extra}\n[model_providers.scripted]\nname = \"Scripted\"\n\
         base_url = \"{}\"\nrequest_max_retries = 0\nstream_max_retries = 0\n",
        model.base_url()
    );
    std::fs::write(root.path().join("home/config.toml"), config).expect("config.toml");
    root
}

/// How the process of a server is started, beyond its flags.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// More variables.
    pub env: Vec<(String, String)>,
    /// Whom it runs as, if this process may choose.
    pub user: Option<u32>,
    /// The program, if not the one that was built.
    pub program: Option<PathBuf>,
    /// System calls that this machine is to lack.
    pub lacking: Vec<i64>,
}

impl Process {
    /// A command that starts the program this way.
    pub fn command(&self) -> Command {
        let mut command = match &self.program {
            Some(program) => Command::new(program),
            None => Command::new(binary()),
        };
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        #[cfg(target_os = "linux")]
        if !self.lacking.is_empty() {
            lack(&mut command, &self.lacking);
        }
        command
    }
}

/// Has the kernel answer these calls as one that does not know them.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "pre_exec has no safe form")]
fn lack(command: &mut Command, calls: &[i64]) {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let unknown = SeccompAction::Errno(nix::libc::ENOSYS as u32);
    let arch = std::env::consts::ARCH.try_into().expect("a known machine");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, unknown, arch).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a filter");
    // SAFETY: between fork and exec two system calls are made, with memory that was made before.
    unsafe {
        command.pre_exec(move || seccompiler::apply_filter(&program).map_err(std::io::Error::other));
    }
}

/// A running server, its folders and its model. Ends with the test.
pub struct TestServer {
    /// The folders: `home` and `work` lie below.
    pub root: TempDir,
    /// The scripted provider.
    pub model: ScriptedModel,
    transport: Transport,
    child: Option<Child>,
    port: u16,
    flags: Vec<String>,
    process: Process,
}

impl TestServer {
    /// A server with the scripted model, full access and no approvals.
    pub async fn start(transport: Transport) -> Self {
        Self::with(transport, "", &[]).await
    }

    /// The same with more lines at the top of config.toml, and command-line flags.
    pub async fn with(transport: Transport, config: &str, flags: &[&str]) -> Self {
        let model = ScriptedModel::start().await;
        let root = home_with(&model, config);
        Self::on(root, model, transport, flags).await
    }

    /// A server on folders that are there already.
    pub async fn on(root: TempDir, model: ScriptedModel, transport: Transport, flags: &[&str]) -> Self {
        Self::started(root, model, transport, flags, Process::default()).await
    }

    /// The same, started in a way of its own.
    pub async fn started(
        root: TempDir,
        model: ScriptedModel,
        transport: Transport,
        flags: &[&str],
        process: Process,
    ) -> Self {
        let flags = flags.iter().map(|flag| flag.to_string()).collect();
        let mut server = TestServer {
            root,
            model,
            transport,
            child: None,
            port: 0,
            flags,
            process,
        };
        server.launch().await;
        server
    }

    /// The server's home.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The folder that threads work in.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Everything that the server counts, as it shows it to a scrape.
    pub async fn metrics(&self) -> String {
        scrape(self.port).await
    }

    /// Waits until the index of a ws server is as good as the files.
    pub async fn indexed(&self) {
        indexed(self.port).await;
    }

    /// The TCP port of a ws server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket of a unix server.
    pub fn socket(&self) -> PathBuf {
        self.root.path().join("s.sock")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().and_then(Child::id).expect("a running server")
    }

    /// Starts the process (again), on the same home.
    pub async fn launch(&mut self) {
        let listen = match self.transport {
            Transport::Stdio => "stdio://".to_string(),
            Transport::Ws => "ws://127.0.0.1:0".to_string(),
            Transport::Unix => format!("unix://{}", self.socket().display()),
        };
        let mut command = self.process.command();
        command
            .args(["app-server", "--listen", &listen])
            .args(&self.flags)
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("SHELL", "/bin/bash")
            .env("TZ", "UTC")
            .env("GREENROOM_HOME", self.home())
            .envs(self.process.env.iter().cloned())
            .current_dir(self.work())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the server starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        match self.transport {
            Transport::Stdio => {}
            Transport::Ws => {
                self.port = banner_port(&mut lines).await;
            }
            Transport::Unix => wait_for_socket(&self.socket()).await,
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.child = Some(child);
    }

    /// A connection that has not said `initialize`. A stdio server has one client only.
    pub async fn raw(&mut self) -> Client {
        match self.transport {
            Transport::Stdio => {
                let child = self.child.as_mut().expect("a running server");
                Client::over_stdio(
                    child.stdin.take().expect("one stdio client"),
                    child.stdout.take().expect("one stdio client"),
                )
            }
            Transport::Ws => Client::over_ws(self.port, None).await.expect("a WebSocket"),
            Transport::Unix => Client::over_unix(&self.socket()).await.expect("a Unix socket"),
        }
    }

    /// An initialised connection with the experimental API.
    pub async fn client(&mut self) -> Client {
        let client = self.raw().await;
        client.initialize().await;
        client
    }

    /// Ends the process at once, as a crash would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("kill");
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid() as i32);
        nix::sys::signal::kill(pid, signal).expect("signal");
    }

    /// Waits for the process to end by itself.
    pub async fn exit(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("a running server");
        within("the server's exit", child.wait()).await.expect("an exit status")
    }
}

/// What a server on this port counts.
pub async fn scrape(port: u16) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
        let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        std::io::Result::Ok(text)
    };
    within("the metrics", exchange).await.expect("metrics")
}

/// Waits until the index of the server on this port is as good as the files.
pub async fn indexed(port: u16) {
    let passed = ["phase=\"backfill_gate\"", "status=\"success\""];
    within("the index", async {
        while counted(&scrape(port).await, "codex_sqlite_init_count", &passed) == 0.0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// The sum of a metric's samples that have all of these labels.
pub fn counted(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    metrics
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
        .filter(|line| labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// The port in the banner of a server that listens on a WebSocket.
pub async fn banner_port<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> u16 {
    within("the banner with the port", async {
        loop {
            let line = lines.next_line().await.ok().flatten();
            let line = line.expect("the server says where it listens");
            if let Some((_, rest)) = line.split_once("listening on: ws://127.0.0.1:") {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break digits.parse().expect("a port");
            }
        }
    })
    .await
}

async fn wait_for_socket(path: &Path) {
    within("the Unix socket", async {
        while tokio::net::UnixStream::connect(path).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
}
