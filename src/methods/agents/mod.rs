//! Spawned agents: loading them as threads of their own, giving them work, ending them.
//!
//! [`LocalAgents`] is what agent tools reach through the engine's seam. It holds the services weakly: threads hold it,
//! and the services hold the threads. An agent can be reached from within its own session alone.

mod settings;
mod spawn;

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{oneshot, watch};

use crate::config::{AgentRole, ResolvedConfig};
use crate::engine::agents::{AgentError, AgentSeat, AgentStatus, AgentWish, Agents, Lineage, SpawnedAgent};
use crate::engine::scope::TurnScope;
use crate::engine::thread_ref::{ThreadCommand, ThreadError, ThreadRef};
use crate::engine::tools::ToolSet;
use crate::engine::tools::agents::RoleText;
use crate::protocol::{ThreadId, TurnStartParams, UserInput};
use crate::rpc::context::Services;
use crate::store::{EdgeStatus, StoredThread};

/// The feature that offers the agent tools.
const FEATURE: &str = "multi_agent";
/// How long the end of an agent is waited for; one that takes longer ends all the same.
const CLOSING: Duration = Duration::from_secs(15);

/// Where a thread stands. A loaded parent knows the session best.
pub(crate) fn lineage(services: &Services, thread: &StoredThread) -> Lineage {
    let alone = Lineage::of(thread, None);
    let parent = alone.parent.and_then(|parent| services.threads.get(&parent));
    match parent {
        Some(parent) => Lineage {
            session: parent.face().lineage().session,
            ..alone
        },
        None => alone,
    }
}

/// A thread's place among agents.
pub(crate) fn seat(services: &Arc<Services>, lineage: Lineage) -> AgentSeat {
    let agents = LocalAgents {
        services: Arc::downgrade(services),
    };
    AgentSeat {
        agents: Arc::new(agents),
        lineage,
    }
}

/// Adds the agent tools for a thread that may have agents.
pub(crate) fn offered(tools: ToolSet, config: &ResolvedConfig, lineage: &Lineage) -> ToolSet {
    if !config.feature(FEATURE) || lineage.depth >= config.agents.max_depth {
        return tools;
    }
    let role = |(name, role): (&String, &AgentRole)| RoleText {
        name: name.clone(),
        description: role
            .description
            .as_deref()
            .map(|description| described(description, role)),
    };
    tools.with_agents(config.agents.roles.iter().map(role).collect())
}

/// What models are told of a role: what it is for, and what cannot be chosen for its agents.
fn described(description: &str, role: &AgentRole) -> String {
    let effort = role.effort.and_then(|effort| serde_json::to_value(effort).ok());
    let effort = effort.as_ref().and_then(|effort| effort.as_str());
    let fixed = match (&role.model, effort) {
        (None, None) => return description.to_owned(),
        (Some(model), None) => format!("model `{model}`"),
        (None, Some(effort)) => format!("reasoning effort `{effort}`"),
        (Some(model), Some(effort)) => format!("model `{model}` with reasoning effort `{effort}`"),
    };
    format!("{description} Always with {fixed}, whatever is asked for.")
}

/// The agents of this process.
#[derive(Clone)]
struct LocalAgents {
    services: Weak<Services>,
}

impl LocalAgents {
    fn services(&self) -> Result<Arc<Services>, AgentError> {
        self.services
            .upgrade()
            .ok_or_else(|| AgentError::Failed("the server is shutting down".to_owned()))
    }
}

/// A loaded agent of the session.
fn reach(services: &Services, asker: &Lineage, target: ThreadId) -> Result<ThreadRef, AgentError> {
    services
        .threads
        .get(&target)
        .filter(|thread| thread.face().lineage().session == asker.session)
        .ok_or(AgentError::NotFound(target))
}

fn unreached(target: ThreadId, error: &ThreadError) -> AgentError {
    match error {
        ThreadError::Overloaded => AgentError::Busy(target),
        _ => AgentError::NotFound(target),
    }
}

/// What waits for no response.
fn at_once() -> oneshot::Receiver<()> {
    oneshot::channel().1
}

