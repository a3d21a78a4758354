//! `greenroom exec-server`: this machine as a place where an app server elsewhere runs commands.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::CommandError;
use crate::exec::Sandbox;
use crate::executor::{ExecListen, Executor, Registration};
use crate::http::auth::{AuthFlags, AuthPolicy};
use crate::settings::{Layer, Settings};

/// Flags of the exec-server.
#[derive(Debug, Args)]
pub struct ExecServerArgs {
    /// Where to listen: `ws://IP:PORT`, `stdio` or `stdio://`.
    #[arg(long, value_name = "URL", default_value = ExecListen::DEFAULT, conflicts_with = "remote")]
    listen: String,
    /// Register this exec-server as a remote executor with the registry at this URL.
    #[arg(long, value_name = "URL", requires = "executor_id")]
    remote: Option<String>,
    /// The executor id to register as.
    #[arg(long, value_name = "ID")]
    executor_id: Option<String>,
    /// A name for people. The registry takes none in this version of its protocol.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Websocket authentication.
    #[command(flatten)]
    auth: AuthFlags,
}

/// Serves until it is told to end.
pub fn run(args: ExecServerArgs) -> Result<ExitCode, CommandError> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let (Some(base), Some(id)) = (&args.remote, &args.executor_id) {
        let (registration, token) = Registration::prepare(base, id)?;
        return Err(runtime()?.block_on(registration.run(&token)).into());
    }
    let listen: ExecListen = args.listen.parse()?;
    listen.check(args.auth.validate()?)?;
    let auth = match listen {
        ExecListen::Stdio => AuthPolicy::Open,
        ExecListen::WebSocket(_) => args.auth.policy()?,
    };
    let settings = Settings::load(Layer::default())?;
    let executor = Executor::new(Arc::new(Sandbox::new(settings.sandbox_method)), settings.home);
    let runtime = runtime()?;
    // On this very thread, which lives as long as the process: children are bound to the thread that started them.
    let outcome = runtime.block_on(executor.serve(&listen, auth, |address| announce(&address)));
    // A read of stdin cannot be interrupted; the process ends all the same.
    runtime.shutdown_background();
    outcome?;
    Ok(ExitCode::SUCCESS)
}

/// One line with the address: whoever started us reads it.
#[allow(clippy::print_stdout, reason = "standard output is where the address is expected")]
fn announce(address: &std::net::SocketAddr) {
    use std::io::Write;

    let mut out = std::io::stdout();
    let _ = writeln!(out, "ws://{address}").and_then(|()| out.flush());
}
