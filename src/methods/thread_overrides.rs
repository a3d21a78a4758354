//! What starting, resuming and forking a thread take and answer alike: the overrides of the configuration on the way in,
//! the settings that came of them on the way out.
//!
//! The three requests, and the three responses, have these members under the same names, but no type in common; so the
//! conversions are written once and made for each.

use crate::config::ThreadOverrides;
use crate::engine::settings::TurnSettings;
use crate::methods::thread_setup::{Wishes, shown_reviewer, shown_tier};
use crate::protocol::*;

/// Takes the overrides out of a request. A fork has no wish for a voice.
macro_rules! take_wishes {
    ($params:ty, $personality:expr) => {
        impl From<&mut $params> for Wishes {
            fn from(params: &mut $params) -> Self {
                Wishes {
                    trust: params.cwd.is_some(),
                    overrides: ThreadOverrides {
                        cwd: params.cwd.take().map(Into::into),
                        model: params.model.take(),
                        model_provider: params.model_provider.take(),
                        approval_policy: params.approval_policy.take(),
                        approvals_reviewer: params.approvals_reviewer.take(),
                        sandbox: params.sandbox.take(),
                        permissions: params.permissions.take(),
                        service_tier: params.service_tier.take(),
                        base_instructions: params.base_instructions.take(),
                        developer_instructions: params.developer_instructions.take(),
                        config: params.config.take().unwrap_or_default(),
                        personality: $personality(&mut *params),
                    },
                    roots: params.runtime_workspace_roots.take(),
                    environments: None,
                }
            }
        }
    };
}

take_wishes!(ThreadStartParams, |params: &mut ThreadStartParams| params
    .personality
    .take());
take_wishes!(ThreadResumeParams, |params: &mut ThreadResumeParams| params
    .personality
    .take());
take_wishes!(ThreadForkParams, |_: &mut ThreadForkParams| None);

/// A thread that was started, resumed or forked, as the response shows it.
#[derive(Debug)]
pub(crate) struct LoadedThread {
    /// The settings of its next turn.
    pub(crate) settings: TurnSettings,
    /// The AGENTS.md files that apply.
    pub(crate) instruction_sources: Vec<AbsolutePathBuf>,
    /// The thread, with or without turns.
    pub(crate) thread: Thread,
    /// Where its events stand, for clients that count them.
    pub(crate) events: Option<EventPosition>,
}

macro_rules! show_loaded {
    ($($response:ty),+) => {$(
        impl From<LoadedThread> for $response {
            fn from(loaded: LoadedThread) -> Self {
                let settings = loaded.settings;
                let sandbox = settings.shown_sandbox();
                Self {
                    active_permission_profile: settings.permission_profile,
                    approval_policy: settings.approval_policy,
                    approvals_reviewer: shown_reviewer(settings.approvals_reviewer),
                    cwd: settings.cwd,
                    greenroom: loaded.events,
                    instruction_sources: loaded.instruction_sources,
                    model: settings.model.to_string(),
                    model_provider: settings.model_provider.to_string(),
                    reasoning_effort: settings.effort,
                    runtime_workspace_roots: settings.workspace_roots,
                    sandbox,
                    service_tier: settings.service_tier.as_deref().map(shown_tier),
                    thread: loaded.thread,
                }
            }
        }
    )+};
}

show_loaded!(ThreadStartResponse, ThreadResumeResponse, ThreadForkResponse);
