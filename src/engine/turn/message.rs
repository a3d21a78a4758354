//! Messages and reasoning while they stream, and when they are whole.
//!
//! A message's start is published with its first event, but in plan mode only with the first text that is not a plan:
//! a message that is nothing but a plan is not shown.

use std::sync::Arc;

use serde_json::json;

use crate::engine::host::TurnHost;
use crate::engine::items;
use crate::engine::turn::task::Task;
use crate::engine::visible_text::{TextPiece, VisibleText, WholeText};
use crate::model::InputItem;
use crate::protocol::{
    AgentMessageDeltaNotification, MemoryCitation, MessagePhase, ModeKind, PlanDeltaNotification,
    ReasoningSummaryPartAddedNotification, ReasoningSummaryTextDeltaNotification, ReasoningTextDeltaNotification,
    ThreadItem,
};
use crate::rpc::DeltaTemplate;
use crate::store::{AgentMessage, EventMsg, ItemCompletedEvent, ItemIdOf, RolloutItem, StoreError, TextEvent};

/// A message whose text is arriving.
pub(super) struct OpenMessage {
    id: String,
    phase: Option<MessagePhase>,
    filter: VisibleText,
    /// In plan mode, white space that no other text has followed yet.
    lead: String,
    /// Clients have seen it begin.
    started: bool,
    /// Clients have seen the plan begin.
    plan_started: bool,
    text_delta: Option<DeltaTemplate>,
    plan_delta: Option<DeltaTemplate>,
}

impl OpenMessage {
    pub(super) async fn begin(
        host: &TurnHost,
        id: String,
        text: &str,
        phase: Option<MessagePhase>,
        plan_mode: bool,
    ) -> Self {
        let mut message = OpenMessage {
            id,
            phase,
            filter: VisibleText::new(plan_mode),
            lead: String::new(),
            started: false,
            plan_started: false,
            text_delta: None,
            plan_delta: None,
        };
        if plan_mode {
            message.push(host, text).await;
            return message;
        }
        let mut seed = String::new();
        for piece in message.filter.push(text) {
            if let TextPiece::Message(text) = piece {
                seed.push_str(&text);
            }
        }
        message.start(host, seed).await;
        message
    }

    pub(super) async fn push(&mut self, host: &TurnHost, text: &str) {
        for piece in self.filter.push(text) {
            self.show(host, piece).await;
        }
    }

    async fn finish(&mut self, host: &TurnHost) {
        for piece in self.filter.finish() {
            self.show(host, piece).await;
        }
    }

    async fn show(&mut self, host: &TurnHost, piece: TextPiece<'_>) {
        match piece {
            TextPiece::Message(text) if self.started => self.text(host, &text).await,
            TextPiece::Message(text) => {
                self.lead.push_str(&text);
                if !self.lead.trim().is_empty() {
                    self.start(host, String::new()).await;
                    let lead = std::mem::take(&mut self.lead);
                    self.text(host, &lead).await;
                }
            }
            TextPiece::PlanStart => self.start_plan(host).await,
            TextPiece::Plan(text) => {
                let delta = self.plan_delta.get_or_insert_with_template(|| PlanDeltaNotification {
                    delta: String::new(),
                    item_id: plan_id(host),
                    thread_id: host.thread_id.to_string(),
                    turn_id: host.turn_id.to_string(),
                });
                publish_delta(host, delta, &text).await;
            }
            TextPiece::PlanEnd => {}
        }
    }

    async fn start(&mut self, host: &TurnHost, text: String) {
        self.started = true;
        items::publish_started(host, agent_message(&self.id, text, self.phase, None)).await;
    }

    async fn start_plan(&mut self, host: &TurnHost) {
        if !std::mem::replace(&mut self.plan_started, true) {
            let (id, text) = (plan_id(host), String::new());
            items::publish_started(host, ThreadItem::Plan { id, text }).await;
        }
    }

    async fn text(&mut self, host: &TurnHost, text: &str) {
        let id = &self.id;
        let delta = self
            .text_delta
            .get_or_insert_with_template(|| AgentMessageDeltaNotification {
                delta: String::new(),
                item_id: id.clone(),
                thread_id: host.thread_id.to_string(),
                turn_id: host.turn_id.to_string(),
            });
        publish_delta(host, delta, text).await;
    }
}

/// Reasoning that is arriving.
pub(super) struct OpenReasoning {
    id: String,
    summary_delta: Option<(i64, DeltaTemplate)>,
    text_delta: Option<(i64, DeltaTemplate)>,
}

impl OpenReasoning {
    pub(super) async fn begin(host: &TurnHost, id: String) -> Self {
        items::publish_started(host, reasoning(&id, Vec::new(), Vec::new())).await;
        OpenReasoning {
            id,
            summary_delta: None,
            text_delta: None,
        }
    }

    pub(super) async fn add_part(&mut self, host: &TurnHost, summary_index: i64) {
        host.publish(&ReasoningSummaryPartAddedNotification {
            item_id: self.id.clone(),
            summary_index,
            thread_id: host.thread_id.to_string(),
            turn_id: host.turn_id.to_string(),
        })
        .await;
    }

    pub(super) async fn push_summary(&mut self, host: &TurnHost, summary_index: i64, text: &str) {
        if self
            .summary_delta
            .as_ref()
            .is_none_or(|(index, _)| *index != summary_index)
        {
            let payload = ReasoningSummaryTextDeltaNotification {
                delta: String::new(),
                item_id: self.id.clone(),
                summary_index,
                thread_id: host.thread_id.to_string(),
                turn_id: host.turn_id.to_string(),
            };
            self.summary_delta = DeltaTemplate::new(&payload).map(|template| (summary_index, template));
        }
        publish_delta(host, self.summary_delta.as_ref().map(|(_, template)| template), text).await;
    }

