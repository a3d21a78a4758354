//! The Thread actor: one per loaded thread.
//!
//! State: the settings that the next turn gets, who is subscribed, the status, the running turn, the requests waiting for
//! an answer, and what clients read of the thread. It does no I/O: a turn is a task beside it that waits for models,
//! tools and disks, and tells the thread what to publish. Invariants: at most one turn runs; a response precedes what it
//! causes; nothing is published about a turn after its `turn/completed` except by its background commands.

mod active_turn;
mod agents;
mod deferred;
mod edits;
mod elicitations;
mod fall;
mod goal;
mod registry;
mod replace;
mod requests;
mod review;
mod shell;
mod status;
mod subscribers;
mod turns;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Handler, Message, SpawnHandle, StreamHandler};
use tokio::sync::mpsc;

use crate::engine::agents::AgentStatus;
use crate::engine::host::TurnEvent;
use crate::engine::pending::PendingInput;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::TurnSettings;
use crate::engine::thread_ref::{LastUsage, Reply, ThreadCommand, ThreadError, ThreadFace, ThreadSeed, ThreadView};
use crate::engine::turn::{Conversation, TurnJob};
use crate::protocol::methods::Notification;
use crate::protocol::*;
use crate::rpc::context::{ClientDirectory, TurnCounter};
use crate::rpc::pending::PendingServerRequests;
use crate::rpc::replay::ReplayLimits;
use crate::rpc::{ConnectionId, EncodedNotification};
use crate::store::{Recorder, ThreadStore};

use active_turn::ActiveTurn;
use deferred::{Deferred, Effect};
use edits::{Edit, Edits};
use elicitations::Elicitations;
use registry::Loaded;
use replace::Replacements;
use requests::OpenRequests;
use shell::UserShells;
use status::StatusBoard;
use subscribers::Subscribers;

pub use registry::ThreadRegistry;

/// How many commands may wait in a thread's mailbox.
const MAILBOX: usize = 256;
/// How many events of a turn may wait; a turn that is faster than its thread waits then.
const EVENTS: usize = 256;
/// How many events are published before other mail gets its turn.
const BATCH: usize = 64;

/// Runs one turn to its end; the last event it sends is `Finished`.
pub type TurnRunner = Box<dyn Fn(TurnJob) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;

/// What all threads share.
pub struct Surroundings {
    /// What runs turns.
    pub run_turn: TurnRunner,
    /// Where threads are kept.
    pub store: Arc<dyn ThreadStore>,
    /// Everyone connected, for broadcasts.
    pub clients: Arc<ClientDirectory>,
    /// Requests to clients.
    pub pending: Arc<PendingServerRequests>,
    /// Running turns, for the drain.
    pub turns: Arc<TurnCounter>,
    /// What is kept for clients that come back.
    pub replay: Arc<ReplayLimits>,
    /// How long an idle thread without subscribers stays loaded.
    pub idle_unload: Duration,
}

/// A command in a thread's mailbox.
#[derive(Message)]
#[rtype(result = "()")]
struct Mail(ThreadCommand);

/// One loaded thread.
pub struct ThreadActor {
    id: ThreadId,
    surroundings: Arc<Surroundings>,
    registry: Weak<Loaded>,
    face: Arc<ThreadFace>,
    recorder: Recorder,
    settings: TurnSettings,
    instruction_sources: Arc<[AbsolutePathBuf]>,
    turn_services: Arc<ThreadServices>,
    /// None while a turn owns it, and while its rollout tells it: until the first turn, or after one that broke with it.
    conversation: Option<Conversation>,
    status: StatusBoard,
    subscribers: Subscribers,
    turn: Option<ActiveTurn>,
    replacements: Replacements,
    requests: OpenRequests,
    shells: UserShells,
    elicitations: Elicitations,
    deferred: Deferred,
    edits: Edits,
    /// What a turn that broke was steered with.
    unheard: VecDeque<PendingInput>,
    /// The thread that is to know once this one is done.
    report_to: Option<ThreadId>,
    usage: Option<LastUsage>,
    events: Option<mpsc::Sender<TurnEvent>>,
    idle: Option<SpawnHandle>,
    closing: Option<Closing>,
}

