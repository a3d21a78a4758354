//! A loaded thread as the rest of the server sees it: an opaque address, the commands it takes, and what it is made of.
//!
//! Nobody outside `actors/` knows that a thread is an actix actor: handlers hold a [`ThreadRef`] and send it
//! [`ThreadCommand`]s, each with a reply of its own where one is wanted. Commands are bounded mail: a full mailbox is an
//! overload answer for the client, never a wait. The few commands that must not get lost have [`ThreadRef::deliver`].

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{oneshot, watch};

use crate::engine::agents::{AgentStatus, Lineage};
use crate::engine::goal::GoalKeeper;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::{ChosenPermissions, TurnSettings};
use crate::engine::turn::{Conversation, TurnOpening};
use crate::hooks::HookSet;
use crate::model::InputItem;
use crate::protocol::{
    AbsolutePathBuf, EventMark, EventPosition, NonSteerableTurnKind, Thread, ThreadId, ThreadStatus, ThreadTokenUsage,
    TurnStartParams, UserInput,
};
use crate::rpc::replay::EventLog;
use crate::rpc::{ClientHandle, ConnectionId, EncodedNotification};
use crate::store::{Recorder, StoreError, StoredThread, ThreadHistory};

/// Why a thread did not take a command, or refused it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ThreadError {
    /// The mailbox is full; the command was not taken.
    #[error("the thread has too much to do")]
    Overloaded,
    /// The thread has been unloaded.
    #[error("thread not found: {0}")]
    Gone(ThreadId),
    /// The thread is being unloaded.
    #[error("thread {0} is closing; retry after the thread is closed")]
    Closing(ThreadId),
    /// There is no turn to steer.
    #[error("no active turn to steer")]
    NothingToSteer,
    /// There is no turn to interrupt.
    #[error("no active turn to interrupt")]
    NothingToInterrupt,
    /// Another turn than the expected one is active.
    #[error("expected active turn id {} but found {}", Quoted(.expected, .quoted), Quoted(.found, .quoted))]
    OtherTurn {
        /// What the client expected.
        expected: String,
        /// The active turn.
        found: String,
        /// Whether the message puts the ids in backquotes.
        quoted: bool,
    },
    /// A review or a compaction takes no input.
    #[error("cannot steer a {} turn", kind_name(.0))]
    NotSteerable(NonSteerableTurnKind),
    /// No question is open outside of this server.
    #[error("out-of-band elicitation count is already zero")]
    NothingElicited,
    /// The input is empty.
    #[error("input must not be empty")]
    EmptyInput,
    /// Turns cannot be taken back while one runs.
    #[error("Cannot rollback while a turn is in progress.")]
    TurnRuns,
    /// Turns are being taken back already.
    #[error("rollback already in progress for this thread")]
    RollingBack,
    /// Nothing is kept of the thread, so that nothing can be read back.
    #[error("thread rollback requires persisted thread history")]
    NotKept,
    /// The thread has no rollout yet.
    #[error(
        "failed to load thread history for rollback replay: invalid thread-store request: failed to resolve rollout \
         path `{}`: No such file or directory (os error 2)",
        .0.display()
    )]
    NotWritten(PathBuf),
    /// The rollout could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct Quoted<'a>(&'a str, &'a bool);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self.1 {
            write!(f, "`{}`", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

fn kind_name(kind: &NonSteerableTurnKind) -> &'static str {
    match kind {
        NonSteerableTurnKind::Review => "review",
        NonSteerableTurnKind::Compact => "compact",
    }
}

/// Where an answer to a command goes.
pub type Reply<T> = oneshot::Sender<T>;

/// Held back until the handler's response is on its way: resolves (or is dropped) when the effect may begin.
pub type Go = oneshot::Receiver<()>;

