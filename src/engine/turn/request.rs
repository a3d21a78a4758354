//! What a step asks of the provider: put together once per turn, then only the history changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::config::ResolvedConfig;
use crate::engine::history::{History, encode_item};
use crate::engine::scope::TurnScope;
use crate::engine::settings::TurnSettings;
use crate::engine::tools::{
    DeferredTools, ToolOffer, exec_command, request_permissions, shell_command, tool_search, web_search,
};
use crate::model::catalog::{Catalog, ModelInfo, ModelOverrides};
use crate::model::{Reasoning, SamplingRequest, TextControls};
use crate::protocol::{InputModality, ModeKind, ReasoningEffort, ReasoningSummary, SandboxPolicy, Verbosity};

/// What is known of the turn's model, with what the configuration overrides.
pub fn model_info(settings: &TurnSettings, config: &ResolvedConfig, catalog: &Catalog) -> ModelInfo {
    catalog.find(&settings.model).with_overrides(&ModelOverrides {
        context_window: config.context_window,
        auto_compact_limit: config.auto_compact_token_limit,
        tool_output_tokens: config.tool_output_token_limit,
        reasoning: config.supports_reasoning_summaries,
        without_personality: !config.feature("personality"),
    })
}

/// The parts of a request that stay the same for a turn.
#[derive(Clone)]
pub(super) struct StepTemplate {
    request: SamplingRequest,
    images: bool,
}

impl StepTemplate {
    pub(super) fn new(
        scope: &TurnScope,
        output_schema: Option<Arc<RawValue>>,
        client_metadata: &BTreeMap<String, String>,
        started_at: Option<SystemTime>,
    ) -> Self {
        let services = &scope.services;
        let model = &scope.model;
        let settings = &scope.settings;
        let tier = settings
            .service_tier
            .as_deref()
            .and_then(|tier| model.service_tier(tier));
        StepTemplate {
            request: SamplingRequest {
                model: settings.model.to_string(),
                instructions: Arc::clone(&services.instructions),
                input: Vec::new(),
                tools: services.tools.specs(&offer(scope)),
                parallel_tool_calls: model.parallel_tool_calls,
                reasoning: reasoning(settings, model, &services.config),
                text: TextControls {
                    verbosity: verbosity(model, &services.config),
                    schema: output_schema,
                    lenient: false,
                },
                service_tier: tier.map(str::to_owned),
                identity: Arc::clone(&services.identity),
                turn_metadata: turn_metadata(scope, client_metadata, started_at),
                window: 0,
                turn_state: None,
            },
            images: model.input_modalities.contains(&InputModality::Image),
        }
    }

    /// The same with a schema that is advice, or not.
    pub(super) fn leniently(mut self, lenient: bool) -> Self {
        self.request.text.lenient = lenient;
        self
    }

    /// The request of the next step.
    pub(super) fn request(&self, history: &History, window: u32, turn_state: Option<String>) -> SamplingRequest {
        SamplingRequest {
            input: history.request_input(self.images),
            window,
            turn_state,
            ..self.request.clone()
        }
    }

    /// The same without tools.
    pub(super) fn without_tools(&self) -> Self {
        let mut template = self.clone();
        if let Some(none) = encode_item::<[(); 0]>(&[]) {
            template.request.tools = none;
        }
        template.request.parallel_tool_calls = false;
        template
    }

    /// The same for another model, which the thread had before.
    pub(super) fn for_model(&self, model: &ModelInfo, settings: &TurnSettings, config: &ResolvedConfig) -> Self {
        let mut template = self.clone();
        template.images = model.input_modalities.contains(&InputModality::Image);
        let request = &mut template.request;
        request.model = model.slug.to_string();
        request.reasoning = reasoning(settings, model, config);
        request.parallel_tool_calls = model.parallel_tool_calls;
        request.text.verbosity = verbosity(model, config);
        request.service_tier = settings
            .service_tier
            .as_deref()
            .and_then(|tier| model.service_tier(tier))
            .map(str::to_owned);
        template
    }

