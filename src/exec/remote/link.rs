//! The task that has the connection to an executor: it sends requests, hands out answers and what is told of processes,
//! and takes the session up again when the connection was lost.
//!
//! State: the requests that wait for an answer, the processes that are watched, the session. A request that was sent
//! before the connection was lost is sent again if that does no harm; others fail, because nobody knows whether they
//! were heard. A session that cannot be taken up any more ends the link, and with it every process on it; the next
//! request makes a new one. Nothing here waits for those who asked.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::feed::{Feed, FeedEvent, Told};
use super::wire::Wire;
use super::{RemoteError, RemoteSpec};
use crate::protocol::exec_server::*;
use crate::protocol::{JSONRPCErrorError, JSONRPCMessage, RequestId};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether answers are late.
const TICK: Duration = Duration::from_millis(500);
/// How often the other side is asked whether it is there.
const PING: Duration = Duration::from_secs(10);
/// How long the other side may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long it is tried to take a session up: an executor keeps it for about ten seconds after it has seen the loss.
const RESUME: Duration = Duration::from_secs(15);
/// The pauses between attempts.
const PAUSES: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_millis(800);
/// How this client calls itself.
const CLIENT_NAME: &str = "greenroom";

/// Whether a request is sent again after the connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resend {
    /// Doing it twice comes to the same.
    Yes,
    /// It may have been heard; that must not happen twice.
    No,
    /// The executor refuses it the second time, which then means that it was heard.
    Start,
}

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
    pub(super) resend: Resend,
    /// Who waits for the answer.
    pub(super) reply: Option<oneshot::Sender<Result<Value, RemoteError>>>,
    /// The process that is watched from before it starts, by its id.
    pub(super) feed: Option<(String, Feed)>,
}

/// What the link is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// A request.
    Call(Call),
    /// What the executor can do.
    Capabilities(oneshot::Sender<Result<Capabilities, RemoteError>>),
    /// Nobody watches this process any more.
    Forget(String),
}

struct Waiting {
    call: Call,
    deadline: Instant,
    /// It was sent more than once.
    again: bool,
}

struct Link {
    spec: RemoteSpec,
    session: String,
    capabilities: Capabilities,
    waiting: HashMap<i64, Waiting>,
    feeds: HashMap<String, Feed>,
    next_id: i64,
}

/// Runs until nobody can ask any more, or the executor is lost.
pub(super) async fn run(spec: RemoteSpec, mut commands: mpsc::Receiver<Command>) {
    let opened = open(&spec, None).await;
    let (mut wire, session, capabilities) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::debug!(%error, "executor.unreachable");
            return refuse_all(&mut commands, &error);
        }
    };
    let mut link = Link {
        spec,
        session,
        capabilities,
        waiting: HashMap::new(),
        feeds: HashMap::new(),
        next_id: 1,
    };
    loop {
        let why = match link.serve(&mut wire, &mut commands).await {
            None => return,
            Some(why) => why,
        };
        tracing::info!(why, "executor.lost: the connection to an executor");
        match link.resume(&wire).await {
            Some(again) => {
                wire = again;
                tracing::info!("executor.resumed");
            }
            None => {
                let error = RemoteError::Disconnected(why.clone());
                link.fail_all(&error, &why);
                return refuse_all(&mut commands, &error);
            }
        }
    }
}

/// Whoever asked meanwhile is told; whoever asks later makes a new link.
fn refuse_all(commands: &mut mpsc::Receiver<Command>, error: &RemoteError) {
    commands.close();
    while let Ok(command) = commands.try_recv() {
        match command {
            Command::Call(call) => call.answer(Err(error.clone())),
            Command::Capabilities(reply) => drop(reply.send(Err(error.clone()))),
            Command::Forget(_) => {}
        }
    }
}

