//! Compaction by a summary that the model writes.

use futures_util::StreamExt;

use super::Compacted;
use crate::engine::compaction;
use crate::engine::context::summary;
use crate::engine::history::History;
use crate::engine::turn::request::StepTemplate;
use crate::engine::turn::task::{Failure, Task};
use crate::model::{ModelError, ModelEvent, OutputItemKind, TokenUsage};

impl Task {
    /// Asks the model for a summary of the conversation. While the conversation does not fit, its oldest items are left
    /// out: one, then twice as many each time.
    pub(super) async fn summarise(&mut self, template: &StepTemplate) -> Result<Compacted, Failure> {
        let template = template.without_tools();
        let mut history = self.conversation.history.clone();
        let prompt = self.scope.services.config.compact_prompt.clone();
        history.push(summary::request(prompt.as_deref()));
        let (mut failures, mut spare) = (0, 1);
        loop {
            if self.host().cancel.is_cancelled() {
                return Err(Failure::Interrupted);
            }
            let error = match self.ask_for_summary(&template, &history).await {
                Ok(text) => {
                    let handed_on = summary::handed_on(&text);
                    return Ok(Compacted {
                        items: compaction::summarised(self.conversation.history.items(), handed_on.clone()),
                        summary: Some(handed_on),
                    });
                }
                Err(error) => error,
            };
            if self.host().cancel.is_cancelled() || matches!(error, ModelError::Interrupted) {
                return Err(Failure::Interrupted);
            }
            if matches!(error, ModelError::ContextWindow) && history.len() > 1 {
                history.drop_oldest(spare);
                spare = spare.saturating_mul(2);
                continue;
            }
            failures += 1;
            failures = self.pause_before_retry(failures, error).await?;
        }
    }

    /// Asks once. Clients hear of the count when the answer begins, and when it is whole.
    async fn ask_for_summary(&mut self, template: &StepTemplate, history: &History) -> Result<String, ModelError> {
        let request = template.plain(history, self.conversation.window, self.turn_state.clone());
        let cancel = self.host().cancel.clone();
        let mut stream = self.scope.services.provider.stream(request, cancel).await?;
        self.note_rate_limits(stream.head().rate_limits.as_ref());
        self.note_usage();
        self.publish_usage().await;
        let mut text = String::new();
        let usage: Option<TokenUsage> = loop {
            let Some(event) = stream.next().await else {
                return Err(ModelError::disconnected("stream closed before response.completed"));
            };
            match event? {
                ModelEvent::ItemDone(item) => match item.kind {
                    OutputItemKind::Message { role, text: said, .. } if role == "assistant" => text = said,
                    _ => {}
                },
                ModelEvent::Completed { usage, .. } => break usage,
                _ => {}
            }
        };
        if let Some(usage) = usage {
            self.count(usage);
            self.tell_thread_usage().await;
        }
        self.note_usage();
        self.publish_usage().await;
        Ok(text)
    }
}