/// What a loaded thread can be told.
#[derive(Debug)]
pub enum ThreadCommand {
    /// Subscribes a client; `reply` gets the state at that moment. Nothing published later is missed, and pending
    /// server requests are sent to the client when `go` resolves.
    Join {
        /// Who subscribes.
        client: ClientHandle,
        /// The last event it saw, when it wants what followed instead of a snapshot.
        after: Option<EventMark>,
        /// Released after the response.
        go: Go,
        /// The thread as it is.
        reply: Reply<Result<ThreadView, ThreadError>>,
    },
    /// Ends a client's subscription; `reply` tells whether there was one.
    Unsubscribe {
        /// Who leaves.
        client: ConnectionId,
        /// Whether it was subscribed.
        reply: Reply<bool>,
    },
    /// A connection ended: like `Unsubscribe`, with no answer. Must be delivered.
    Disconnected(ConnectionId),
    /// Sends everybody connected a notification about the thread, as one of its events.
    Broadcast(EncodedNotification),
    /// Asks for the state.
    View(Reply<ThreadView>),
    /// Starts a turn, or adds its input to the running one. `reply` gets the id that the client is told.
    StartTurn {
        /// What the client sent.
        params: Box<TurnStartParams>,
        /// The permission profile that it names.
        permissions: Option<Box<ChosenPermissions>>,
        /// Released after the response.
        go: Go,
        /// The turn's id.
        reply: Reply<Result<Arc<str>, ThreadError>>,
    },
    /// Adds input to the running turn; `reply` gets its id.
    SteerTurn {
        /// The id of the turn that the client believes to be running.
        expected: String,
        /// What to add.
        input: Vec<UserInput>,
        /// The turn's id.
        reply: Reply<Result<Arc<str>, ThreadError>>,
    },
    /// Interrupts the running turn; an empty id means any.
    InterruptTurn {
        /// The id of the turn that the client believes to be running.
        expected: String,
        /// Released after the response.
        go: Go,
        /// Whether there is such a turn.
        reply: Reply<Result<(), ThreadError>>,
    },
    /// Drops the last turns that the user began. `reply` comes when the rollout says so and clients know what is used.
    RollBack {
        /// How many.
        turns: u32,
        /// What is left.
        reply: Reply<Result<ThreadHistory, ThreadError>>,
    },
    /// Puts items into the conversation with the model. `reply` comes when they are recorded.
    Inject {
        /// The items.
        items: Vec<InputItem>,
        /// Whether it was done.
        reply: Reply<Result<(), ThreadError>>,
    },
    /// Runs a command of the user, as a turn of its own or beside the running one.
    ShellCommand {
        /// The script, for the user's shell.
        command: String,
        /// Released after the response.
        go: Go,
        /// Whether it is accepted.
        reply: Reply<Result<(), ThreadError>>,
    },
    /// Runs a turn that takes the place of the running one.
    Replace {
        /// What it begins with.
        opening: TurnOpening,
        /// Released after the response.
        go: Go,
        /// The turn's id.
        reply: Reply<Result<Arc<str>, ThreadError>>,
    },
    /// A client asks the user something outside of this server; `reply` gets how many such questions are open.
    OpenElicitation {
        /// Who asks.
        client: ConnectionId,
        /// The count.
        reply: Reply<u64>,
    },
    /// One of those questions was answered; `reply` gets how many are left.
    CloseElicitation {
        /// Who says so.
        client: ConnectionId,
        /// The count.
        reply: Reply<Result<u64, ThreadError>>,
    },
    /// From the next event on, these hooks count.
    UseHooks(HookSet),
    /// Lets an idle thread work towards its goal, if it has one that wants it.
    PursueGoal,
    /// Something happened that the model is to know: an item of the conversation, not recorded yet.
    Told(InputItem),
    /// Once the thread has done what it is given next, the thread that spawned it is to know.
    ReportTo(ThreadId),
    /// Ends the processes that the thread's commands left running.
    EndProcesses(Reply<()>),
    /// Ends the thread: the running turn is interrupted, pending requests are cancelled, the status becomes `notLoaded`.
    /// Must be delivered. `reply` resolves when nothing of the thread runs any more.
    Close {
        /// Whether to tell clients `thread/closed`.
        announce: bool,
        /// Resolves at the end.
        reply: Reply<()>,
    },
}

/// The state of a loaded thread at one moment.
#[derive(Debug, Clone)]
pub struct ThreadView {
    /// The thread as its store knows it.
    pub thread: StoredThread,
    /// Its status as clients see it.
    pub status: ThreadStatus,
    /// Whether its rollout exists.
    pub materialised: bool,
    /// What its next turn runs with.
    pub settings: TurnSettings,
    /// The AGENTS.md files that applied when it was loaded.
    pub instruction_sources: Arc<[AbsolutePathBuf]>,
    /// The running turn, as clients know it.
    pub active_turn: Option<Arc<str>>,
    /// What was used so far, and the turn that said so.
    pub usage: Option<LastUsage>,
    /// What it is to achieve.
    pub goal: Arc<GoalKeeper>,
    /// Where its events stand, and what became of the wish for missed ones.
    pub events: EventPosition,
}

impl ThreadView {
    /// The thread on the wire, without turns and without its name, which only the store knows. What is said in an
    /// ephemeral thread does not show outside of it.
    pub fn shown(&self) -> Thread {
        let mut thread = self.thread.to_thread(self.status.clone(), Vec::new());
        if thread.ephemeral {
            thread.preview.clear();
        }
        thread
    }
}