/// A thread on its way out.
#[derive(Debug, Default)]
struct Closing {
    announce: bool,
    replies: Vec<Reply<()>>,
}

impl ThreadActor {
    fn new(seed: ThreadSeed, face: Arc<ThreadFace>, surroundings: Arc<Surroundings>, registry: Weak<Loaded>) -> Self {
        let subscribers = Subscribers::new(seed.subscribers, Arc::clone(face.events()));
        ThreadActor {
            id: seed.id,
            surroundings,
            registry,
            face,
            recorder: seed.recorder,
            settings: seed.settings,
            instruction_sources: seed.instruction_sources,
            turn_services: seed.services,
            conversation: seed.conversation,
            status: StatusBoard::idle(),
            subscribers,
            turn: None,
            replacements: Replacements::default(),
            requests: OpenRequests::default(),
            shells: UserShells::default(),
            elicitations: Elicitations::default(),
            deferred: Deferred::default(),
            edits: Edits::default(),
            unheard: VecDeque::new(),
            report_to: None,
            usage: seed.usage,
            events: None,
            idle: None,
            closing: None,
        }
    }

    /// The id as notifications carry it.
    fn id_text(&self) -> String {
        self.id.to_string()
    }

    /// Tells the subscribers.
    fn publish<N: Notification>(&mut self, payload: &N) {
        if !self.subscribers.is_deaf() {
            self.subscribers.publish(&EncodedNotification::new(payload));
        }
    }

    /// Tells everybody about a change of the status, if there was one.
    fn announce_status(&mut self, change: Option<ThreadStatus>) {
        if let Some(status) = change {
            self.face.set_status(status.clone());
            let payload = ThreadStatusChangedNotification {
                status,
                thread_id: self.id_text(),
            };
            self.broadcast(&EncodedNotification::new(&payload));
        }
    }

    /// Tells everybody connected; for those who count events it is one.
    fn broadcast(&mut self, notification: &EncodedNotification) {
        self.subscribers.broadcast(notification, &self.surroundings.clients);
    }

    fn view(&self) -> ThreadView {
        ThreadView {
            thread: self.recorder.thread(),
            status: self.status.current(),
            materialised: self.recorder.is_materialised(),
            settings: self.settings.clone(),
            instruction_sources: Arc::clone(&self.instruction_sources),
            active_turn: self.turn.as_ref().map(|turn| turn.shown_as.clone()),
            usage: self.usage.clone(),
            goal: Arc::clone(&self.turn_services.goal),
            events: self.face.events().position(),
        }
    }

    /// Where turns send their events. One channel for all turns: a background command may outlive its turn.
    fn events(&mut self, ctx: &mut actix::Context<Self>) -> mpsc::Sender<TurnEvent> {
        if let Some(events) = &self.events {
            return events.clone();
        }
        let (sender, mut receiver) = mpsc::channel(EVENTS);
        ctx.add_stream(futures_util::stream::poll_fn(move |task| {
            let mut batch = Vec::new();
            receiver
                .poll_recv_many(task, &mut batch, BATCH)
                .map(|count| (count > 0).then_some(batch))
        }));
        self.events = Some(sender.clone());
        sender
    }