/// Reaches the executor and opens a session, or takes one up.
async fn open(spec: &RemoteSpec, session: Option<&str>) -> Result<(Wire, String, Capabilities), RemoteError> {
    let mut wire = Wire::open(spec).await?;
    let params = InitializeParams {
        client_name: CLIENT_NAME.to_owned(),
        resume_session_id: session.map(str::to_owned),
        capabilities: Some(Capabilities { confine: true }),
    };
    let greet = async {
        let request = json!({"id": 0, "method": INITIALIZE, "params": params});
        wire.send(request.to_string())
            .await
            .map_err(RemoteError::Disconnected)?;
        let opened: InitializeResponse = loop {
            let Some(text) = wire.receive().await.map_err(RemoteError::Disconnected)? else {
                continue;
            };
            match serde_json::from_str(&text) {
                Ok(JSONRPCMessage::Response(answer)) if answer.id == RequestId::Integer(0) => {
                    break serde_json::from_value(answer.result)
                        .map_err(|error| RemoteError::Protocol(error.to_string()))?;
                }
                Ok(JSONRPCMessage::Error(refusal)) => return Err(rejected(refusal.error)),
                // Told of processes before the session is ours again: it can all be read.
                Ok(_) => {}
                Err(error) => return Err(RemoteError::Protocol(error.to_string())),
            }
        };
        let ready = json!({"method": INITIALIZED, "params": {}});
        wire.send(ready.to_string()).await.map_err(RemoteError::Disconnected)?;
        Ok(opened)
    };
    let opened = timeout(spec.initialize_timeout, greet)
        .await
        .map_err(|_| RemoteError::Silent(INITIALIZE.to_owned()))??;
    Ok((wire, opened.session_id, opened.capabilities.unwrap_or_default()))
}

fn rejected(error: JSONRPCErrorError) -> RemoteError {
    RemoteError::Rejected {
        code: error.code,
        message: error.message,
    }
}

impl Call {
    fn answer(self, answer: Result<Value, RemoteError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(answer);
        }
    }
}