    /// A request whose answer is not for the user: no form is asked of it.
    pub(super) fn plain(&self, history: &History, window: u32, turn_state: Option<String>) -> SamplingRequest {
        let mut request = self.request(history, window, turn_state);
        request.text.schema = None;
        request
    }
}

fn verbosity(model: &ModelInfo, config: &ResolvedConfig) -> Option<Verbosity> {
    let wanted = config.verbosity.or(model.default_verbosity);
    wanted.filter(|_| model.knows_verbosity)
}

fn offer(scope: &TurnScope) -> ToolOffer {
    let config = &scope.services.config;
    ToolOffer {
        goals: scope.services.goal.is_enabled(),
        apply_patch: scope.model.apply_patch,
        image_detail: scope.model.image_detail,
        web_search_content_types: scope.model.web_search_content,
        web_search_live: web_search::live(config.web_search, &scope.settings.sandbox),
        web_search_options: Arc::clone(&config.web_search_options),
        allow_login_shell: config.allow_login_shell,
        additional_permissions: config.feature(exec_command::ADDITIONAL_PERMISSIONS),
        request_permissions: config.feature(request_permissions::FEATURE),
        shell: shell_command::of(scope),
        models: scope.services.catalog.list(),
        deferred: deferred(scope),
        environment: !scope.environments.is_empty(),
        several_environments: scope.environments.len() > 1,
    }
}

/// What becomes of the turn's deferred tools.
pub(super) fn deferred(scope: &TurnScope) -> DeferredTools {
    let config = &scope.services.config;
    if !config.provider.has_hosted_tools(&config.model_provider) {
        DeferredTools::Shown
    } else if scope.model.tool_search && config.feature(tool_search::FEATURE) {
        DeferredTools::Searched
    } else {
        DeferredTools::Hidden
    }
}

/// The effort of the turn, else the configuration's for plan mode, else the model's; the summary likewise.
fn reasoning(settings: &TurnSettings, model: &ModelInfo, config: &ResolvedConfig) -> Option<Reasoning> {
    if !model.reasons {
        return None;
    }
    let planned = match settings.mode {
        ModeKind::Plan => config.plan_mode_reasoning_effort.or(Some(ReasoningEffort::Medium)),
        ModeKind::Default => None,
    };
    let summary = settings.summary.or(model.default_summary);
    Some(Reasoning {
        effort: settings.effort.or(planned).or(model.default_effort),
        summary: summary.filter(|summary| *summary != ReasoningSummary::None),
    })
}

/// The JSON text that tells the provider about the turn.
fn turn_metadata(
    scope: &TurnScope,
    client_metadata: &BTreeMap<String, String>,
    started_at: Option<SystemTime>,
) -> Option<Arc<str>> {
    let identity = &scope.services.identity;
    let sandbox = match scope.settings.sandbox {
        SandboxPolicy::DangerFullAccess => "none",
        _ => "seccomp",
    };
    let mut metadata = Map::new();
    metadata.insert("session_id".to_owned(), identity.session_id.clone().into());
    metadata.insert("thread_id".to_owned(), identity.thread_id.clone().into());
    if identity.subagent.is_some() {
        metadata.insert("thread_source".to_owned(), "subagent".into());
    }
    metadata.insert("turn_id".to_owned(), (*scope.host.recorded_as).into());
    metadata.insert("sandbox".to_owned(), sandbox.into());
    if let Some(started_at) = started_at {
        let age = started_at.duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
        let started_ms = u64::try_from(age).unwrap_or(u64::MAX);
        metadata.insert("turn_started_at_unix_ms".to_owned(), started_ms.into());
    }
    for (key, value) in client_metadata {
        metadata.entry(key).or_insert_with(|| Value::from(value.as_str()));
    }
    serde_json::to_string(&metadata).ok().map(Arc::from)
}
