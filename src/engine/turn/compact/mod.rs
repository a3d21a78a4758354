//! Compaction of the running turn's conversation: when it is due, and what it leaves.
//!
//! The provider compacts (`remote`), or the model is asked for a summary (`summary`). The record that replaces the
//! conversation, the count and the item's event go out with one append: whoever reads the rollout after a crash finds
//! either all of the old conversation or all of the new one. In memory the conversation changes only when that append
//! has succeeded.

mod remote;
mod summary;

use std::sync::Arc;

use crate::config::CompactionScope;
use crate::engine::compaction;
use crate::engine::context::summary as texts;
use crate::engine::history::History;
use crate::engine::items;
use crate::engine::turn::opening::tell;
use crate::engine::turn::request::{StepTemplate, model_info};
use crate::engine::turn::task::{Failure, Task};
use crate::model::{InputItem, ModelInfo};
use crate::protocol::{ThreadItem, WarningNotification};
use crate::store::{CompactedLine, Empty, EventMsg, ItemIdOf, RolloutItem};

/// What a compaction came to.
struct Compacted {
    /// What is left of the conversation.
    items: Vec<InputItem>,
    /// The summary, where a model wrote one.
    summary: Option<String>,
}

impl Task {
    /// A turn that only compacts.
    pub(super) async fn run_compaction(&mut self) -> Result<(), Failure> {
        self.begin();
        if self.host().cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        self.flush().await?;
        self.compact(&self.template.clone(), "manual", false).await.map(drop)
    }

    /// Compacts before the turn's first step if the conversation has grown too long, or is too long for a model that
    /// the thread has just been given. The latter is left to the model that has coped with it so far.
    pub(super) async fn compact_before_turn(&mut self) -> Result<(), Failure> {
        self.take_injected();
        if self.conversation.history.is_empty() || !self.is_due(&self.scope.model) {
            return Ok(());
        }
        let template = self.former_model().unwrap_or_else(|| self.template.clone());
        self.compact(&template, "auto", false).await.map(drop)
    }

    /// Compacts between two steps if the conversation has grown too long. Returns whether it did.
    pub(super) async fn compact_between_steps(&mut self) -> Result<bool, Failure> {
        if !self.is_due(&self.scope.model) {
            return Ok(false);
        }
        self.compact(&self.template.clone(), "auto", true).await
    }

    /// What is asked of the model of the turn before, if its window is larger than that of the present one.
    fn former_model(&self) -> Option<StepTemplate> {
        let scope = &self.scope;
        let former = self
            .conversation
            .model
            .as_deref()
            .filter(|former| *former != &*scope.settings.model)?;
        let mut settings = (*scope.settings).clone();
        settings.model = former.into();
        let model = model_info(&settings, &scope.services.config, &scope.services.catalog);
        let larger = model.window()? > scope.model.window()?;
        larger.then(|| self.template.for_model(&model, &settings, &scope.services.config))
    }

    /// Whether the conversation is too long for a model.
    fn is_due(&self, model: &ModelInfo) -> bool {
        let conversation = &self.conversation;
        if conversation.overflowed {
            return true;
        }
        let Some(usage) = &conversation.usage else { return false };
        let uncounted = conversation.history.uncounted_tokens();
        let total = usage.last.total_tokens.saturating_add(uncounted);
        let counts = match self.scope.services.config.auto_compact_scope {
            CompactionScope::Total => total,
            CompactionScope::BodyAfterPrefix => total.saturating_sub(conversation.prefix.unwrap_or(0)),
        };
        let over = |tokens: i64, limit: Option<i64>| limit.is_some_and(|limit| tokens >= limit);
        over(counts, model.compaction_limit()) || over(total, model.effective_context_window())
    }

    /// Replaces the conversation by what a compaction leaves of it. In the middle of a turn the model is told its
    /// situation anew at once, else by the next turn.
    /// Returns whether hooks let it.
    async fn compact(
        &mut self,
        template: &StepTemplate,
        trigger: &'static str,
        mid_turn: bool,
    ) -> Result<bool, Failure> {
        if !self.compaction_begins(trigger).await {
            return Ok(false);
        }
        let id = items::new_id();
        items::publish_started(self.host(), ThreadItem::ContextCompaction { id: id.clone() }).await;
        self.take_injected();
        let seen = self.conversation.history.len();
        let services = Arc::clone(&self.scope.services);
        let compacted = match services.provider.compacts() {
            false => self.summarise(template).await?,
            true if services.config.feature("remote_compaction_v2") => self.have_sealed(template).await?,
            true => self.have_compacted(template).await?,
        };
        self.replace(compacted.items, compacted.summary.as_deref(), seen, mid_turn, &id)
            .await?;
        self.tell_thread_usage().await;
        self.publish_usage().await;
        items::publish_completed(self.host(), ThreadItem::ContextCompaction { id }).await;
        self.compaction_ended(trigger).await;
        if compacted.summary.is_some() {
            let warning = WarningNotification {
                message: texts::WARNING.to_owned(),
                thread_id: Some(self.host().thread_id.to_string()),
            };
            self.host().publish(&warning).await;
        }
        Ok(true)
    }

    /// Records the new conversation and takes it over. What a client put in since the first `seen` items were sent
    /// stays behind it.
    async fn replace(
        &mut self,
        mut items: Vec<InputItem>,
        summary: Option<&str>,
        seen: usize,
        mid_turn: bool,
        id: &str,
    ) -> Result<(), Failure> {
        let injected = self.host().injected.clone();
        let _held = injected.hold().await;
        self.take_injected();
        let before = self.conversation.clone();
        let scope = Arc::clone(&self.scope);
        let told = mid_turn.then(|| {
            let turn_id = &scope.host.recorded_as;
            tell(&scope.services, &scope.settings, &scope.model, turn_id, None, None)
        });
        if let Some(told) = &told {
            items = compaction::with_context(items, told.items.clone());
        }
        items.extend(before.history.items().skip(seen).cloned());
        let conversation = &mut self.conversation;
        conversation.window = conversation.window.saturating_add(1);
        conversation.prefix = None;
        conversation.history = History::from_items(items.iter().cloned());
        conversation.estimate_usage(&scope.services, scope.model.effective_context_window());
        let line = CompactedLine {
            message: summary.unwrap_or_default().to_owned(),
            replacement_history: Some(items.iter().map(|item| (**item).to_owned()).collect()),
            window: Some(conversation.window),
        };
        let (told, context) = told.map_or((None, None), |told| (Some(told.told), told.line));
        conversation.told = told;
        self.line(RolloutItem::Compacted(Box::new(line)));
        if let Some(context) = context {
            self.line(context);
        }
        self.note_usage();
        self.event(EventMsg::ContextCompacted(Empty {}));
        let turn_id = scope.host.recorded_as.to_string();
        self.line(RolloutItem::item_id(turn_id, id, ItemIdOf::ContextCompaction));
        if let Err(error) = self.flush().await {
            self.conversation = before;
            return Err(error.into());
        }
        Ok(())
    }
}
