//! Compaction by the provider: a request of its own, or an answer that ends in a sealed item.

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::json;

use super::Compacted;
use crate::engine::compaction;
use crate::engine::history::encode_item;
use crate::engine::turn::request::StepTemplate;
use crate::engine::turn::task::{Failure, Task};
use crate::model::{InputItem, ModelError, ModelEvent};
use crate::protocol::TurnError;

/// How often a sealed answer that broke off is asked for again.
const RETRIES: u64 = 2;

impl Task {
    /// Has the provider compact the conversation in a request of its own.
    pub(super) async fn have_compacted(&mut self, template: &StepTemplate) -> Result<Compacted, Failure> {
        let request = template.plain(&self.conversation.history, self.conversation.window, None);
        let cancel = self.host().cancel.clone();
        let provider = Arc::clone(&self.scope.services.provider);
        match provider.compact(request, cancel).await {
            Ok(items) => Ok(Compacted {
                items: compaction::handed_back(items),
                summary: None,
            }),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Has the provider end its answer with an item in which the conversation is sealed.
    pub(super) async fn have_sealed(&mut self, template: &StepTemplate) -> Result<Compacted, Failure> {
        let mut failures = 0;
        loop {
            match self.ask_for_sealed(template).await {
                Ok(sealed) => {
                    return Ok(Compacted {
                        items: compaction::sealed(self.conversation.history.items(), sealed),
                        summary: None,
                    });
                }
                Err(error) if error.is_retryable() && failures < RETRIES => {
                    failures += 1;
                    failures = self.pause_before_retry(failures, error).await?;
                }
                Err(error) => return Err(failure(&error)),
            }
        }
    }

    async fn ask_for_sealed(&mut self, template: &StepTemplate) -> Result<InputItem, ModelError> {
        let mut request = template.plain(
            &self.conversation.history,
            self.conversation.window,
            self.turn_state.clone(),
        );
        request
            .input
            .extend(encode_item(&json!({"type": "compaction_trigger"})));
        let cancel = self.host().cancel.clone();
        let mut stream = self.scope.services.provider.stream(request, cancel).await?;
        self.note_rate_limits(stream.head().rate_limits.as_ref());
        let (mut sealed, mut count) = (Vec::new(), 0);
        loop {
            let Some(event) = stream.next().await else {
                return Err(ModelError::disconnected("stream closed before response.completed"));
            };
            match event? {
                ModelEvent::ItemDone(item) => {
                    count += 1;
                    sealed.extend(item.history().filter(compaction::is_sealed));
                }
                ModelEvent::Completed { .. } => break,
                _ => {}
            }
        }
        let found = sealed.len();
        match (sealed.pop(), found) {
            (Some(item), 1) => Ok(item),
            _ => Err(ModelError::Provider(format!(
                "Fatal error: remote compaction v2 expected exactly one compaction output item, got {found} from {count} \
                 output items"
            ))),
        }
    }
}

fn failure(error: &ModelError) -> Failure {
    match error {
        ModelError::Interrupted => Failure::Interrupted,
        error => Failure::Failed(TurnError {
            message: format!("Error running remote compact task: {error}"),
            ..error.to_turn_error()
        }),
    }
}