    pub(super) async fn push_text(&mut self, host: &TurnHost, content_index: i64, text: &str) {
        if self
            .text_delta
            .as_ref()
            .is_none_or(|(index, _)| *index != content_index)
        {
            let payload = ReasoningTextDeltaNotification {
                delta: String::new(),
                content_index,
                item_id: self.id.clone(),
                thread_id: host.thread_id.to_string(),
                turn_id: host.turn_id.to_string(),
            };
            self.text_delta = DeltaTemplate::new(&payload).map(|template| (content_index, template));
        }
        publish_delta(host, self.text_delta.as_ref().map(|(_, template)| template), text).await;
    }
}

impl Task {
    /// Whether the model is planning.
    pub(super) fn plan_mode(&self) -> bool {
        self.scope.settings.mode == ModeKind::Plan
    }

    /// A message is whole: its lines are written, then it is shown.
    pub(super) async fn message_done(
        &mut self,
        mut open: Option<OpenMessage>,
        id: Option<String>,
        text: &str,
        phase: Option<MessagePhase>,
        raw: &InputItem,
    ) -> Result<(), StoreError> {
        if let Some(open) = &mut open {
            open.finish(self.host()).await;
        }
        let plan_mode = self.plan_mode();
        let whole = WholeText::split(text, plan_mode);
        let started = open.as_ref().is_some_and(|open| open.started);
        let plan_started = open.as_ref().is_some_and(|open| open.plan_started);
        let id = open.map(|open| open.id).or(id).unwrap_or_else(items::new_id);
        let shown = !plan_mode || started || !whole.message.trim().is_empty();
        let plan = whole.plan.map(|text| ThreadItem::Plan {
            id: plan_id(self.host()),
            text,
        });
        if let Some(ThreadItem::Plan { id, text }) = &plan {
            let line = ItemCompletedEvent {
                thread_id: Some(self.host().thread_id.to_string()),
                turn_id: self.host().recorded_as.to_string(),
                item: json!({"type": "Plan", "id": id, "text": text}),
                completed_at_ms: Some(items::now_ms()),
            };
            self.event(EventMsg::ItemCompleted(line));
        }
        if shown {
            self.event(EventMsg::AgentMessage(AgentMessage {
                message: whole.message.clone(),
                phase,
                memory_citation: whole.citation.clone(),
            }));
            let turn_id = self.host().recorded_as.to_string();
            self.line(RolloutItem::item_id(turn_id, &id, ItemIdOf::AgentMessage));
        }
        self.remember(Arc::clone(raw));
        self.flush().await?;
        if let Some(plan) = plan {
            if !plan_started {
                let (id, text) = (plan_id(self.host()), String::new());
                items::publish_started(self.host(), ThreadItem::Plan { id, text }).await;
            }
            items::publish_completed(self.host(), plan).await;
        }
        if shown {
            if !started {
                let text = if plan_mode {
                    String::new()
                } else {
                    whole.message.clone()
                };
                items::publish_started(self.host(), agent_message(&id, text, phase, None)).await;
            }
            let item = agent_message(&id, whole.message.clone(), phase, whole.citation);
            items::publish_completed(self.host(), item).await;
            self.last_message = Some(whole.message);
        }
        self.publish_raw(raw).await;
        Ok(())
    }

    /// Reasoning is whole.
    pub(super) async fn reasoning_done(
        &mut self,
        open: Option<OpenReasoning>,
        id: Option<String>,
        summary: Vec<String>,
        content: Vec<String>,
        raw: &InputItem,
    ) -> Result<(), StoreError> {
        let seen = open.is_some();
        let id = open.map(|open| open.id).or(id).unwrap_or_else(items::new_id);
        for text in &summary {
            self.event(EventMsg::AgentReasoning(TextEvent { text: text.clone() }));
        }
        if !summary.is_empty() {
            let turn_id = self.host().recorded_as.to_string();
            self.line(RolloutItem::item_id(turn_id, &id, ItemIdOf::Reasoning));
        }
        self.remember(Arc::clone(raw));
        self.flush().await?;
        let item = reasoning(&id, summary, content);
        if !seen {
            items::publish_started(self.host(), item.clone()).await;
        }
        items::publish_completed(self.host(), item).await;
        self.publish_raw(raw).await;
        Ok(())
    }
}

/// Makes a template on first use.
trait OnFirstUse {
    fn get_or_insert_with_template<N: crate::protocol::methods::Notification>(
        &mut self,
        payload: impl FnOnce() -> N,
    ) -> Option<&DeltaTemplate>;
}

impl OnFirstUse for Option<DeltaTemplate> {
    fn get_or_insert_with_template<N: crate::protocol::methods::Notification>(
        &mut self,
        payload: impl FnOnce() -> N,
    ) -> Option<&DeltaTemplate> {
        if self.is_none() {
            *self = DeltaTemplate::new(&payload());
        }
        self.as_ref()
    }
}

async fn publish_delta(host: &TurnHost, template: Option<&DeltaTemplate>, text: &str) {
    if let Some(template) = template {
        host.publish_encoded(template.fill(text)).await;
    }
}

/// The one plan of a turn.
fn plan_id(host: &TurnHost) -> String {
    format!("{}-plan", host.turn_id)
}

fn agent_message(
    id: &str,
    text: String,
    phase: Option<MessagePhase>,
    memory_citation: Option<MemoryCitation>,
) -> ThreadItem {
    ThreadItem::AgentMessage {
        id: id.to_owned(),
        memory_citation,
        phase,
        text,
    }
}

fn reasoning(id: &str, summary: Vec<String>, content: Vec<String>) -> ThreadItem {
    ThreadItem::Reasoning {
        content,
        id: id.to_owned(),
        summary,
    }
}