/// What was used so far, and the turn that said so.
#[derive(Debug, Clone)]
pub struct LastUsage {
    /// The turn.
    pub turn_id: Arc<str>,
    /// The totals.
    pub usage: Box<ThreadTokenUsage>,
}

/// Everything needed to load a thread.
pub struct ThreadSeed {
    /// The thread's id.
    pub id: ThreadId,
    /// Where its lines go; knows what was recorded so far.
    pub recorder: Recorder,
    /// What its next turn runs with.
    pub settings: TurnSettings,
    /// The AGENTS.md files that apply.
    pub instruction_sources: Arc<[AbsolutePathBuf]>,
    /// What its turns share.
    pub services: Arc<ThreadServices>,
    /// The talk with the model so far; `None` when its rollout tells it, to whoever needs it first.
    pub conversation: Option<Conversation>,
    /// What was used so far.
    pub usage: Option<LastUsage>,
    /// Who is subscribed from the beginning.
    pub subscribers: Vec<ClientHandle>,
}

/// What anybody may see of a loaded thread without sending it mail. Written by the thread alone.
#[derive(Debug)]
pub struct ThreadFace {
    status: Mutex<ThreadStatus>,
    listeners: Mutex<Vec<ConnectionId>>,
    events: Arc<EventLog>,
    lineage: Lineage,
    progress: watch::Sender<AgentStatus>,
}

impl ThreadFace {
    /// The face of a thread that has just been loaded.
    pub fn new(events: EventLog, lineage: Lineage) -> Self {
        ThreadFace {
            lineage,
            progress: watch::Sender::new(AgentStatus::PendingInit),
            status: Mutex::new(ThreadStatus::Idle),
            listeners: Mutex::default(),
            events: Arc::new(events),
        }
    }

    /// Where it stands among agents.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The connections that are subscribed.
    pub fn listeners(&self) -> Vec<ConnectionId> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it stands as an agent, now and later.
    pub fn watch_progress(&self) -> watch::Receiver<AgentStatus> {
        self.progress.subscribe()
    }

    /// It stands differently as an agent.
    pub fn set_progress(&self, status: AgentStatus) {
        self.progress.send_replace(status);
    }

    /// The events it publishes, numbered once somebody counts them.
    pub fn events(&self) -> &Arc<EventLog> {
        &self.events
    }

    /// The status as clients see it.
    pub fn status(&self) -> ThreadStatus {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a connection is subscribed.
    pub fn is_heard_by(&self, client: ConnectionId) -> bool {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&client)
    }

    /// The status has changed.
    pub fn set_status(&self, status: ThreadStatus) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The subscribed connections have changed.
    pub fn set_listeners(&self, listeners: Vec<ConnectionId>) {
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
    }
}

/// The transport behind a [`ThreadRef`]: in this process a mailbox, elsewhere perhaps a wire.
pub trait ThreadMailbox: Send + Sync {
    /// Takes the command or refuses at once.
    fn try_send(&self, command: ThreadCommand) -> Result<(), ThreadError>;

    /// Takes the command however full the mailbox is; fails only when the thread is gone.
    fn deliver(&self, command: ThreadCommand) -> Pin<Box<dyn Future<Output = Result<(), ThreadError>> + Send>>;
}

/// The address of a loaded thread. Cheap to clone; says nothing about where the thread runs.
#[derive(Clone)]
pub struct ThreadRef {
    id: ThreadId,
    face: Arc<ThreadFace>,
    mailbox: Arc<dyn ThreadMailbox>,
}

impl std::fmt::Debug for ThreadRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThreadRef({})", self.id)
    }
}

impl ThreadRef {
    /// An address whose commands go to `mailbox`.
    pub fn new(id: ThreadId, face: Arc<ThreadFace>, mailbox: Arc<dyn ThreadMailbox>) -> Self {
        ThreadRef { id, face, mailbox }
    }

    /// What can be seen of the thread from outside.
    pub fn face(&self) -> &Arc<ThreadFace> {
        &self.face
    }

    /// The thread's id.
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Sends a command without waiting.
    pub fn try_send(&self, command: ThreadCommand) -> Result<(), ThreadError> {
        self.mailbox.try_send(command)
    }

    /// Sends a command that must not get lost.
    pub async fn deliver(&self, command: ThreadCommand) -> Result<(), ThreadError> {
        self.mailbox.deliver(command).await
    }

    /// Sends a command made around a reply, and waits for that reply.
    pub async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> ThreadCommand) -> Result<T, ThreadError> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.try_send(command(reply))?;
        answer.await.map_err(|_| ThreadError::Gone(self.id))
    }
}