    fn command(&mut self, command: ThreadCommand, ctx: &mut actix::Context<Self>) {
        self.run_deferred(ctx);
        let open = match &self.closing {
            Some(_) => Err(ThreadError::Closing(self.id)),
            None => Ok(()),
        };
        // A requester that is gone needs no answer: failed sends are ignored.
        match command {
            ThreadCommand::Join {
                client,
                after,
                go,
                reply,
            } => {
                let mut answer = open.map(|()| self.view());
                // One that is gone already would never be told to leave.
                if let Ok(view) = &mut answer
                    && self.surroundings.clients.get(client.id()).is_some()
                {
                    let id = client.id();
                    view.events = self.subscribers.join(client, after.as_ref());
                    self.face.set_listeners(self.subscribers.ids());
                    self.stop_idling(ctx);
                    self.defer(go, Effect::Release(id), ctx);
                }
                let _ = reply.send(answer);
            }
            ThreadCommand::Unsubscribe { client, reply } => {
                let _ = reply.send(self.leave(client, ctx));
            }
            ThreadCommand::Disconnected(client) => {
                self.leave(client, ctx);
            }
            ThreadCommand::Broadcast(notification) => self.broadcast(&notification),
            ThreadCommand::View(reply) => {
                let _ = reply.send(self.view());
            }
            ThreadCommand::StartTurn {
                mut params,
                permissions,
                go,
                reply,
            } => {
                let answer = open
                    .and_then(|()| self.check_takes_input())
                    .map(|()| Arc::from(uuid::Uuid::now_v7().to_string()));
                if answer.is_ok() && !params.input.is_empty() {
                    // Whoever watches the thread from now on does not take its last turn's end for this one's.
                    self.face.set_progress(AgentStatus::Running);
                }
                if let Ok(turn_id) = &answer
                    && !self.join_running_turn(turn_id, &mut params, &permissions)
                {
                    let turn_id = Arc::clone(turn_id);
                    let start = Effect::StartTurn {
                        turn_id,
                        params,
                        permissions,
                    };
                    self.defer(go, start, ctx);
                }
                let _ = reply.send(answer);
            }
            ThreadCommand::SteerTurn { expected, input, reply } => {
                let _ = reply.send(self.steer(&expected, input));
            }
            ThreadCommand::InterruptTurn { expected, go, reply } => {
                let answer = self.check_interrupt(&expected);
                if let Ok(Some(turn)) = &answer {
                    self.defer(go, Effect::Interrupt(turn.clone()), ctx);
                }
                let _ = reply.send(answer.map(|_| ()));
            }
            ThreadCommand::RollBack { turns, reply } => match open.and_then(|()| self.check_rollback()) {
                Ok(()) => self.edit(Edit::RollBack { turns, reply }, ctx),
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            ThreadCommand::Inject { items, reply } => match open {
                Ok(()) => self.edit(Edit::Inject { items, reply }, ctx),
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            ThreadCommand::ShellCommand { command, go, reply } => {
                let _ = reply.send(open.and_then(|()| self.accept_shell_command(command, go, ctx)));
            }
            ThreadCommand::Replace { opening, go, reply } => {
                let answer = open.and_then(|()| self.accept_replacement(opening, go, ctx));
                let _ = reply.send(answer);
            }
            ThreadCommand::OpenElicitation { client, reply } => {
                let _ = reply.send(self.open_elicitation(client, ctx));
            }
            ThreadCommand::CloseElicitation { client, reply } => {
                let _ = reply.send(self.close_elicitation(client));
            }
            ThreadCommand::Told(item) => self.told(item, ctx),
            ThreadCommand::ReportTo(parent) => self.report_to = Some(parent),
            ThreadCommand::UseHooks(hooks) => self.turn_services.hooks.replace(hooks),
            ThreadCommand::PursueGoal => self.pursue_goal(ctx),
            ThreadCommand::EndProcesses(reply) => {
                self.turn_services.commands.sessions.close();
                let _ = reply.send(());
            }
            ThreadCommand::Close { announce, reply } => self.close(announce, Some(reply), ctx),
        }
    }

    fn effect(&mut self, effect: Effect, ctx: &mut actix::Context<Self>) {
        match effect {
            Effect::StartTurn {
                turn_id,
                params,
                permissions,
            } => self.start_turn(turn_id, params, permissions, ctx),
            Effect::Replace { turn_id, opening } => self.replace_turn(turn_id, opening, ctx),
            Effect::Shell(command) => self.run_shell_command(command, ctx),
            Effect::Interrupt(turn) => self.interrupt(&turn, ctx),
            Effect::Release(client) => {
                if let Some(client) = self.subscribers.release(client) {
                    self.replay_requests(&client);
                }
            }
        }
    }

    fn leave(&mut self, client: ConnectionId, ctx: &mut actix::Context<Self>) -> bool {
        let left = self.subscribers.remove(client);
        if left {
            self.face.set_listeners(self.subscribers.ids());
            self.start_idling(ctx);
        }
        left
    }

    /// Clients that went away between asking for the thread and its start are not waited for.
    fn drop_vanished(&mut self) {
        self.face.set_listeners(self.subscribers.ids());
        for client in self.subscribers.ids() {
            if self.surroundings.clients.get(client).is_none() {
                self.subscribers.remove(client);
            }
        }
        self.face.set_listeners(self.subscribers.ids());
    }

    /// The thread's time begins to run when nobody listens and nothing happens.
    fn start_idling(&mut self, ctx: &mut actix::Context<Self>) {
        self.stop_idling(ctx);
        if self.turn.is_none() && self.subscribers.is_empty() {
            let wait = self.surroundings.idle_unload;
            self.idle = Some(ctx.run_later(wait, |act, ctx| {
                if act.agents_run() {
                    return act.start_idling(ctx);
                }
                tracing::info!(thread.id = %act.id, "thread.unloaded: nobody needed it");
                act.close(true, None, ctx);
            }));
        }
    }

    fn stop_idling(&mut self, ctx: &mut actix::Context<Self>) {
        if let Some(timer) = self.idle.take() {
            ctx.cancel_future(timer);
        }
    }

    fn closing(&self) -> bool {
        self.closing.is_some()
    }

    fn close(&mut self, announce: bool, reply: Option<Reply<()>>, ctx: &mut actix::Context<Self>) {
        let closing = self.closing.get_or_insert_default();
        closing.announce |= announce;
        closing.replies.extend(reply);
        match self.turn.as_ref().map(|turn| turn.id.clone()) {
            Some(turn) => self.interrupt(&turn, ctx),
            None => self.stop_after_edits(ctx),
        }
    }

    /// Nothing runs any more: everybody is told, and the actor ends.
    fn stop(&mut self, ctx: &mut actix::Context<Self>) {
        self.cancel_requests();
        // Their watchers hold what the turns share: it would live on with them.
        self.turn_services.commands.sessions.close();
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.id, &self.face);
        }
        self.announce_status(Some(ThreadStatus::NotLoaded));
        self.end_as_agent();
        let closing = self.closing.take().unwrap_or_default();
        if closing.announce {
            let payload = ThreadClosedNotification {
                thread_id: self.id_text(),
            };
            self.broadcast(&EncodedNotification::new(&payload));
        }
        self.subscribers.clear();
        for reply in closing.replies {
            let _ = reply.send(());
        }
        ctx.stop();
    }
}

