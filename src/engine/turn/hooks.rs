//! Where a turn stops for hooks: at the thread's beginning, at what the user says, at the turn's end.

use std::sync::{Arc, PoisonError};

use serde_json::json;

use crate::engine::context::message;
use crate::engine::hooks::{Event, Reason, fire};
use crate::engine::items;
use crate::engine::turn::task::{Failure, Task};
use crate::model::InputItem;
use crate::protocol::{HookEventName, HookPromptFragment, ThreadItem, UserInput};
use crate::store::RolloutItem;

impl Task {
    /// Tells hooks, before the thread's first turn since it was loaded, that it has begun. Adds what they have to say
    /// to `context`; returns whether they let the turn go on.
    pub(super) async fn session_began(&mut self, context: &mut Vec<InputItem>) -> bool {
        let came_by = &self.scope.services.came_by;
        let Some(source) = came_by.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return true;
        };
        let began = Event {
            name: HookEventName::SessionStart,
            subjects: &[source],
            call_id: None,
            details: json!({"source": source}),
        };
        let outcome = fire(&self.scope, began).await;
        for text in outcome.contexts {
            let item = message::developer(vec![text]);
            self.remember(Arc::clone(&item));
            context.push(item);
        }
        outcome.stop.is_none()
    }

    /// Tells hooks what the user says. Returns what they have to add, or `None` when they keep it from the model.
    pub(super) async fn prompt_submitted(&mut self, input: &[UserInput]) -> Option<Vec<InputItem>> {
        if input.is_empty() {
            return Some(Vec::new());
        }
        let texts = input.iter().filter_map(|part| match part {
            UserInput::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let submitted = Event {
            name: HookEventName::UserPromptSubmit,
            subjects: &[],
            call_id: None,
            details: json!({"prompt": texts.collect::<Vec<_>>().join("\n")}),
        };
        let outcome = fire(&self.scope, submitted).await;
        if outcome.stop.is_some() || outcome.blocked().is_some() {
            return None;
        }
        Some(
            outcome
                .contexts
                .into_iter()
                .map(|text| message::developer(vec![text]))
                .collect(),
        )
    }

    /// Adds to the conversation what there is to say about a call beside its output.
    pub(super) async fn add_contexts(&mut self, contexts: Vec<String>) {
        for text in contexts {
            let item = message::developer(vec![text]);
            self.remember(Arc::clone(&item));
            self.publish_raw(&item).await;
        }
    }

    /// Tells hooks that the conversation is about to be compacted. Returns whether they let it.
    pub(super) async fn compaction_begins(&self, trigger: &'static str) -> bool {
        fire(&self.scope, compaction(HookEventName::PreCompact, &[trigger]))
            .await
            .stop
            .is_none()
    }

    /// Tells hooks that the conversation has been compacted.
    pub(super) async fn compaction_ended(&self, trigger: &'static str) {
        fire(&self.scope, compaction(HookEventName::PostCompact, &[trigger])).await;
    }

    /// Tells hooks that the turn would end now. Returns whether one sends the model back to work.
    pub(super) async fn sent_back_by_hooks(&mut self, sent_back: bool) -> Result<bool, Failure> {
        if !self.scope.services.hooks.get().has(HookEventName::Stop) {
            return Ok(false);
        }
        let stop = Event {
            name: HookEventName::Stop,
            subjects: &[],
            call_id: None,
            details: json!({"stop_hook_active": sent_back, "last_assistant_message": self.last_message}),
        };
        let scope = Arc::clone(&self.scope);
        let outcome = fire(&scope, stop).await;
        if scope.host.cancel.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        if outcome.stop.is_some() || outcome.blocks.is_empty() {
            return Ok(false);
        }
        let prompt = message::user_texts(outcome.blocks.iter().map(prompt).collect());
        let item = ThreadItem::HookPrompt {
            fragments: outcome.blocks.into_iter().map(fragment).collect(),
            id: items::new_id(),
        };
        self.remember(Arc::clone(&prompt));
        self.line(RolloutItem::item(&*scope.host.recorded_as, item.clone()));
        self.flush().await?;
        self.publish_raw(&prompt).await;
        items::publish_completed(&scope.host, item).await;
        Ok(true)
    }
}

fn compaction<'a>(name: HookEventName, trigger: &'a [&'static str; 1]) -> Event<'a> {
    Event {
        name,
        subjects: trigger,
        call_id: None,
        details: json!({"trigger": trigger[0]}),
    }
}

fn prompt(reason: &Reason) -> String {
    let id = quoted(&reason.run_id);
    let text = quoted(&reason.text);
    format!("<hook_prompt hook_run_id=\"{id}\">{text}</hook_prompt>")
}

/// Text as it stands in an element or an attribute.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn fragment(reason: Reason) -> HookPromptFragment {
    HookPromptFragment {
        hook_run_id: reason.run_id,
        text: reason.text,
    }
}
