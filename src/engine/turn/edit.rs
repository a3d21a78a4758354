//! Changes of the conversation between turns: items that a client puts in, and turns that are taken back.
//!
//! Each is recorded first and applied then, so that a failed write leaves the conversation as it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

use crate::engine::scope::ThreadServices;
use crate::engine::settings::TurnSettings;
use crate::engine::turn::Conversation;
use crate::engine::turn::opening::tell;
use crate::engine::turn::request::model_info;
use crate::engine::turn::usage::token_count;
use crate::model::InputItem;
use crate::store::{EventMsg, Recorder, RolloutItem, StoreError, ThreadRolledBack};

/// Puts items behind the conversation. A model that was told nothing yet is told its situation first.
pub async fn inject(
    services: &ThreadServices,
    settings: &TurnSettings,
    conversation: &mut Conversation,
    items: Vec<InputItem>,
) -> Result<(), StoreError> {
    let mut added = Vec::new();
    let mut lines = Vec::new();
    let mut told = None;
    if conversation.told.is_none() {
        let model = model_info(settings, &services.config, &services.catalog);
        let turn_id = uuid::Uuid::now_v7().to_string();
        let situation = tell(services, settings, &model, &turn_id, None, None);
        lines.extend(situation.items.iter().cloned().map(RolloutItem::ResponseItem));
        lines.extend(situation.line);
        added = situation.items;
        told = Some(situation.told);
    }
    added.extend(items.iter().cloned());
    lines.extend(items.into_iter().map(RolloutItem::ResponseItem));
    services.recorder.append(lines).await?;
    added.into_iter().for_each(|item| conversation.history.push(item));
    conversation.told = told.or(conversation.told.take());
    Ok(())
}

/// Records that the last turns are taken back. `conversation` is what is left; how much of the window that fills is an
/// estimate until the model answers again.
pub async fn roll_back(
    services: &ThreadServices,
    settings: &TurnSettings,
    conversation: &mut Conversation,
    turns: u32,
) -> Result<(), StoreError> {
    let window = model_info(settings, &services.config, &services.catalog).effective_context_window();
    conversation.estimate_usage(services, window);
    let rolled_back = EventMsg::ThreadRolledBack(ThreadRolledBack { num_turns: turns });
    let lines = vec![token_count(conversation).into(), rolled_back.into()];
    services.recorder.append(lines).await
}

/// Items that were recorded while a turn ran and are not in its conversation yet, oldest first. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Injected(Arc<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    items: Mutex<Vec<InputItem>>,
    /// Held from the recording of items until they are here, and while what replaces the conversation is recorded: what
    /// stands in the rollout before a compaction must be in it.
    recording: AsyncMutex<()>,
}

impl Injected {
    /// Records items, which are then here to be taken.
    pub async fn record(&self, recorder: &Recorder, items: Vec<InputItem>) -> Result<(), StoreError> {
        let _held = self.hold().await;
        let lines = items.iter().cloned().map(RolloutItem::ResponseItem).collect();
        recorder.append(lines).await?;
        self.items().extend(items);
        Ok(())
    }

    /// No items are recorded while this is held.
    pub async fn hold(&self) -> impl Drop + use<'_> {
        self.0.recording.lock().await
    }

    /// Adds what is recorded already.
    pub fn add(&self, items: Vec<InputItem>) {
        self.items().extend(items);
    }

    /// Takes what is here.
    pub fn take(&self) -> Vec<InputItem> {
        std::mem::take(&mut *self.items())
    }

    fn items(&self) -> MutexGuard<'_, Vec<InputItem>> {
        self.0.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
