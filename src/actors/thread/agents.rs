//! A thread among agents: its parent learns how it ended, its own agents end with it.
//!
//! State: whom to tell. The parent is told once for each time that it spawned or resumed the agent, as a message in its
//! conversation; whoever waits for the agent sees its end after that. Threads tell each other by mail from tasks of their
//! own, so that none ever waits for another one.

use std::sync::Weak;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext, WrapFuture};
use tokio::sync::oneshot;

use super::ThreadActor;
use super::registry::Loaded;
use crate::engine::agents::AgentStatus;
use crate::engine::context::markers;
use crate::engine::thread_ref::ThreadCommand;
use crate::protocol::{ThreadId, ThreadStatus};

/// How long a parent may take to hear of its agent.
const HEARING: Duration = Duration::from_secs(10);

impl ThreadActor {
    /// A turn has ended. Its parent, if it waits for this, is told before anybody sees it.
    pub(super) fn stand(&mut self, status: AgentStatus, ctx: &mut actix::Context<Self>) {
        let parent = match status.is_final() {
            true => self.report_to.take(),
            false => None,
        };
        let Some(parent) = parent else {
            return self.face.set_progress(status);
        };
        let telling = tell(self.registry.clone(), parent, self.id, status.clone());
        ctx.spawn(telling.into_actor(self).map(move |(), act, _| {
            // It may have begun with something else, or ended, meanwhile.
            if act.turn.is_none() && act.face.status() != ThreadStatus::NotLoaded {
                act.face.set_progress(status);
            }
        }));
    }

    /// The thread is unloaded: its parent is told if it waits for it, and the agents below it end.
    pub(super) fn end_as_agent(&mut self) {
        self.face.set_progress(AgentStatus::Shutdown);
        if let Some(parent) = self.report_to.take() {
            let telling = tell(self.registry.clone(), parent, self.id, AgentStatus::Shutdown);
            tokio::task::spawn_local(telling);
        }
        let Some(registry) = self.registry.upgrade() else {
            return;
        };
        for agent in registry.children(&self.id) {
            tokio::task::spawn_local(async move {
                // Nobody waits for the answer.
                let (reply, _) = oneshot::channel();
                let _ = agent.deliver(ThreadCommand::Close { announce: true, reply }).await;
            });
        }
    }

    /// Whether an agent of this thread is at work.
    pub(super) fn agents_run(&self) -> bool {
        let Some(registry) = self.registry.upgrade() else {
            return false;
        };
        let active = |status| matches!(status, ThreadStatus::Active { .. });
        registry
            .children(&self.id)
            .iter()
            .any(|agent| active(agent.face().status()))
    }
}

/// Tells a thread how its agent stands. A thread that is not loaded needs not know.
async fn tell(registry: Weak<Loaded>, parent: ThreadId, agent: ThreadId, status: AgentStatus) {
    let Some(parent) = registry.upgrade().and_then(|registry| registry.get(&parent)) else {
        return;
    };
    let told = parent.deliver(ThreadCommand::Told(markers::agent_ended(agent, &status)));
    if tokio::time::timeout(HEARING, told).await.is_err() {
        tracing::warn!(thread.id = %parent.id(), agent.id = %agent, "agent.unheard: its parent did not take its mail");
    }
}
