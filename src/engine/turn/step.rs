//! One sampling step: the model's answer becomes items as it streams in; tool calls run meanwhile.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt;

use crate::engine::items;
use crate::engine::tools::web_search;
use crate::engine::turn::calls::RunningCall;
use crate::engine::turn::image::MadeImage;
use crate::engine::turn::message::{OpenMessage, OpenReasoning};
use crate::engine::turn::task::Task;
use crate::model::{InputItem, ModelError, ModelEvent, ModelStream, OutputItem, OutputItemKind, TokenUsage};
use crate::protocol::{
    ModelRerouteReason, ModelReroutedNotification, ModelVerificationNotification, ThreadItem, WarningNotification,
};
use crate::store::{EventMsg, ImageGenerationEnd, StoreError, WebSearchEnd};

/// Why an attempt at a step failed.
#[derive(Debug)]
pub(super) enum StepError {
    /// The model's side.
    Model(ModelError),
    /// The answer could not be recorded.
    Store(StoreError),
}

impl From<ModelError> for StepError {
    fn from(error: ModelError) -> Self {
        StepError::Model(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        StepError::Store(error)
    }
}

/// The item that deltas belong to.
enum Open {
    Message(OpenMessage),
    Reasoning(OpenReasoning),
    /// An item without deltas that clients have seen begin.
    Hosted(String),
}

/// What has come of an answer so far.
#[derive(Default)]
struct Answer {
    open: Option<Open>,
    calls: Vec<RunningCall>,
}

/// How an answer ended.
struct End {
    usage: Option<TokenUsage>,
    end_turn: Option<bool>,
}

impl Task {
    /// Asks the model once and takes the whole answer. What was complete before a fault stays in the conversation.
    /// Returns whether another step must follow.
    pub(super) async fn attempt(&mut self) -> Result<bool, StepError> {
        self.take_injected();
        self.scope.sends(&self.conversation.history);
        let request = self.template.request(
            &self.conversation.history,
            self.conversation.window,
            self.turn_state.clone(),
        );
        let provider = Arc::clone(&self.scope.services.provider);
        let mut stream = provider.stream(request, self.host().cancel.clone()).await?;
        if let Some(state) = &stream.head().turn_state {
            self.turn_state = Some(state.clone());
        }
        if let Some(etag) = &stream.head().models_etag {
            let services = &self.scope.services;
            services.catalog.heard_of(provider.id(), etag, &services.identity);
        }
        self.note_rate_limits(stream.head().rate_limits.as_ref());
        if let Some(model) = stream.head().server_model.clone() {
            self.check_route(&model).await;
        }
        let mut answer = Answer::default();
        let end = self.read(&mut stream, &mut answer).await;
        drop(stream);
        // Counted before the tools end: whoever resumes the thread meanwhile is told.
        if let Ok(End { usage: Some(usage), .. }) = &end {
            self.count(*usage);
            self.tell_thread_usage().await;
        }
        let called = self.settle(answer.calls).await;
        // An answer that broke off is told of too: it may have brought new rate limits.
        self.note_usage();
        if called {
            self.flush().await?;
            self.account_goal().await?;
        }
        self.publish_usage().await;
        let end = end?;
        if self.host().cancel.is_cancelled() {
            return Err(ModelError::Interrupted.into());
        }
        self.scope.publish_diff().await;
        Ok(called || end.end_turn == Some(false))
    }

