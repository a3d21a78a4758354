//! What a client is warned of when it brings a thread to life: settings that will not last, or may not hold.

use crate::config::{OLD_SWITCHES, WebSearchMode, features};
use crate::methods::thread_setup::Prepared;
use crate::protocol::{AskForApproval, DeprecationNoticeNotification, ExperimentalFeatureStage, WarningNotification};
use crate::rpc::ClientHandle;
use crate::rpc::context::RequestContext;

/// The warnings that a thread's settings deserve.
#[derive(Debug)]
pub(crate) struct ThreadWarnings {
    warnings: Vec<String>,
    notices: Vec<DeprecationNoticeNotification>,
}

impl ThreadWarnings {
    /// Those of a thread that is about to be loaded.
    pub(crate) fn of(cx: &RequestContext, prepared: &Prepared) -> Self {
        let mut warnings = prepared.config.agents.warnings.clone();
        let under_way = |feature: &&features::Feature| {
            feature.stage == ExperimentalFeatureStage::UnderDevelopment && prepared.config.feature(feature.key)
        };
        let mut enabled: Vec<&str> = features::ALL
            .iter()
            .filter(under_way)
            .map(|feature| feature.key)
            .collect();
        enabled.sort_unstable();
        if prepared.config.unstable_features_warning && !enabled.is_empty() {
            warnings.push(format!(
                "Under-development features enabled: {}. Under-development features are incomplete and may behave \
                 unpredictably. To suppress this warning, set `suppress_unstable_features_warning = true` in {}.",
                enabled.join(", "),
                cx.services.config.user_file().display()
            ));
        }
        if prepared.settings.approval_policy == AskForApproval::OnFailure {
            warnings.push(
                "`on-failure` approval policy is deprecated and will be removed in a future release. Use `on-request` \
                 for interactive approvals or `never` for non-interactive runs."
                    .to_owned(),
            );
        }
        if let Some(profile) = &prepared.config.profile {
            warnings.extend(profile.warnings.iter().cloned());
        }
        warnings.extend(prepared.unenforceable(&cx.services.sandbox));
        let filtered = prepared
            .config
            .network
            .filter(prepared.settings.profile.as_deref())
            .is_some();
        if filtered && cx.services.sandbox.way().is_some_and(|way| !way.filters_network()) {
            warnings.push(
                "The network of commands is to be filtered, which the sandbox of this machine cannot do (docs/network.md): \
                 commands in it have no network at all."
                    .to_owned(),
            );
        }
        ThreadWarnings {
            warnings,
            notices: old_switches(prepared),
        }
    }

    /// Tells the requester now, before its response.
    pub(crate) fn tell(self, cx: &RequestContext, thread_id: &str) {
        self.tell_to(&cx.client, thread_id);
    }

    /// Tells the requester once its response is out.
    pub(crate) fn tell_after(self, cx: &RequestContext, thread_id: &str) {
        let client = cx.client.clone();
        let thread_id = thread_id.to_owned();
        cx.after(move || self.tell_to(&client, &thread_id));
    }

    fn tell_to(self, client: &ClientHandle, thread_id: &str) {
        for notice in self.notices {
            client.notify_one(&notice);
        }
        for message in self.warnings {
            client.notify_one(&WarningNotification {
                message,
                thread_id: Some(thread_id.to_owned()),
            });
        }
    }
}

/// Switches that a setting took the place of.
fn old_switches(prepared: &Prepared) -> Vec<DeprecationNoticeNotification> {
    let on = |(key, _): &(&str, WebSearchMode)| prepared.config.feature(key);
    let used = OLD_SWITCHES.into_iter().filter(on);
    used.map(|(key, _)| DeprecationNoticeNotification {
        details: Some(
            "Set `web_search` to `\"live\"`, `\"cached\"`, or `\"disabled\"` at the top level (or under a profile) in \
             config.toml if you want to override it."
                .to_owned(),
        ),
        summary: format!("`[features].{key}` is deprecated because web search is enabled by default."),
    })
    .collect()
}
