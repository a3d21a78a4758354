//! `greenroom exec PROMPT`: one turn at a terminal, printed as it happens.
//!
//! It is a client like any other. It talks to a server in this process, or to a running one with `--remote`, asks the
//! person at the terminal for approvals, and tells the outcome by its exit code: 0 completed, 1 failed, 130
//! interrupted, 2 wrong usage or no connection.

mod approval;
mod line;
mod printer;
mod session;

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

pub use line::{ExecLine, LineError};

/// What `--yes` lets through without asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Yes {
    /// Everything the agent asks for.
    All,
    /// Commands only.
    Commands,
    /// Changes of files only.
    Patches,
}

/// Runs one turn and prints it.
#[derive(Debug, Clone, Args)]
pub struct ExecArgs {
    /// What the agent is to do; `-` reads it from standard input.
    pub prompt: String,
    /// A running server: ws://HOST:PORT or unix://PATH. Without it, a server runs inside this process.
    #[arg(long, value_name = "URL")]
    pub remote: Option<String>,
    /// A file with the bearer token of the remote server; else the variable GREENROOM_WS_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Print every message of the server as a line of JSON instead of text.
    #[arg(long)]
    pub json: bool,
    /// Approve without asking: all (the default when no value is given), commands, or patches.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "all", require_equals = true)]
    pub yes: Option<Yes>,
    /// Go on with a stored thread.
    #[arg(long, value_name = "THREAD_ID")]
    pub resume: Option<String>,
    /// The model to use.
    #[arg(long, short)]
    pub model: Option<String>,
    /// The folder to work in.
    #[arg(long, short = 'C', value_name = "FOLDER")]
    pub cwd: Option<PathBuf>,
    /// What commands may touch: read-only, workspace-write or danger-full-access.
    #[arg(long, value_name = "MODE")]
    pub sandbox: Option<String>,
    /// Leave no file behind.
    #[arg(long)]
    pub ephemeral: bool,
    /// A configuration key for a server inside this process.
    #[arg(short = 'c', long = "config", value_name = "KEY=VALUE")]
    pub config: Vec<String>,
}

impl ExecArgs {
    /// The prompt, read from standard input when it is `-`.
    pub fn prompt(&self) -> std::io::Result<String> {
        if self.prompt != "-" {
            return Ok(self.prompt.clone());
        }
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    }

    /// Whether a person can be asked.
    fn can_ask(&self) -> bool {
        self.prompt != "-" && std::io::stdin().is_terminal()
    }
}

/// Runs the turn over an open line and returns the process's exit code.
pub async fn run(args: ExecArgs, line: ExecLine) -> ExitCode {
    match session::run(args, line).await {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
            // Nobody may read this any more; the exit code tells it too.
            let _ = writeln!(anstream::stderr(), "{style}Error:{style:#} {error}");
            ExitCode::from(2)
        }
    }
}

/// Connects to a remote server as the arguments say.
pub async fn connect(args: &ExecArgs, url: &str) -> Result<ExecLine, LineError> {
    let token = match &args.token_file {
        Some(file) => {
            let text = tokio::fs::read_to_string(file).await;
            let text = text.map_err(|source| LineError::Token {
                path: file.display().to_string(),
                source,
            })?;
            Some(text.trim().to_string())
        }
        None => std::env::var("GREENROOM_WS_TOKEN")
            .ok()
            .filter(|token| !token.is_empty()),
    };
    ExecLine::remote(url, token.as_deref()).await
}
