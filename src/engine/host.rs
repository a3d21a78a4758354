//! What a running turn needs from its thread: a place to record, to publish, and to ask.
//!
//! A turn is a task; its thread is an actor. The task does the waiting (model, tools, disk), the actor owns the state
//! (subscribers, status, pending requests). Everything crosses one bounded channel in order. The rule of durability is
//! kept here: [`TurnHost::record`] returns once the lines are with the kernel, and only then does the task publish.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::pending::PendingInputs;
use crate::engine::turn::edit::Injected;
use crate::model::InputItem;
use crate::protocol::methods::{Notification, ServerMethod};
use crate::protocol::{JSONRPCErrorError, ThreadActiveFlag, ThreadId, TurnError};
use crate::rpc::EncodedNotification;

/// Who hears a published notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The connections subscribed to the thread.
    Subscribers,
    /// Every initialised connection.
    Everyone,
}

/// What a turn tells its thread, in order.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "the large variant is the frequent one: boxing it would cost every delta"
)]
pub enum TurnEvent {
    /// Publish a notification.
    Publish(Audience, EncodedNotification),
    /// Ask the subscribers. The first answer wins; `reply` gets it, or why there is none.
    Ask {
        /// The wire name of the server request.
        method: &'static str,
        /// Its parameters.
        params: serde_json::Value,
        /// The flag the thread's status shows while the request is pending.
        flag: Option<ThreadActiveFlag>,
        /// Published between the status change and the request: the `item/started` of what is asked about.
        announce: Option<EncodedNotification>,
        /// Where the answer goes.
        reply: oneshot::Sender<RawAnswer>,
    },
    /// The turn's settings or usage changed in a way the thread must remember (see the variant's payload).
    Usage(Box<crate::protocol::ThreadTokenUsage>),
    /// The turn has read its conversation from the rollout: what is recorded from now on it has to be told.
    Loaded(Arc<str>),
    /// Everything before this one has been published when the reply comes.
    Fence(oneshot::Sender<()>),
    /// Something happened beside the turns that the model is to know: an item of the conversation, not recorded yet.
    Told(InputItem),
    /// A turn that announces itself has begun, under an id of its own.
    Begun {
        /// The id that clients see in `turn/started`.
        id: Arc<str>,
        /// Unix seconds.
        started_at: i64,
    },
    /// The turn has failed, but has more to say before it ends: the error is told now, not at its end.
    Troubled(TurnError),
    /// The turn is over. Nothing follows.
    Finished(TurnEnd),
    /// The task of this turn broke (it panicked, or could not begin), and its conversation with it. Sent by who runs it.
    Broken {
        /// The turn.
        turn: Arc<str>,
        /// What clients are told; `None` when it is an internal matter.
        reason: Option<String>,
    },
}

/// How a turn ended, told by the task; the thread sets its status and publishes `turn/completed`.
#[derive(Debug)]
pub struct TurnEnd {
    /// The turn as `turn/completed` shows it.
    pub turn: crate::protocol::Turn,
    /// The conversation, for the next turn.
    pub conversation: crate::engine::turn::Conversation,
    /// What the model said last, if the turn came to its end.
    pub last_message: Option<String>,
}

/// The raw outcome of asking.
#[derive(Debug)]
pub enum RawAnswer {
    /// A client answered with this result.
    Result(serde_json::Value),
    /// A client answered with an error.
    Error(JSONRPCErrorError),
    /// Nobody is subscribed, or the turn ended first.
    Cancelled,
}

/// The typed outcome of asking.
#[derive(Debug)]
pub enum Answer<T> {
    /// A client answered.
    Given(T),
    /// A client answered with an error: counts as a refusal.
    Refused(JSONRPCErrorError),
    /// A client's answer did not parse: counts as a refusal.
    Malformed(String),
    /// Nobody is subscribed, or the turn ended first.
    Cancelled,
}