async fn send(
    services: Arc<Services>,
    asker: Lineage,
    target: ThreadId,
    input: Vec<UserInput>,
    interrupt: bool,
) -> Result<String, AgentError> {
    let thread = reach(&services, &asker, target)?;
    if interrupt {
        let stop = |reply| ThreadCommand::InterruptTurn {
            expected: String::new(),
            go: at_once(),
            reply,
        };
        let stopped = thread.ask(stop).await;
        stopped.map_err(|error| unreached(target, &error))?.ok();
    }
    let params = TurnStartParams {
        input,
        thread_id: target.to_string(),
        ..TurnStartParams::default()
    };
    let start = |reply| ThreadCommand::StartTurn {
        params: Box::new(params),
        permissions: None,
        go: at_once(),
        reply,
    };
    let started = thread.ask(start).await;
    let id = started
        .and_then(|started| started)
        .map_err(|error| unreached(target, &error))?;
    Ok(id.to_string())
}

async fn close(services: Arc<Services>, asker: Lineage, target: ThreadId) -> Result<AgentStatus, AgentError> {
    let thread = reach(&services, &asker, target)?;
    if is_above(&services, &asker, target) {
        return Err(AgentError::Refused(format!(
            "agent with id {target} cannot be closed: this thread works for it"
        )));
    }
    let before = thread.face().watch_progress().borrow().clone();
    // Asked while it is loaded: a live agent is known best by its recorder.
    let below = services.agents.descendants(target, Some(EdgeStatus::Open)).await;
    if let Err(error) = services.agents.set_status(target, EdgeStatus::Closed).await {
        tracing::warn!(agent.id = %target, %error, "agent.open: that it was closed is not recorded");
    }
    let below = below.unwrap_or_default().into_iter();
    let loaded = below.filter_map(|agent| services.threads.get(&agent));
    let ends = std::iter::once(thread).chain(loaded).map(|agent| async move {
        let (reply, ended) = oneshot::channel();
        let close = ThreadCommand::Close { announce: false, reply };
        if agent.deliver(close).await.is_ok() {
            let _ = ended.await;
        }
    });
    let ends = futures_util::future::join_all(ends);
    if tokio::time::timeout(CLOSING, ends).await.is_err() {
        tracing::warn!(agent.id = %target, "agent.slow: it has not ended yet");
    }
    Ok(before)
}

/// Whether `target` is the asking thread, or one that it works for.
fn is_above(services: &Services, asker: &Lineage, target: ThreadId) -> bool {
    let mut next = Some(asker.id);
    // Rollouts are anybody's: a circle of parents ends the walk.
    for _ in 0..=asker.depth {
        match next {
            Some(id) if id == target => return true,
            Some(id) => {
                let parent = services.threads.get(&id).map(|thread| thread.face().lineage().parent);
                next = parent.flatten();
            }
            None => return false,
        }
    }
    false
}

impl Agents for LocalAgents {
    fn spawn(&self, parent: Arc<TurnScope>, wish: AgentWish) -> BoxFuture<'static, Result<SpawnedAgent, AgentError>> {
        let agents = self.clone();
        async move { spawn::spawn(agents.services()?, parent, wish).await }.boxed()
    }

    fn send(
        &self,
        asker: Lineage,
        target: ThreadId,
        input: Vec<UserInput>,
        interrupt: bool,
    ) -> BoxFuture<'static, Result<String, AgentError>> {
        let agents = self.clone();
        async move { send(agents.services()?, asker, target, input, interrupt).await }.boxed()
    }

    fn resume(&self, parent: Arc<TurnScope>, target: ThreadId) -> BoxFuture<'static, Result<AgentStatus, AgentError>> {
        let agents = self.clone();
        async move { spawn::resume(agents.services()?, parent, target).await }.boxed()
    }

    fn close(&self, asker: Lineage, target: ThreadId) -> BoxFuture<'static, Result<AgentStatus, AgentError>> {
        let agents = self.clone();
        async move { close(agents.services()?, asker, target).await }.boxed()
    }

    fn watch(&self, asker: &Lineage, target: ThreadId) -> Option<watch::Receiver<AgentStatus>> {
        let services = self.services().ok()?;
        let thread = reach(&services, asker, target).ok()?;
        Some(thread.face().watch_progress())
    }
}