    async fn read(&mut self, stream: &mut ModelStream, answer: &mut Answer) -> Result<End, StepError> {
        let cancel = self.host().cancel.clone();
        let mut cancelled = pin!(cancel.cancelled());
        loop {
            let event = tokio::select! {
                biased;
                () = &mut cancelled => return Err(ModelError::Interrupted.into()),
                event = stream.next() => event,
            };
            let Some(event) = event else {
                return Err(ModelError::disconnected("stream closed before response.completed").into());
            };
            match event? {
                ModelEvent::Created | ModelEvent::CustomToolInputDelta { .. } => {}
                ModelEvent::ItemAdded(item) => answer.open = self.added(item).await,
                ModelEvent::TextDelta(delta) => {
                    self.saw_output();
                    if let Some(Open::Message(message)) = &mut answer.open {
                        message.push(self.host(), &delta).await;
                    }
                }
                ModelEvent::ReasoningSummaryPartAdded { summary_index } => {
                    if let Some(Open::Reasoning(reasoning)) = &mut answer.open {
                        reasoning.add_part(self.host(), summary_index).await;
                    }
                }
                ModelEvent::ReasoningSummaryDelta { summary_index, delta } => {
                    self.saw_output();
                    if let Some(Open::Reasoning(reasoning)) = &mut answer.open {
                        reasoning.push_summary(self.host(), summary_index, &delta).await;
                    }
                }
                ModelEvent::ReasoningTextDelta { content_index, delta } => {
                    self.saw_output();
                    if let Some(Open::Reasoning(reasoning)) = &mut answer.open {
                        reasoning.push_text(self.host(), content_index, &delta).await;
                    }
                }
                ModelEvent::ItemDone(item) => {
                    self.saw_output();
                    self.done(item, answer).await?;
                }
                ModelEvent::RateLimits(limits) => self.note_rate_limits(Some(&limits)),
                ModelEvent::ServerModel(model) => self.check_route(&model).await,
                ModelEvent::Verification(verifications) => {
                    let host = self.host();
                    host.publish(&ModelVerificationNotification {
                        thread_id: host.thread_id.to_string(),
                        turn_id: host.turn_id.to_string(),
                        verifications,
                    })
                    .await;
                }
                ModelEvent::Completed { usage, end_turn, .. } => return Ok(End { usage, end_turn }),
            }
        }
    }

    /// An item has begun.
    async fn added(&mut self, item: OutputItem) -> Option<Open> {
        let id = || item.id.clone().unwrap_or_else(items::new_id);
        match item.kind {
            OutputItemKind::Message {
                ref role,
                ref text,
                phase,
            } if role == "assistant" => {
                let plan_mode = self.plan_mode();
                let message = OpenMessage::begin(self.host(), id(), text, phase, plan_mode).await;
                Some(Open::Message(message))
            }
            OutputItemKind::Reasoning { .. } => Some(Open::Reasoning(OpenReasoning::begin(self.host(), id()).await)),
            OutputItemKind::WebSearchCall { ref action, .. } => {
                let id = id();
                let item = web_search_item(&id, action.as_ref());
                items::publish_started(self.host(), item).await;
                Some(Open::Hosted(id))
            }
            OutputItemKind::ImageGenerationCall {
                ref status,
                ref revised_prompt,
                ref result,
            } => {
                let id = id();
                let image = MadeImage {
                    id: &id,
                    status,
                    revised_prompt: revised_prompt.clone(),
                    result,
                };
                let shown = self.show_image(image).await;
                items::publish_started(self.host(), shown).await;
                Some(Open::Hosted(id))
            }
            _ => None,
        }
    }

