//! `greenroom app-server`: the server under the flags that clients of the protocol start it with, and the tools beside it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::flags::ConfigFlags;
use super::{CommandError, schema, serve};
use crate::http::auth::AuthFlags;
use crate::settings::{Layer, Settings};
use crate::transport::listen::{ListenUrl, control_socket};
use crate::transport::proxy;

/// Flags of the server.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AppServerArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(subcommand)]
    tool: Option<Tool>,
}

/// How the server serves.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Where to listen: `stdio://`, `unix://`, `unix://PATH`, `ws://IP:PORT` or `off`. May be given several times.
    #[arg(long, value_name = "URL", default_value = "stdio://", action = clap::ArgAction::Append)]
    pub listen: Vec<ListenUrl>,
    /// Refuse to start when config.toml holds keys that this version does not know.
    #[arg(long)]
    pub strict_config: bool,
    /// Whether analytics are on when config.toml does not say.
    #[arg(long)]
    pub analytics_default_enabled: bool,
    /// Websocket authentication.
    #[command(flatten)]
    pub auth: AuthFlags,
}

#[derive(Debug, Subcommand)]
enum Tool {
    /// Copy bytes between stdin, stdout and the control socket of a running server.
    Proxy {
        /// The socket; else the control socket of the home.
        #[arg(long, value_name = "SOCKET_PATH")]
        sock: Option<PathBuf>,
    },
    /// Write the protocol's JSON Schema.
    GenerateJsonSchema(schema::SchemaArgs),
    /// Write the protocol's TypeScript types.
    GenerateTs(schema::SchemaArgs),
}

/// Runs the server or one of its tools.
pub fn run(args: AppServerArgs, config: ConfigFlags) -> Result<ExitCode, CommandError> {
    match args.tool {
        None => serve::server(args.server, &config),
        Some(Tool::Proxy { sock }) => bridge(sock),
        Some(Tool::GenerateJsonSchema(args)) => schema::json(&args),
        Some(Tool::GenerateTs(args)) => schema::typescript(&args),
    }
}

fn bridge(sock: Option<PathBuf>) -> Result<ExitCode, CommandError> {
    let socket = match sock {
        Some(socket) => std::path::absolute(socket)?,
        None => control_socket(&Settings::load(Layer::default())?.home),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(proxy::run(&socket));
    // A read of stdin cannot be interrupted; the process ends all the same.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}
