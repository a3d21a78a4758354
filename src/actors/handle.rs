//! A bounded address of an actor.
//!
//! actix gives every cloned `Addr` a free mailbox slot, lets `send` ignore a full mailbox and `do_send` grow it without
//! bound. A [`Handle`] shares one `Addr`, so the mailbox's capacity holds for all senders together, and limits calls that
//! wait for a result. Full means an error at once: the caller turns it into an overload answer, never into silence.

use std::sync::Arc;

use actix::dev::{MessageResponse, ToEnvelope};
use actix::prelude::SendError;
use actix::{Actor, Addr, Handler, Message};
use tokio::sync::Semaphore;

/// How many calls may wait for one actor.
const CALLS_AT_ONCE: usize = 1024;

/// Why mail was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The mailbox is full.
    #[error("the actor's mailbox is full")]
    Full,
    /// The actor has ended.
    #[error("the actor has ended")]
    Gone,
}

/// The address of an actor, bounded for all who share it.
pub struct Handle<A: Actor> {
    address: Arc<Addr<A>>,
    calls: Arc<Semaphore>,
}

impl<A: Actor> Clone for Handle<A> {
    fn clone(&self) -> Self {
        Handle {
            address: self.address.clone(),
            calls: self.calls.clone(),
        }
    }
}

impl<A: Actor> std::fmt::Debug for Handle<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle<{}>", std::any::type_name::<A>())
    }
}

impl<A: Actor> Handle<A> {
    /// Wraps the only address of an actor.
    pub fn new(address: Addr<A>) -> Self {
        Handle {
            address: Arc::new(address),
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
        }
    }

    /// Sends mail without waiting.
    pub fn try_send<M>(&self, message: M) -> Result<(), MailError>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.address.try_send(message).map_err(|error| match error {
            SendError::Full(_) => MailError::Full,
            SendError::Closed(_) => MailError::Gone,
        })
    }

    /// Sends mail and waits for its result.
    pub async fn call<M>(&self, message: M) -> Result<M::Result, MailError>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: MessageResponse<A, M> + Send,
    {
        let _permit = self.calls.try_acquire().map_err(|_| MailError::Full)?;
        self.address.send(message).await.map_err(|error| match error {
            actix::MailboxError::Closed => MailError::Gone,
            actix::MailboxError::Timeout => MailError::Full,
        })
    }

    /// Whether the actor can still take mail.
    pub fn is_alive(&self) -> bool {
        self.address.connected()
    }
}
