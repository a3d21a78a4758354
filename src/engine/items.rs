//! Telling clients about items: started, completed (recorded first), with the clock's milliseconds.
//!
//! Every tool and the loop itself go through here, so that "recorded, then published" is one place.

use chrono::Utc;

use crate::engine::host::TurnHost;
use crate::engine::scope::TurnScope;
use crate::protocol::{ItemCompletedNotification, ItemStartedNotification, ThreadItem};
use crate::store::RolloutItem;

/// A new id for an item that the model gave none.
pub fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// Publishes `item/started`.
pub async fn publish_started(host: &TurnHost, item: ThreadItem) {
    publish_started_at(host, item, now_ms()).await;
}

/// Publishes `item/started` of an item that has begun at a time which something else tells as well.
pub async fn publish_started_at(host: &TurnHost, item: ThreadItem, started_at_ms: i64) {
    host.publish(&ItemStartedNotification {
        item,
        started_at_ms,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    })
    .await;
}

/// Publishes `item/completed`. What must be recorded of the item has been.
pub async fn publish_completed(host: &TurnHost, item: ThreadItem) {
    host.publish(&ItemCompletedNotification {
        completed_at_ms: now_ms(),
        item,
        thread_id: host.thread_id.to_string(),
        turn_id: host.turn_id.to_string(),
    })
    .await;
}

/// Records a tool's item whole, then publishes `item/completed`. For items without an event line of their own.
pub async fn record_and_publish_completed(turn: &TurnScope, item: ThreadItem) {
    let line = RolloutItem::item(&*turn.host.recorded_as, item.clone());
    if let Err(error) = turn.recorder().append(vec![line]).await {
        tracing::error!(%error, thread.id = %turn.host.thread_id, "an item was not recorded");
    }
    publish_completed(&turn.host, item).await;
}
