//! Loading threads: a recorder, what its turns share, and the actor that owns it.
//!
//! Used by every method that brings a thread to life (start, resume, fork). The caller is subscribed from the first
//! moment, so nothing that the thread publishes is missed.

use std::sync::{Arc, Mutex};

use crate::engine::agents::{AgentSeat, SUBAGENT_LABEL};
use crate::engine::commands::CommandState;
use crate::engine::context::instructions::base_instructions;
use crate::engine::extension::{Contribution, Extensions, ThreadStart};
use crate::engine::goal::GoalKeeper;
use crate::engine::history::History;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::TurnContext;
use crate::engine::thread_ref::{LastUsage, ThreadRef, ThreadSeed};
use crate::engine::tools::ToolSet;
use crate::engine::tools::apply_patch::PatchApprovals;
use crate::engine::turn::{Conversation, model_info, warm_up};
use crate::exec::Environments;
use crate::exec::shell::Shell;
use crate::hooks::{HookSet, PresentHooks};
use crate::methods::thread_setup::Prepared;
use crate::methods::thread_warnings::ThreadWarnings;
use crate::methods::{agents, thread_goal};
use crate::model::provider::json_text;
use crate::model::{Catalog, Models, RequestIdentity};
use crate::protocol::*;
use crate::rpc::context::{RequestContext, Services};
use crate::rpc::notices::rule_warning;
use crate::rpc::{ClientHandle, RpcError};
use crate::store::{
    BaseInstructions, NewThread, Recorder, RolloutItem, SessionMeta, StoreError, StoredConversation, ThreadHead,
};

/// What is special about a new thread.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) ephemeral: bool,
    pub(crate) thread_source: Option<ThreadSource>,
    pub(crate) dynamic_tools: Vec<DynamicToolSpec>,
    pub(crate) raw_events: bool,
    pub(crate) forked_from: Option<ThreadId>,
    pub(crate) start_source: Option<ThreadStartSource>,
}

/// How a thread came to be loaded, as hooks are told.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CameBy {
    Startup,
    Clear,
    Resume,
}

impl CameBy {
    fn name(self) -> &'static str {
        match self {
            CameBy::Startup => "startup",
            CameBy::Clear => "clear",
            CameBy::Resume => "resume",
        }
    }
}

/// Makes and loads a thread. Items that a client brought are recorded at once; without any, nothing is written yet.
pub(crate) async fn new_thread(
    cx: &RequestContext,
    prepared: Prepared,
    origin: Origin,
    brought: &[ResponseItem],
) -> Result<Thread, RpcError> {
    let meta = first_line(cx, &prepared, &origin);
    let id = meta.id;
    let instructions = instructions_of(&meta);
    let new = NewThread {
        meta,
        ephemeral: origin.ephemeral,
    };
    let recorder = cx.services.store.create(new).map_err(store_error)?;
    let lines: Vec<RolloutItem> = brought
        .iter()
        .map(RolloutItem::response_item)
        .collect::<Result<_, _>>()
        .map_err(|error| RpcError::internal(error.to_string()))?;
    let items = lines.iter().filter_map(|line| match line {
        RolloutItem::ResponseItem(item) => Some(Arc::clone(item)),
        _ => None,
    });
    let conversation = Conversation {
        history: History::from_items(items),
        ..Conversation::default()
    };
    recorder.append(lines).await.map_err(store_error)?;
    let thread = recorder.thread().to_thread(ThreadStatus::Idle, Vec::new());
    let loading = Loading {
        id,
        prepared,
        recorder,
        instructions,
        dynamic_tools: origin.dynamic_tools,
        raw_events: origin.raw_events,
        conversation: Some(conversation),
        usage: None,
        came_by: match origin.start_source {
            Some(ThreadStartSource::Clear) => CameBy::Clear,
            Some(ThreadStartSource::Startup) | None => CameBy::Startup,
        },
    };
    loading.finish(cx).await?;
    Ok(thread)
}