impl Link {
    /// Serves over a connection until it is lost, and tells why; none when nobody can ask any more.
    async fn serve(&mut self, wire: &mut Wire, commands: &mut mpsc::Receiver<Command>) -> Option<String> {
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard, mut asked) = (Instant::now(), Instant::now());
        loop {
            let done = tokio::select! {
                received = wire.receive() => match received {
                    Ok(text) => {
                        heard = Instant::now();
                        if let Some(text) = text {
                            self.take(&text);
                        }
                        Ok(())
                    }
                    Err(why) => Err(why),
                },
                command = commands.recv() => match command {
                    None => return None,
                    Some(command) => self.obey(wire, command).await,
                },
                now = clock.tick() => {
                    self.expire(now);
                    if now.duration_since(heard) > SILENCE && wire.resumable() {
                        Err("the exec-server has been silent for too long".to_owned())
                    } else if now.duration_since(asked) > PING {
                        asked = now;
                        wire.ping().await
                    } else {
                        Ok(())
                    }
                }
            };
            if let Err(why) = done {
                return Some(why);
            }
        }
    }

    async fn obey(&mut self, wire: &mut Wire, command: Command) -> Result<(), String> {
        match command {
            Command::Capabilities(reply) => {
                let _ = reply.send(Ok(self.capabilities));
                Ok(())
            }
            Command::Forget(id) => {
                self.feeds.remove(&id);
                Ok(())
            }
            Command::Call(mut call) => {
                if let Some((id, feed)) = call.feed.take() {
                    self.feeds.insert(id, feed);
                }
                let id = self.next_id;
                self.next_id += 1;
                let request = json!({"id": id, "method": call.method, "params": call.params});
                let waiting = Waiting {
                    call,
                    deadline: Instant::now() + PATIENCE,
                    again: false,
                };
                // Before it is sent: if that fails it is one of those to send again.
                self.waiting.insert(id, waiting);
                wire.send(request.to_string()).await
            }
        }
    }

    /// Takes a message.
    fn take(&mut self, text: &str) {
        match serde_json::from_str(text) {
            Ok(JSONRPCMessage::Response(answer)) => {
                if let Some(waiting) = self.waiting_for(&answer.id) {
                    waiting.call.answer(Ok(answer.result));
                }
            }
            Ok(JSONRPCMessage::Error(refusal)) => {
                let Some(waiting) = self.waiting_for(&refusal.id) else {
                    tracing::warn!(message = refusal.error.message, "executor.complained");
                    return;
                };
                let was_heard = waiting.again
                    && waiting.call.resend == Resend::Start
                    && refusal.error.message.ends_with("already exists");
                let answer = match was_heard {
                    true => Ok(json!({"processId": waiting.call.params.get("processId")})),
                    false => Err(rejected(refusal.error)),
                };
                waiting.call.answer(answer);
            }
            Ok(JSONRPCMessage::Notification(told)) => self.told(&told.method, told.params.unwrap_or_default()),
            Ok(JSONRPCMessage::Request(_)) => {}
            Err(error) => tracing::warn!(%error, "executor.garbled: a message of an executor was not understood"),
        }
    }

    fn told(&mut self, method: &str, params: Value) {
        let event = match method {
            PROCESS_OUTPUT => serde_json::from_value(params)
                .map(|told: OutputNotification| (told.process_id, told.seq, Told::Output(told.chunk.0))),
            PROCESS_EXITED => serde_json::from_value(params)
                .map(|told: ExitedNotification| (told.process_id, told.seq, Told::Exited(told.exit_code))),
            PROCESS_CLOSED => {
                serde_json::from_value(params).map(|told: ClosedNotification| (told.process_id, told.seq, Told::Closed))
            }
            _ => return,
        };
        match event {
            Ok((id, seq, told)) => {
                let watched = self
                    .feeds
                    .get(&id)
                    .is_some_and(|feed| feed.tell(FeedEvent::Told(seq, told)));
                if !watched {
                    self.feeds.remove(&id);
                }
            }
            Err(error) => tracing::warn!(%error, method, "executor.garbled: a notification was not understood"),
        }
    }

    fn waiting_for(&mut self, id: &RequestId) -> Option<Waiting> {
        match id {
            RequestId::Integer(id) => self.waiting.remove(id),
            _ => None,
        }
    }

    /// Gives up on answers that are late.
    fn expire(&mut self, now: Instant) {
        let late = self.waiting.extract_if(|_, waiting| waiting.deadline <= now);
        for (_, waiting) in late {
            let method = waiting.call.method.to_owned();
            waiting.call.answer(Err(RemoteError::Silent(method)));
        }
    }

    /// Takes the session up over a new connection; none when there is nothing to take up, or it cannot be done.
    async fn resume(&mut self, lost: &Wire) -> Option<Wire> {
        self.waiting
            .retain(|_, waiting| waiting.call.reply.as_ref().is_some_and(|reply| !reply.is_closed()));
        if !lost.resumable() || (self.feeds.is_empty() && self.waiting.is_empty()) {
            return None;
        }
        let until = Instant::now() + RESUME;
        let mut pause = *PAUSES.start();
        loop {
            match open(&self.spec, Some(&self.session)).await {
                Ok((mut wire, _, capabilities)) => {
                    self.capabilities = capabilities;
                    if self.send_again(&mut wire).await.is_ok() {
                        self.feeds.retain(|_, feed| feed.tell(FeedEvent::Resumed));
                        return Some(wire);
                    }
                }
                // The old connection is still there for the executor, which will see its end.
                Err(RemoteError::Rejected { message, .. }) if message.contains("already attached") => {}
                Err(RemoteError::Rejected { .. }) => return None,
                Err(error) => tracing::debug!(%error, "executor.away: another attempt follows"),
            }
            if Instant::now() + pause > until {
                return None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(*PAUSES.end());
        }
    }

    /// Sends what was not answered again, as far as that does no harm.
    async fn send_again(&mut self, wire: &mut Wire) -> Result<(), String> {
        let harmful = self.waiting.extract_if(|_, waiting| waiting.call.resend == Resend::No);
        for (_, waiting) in harmful {
            let why = format!(
                "the connection was lost while `{}` was under way; it may have been done or not",
                waiting.call.method
            );
            waiting.call.answer(Err(RemoteError::Disconnected(why)));
        }
        let mut ids: Vec<i64> = self.waiting.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if let Some(waiting) = self.waiting.get_mut(&id) {
                waiting.again = true;
                waiting.deadline = Instant::now() + PATIENCE;
                let request = json!({"id": id, "method": waiting.call.method, "params": waiting.call.params});
                wire.send(request.to_string()).await?;
            }
        }
        Ok(())
    }

    fn fail_all(&mut self, error: &RemoteError, why: &str) {
        for (_, waiting) in self.waiting.drain() {
            waiting.call.answer(Err(error.clone()));
        }
        for (_, feed) in self.feeds.drain() {
            feed.tell(FeedEvent::Lost(why.to_owned()));
        }
    }
}
