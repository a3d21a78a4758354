//! The command line: the tree of commands here, one file per subcommand.
//!
//! Wrong usage ends with exit code 2 and clap's text; anything that goes wrong later ends with 1 and one line
//! `Error: …` on stderr. Standard output belongs to whoever reads the command's result: the protocol on stdio, a token,
//! an answer.

pub mod app_server;
pub mod doctor;
pub mod exec;
pub mod exec_server;
pub mod flags;
pub mod healthcheck;
pub mod schema;
pub mod serve;
pub mod terminal;
pub mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::telemetry;

/// An app server for coding agents that speaks the Codex app-server protocol.
///
/// Without a command it serves on ws://127.0.0.1:4500 and says where everything is.
#[derive(Debug, Parser)]
#[command(name = "greenroom", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    config: flags::ConfigFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve clients on a pipe, a WebSocket or a Unix socket; tools around the server.
    AppServer(Box<app_server::AppServerArgs>),
    /// Run one turn at the terminal.
    Exec(Box<exec::ExecArgs>),
    /// Serve as a place where app servers run commands.
    ExecServer(Box<exec_server::ExecServerArgs>),
    /// Ask a running server whether it is healthy.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Look at what a server needs here: sandbox, limits, home, listeners, model provider.
    Doctor(doctor::DoctorArgs),
    /// Tokens for clients on other machines.
    Token(token::TokenArgs),
}

/// Whatever ends a command early, as told to the user.
pub type CommandError = Box<dyn std::error::Error>;

/// Parses the command line of this process and runs its command.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::logging::install();
    match cli.run() {
        Ok(code) => code,
        Err(error) => {
            terminal::tell(&format!("Error: {error}"));
            ExitCode::FAILURE
        }
    }
}

impl Cli {
    fn run(self) -> Result<ExitCode, CommandError> {
        match self.command {
            None => serve::main_job(&self.config),
            Some(Command::AppServer(args)) => app_server::run(*args, self.config),
            Some(Command::Exec(args)) => serve::exec(*args, &self.config),
            Some(Command::ExecServer(args)) => exec_server::run(*args),
            Some(Command::Healthcheck(args)) => healthcheck::run(&args),
            Some(Command::Doctor(args)) => doctor::run(&args, &self.config),
            Some(Command::Token(args)) => token::run(args),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bad_listen_url_is_wrong_usage() {
        let error = Cli::try_parse_from(["greenroom", "app-server", "--listen", "stdio"]).expect_err("a refusal");
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        let expected = "error: invalid value 'stdio' for '--listen <URL>': unsupported --listen URL `stdio`; expected \
                        `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT`, or `off`\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn flags_of_the_configuration_may_stand_before_or_behind_the_command() {
        for line in [
            ["greenroom", "-c", "model=x", "app-server"],
            ["greenroom", "app-server", "-c", "model=x"],
        ] {
            let cli = Cli::try_parse_from(line).expect("a command line");
            assert_eq!(
                cli.config.pairs().expect("pairs"),
                [("model".to_string(), "x".to_string())]
            );
        }
    }
}