/// The first line of a thread that is made now.
pub(crate) fn first_line(cx: &RequestContext, prepared: &Prepared, origin: &Origin) -> SessionMeta {
    let instructions = match &prepared.config.base_instructions {
        Some(text) => text.clone(),
        None => {
            let model = model_info(&prepared.settings, &prepared.config, cx.services.models.catalog());
            base_instructions(&model, prepared.settings.personality)
        }
    };
    let mut meta = SessionMeta::new(
        ThreadId::generate(),
        prepared.settings.cwd.as_path().to_path_buf(),
        cx.services.originator(),
        prepared.config.model_provider.clone(),
    );
    meta.thread_source = origin.thread_source;
    meta.forked_from_id = origin.forked_from;
    // Git is read back from the file, and an ephemeral thread has none.
    meta.git = prepared.git.clone().filter(|_| !origin.ephemeral);
    meta.base_instructions = Some(BaseInstructions { text: instructions });
    meta.dynamic_tools = Some(origin.dynamic_tools.clone()).filter(|tools| !tools.is_empty());
    meta
}

fn instructions_of(meta: &SessionMeta) -> String {
    meta.base_instructions
        .as_ref()
        .map(|given| given.text.clone())
        .unwrap_or_default()
}

/// Makes and loads a thread that is not kept and goes on from a conversation.
pub(crate) async fn passing_thread(
    cx: &RequestContext,
    prepared: Prepared,
    origin: Origin,
    meta: SessionMeta,
    conversation: Conversation,
    usage: Option<LastUsage>,
) -> Result<Thread, RpcError> {
    let (id, instructions) = (meta.id, instructions_of(&meta));
    let warnings = ThreadWarnings::of(cx, &prepared);
    let new = NewThread { meta, ephemeral: true };
    let recorder = cx.services.store.create(new).map_err(store_error)?;
    let thread = recorder.thread().to_thread(ThreadStatus::Idle, Vec::new());
    let loading = Loading {
        id,
        prepared,
        recorder,
        instructions,
        dynamic_tools: origin.dynamic_tools,
        raw_events: origin.raw_events,
        conversation: Some(conversation),
        usage,
        came_by: CameBy::Startup,
    };
    loading.finish(cx).await?;
    warnings.tell(cx, &thread.id);
    Ok(thread)
}

/// Loads a stored thread. Its conversation with the model is read when its first turn begins: many threads are taken up
/// only to be looked at.
pub(crate) async fn stored_thread(
    cx: &RequestContext,
    prepared: Prepared,
    recorder: Recorder,
    head: &ThreadHead,
    came_by: CameBy,
) -> Result<(), RpcError> {
    let recorded = head.base_instructions().map(|recorded| recorded.text.clone());
    let instructions = prepared
        .config
        .base_instructions
        .clone()
        .or(recorded)
        .unwrap_or_else(|| {
            let model = model_info(&prepared.settings, &prepared.config, cx.services.models.catalog());
            base_instructions(&model, prepared.settings.personality)
        });
    let dynamic_tools = head.meta.as_ref().and_then(|meta| meta.dynamic_tools.clone());
    let warnings = ThreadWarnings::of(cx, &prepared);
    let loading = Loading {
        id: head.thread.id,
        prepared,
        recorder,
        instructions,
        dynamic_tools: dynamic_tools.unwrap_or_default(),
        raw_events: false,
        usage: last_usage(head),
        conversation: None,
        came_by,
    };
    loading.finish(cx).await?;
    warnings.tell(cx, &head.thread.id.to_string());
    Ok(())
}

/// What a stored thread used so far.
pub(crate) fn last_usage(head: &ThreadHead) -> Option<LastUsage> {
    head.usage.as_ref().map(|(turn_id, usage)| LastUsage {
        turn_id: turn_id.as_str().into(),
        usage: Box::new(usage.clone()),
    })
}