    /// An item is whole.
    async fn done(&mut self, item: OutputItem, answer: &mut Answer) -> Result<(), StoreError> {
        if item.is_tool_call() {
            return self.begin_call(item, &mut answer.calls).await;
        }
        let open = answer.open.take();
        let Some(raw) = item.history() else {
            return Ok(());
        };
        match item.kind {
            OutputItemKind::Message { role, text, phase } if role == "assistant" => {
                let open = match open {
                    Some(Open::Message(message)) => Some(message),
                    _ => None,
                };
                self.message_done(open, item.id, &text, phase, &raw).await?;
            }
            OutputItemKind::Reasoning { summary, content, .. } => {
                let open = match open {
                    Some(Open::Reasoning(reasoning)) => Some(reasoning),
                    _ => None,
                };
                let content = content.unwrap_or_default().into_iter().map(|part| part.text).collect();
                self.reasoning_done(open, item.id, summary, content, &raw).await?;
            }
            OutputItemKind::WebSearchCall { action, .. } => {
                let (id, seen) = hosted_id(open, item.id);
                let shown = web_search_item(&id, action.as_ref());
                let query = match &shown {
                    ThreadItem::WebSearch { query, .. } => query.clone(),
                    _ => String::new(),
                };
                self.event(EventMsg::WebSearchEnd(WebSearchEnd {
                    call_id: id,
                    query,
                    action: action
                        .and_then(|action| serde_json::from_str(action.get()).ok())
                        .or_else(|| Some(serde_json::json!({"type": "other"}))),
                }));
                self.hosted_done(shown, seen, &raw).await?;
            }
            OutputItemKind::ImageGenerationCall {
                status,
                revised_prompt,
                result,
            } => {
                let (id, seen) = hosted_id(open, item.id);
                let image = MadeImage {
                    id: &id,
                    status: &status,
                    revised_prompt: revised_prompt.clone(),
                    result: &result,
                };
                let shown = self.show_image(image).await;
                let saved_path = match &shown {
                    ThreadItem::ImageGeneration { saved_path, .. } => saved_path.as_ref(),
                    _ => None,
                };
                let saved_path = saved_path.map(|path| path.as_path().to_path_buf());
                self.event(EventMsg::ImageGenerationEnd(ImageGenerationEnd {
                    call_id: id,
                    status,
                    revised_prompt,
                    result,
                    saved_path,
                }));
                self.hosted_done(shown, seen, &raw).await?;
            }
            OutputItemKind::Other { kind, .. } if kind == "tool_search_call" => {
                self.answer_tool_search(&raw, &mut answer.calls).await?;
            }
            _ => {
                self.remember(Arc::clone(&raw));
                self.publish_raw(&raw).await;
            }
        }
        Ok(())
    }

    async fn hosted_done(&mut self, shown: ThreadItem, seen: bool, raw: &InputItem) -> Result<(), StoreError> {
        self.remember(Arc::clone(raw));
        self.flush().await?;
        if !seen {
            items::publish_started(self.host(), shown.clone()).await;
        }
        items::publish_completed(self.host(), shown).await;
        self.publish_raw(raw).await;
        Ok(())
    }

    /// Tells clients, once in a turn, that another model answers than the one that was asked.
    async fn check_route(&mut self, server_model: &str) {
        let asked = &self.scope.settings.model;
        if self.rerouted || server_model.eq_ignore_ascii_case(asked) {
            return;
        }
        let from_model = asked.to_string();
        self.rerouted = true;
        let host = self.host();
        host.publish(&ModelReroutedNotification {
            from_model: from_model.clone(),
            reason: ModelRerouteReason::HighRiskCyberActivity,
            thread_id: host.thread_id.to_string(),
            to_model: server_model.to_owned(),
            turn_id: host.turn_id.to_string(),
        })
        .await;
        host.publish(&WarningNotification {
            message: format!(
                "The provider answered with {server_model} instead of {from_model}, because it takes this request for \
                 high-risk cyber activity."
            ),
            thread_id: Some(host.thread_id.to_string()),
        })
        .await;
    }
}

/// The id of a hosted tool's item, and whether clients have seen it begin.
fn hosted_id(open: Option<Open>, id: Option<String>) -> (String, bool) {
    match open {
        Some(Open::Hosted(id)) => (id, true),
        _ => (id.unwrap_or_else(items::new_id), false),
    }
}

fn web_search_item(id: &str, action: Option<&InputItem>) -> ThreadItem {
    let action = action.and_then(|action| serde_json::from_str(action.get()).ok());
    let (action, query) = web_search::shown(action.as_ref());
    ThreadItem::WebSearch {
        action: Some(action),
        id: id.to_owned(),
        query,
    }
}
