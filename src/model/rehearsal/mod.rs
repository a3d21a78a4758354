//! The built-in offline provider `rehearsal`: a small deterministic model for demos, tests and a first look.
//!
//! It is not an AI and says so in its first message. It reads the last user message for plain instructions
//! ([`instructions`]), works them off through the same seam as any model (streamed text, tool calls, patches), and
//! reports what the tools answered ([`answer`]). It keeps no state: each request holds the whole conversation, so where
//! it stands follows from the tool outputs behind the last user message ([`conversation`]).

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio_util::sync::CancellationToken;

use crate::model::error::ModelError;
use crate::model::provider::{ModelEvent, ModelProvider, ModelStream, ResponseHead, SamplingRequest};
use crate::model::retry::RetryPolicy;

mod answer;
mod conversation;
mod events;
mod instructions;
mod patch;

/// The id of the provider and of its model.
pub const ID: &str = "rehearsal";

/// The pause between two words of an answer that was asked for slowly.
const PAUSE: Duration = Duration::from_millis(20);

/// The provider `rehearsal`.
#[derive(Debug, Default)]
pub struct RehearsalProvider {
    retry: RetryPolicy,
}

impl ModelProvider for RehearsalProvider {
    fn id(&self) -> &str {
        ID
    }

    fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    fn stream(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async move {
            if cancel.is_cancelled() {
                return Err(ModelError::Interrupted);
            }
            let conversation = conversation::read(&request);
            let script = instructions::parse(&conversation.prompt);
            let parts = answer::next(&script, &conversation);
            let playing = Playing {
                events: events::of(&parts, &conversation, &request),
                pause: script.slowly.then_some(PAUSE),
                cancel,
            };
            let head = ResponseHead {
                server_model: Some(request.model),
                ..ResponseHead::default()
            };
            Ok(ModelStream::new(head, stream::unfold(playing, Playing::next)))
        })
    }
}

/// An answer being streamed.
struct Playing {
    events: VecDeque<ModelEvent>,
    pause: Option<Duration>,
    cancel: CancellationToken,
}

impl Playing {
    async fn next(mut self) -> Option<(Result<ModelEvent, ModelError>, Self)> {
        let event = self.events.pop_front()?;
        if let (Some(pause), ModelEvent::TextDelta(_) | ModelEvent::ReasoningSummaryDelta { .. }) = (self.pause, &event)
        {
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if self.cancel.is_cancelled() {
            self.events.clear();
            return Some((Err(ModelError::Interrupted), self));
        }
        Some((Ok(event), self))
    }
}

#[cfg(test)]
mod tests;
