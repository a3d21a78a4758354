//! Starting the server from the command line, and telling the person at the terminal where it is.
//!
//! What can be refused is refused before anything is bound: flags, then settings, then listeners, then secrets.

use std::net::SocketAddr;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

use super::app_server::ServerArgs;
use super::exec::ExecArgs;
use super::flags::ConfigFlags;
use super::terminal::{styled, tell};
use super::{CommandError, exec};
use crate::actors::connection;
use crate::http::auth::AuthPolicy;
use crate::http::server::{self, HttpService};
use crate::settings::{Layer, Settings};
use crate::startup::{self, Options};
use crate::transport::StartListener;
use crate::transport::listen::Listeners;

/// Where the main job listens.
pub(super) const MAIN_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4500);
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();

/// `greenroom`: the main job.
pub fn main_job(config: &ConfigFlags) -> Result<ExitCode, CommandError> {
    let options = Options {
        settings: Some(Settings::load(Layer::default())?),
        config: config.pairs()?,
        ..Options::default()
    };
    let listeners = Listeners {
        tcp: vec![MAIN_ADDRESS],
        ..Listeners::default()
    };
    run(options, listeners, AuthPolicy::Open, welcome)
}

/// `greenroom app-server`.
pub fn server(args: ServerArgs, config: &ConfigFlags) -> Result<ExitCode, CommandError> {
    let config = config.pairs()?;
    let authenticated = args.auth.validate()?;
    let settings = Settings::load(Layer::default())?;
    let listeners = Listeners::collect(&args.listen, &settings.home, authenticated)?;
    // Secrets are for TCP; with other transports their files may not even exist.
    let auth = match listeners.tcp.is_empty() {
        true => AuthPolicy::Open,
        false => args.auth.policy()?,
    };
    let options = Options {
        settings: Some(settings),
        config,
        stdio: listeners.stdio,
        strict_config: args.strict_config,
        ..Options::default()
    };
    run(options, listeners, auth, banner)
}

/// `greenroom exec`: against a running server, or against one in this process.
pub fn exec(mut args: ExecArgs, config: &ConfigFlags) -> Result<ExitCode, CommandError> {
    let pairs = config.pairs()?;
    actix_rt::System::new().block_on(async move {
        if let Some(url) = args.remote.take() {
            let line = exec::connect(&args, &url).await?;
            return Ok(exec::run(args, line).await);
        }
        let options = Options {
            settings: Some(Settings::load(Layer::default())?),
            config: pairs,
            ..Options::default()
        };
        let server = startup::build(options).await?;
        let line = exec::ExecLine::in_process(connection::open(server.kernel(), "in-process"));
        let code = exec::run(args, line).await;
        server.stop().await;
        Ok(code)
    })
}

fn run(
    mut options: Options,
    listeners: Listeners,
    auth: AuthPolicy,
    announce: fn(&HttpService, &std::path::Path),
) -> Result<ExitCode, CommandError> {
    if listeners.http() {
        options.listeners.push(http_listener(listeners, auth, announce));
    }
    actix_rt::System::new().block_on(async {
        startup::build(options).await?.run_until_stopped().await;
        Ok(ExitCode::SUCCESS)
    })
}

fn http_listener(
    listeners: Listeners,
    auth: AuthPolicy,
    announce: fn(&HttpService, &std::path::Path),
) -> StartListener {
    Box::new(move |kernel| {
        Box::pin(async move {
            let service = server::bind(&kernel, &listeners, auth).map_err(|error| error.to_string())?;
            announce(&service, &kernel.services().home);
            Ok(service.start(kernel))
        })
    })
}

/// Tells the addresses, line by line in the form that clients look for.
fn banner(service: &HttpService, _home: &std::path::Path) {
    for address in service.addresses() {
        tell(&styled("greenroom app-server (WebSockets)", BOLD));
        tell(&format!(
            "  listening on: {}",
            styled(&format!("ws://{address}"), GREEN)
        ));
        tell(&format!(
            "  readyz: {}",
            styled(&format!("http://{address}/readyz"), GREEN)
        ));
        tell(&format!(
            "  healthz: {}",
            styled(&format!("http://{address}/healthz"), GREEN)
        ));
        let note = match address.ip().is_loopback() {
            true => "note: binds localhost only (use SSH port-forwarding for remote access)",
            false => "note: this is a raw WS server; put TLS in front of it for use over a network",
        };
        tell(&format!("  {}", styled(note, DIM)));
    }
}

/// Tells a person who typed `greenroom` what there is and what to try.
fn welcome(service: &HttpService, home: &std::path::Path) {
    banner(service, home);
    let Some(address) = service.addresses().first() else {
        return;
    };
    tell(&format!(
        "  metrics: {}",
        styled(&format!("http://{address}/metrics"), GREEN)
    ));
    tell(&format!(
        "  admin: {}",
        styled(&format!("http://{address}/admin/api/v1/status"), GREEN)
    ));
    tell(&format!("  home: {}", home.display()));
    tell("");
    tell("Try it from another terminal:");
    let example =
        format!("greenroom exec --remote ws://{address} 'create hello.txt with hi, then run `cat hello.txt`'");
    tell(&format!("  {}", styled(&example, BOLD)));
    tell(&format!(
        "  {}",
        styled("Ctrl-C stops the server once no turn runs; twice, at once.", DIM)
    ));
}