/// The talk with the model as a rollout tells it.
pub(crate) fn conversation(stored: StoredConversation) -> Conversation {
    let StoredConversation { head, items, window } = stored;
    // A turn whose settings cannot be read back makes the next one tell the model everything again.
    let told = head
        .last_context
        .and_then(|line| serde_json::to_value(line).ok())
        .and_then(|line| serde_json::from_value::<TurnContext>(line).ok());
    Conversation {
        // What the window began with is not known any more: everything counts.
        prefix: (!items.is_empty()).then_some(0),
        history: History::from_items(items),
        usage: head.usage.map(|(_, usage)| usage),
        window,
        model: told.as_ref().map(|told| told.model.clone()),
        told,
        ..Conversation::default()
    }
}

struct Loading {
    id: ThreadId,
    prepared: Prepared,
    recorder: Recorder,
    instructions: String,
    dynamic_tools: Vec<DynamicToolSpec>,
    raw_events: bool,
    /// `None`: the first turn reads it.
    conversation: Option<Conversation>,
    usage: Option<LastUsage>,
    came_by: CameBy,
}

/// On whose behalf a thread is loaded.
pub(crate) struct Loader {
    /// What model providers are told of the client.
    pub(crate) user_agent: String,
    /// Who is subscribed from the first moment.
    pub(crate) subscribers: Vec<ClientHandle>,
}

impl Loader {
    fn requester(cx: &RequestContext) -> Self {
        Loader {
            user_agent: cx.asker().user_agent,
            subscribers: vec![cx.client.clone()],
        }
    }
}

/// Loads an agent. It has a conversation unless its rollout tells it.
pub(crate) async fn agent_thread(
    services: &Arc<Services>,
    loader: Loader,
    prepared: Prepared,
    recorder: Recorder,
    instructions: String,
    conversation: Option<Conversation>,
    raw_events: bool,
) -> Result<ThreadRef, RpcError> {
    let loading = Loading {
        id: recorder.thread_id(),
        prepared,
        recorder,
        instructions,
        dynamic_tools: Vec::new(),
        raw_events,
        came_by: match conversation {
            Some(_) => CameBy::Startup,
            None => CameBy::Resume,
        },
        conversation,
        usage: None,
    };
    loading.load(services, loader).await
}

/// What lives as long as the thread, beside what it was loaded from.
struct Company {
    commands: CommandState,
    goal: GoalKeeper,
    hooks: HookSet,
    agents: Option<AgentSeat>,
    environments: Arc<Environments>,
    extensions: Extensions,
    contributed: Contribution,
}

impl Loading {
    async fn finish(self, cx: &RequestContext) -> Result<(), RpcError> {
        self.load(&cx.services, Loader::requester(cx)).await.map(drop)
    }

    async fn load(self, services: &Arc<Services>, loader: Loader) -> Result<ThreadRef, RpcError> {
        let lineage = agents::lineage(services, &self.recorder.thread());
        let identity = RequestIdentity {
            thread_id: self.id.to_string(),
            session_id: lineage.session.to_string(),
            originator: services.originator(),
            user_agent: loader.user_agent,
            installation_id: services.installation_id(),
            beta_features: self.prepared.config.beta_features(),
            subagent: lineage.parent.map(|_| SUBAGENT_LABEL.to_owned()),
            parent_thread_id: lineage.parent.map(|parent| parent.to_string()),
        };
        let enabled = thread_goal::enabled(services) && !self.recorder.is_ephemeral();
        let goal = match enabled && self.recorder.is_materialised() {
            true => services.store.goal(self.id).await.map_err(read_error)?,
            false => None,
        };
        let goal = GoalKeeper::new(self.recorder.clone(), enabled, goal);
        let hooks = self.hooks(services).await?;
        let (commands, problem) = CommandState::load(&self.prepared.config, services.sandbox.clone()).await;
        if let Some(problem) = problem {
            tracing::warn!(thread.id = %self.id, "the command rules do not count: {problem}");
            // Clients hear of the rules of the home, and of the server's own folder, when they connect.
            let own = services.config.server_cwd() == self.prepared.config.cwd;
            if !own && !problem.path().starts_with(&services.home) {
                let warning = rule_warning(&problem);
                loader.subscribers.iter().for_each(|client| client.notify_one(&warning));
            }
        }
        let company = Company {
            commands,
            goal,
            hooks,
            agents: Some(agents::seat(services, lineage)),
            environments: services.environments.clone(),
            extensions: services.extensions.clone(),
            contributed: services
                .extensions
                .thread_start(self.start(services.models.catalog()))
                .await,
        };
        let mut seed = self.seed(&services.models, identity, company)?;
        seed.subscribers = loader.subscribers;
        let (id, warms_up) = (seed.id, seed.services.provider.warms_up());
        let warming = warms_up.then(|| (Arc::clone(&seed.services), seed.settings.clone()));
        let thread = services.threads.spawn(seed).await?;
        if let Some((turn_services, settings)) = warming {
            tokio::spawn(warm_up(id, turn_services, settings));
        }
        Ok(thread)
    }

