//! What is told about threads around an answer: where their events stand for clients that count them (the lossless
//! reconnect, docs/reconnect.md), what was used so far, and what everybody hears.

use std::sync::Arc;

use crate::engine::thread_ref::{LastUsage, ThreadCommand, ThreadError};
use crate::protocol::*;
use crate::rpc::context::{RequestContext, Services};
use crate::rpc::{ClientHandle, EncodedNotification};

/// Where the events of a thread stand that was loaded for this client. The stream began with it: one that the client
/// saw before is another.
pub(crate) fn fresh_stream(cx: &RequestContext, id: &str, asked: Option<&GreenroomResume>) -> Option<EventPosition> {
    let id = ThreadId::parse(id).ok().filter(|_| cx.client.counts_events())?;
    let mut position = cx.services.threads.get(&id)?.face().events().position();
    if asked.is_some_and(|asked| asked.after.is_some()) {
        position.replay = Some(ReplayOutcome::SnapshotNeeded);
        position.reason = Some(SnapshotReason::StreamUnknown);
    }
    Some(position)
}

/// What a client that counts events wants of a running thread.
pub(crate) fn wanted(client: &ClientHandle, asked: Option<&GreenroomResume>) -> Option<EventMark> {
    asked
        .filter(|_| client.counts_events())
        .and_then(|asked| asked.after.clone())
}

/// Sends everybody connected a notification about a thread that a handler made. When somebody counts the thread's
/// events it goes through the thread, which numbers it.
pub(crate) fn broadcast(services: &Services, id: &ThreadId, notification: EncodedNotification) {
    let counted = services
        .threads
        .get(id)
        .filter(|thread| thread.face().events().is_armed());
    let Some(thread) = counted else {
        return services.clients.broadcast(&notification);
    };
    match thread.try_send(ThreadCommand::Broadcast(notification.clone())) {
        Ok(()) => {}
        Err(ThreadError::Overloaded) => {
            let clients = Arc::clone(&services.clients);
            tokio::spawn(async move {
                let command = ThreadCommand::Broadcast(notification.clone());
                if thread.deliver(command).await.is_err() {
                    clients.broadcast(&notification);
                }
            });
        }
        Err(_) => services.clients.broadcast(&notification),
    }
}

/// Tells the requester, after its response, what the thread has used so far.
pub(crate) fn tell_usage(cx: &RequestContext, id: ThreadId, usage: Option<LastUsage>) {
    let Some(last) = usage else { return };
    let client = cx.client.clone();
    cx.after(move || {
        client.notify_one(&ThreadTokenUsageUpdatedNotification {
            thread_id: id.to_string(),
            token_usage: *last.usage,
            turn_id: last.turn_id.to_string(),
        });
    });
}
