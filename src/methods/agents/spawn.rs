//! Making and loading agents.
//!
//! A new agent is recorded like any new thread: nothing is written before its first message, except a conversation that
//! it takes over. Its subscribers are those of its parent at that moment. Room for it is reserved while it is made, so
//! that several spawns at once do not exceed the limit.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, PoisonError};

use serde::Deserialize;

use super::settings::{apply_role_file, apply_wish};
use super::{lineage, reach, unreached};
use crate::config::ResolvedConfig;
use crate::engine::agents::{AgentError, AgentStatus, AgentWish, Lineage, SpawnedAgent, choose_nickname};
use crate::engine::history::History;
use crate::engine::scope::TurnScope;
use crate::engine::thread_ref::{ThreadCommand, ThreadRef};
use crate::engine::turn::Conversation;
use crate::methods::git_state;
use crate::methods::thread_load::{Loader, agent_thread};
use crate::methods::thread_setup::Prepared;
use crate::model::InputItem;
use crate::protocol::{
    MessagePhase, SessionSource, SubAgentSource, ThreadId, ThreadSource, ThreadStatus, ThreadStatusChangedNotification,
};
use crate::rpc::EncodedNotification;
use crate::rpc::context::Services;
use crate::store::{
    BaseInstructions, EdgeStatus, NewThread, ResumedThread, RolloutItem, SessionMeta, SpawnEdge, StoredThread,
};

/// Room for an agent while it is made.
struct Slot {
    services: Arc<Services>,
    session: ThreadId,
}

impl Slot {
    /// Reserves room within the limit.
    fn take(services: &Arc<Services>, session: ThreadId, most: usize) -> Result<Self, AgentError> {
        let mut making = services.spawning.lock().unwrap_or_else(PoisonError::into_inner);
        let count = making.entry(session).or_default();
        if agents_of(services, session).len() + *count >= most {
            if *count == 0 {
                making.remove(&session);
            }
            return Err(AgentError::TooMany);
        }
        *count += 1;
        Ok(Slot {
            services: Arc::clone(services),
            session,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let making = self.services.spawning.lock();
        let mut making = making.unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = making.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                making.remove(&self.session);
            }
        }
    }
}

/// The loaded agents of a session.
fn agents_of(services: &Services, session: ThreadId) -> Vec<ThreadRef> {
    let ids = services.threads.loaded_ids().into_iter();
    let loaded = ids.filter_map(|id| services.threads.get(&id));
    let belongs = |thread: &ThreadRef| {
        let lineage = thread.face().lineage();
        lineage.parent.is_some() && lineage.session == session
    };
    loaded.filter(belongs).collect()
}

fn failed(error: impl std::fmt::Display) -> AgentError {
    AgentError::Failed(error.to_string())
}

/// Where the asking thread stands.
fn standing(services: &Services, scope: &TurnScope) -> Lineage {
    match &scope.services.agents {
        Some(seat) => seat.lineage.clone(),
        None => lineage(services, &scope.recorder().thread()),
    }
}