/// A running turn's line to its thread. Cheap to clone; tool tasks hold their own.
#[derive(Debug, Clone)]
pub struct TurnHost {
    /// The thread.
    pub thread_id: ThreadId,
    /// The turn, as clients know it.
    pub turn_id: Arc<str>,
    /// The turn, as it is recorded: another one where a turn shows as part of another thread's.
    pub recorded_as: Arc<str>,
    /// Ends the turn when cancelled: streams stop, tools are told.
    pub cancel: CancellationToken,
    /// Input that arrived meanwhile.
    pub pending: PendingInputs,
    /// Items that a client put into the conversation meanwhile.
    pub injected: Injected,
    /// Set before `cancel` when another turn takes the place of this one.
    pub replaced: Arc<AtomicBool>,
    events: mpsc::Sender<TurnEvent>,
}

impl TurnHost {
    /// A host whose events arrive at the other end of `events`.
    pub fn new(
        thread_id: ThreadId,
        turn_id: Arc<str>,
        cancel: CancellationToken,
        pending: PendingInputs,
        events: mpsc::Sender<TurnEvent>,
    ) -> Self {
        TurnHost {
            thread_id,
            recorded_as: Arc::clone(&turn_id),
            turn_id,
            cancel,
            pending,
            injected: Injected::default(),
            replaced: Arc::default(),
            events,
        }
    }

    /// The host of a turn inside of this one: clients know it by the same ids, and it ends with this one.
    pub fn inner(&self, events: mpsc::Sender<TurnEvent>) -> Self {
        TurnHost {
            recorded_as: uuid::Uuid::now_v7().to_string().into(),
            cancel: self.cancel.child_token(),
            pending: PendingInputs::default(),
            injected: Injected::default(),
            replaced: Arc::default(),
            events,
            ..self.clone()
        }
    }

    /// Publishes to the thread's subscribers. Waits while the thread's queue is full.
    pub async fn publish<N: Notification>(&self, payload: &N) {
        self.send(TurnEvent::Publish(
            Audience::Subscribers,
            EncodedNotification::new(payload),
        ))
        .await;
    }

    /// Publishes an already encoded notification (a text delta, mostly) to the thread's subscribers.
    pub async fn publish_encoded(&self, notification: EncodedNotification) {
        self.send(TurnEvent::Publish(Audience::Subscribers, notification)).await;
    }

    /// Publishes to every initialised connection.
    pub async fn broadcast<N: Notification>(&self, payload: &N) {
        self.send(TurnEvent::Publish(
            Audience::Everyone,
            EncodedNotification::new(payload),
        ))
        .await;
    }

    /// Asks the subscribers and waits for the first answer, without limit of time.
    pub async fn ask<M: ServerMethod>(
        &self,
        params: &M::Params,
        flag: Option<ThreadActiveFlag>,
    ) -> Answer<M::Response> {
        self.ask_about::<M>(None, params, flag).await
    }

    /// Like [`TurnHost::ask`], with the `item/started` of the item in question: clients see the status change first, then
    /// the item, then the request.
    pub async fn ask_about<M: ServerMethod>(
        &self,
        announce: Option<EncodedNotification>,
        params: &M::Params,
        flag: Option<ThreadActiveFlag>,
    ) -> Answer<M::Response> {
        let (reply, answer) = oneshot::channel();
        let params = match serde_json::to_value(params) {
            Ok(params) => params,
            Err(error) => return Answer::Malformed(error.to_string()),
        };
        self.send(TurnEvent::Ask {
            method: M::NAME,
            params,
            flag,
            announce,
            reply,
        })
        .await;
        match answer.await {
            Ok(RawAnswer::Result(value)) => match serde_json::from_value(value) {
                Ok(response) => Answer::Given(response),
                Err(error) => Answer::Malformed(error.to_string()),
            },
            Ok(RawAnswer::Error(error)) => Answer::Refused(error),
            Ok(RawAnswer::Cancelled) | Err(_) => Answer::Cancelled,
        }
    }

    /// Waits until everything that was sent before has been published. A thread that is gone publishes nothing more.
    pub async fn fence(&self) {
        let (reply, published) = oneshot::channel();
        self.send(TurnEvent::Fence(reply)).await;
        let _ = published.await;
    }

    /// Sends any event. A thread that is gone takes nothing; the turn ends by its token then.
    pub async fn send(&self, event: TurnEvent) {
        let _ = self.events.send(event).await;
    }

    /// Another turn takes the place of this one.
    pub fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Relaxed)
    }
}