    /// What extensions are told of the thread.
    fn start(&self, catalog: &Catalog) -> ThreadStart {
        let model = model_info(&self.prepared.settings, &self.prepared.config, catalog);
        ThreadStart {
            cwd: self.prepared.settings.cwd.as_path().to_path_buf(),
            config: Arc::clone(&self.prepared.config),
            context_window: model.effective_context_window(),
        }
    }

    /// The hooks that count in the thread's folder.
    async fn hooks(&self, services: &Services) -> Result<HookSet, RpcError> {
        if !self.prepared.config.feature("hooks") {
            return Ok(HookSet::default());
        }
        let (config, cwd) = (services.config.clone(), self.prepared.config.cwd.clone());
        tokio::task::spawn_blocking(move || HookSet::discover(&config.layers(&cwd)))
            .await
            .map_err(|_| RpcError::internal("failed to read the hooks"))
    }

    fn seed(self, models: &Models, identity: RequestIdentity, company: Company) -> Result<ThreadSeed, RpcError> {
        let config = self.prepared.config;
        let tools = ToolSet::new(&self.dynamic_tools);
        let tools = match &company.agents {
            Some(seat) => agents::offered(tools, &config, &seat.lineage),
            None => tools,
        };
        let provider = models
            .provider(&config.model_provider, &config.provider)
            .map_err(|error| RpcError::invalid_request(format!("failed to load configuration: {error}")))?;
        let instruction_sources = self.prepared.docs.sources.as_slice().into();
        let turn_services = ThreadServices {
            config,
            catalog: Arc::clone(models.catalog()),
            provider,
            identity: Arc::new(identity),
            instructions: json_text(&self.instructions),
            recorder: self.recorder.clone(),
            tools,
            agents: company.agents,
            goal: Arc::new(company.goal),
            environments: company.environments,
            commands: company.commands,
            shell: Shell::login().name().into(),
            project_docs: self.prepared.docs,
            extensions: company.extensions,
            contributed: company.contributed,
            raw_events: self.raw_events,
            hooks: PresentHooks::new(company.hooks),
            came_by: Mutex::new(Some(self.came_by.name())),
            patch_approvals: PatchApprovals::default(),
            guardian: Default::default(),
        };
        Ok(ThreadSeed {
            id: self.id,
            recorder: self.recorder,
            settings: self.prepared.settings,
            instruction_sources,
            services: Arc::new(turn_services),
            conversation: self.conversation,
            usage: self.usage,
            subscribers: Vec::new(),
        })
    }
}

/// The answer for a failed change of stored threads.
pub(crate) fn store_error(error: StoreError) -> RpcError {
    match error {
        StoreError::NotFound(_) | StoreError::Invalid(_) | StoreError::Conflict(_) | StoreError::Missing(_) => {
            RpcError::invalid_request(error.to_string())
        }
        StoreError::Unsupported(_) | StoreError::Write { .. } | StoreError::Internal(_) => {
            tracing::error!(%error, "store.failed");
            RpcError::internal(error.to_string())
        }
    }
}

/// The answer for a failed read of a stored thread.
pub(crate) fn read_error(error: StoreError) -> RpcError {
    tracing::warn!(%error, "store.unreadable");
    RpcError::internal(format!("failed to read thread: {error}"))
}

#[cfg(test)]
pub(crate) mod tests;