/// Makes and loads an agent.
pub(super) async fn spawn(
    services: Arc<Services>,
    parent: Arc<TurnScope>,
    wish: AgentWish,
) -> Result<SpawnedAgent, AgentError> {
    let above = standing(&services, &parent);
    let limits = parent.services.config.agents.clone();
    if above.depth >= limits.max_depth {
        return Err(AgentError::TooDeep);
    }
    let mut settings = (*parent.settings).clone();
    let role = apply_wish(&wish, &parent.services.config, &parent.services.catalog, &mut settings)?;
    let _slot = Slot::take(&services, above.session, limits.max_threads)?;
    let config = Arc::clone(&parent.services.config);
    let catalog = Arc::clone(&parent.services.catalog);
    let (loader, file) = (Arc::clone(&services.config), role.config_file);
    let made = tokio::task::spawn_blocking(move || {
        let config = match file {
            Some(file) => apply_role_file(&loader, &file, &config, &catalog, &mut settings)?,
            None => config,
        };
        let git = git_state::read(settings.cwd.as_path());
        Ok::<_, String>((config, settings, git))
    });
    let (config, settings, git) = made.await.map_err(failed)?.map_err(AgentError::Failed)?;
    let taken: Vec<String> = agents_of(&services, above.session)
        .iter()
        .filter_map(|agent| agent.face().lineage().nickname.clone())
        .collect();
    let nickname = choose_nickname(&role.nickname_candidates, &taken);
    let instructions = instructions(&parent, &config);
    let conversation = match wish.fork_context {
        true => forked(&services, &parent, above.id).await?,
        false => Vec::new(),
    };
    let mut meta = SessionMeta::new(
        ThreadId::generate(),
        settings.cwd.as_path().to_path_buf(),
        services.originator(),
        config.model_provider.clone(),
    );
    meta.forked_from_id = wish.fork_context.then_some(above.id);
    meta.source = SessionSource::SubAgent(SubAgentSource::ThreadSpawn {
        agent_nickname: nickname.clone(),
        agent_path: None,
        agent_role: wish.role.clone(),
        depth: i32::try_from(above.depth + 1).unwrap_or(i32::MAX),
        parent_thread_id: above.id,
    });
    meta.thread_source = Some(ThreadSource::Subagent);
    meta.agent_nickname.clone_from(&nickname);
    meta.agent_role = wish.role;
    meta.base_instructions = Some(BaseInstructions {
        text: instructions.clone(),
    });
    let ephemeral = parent.recorder().is_ephemeral();
    meta.git = git.clone().filter(|_| !ephemeral);
    let id = meta.id;
    let recorder = services.store.create(NewThread { meta, ephemeral }).map_err(failed)?;
    if !conversation.is_empty() {
        let lines = conversation.iter().cloned().map(RolloutItem::ResponseItem).collect();
        recorder.append(lines).await.map_err(failed)?;
    }
    let spawned = SpawnedAgent {
        id,
        nickname,
        model: settings.model.to_string(),
        effort: settings.effort,
    };
    let talk = Conversation {
        history: History::from_items(conversation),
        ..Conversation::default()
    };
    let prepared = Prepared {
        config,
        settings,
        docs: parent.services.project_docs.clone(),
        confinement: None,
        git,
    };
    let loader = heirs(&services, &parent, above.id);
    let raw_events = parent.services.raw_events;
    let thread = agent_thread(
        &services,
        loader,
        prepared,
        recorder,
        instructions,
        Some(talk),
        raw_events,
    )
    .await
    .map_err(|error| AgentError::Failed(error.message))?;
    let edge = SpawnEdge {
        parent: above.id,
        child: id,
        status: EdgeStatus::Open,
        agent_path: None,
    };
    if let Err(error) = services.agents.upsert(edge).await {
        tracing::warn!(agent.id = %id, %error, "agent.edgeless: its own rollout tells where it belongs");
    }
    introduce(&services, &thread, above.id)?;
    Ok(spawned)
}

/// Loads an agent from its rollout, and the agents that still worked for it.
pub(super) async fn resume(
    services: Arc<Services>,
    parent: Arc<TurnScope>,
    target: ThreadId,
) -> Result<AgentStatus, AgentError> {
    let asker = standing(&services, &parent);
    if let Ok(thread) = reach(&services, &asker, target) {
        return Ok(thread.face().watch_progress().borrow().clone());
    }
    if services.threads.get(&target).is_some() {
        return Err(AgentError::NotFound(target));
    }
    let stored = services.store.read(target, crate::store::Scope::Active).await;
    let stored = stored.map_err(|_| AgentError::NotFound(target))?;
    if !belongs(&services, &asker, &stored).await {
        return Err(AgentError::NotFound(target));
    }
    load(&services, &parent, &asker, target, asker.id).await?;
    if let Err(error) = services.agents.set_status(target, EdgeStatus::Open).await {
        tracing::warn!(agent.id = %target, %error, "agent.closed: that it was resumed is not recorded");
    }
    resume_below(&services, &parent, &asker, target).await;
    Ok(AgentStatus::PendingInit)
}

/// Loads the agents below a resumed one that nobody closed. One that cannot be loaded is left out, with those below it.
async fn resume_below(services: &Arc<Services>, parent: &TurnScope, asker: &Lineage, root: ThreadId) {
    let mut seen = HashSet::from([root]);
    let mut waiting = VecDeque::from([root]);
    while let Some(above) = waiting.pop_front() {
        let children = services.agents.children(above, Some(EdgeStatus::Open)).await;
        for child in children.unwrap_or_default() {
            // Rollouts are anybody's: a circle of parents ends here.
            if !seen.insert(child) {
                continue;
            }
            if services.threads.get(&child).is_none()
                && let Err(error) = load(services, parent, asker, child, above).await
            {
                tracing::warn!(agent.id = %child, %error, "agent.left: it was not resumed with the one it works for");
                continue;
            }
            waiting.push_back(child);
        }
    }
}

