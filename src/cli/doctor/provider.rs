//! The model provider of the configuration: whether it can be reached with the credentials at hand.

use std::time::Duration;

use super::report::Report;
use crate::config::ResolvedConfig;
use crate::model::ModelError;
use crate::model::reach::{Reached, address, reach};

const AREA: &str = "model provider";
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks the provider, unless that is not wanted.
pub(super) fn look(report: &mut Report, config: &ResolvedConfig, offline: bool) -> std::io::Result<()> {
    let id = &config.model_provider;
    if let Err(error) = config.provider.validate(id) {
        report.failure(AREA, "provider", error, "turns fail with this configuration");
        return Ok(());
    }
    let place = match (&config.provider.base_url, address(&config.provider)) {
        (Some(_), None) => {
            // The text itself may hold a password.
            let advice = "turns fail with this configuration";
            report.failure(
                AREA,
                "provider",
                format_args!("the base_url of `{id}` is no URL"),
                advice,
            );
            return Ok(());
        }
        (_, place) => place.map(|place| format!(" at {place}")).unwrap_or_default(),
    };
    if offline {
        report.note(AREA, "provider", format_args!("`{id}`{place} was not asked"));
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reached = runtime.block_on(reach(id, &config.provider, &config.home, PATIENCE));
    match reached {
        Ok(Reached::Offline) => report.good(
            AREA,
            "provider",
            format_args!("`{id}` works offline and is no AI; set OPENAI_API_KEY or name a provider in config.toml"),
        ),
        Ok(Reached::Answered(status @ (401 | 403))) => report.failure(
            AREA,
            "provider",
            format_args!("`{id}`{place} refuses the credentials ({status})"),
            "turns will fail; look at the key",
        ),
        Ok(Reached::Answered(status)) if status >= 500 => report.warning(
            AREA,
            "provider",
            format_args!("`{id}`{place} answers {status}"),
            "it is in trouble, or what stands before it is",
        ),
        Ok(Reached::Answered(_)) => report.good(AREA, "provider", format_args!("`{id}`{place} answers")),
        Err(error) => {
            let advice = match error {
                ModelError::MissingEnvironment { .. } => "turns will fail without it",
                _ => "turns will fail; look at base_url, the network and proxies",
            };
            report.failure(AREA, "provider", format_args!("`{id}`{place}: {error}"), advice);
        }
    }
    Ok(())
}