impl Actor for ThreadActor {
    type Context = actix::Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
        self.drop_vanished();
        self.start_idling(ctx);
    }

    /// Runs also while a panic unwinds: the directory never keeps the address of a dead thread.
    fn stopped(&mut self, _ctx: &mut Self::Context) {
        // Whoever watches a process keeps the thread's services alive: they would not end by themselves.
        self.turn_services.commands.sessions.close();
        if self.has_fallen() {
            self.fall();
        } else if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.id, &self.face);
        }
    }
}

impl Handler<Mail> for ThreadActor {
    type Result = ();

    fn handle(&mut self, mail: Mail, ctx: &mut Self::Context) {
        self.guarded(ctx, |act, ctx| act.command(mail.0, ctx));
    }
}

impl StreamHandler<Vec<TurnEvent>> for ThreadActor {
    fn handle(&mut self, batch: Vec<TurnEvent>, ctx: &mut Self::Context) {
        self.guarded(ctx, |act, ctx| {
            for event in batch {
                act.turn_event(event, ctx);
            }
        });
    }

    /// All senders are gone, which happens only with the actor itself; the default would stop it.
    fn finished(&mut self, _ctx: &mut Self::Context) {}
}

impl ThreadActor {
    /// Runs a handler so that its panic costs one message, not the thread.
    fn guarded(&mut self, ctx: &mut actix::Context<Self>, handler: impl FnOnce(&mut Self, &mut actix::Context<Self>)) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| handler(self, ctx))).is_err() {
            tracing::error!(thread.id = %self.id, "thread.panicked: one message was lost");
            metrics::counter!("greenroom_panics_total", "where" => "thread").increment(1);
        }
    }
}
