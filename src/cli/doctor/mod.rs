//! `greenroom doctor`: what a server would find here, before it is started or when it does not work.
//!
//! Looks and changes nothing. What would make a server or its turns fail is a failure and ends with exit code 1; what
//! works less well than it could is a warning. No secret is shown, nor anything that could contain one.

mod home;
mod listeners;
mod machine;
mod provider;
mod report;

use std::process::ExitCode;

use self::report::Report;
use super::flags::ConfigFlags;
use super::{CommandError, terminal};
use crate::config::{ConfigLoader, ThreadOverrides};
use crate::http::auth::AuthFlags;
use crate::settings::{Layer, Settings, resolve_home};
use crate::transport::listen::ListenUrl;

/// What to look at, beside the machine and the home.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Write JSON.
    #[arg(long)]
    json: bool,
    /// An address that the server is to listen on, as for `app-server`. May be given several times.
    #[arg(long, value_name = "URL", action = clap::ArgAction::Append)]
    listen: Vec<ListenUrl>,
    /// Websocket authentication, as for `app-server`.
    #[command(flatten)]
    auth: AuthFlags,
    /// Do not ask the model provider.
    #[arg(long)]
    offline: bool,
}

/// Looks at everything and tells.
pub fn run(args: &DoctorArgs, flags: &ConfigFlags) -> Result<ExitCode, CommandError> {
    let mut report = Report::default();
    let settings = match Settings::load(Layer::default()) {
        Ok(settings) => {
            report.good(
                "settings",
                "settings",
                "greenroom.toml and the environment are understood",
            );
            settings
        }
        Err(error) => {
            report.failure("settings", "settings", error, "a server does not start with it");
            Settings::defaults(resolve_home(&|name| std::env::var(name).ok())?)
        }
    };
    let here = std::env::current_dir()?;
    let loader = ConfigLoader::new(settings.home.clone(), here, &flags.pairs()?)
        .with_requirements(settings.requirements.clone());
    let config = home::configuration(&mut report, &loader, loader.resolve(&ThreadOverrides::default()));
    machine::sandbox(&mut report, settings.sandbox_method, config.as_ref());
    machine::kernel(&mut report);
    machine::limits(&mut report, &settings);
    home::state(&mut report, &settings.home);
    listeners::look(&mut report, &settings, &args.listen, &args.auth);
    if let Some(config) = &config {
        provider::look(&mut report, config, args.offline)?;
    }
    match args.json {
        true => terminal::answer(&report.to_json()?)?,
        false => terminal::answer(&report.to_text())?,
    }
    Ok(match report.fails() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}