/// Loads a stored agent, which is then to report to the thread that it works for.
async fn load(
    services: &Arc<Services>,
    parent: &TurnScope,
    asker: &Lineage,
    target: ThreadId,
    works_for: ThreadId,
) -> Result<(), AgentError> {
    let limits = &parent.services.config.agents;
    let _slot = Slot::take(services, asker.session, limits.max_threads)?;
    let ResumedThread { recorder, head } = services.store.resume(target).await.map_err(failed)?;
    let mut settings = (*parent.settings).clone();
    if let Some(model) = &head.thread.model {
        settings.model = model.as_str().into();
        settings.effort = head.thread.reasoning_effort;
    }
    let instructions = match head.base_instructions() {
        Some(recorded) => recorded.text.clone(),
        None => instructions(parent, &parent.services.config),
    };
    let prepared = Prepared {
        config: Arc::clone(&parent.services.config),
        settings,
        docs: parent.services.project_docs.clone(),
        confinement: None,
        git: None,
    };
    let loader = heirs(services, parent, asker.id);
    let raw_events = parent.services.raw_events;
    let thread = agent_thread(services, loader, prepared, recorder, instructions, None, raw_events)
        .await
        .map_err(|error| AgentError::Failed(error.message))?;
    introduce(services, &thread, works_for)
}

/// Whether a stored thread is an agent of the asker's session.
async fn belongs(services: &Services, asker: &Lineage, stored: &StoredThread) -> bool {
    match Lineage::of(stored, None).parent {
        None => false,
        Some(parent) if parent == asker.id || parent == asker.session => true,
        Some(_) => {
            let below = services.agents.descendants(asker.session, None).await;
            below.is_ok_and(|below| below.contains(&stored.id))
        }
    }
}

/// The base instructions: the parent's, unless the agent's configuration has its own.
fn instructions(parent: &TurnScope, config: &ResolvedConfig) -> String {
    let own = config.base_instructions.clone();
    own.filter(|_| config.base_instructions != parent.services.config.base_instructions)
        .or_else(|| serde_json::from_str(parent.services.instructions.get()).ok())
        .unwrap_or_default()
}

/// Those who hear the parent hear the agent.
fn heirs(services: &Services, parent: &TurnScope, parent_id: ThreadId) -> Loader {
    let listeners = services.threads.get(&parent_id).map(|thread| thread.face().listeners());
    let connected = listeners.unwrap_or_default().into_iter();
    Loader {
        user_agent: parent.services.identity.user_agent.clone(),
        subscribers: connected.filter_map(|id| services.clients.get(id)).collect(),
    }
}

/// Tells everybody that the agent is there, and the agent whom it works for.
fn introduce(services: &Services, thread: &ThreadRef, parent: ThreadId) -> Result<(), AgentError> {
    let id = thread.id();
    let report = thread.try_send(ThreadCommand::ReportTo(parent));
    report.map_err(|error| unreached(id, &error))?;
    let idle = ThreadStatusChangedNotification {
        status: ThreadStatus::Idle,
        thread_id: id.to_string(),
    };
    services.clients.broadcast(&EncodedNotification::new(&idle));
    Ok(())
}

/// What an agent takes over of its parent's conversation: what was said, without the work in between.
async fn forked(services: &Services, parent: &TurnScope, id: ThreadId) -> Result<Vec<InputItem>, AgentError> {
    let items = match parent.recorder().is_ephemeral() {
        true => parent.sent(),
        false => services.store.conversation(id, 0).await.map_err(failed)?.items,
    };
    Ok(items.into_iter().filter(is_said).collect())
}

/// Whether an item is a message of the user, of the server, or a final answer.
fn is_said(item: &InputItem) -> bool {
    #[derive(Deserialize)]
    struct Said {
        r#type: String,
        #[serde(default)]
        role: Option<String>,
        #[serde(default)]
        phase: Option<MessagePhase>,
    }
    let Ok(said) = serde_json::from_str::<Said>(item.get()) else {
        return false;
    };
    let by = said.role.as_deref().filter(|_| said.r#type == "message");
    match by {
        Some("user" | "developer" | "system") => true,
        Some("assistant") => said.phase == Some(MessagePhase::FinalAnswer),
        _ => false,
    }
}
