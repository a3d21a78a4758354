//! What a client is warned of when it brings a thread to life: settings that will not last, or may not hold.

use crate::config::features;
use crate::engine::scope::NETWORK_PROXY;
use crate::methods::thread_setup::Prepared;
use crate::protocol::{AskForApproval, ExperimentalFeatureStage, WarningNotification};
use crate::rpc::context::RequestContext;

/// The warnings that a thread's settings deserve.
#[derive(Debug)]
pub(crate) struct ThreadWarnings(Vec<String>);

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
        if prepared.config.feature(NETWORK_PROXY) {
            warnings.push(
                "The feature `network_proxy` is on, but this version of Greenroom has no network proxy: commands in the \
                 sandbox have no network at all."
                    .to_owned(),
            );
        }
        ThreadWarnings(warnings)
    }

    /// Tells the requester now, before its response.
    pub(crate) fn tell(self, cx: &RequestContext, thread_id: &str) {
        for warning in self.notifications(thread_id) {
            cx.client.notify_one(&warning);
        }
    }

    /// Tells the requester once its response is out.
    pub(crate) fn tell_after(self, cx: &RequestContext, thread_id: &str) {
        let client = cx.client.clone();
        let warnings = self.notifications(thread_id);
        cx.after(move || {
            for warning in warnings {
                client.notify_one(&warning);
            }
        });
    }

    fn notifications(self, thread_id: &str) -> Vec<WarningNotification> {
        let warning = |message| WarningNotification {
            message,
            thread_id: Some(thread_id.to_owned()),
        };
        self.0.into_iter().map(warning).collect()
    }
}
