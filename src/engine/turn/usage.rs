//! Counting tokens and telling clients: usage and rate limits always go out as a pair.

use serde_json::{Value, json};

use crate::engine::host::TurnEvent;
use crate::engine::scope::ThreadServices;
use crate::engine::turn::Conversation;
use crate::engine::turn::task::{Failure, Task};
use crate::model::{ModelError, TokenUsage};
use crate::protocol::{
    AccountRateLimitsUpdatedNotification, RateLimitSnapshot, RateLimitWindow, ThreadTokenUsage,
    ThreadTokenUsageUpdatedNotification, TokenUsageBreakdown,
};
use crate::store::{EventMsg, TokenCount};

/// The limits that are meant when the provider names none.
const DEFAULT_LIMIT: &str = "codex";

impl Task {
    /// Counts an answer.
    pub(super) fn count(&mut self, usage: TokenUsage) {
        let last = TokenUsageBreakdown::from(usage);
        self.spend(&last);
        self.conversation.overflowed = false;
        self.conversation.prefix.get_or_insert(last.input_tokens);
        let window = self.scope.model.effective_context_window();
        let known = self.conversation.usage.get_or_insert_with(|| ThreadTokenUsage {
            last: TokenUsageBreakdown::default(),
            model_context_window: None,
            total: TokenUsageBreakdown::default(),
        });
        let total = &mut known.total;
        total.cached_input_tokens = total.cached_input_tokens.saturating_add(last.cached_input_tokens);
        total.input_tokens = total.input_tokens.saturating_add(last.input_tokens);
        total.output_tokens = total.output_tokens.saturating_add(last.output_tokens);
        total.reasoning_output_tokens = total
            .reasoning_output_tokens
            .saturating_add(last.reasoning_output_tokens);
        total.total_tokens = total.total_tokens.saturating_add(last.total_tokens);
        known.last = last;
        known.model_context_window = window;
        self.conversation.history.mark_counted();
    }

    /// The conversation does not fit: whatever was counted, the window is full.
    fn fill_window(&mut self) {
        self.conversation.overflowed = true;
        let Some(window) = self.scope.model.effective_context_window() else {
            return;
        };
        let counted = self
            .conversation
            .usage
            .as_ref()
            .map_or(0, |usage| usage.total.total_tokens);
        let full = |total_tokens| TokenUsageBreakdown {
            total_tokens,
            ..TokenUsageBreakdown::default()
        };
        self.conversation.usage = Some(ThreadTokenUsage {
            last: full(window.saturating_sub(counted).max(0)),
            model_context_window: Some(window),
            total: full(window),
        });
    }

    /// Takes over what an answer told about rate limits. Windows are as of now; credits and plan stay until told anew.
    pub(super) fn note_rate_limits(&mut self, told: Option<&RateLimitSnapshot>) {
        let before = self.conversation.rate_limits.take().unwrap_or_default();
        let mut limits = told.cloned().unwrap_or_else(no_limits);
        limits.credits = limits.credits.or(before.credits);
        limits.plan_type = limits.plan_type.or(before.plan_type);
        self.conversation.rate_limits = Some(limits);
    }

    fn rate_limits(&self) -> RateLimitSnapshot {
        self.conversation.rate_limits.clone().unwrap_or_else(no_limits)
    }

    /// Adds the line of usage and rate limits to the next append.
    pub(super) fn note_usage(&mut self) {
        self.event(token_count(&self.conversation));
    }

    /// Tells the thread what was used, for clients that resume it.
    pub(super) async fn tell_thread_usage(&self) {
        if let Some(usage) = &self.conversation.usage {
            self.host().send(TurnEvent::Usage(Box::new(usage.clone()))).await;
        }
    }

    /// Publishes usage and rate limits.
    pub(super) async fn publish_usage(&mut self) {
        let limits = self.rate_limits();
        if let Some(usage) = &self.conversation.usage {
            let host = self.host();
            host.publish(&ThreadTokenUsageUpdatedNotification {
                thread_id: host.thread_id.to_string(),
                token_usage: usage.clone(),
                turn_id: host.turn_id.to_string(),
            })
            .await;
        }
        let update = AccountRateLimitsUpdatedNotification { rate_limits: limits };
        self.host().broadcast(&update).await;
    }

    /// Ends the turn for an error that no further attempt can mend.
    pub(super) async fn give_up(&mut self, error: ModelError) -> Failure {
        if matches!(error, ModelError::ContextWindow) {
            self.fill_window();
            self.tell_thread_usage().await;
            self.note_usage();
            self.publish_usage().await;
        } else if let Some(limits) = error.rate_limits() {
            self.note_rate_limits(Some(limits));
            self.note_usage();
            self.publish_usage().await;
        }
        Failure::Failed(error.to_turn_error())
    }
}

impl Conversation {
    /// Takes what the conversation fills of the `window` for an estimate, until the model answers again.
    pub(super) fn estimate_usage(&mut self, services: &ThreadServices, window: Option<i64>) {
        let left = TokenUsageBreakdown {
            total_tokens: self
                .history
                .estimated_tokens()
                .saturating_add(estimated_instructions(services)),
            ..TokenUsageBreakdown::default()
        };
        let total = self.usage.take().map(|usage| usage.total).unwrap_or_default();
        self.usage = Some(ThreadTokenUsage {
            last: left,
            model_context_window: window,
            total,
        });
        self.history.mark_counted();
        self.overflowed = false;
    }
}

/// A rough count of the tokens of the base instructions.
pub(super) fn estimated_instructions(services: &ThreadServices) -> i64 {
    i64::try_from(services.instructions.get().len().div_ceil(4)).unwrap_or(i64::MAX)
}

/// The event of usage and rate limits.
pub(super) fn token_count(conversation: &Conversation) -> EventMsg {
    let limits = conversation.rate_limits.clone().unwrap_or_else(no_limits);
    EventMsg::TokenCount(Box::new(TokenCount {
        info: conversation.usage.as_ref().map(Into::into),
        rate_limits: Some(recorded(&limits)),
    }))
}

/// What clients are told when the provider tells nothing.
fn no_limits() -> RateLimitSnapshot {
    RateLimitSnapshot {
        limit_id: Some(DEFAULT_LIMIT.to_owned()),
        ..RateLimitSnapshot::default()
    }
}

/// A snapshot as rollout lines spell it.
fn recorded(limits: &RateLimitSnapshot) -> Value {
    let window = |window: &RateLimitWindow| {
        json!({
            "used_percent": f64::from(window.used_percent),
            "window_minutes": window.window_duration_mins,
            "resets_at": window.resets_at,
        })
    };
    json!({
        "limit_id": limits.limit_id,
        "limit_name": limits.limit_name,
        "primary": limits.primary.as_ref().map(window),
        "secondary": limits.secondary.as_ref().map(window),
        "credits": limits.credits.as_ref().map(|credits| json!({
            "has_credits": credits.has_credits,
            "unlimited": credits.unlimited,
            "balance": credits.balance,
        })),
        "plan_type": limits.plan_type,
        "rate_limit_reached_type": limits.rate_limit_reached_type,
    })
}
