//! The seam between the engine and any model: what is asked, and what comes back.
//!
//! A provider turns a [`SamplingRequest`] into a [`ModelStream`]. Dropping the stream ends the exchange.
//! A stream ends after [`ModelEvent::Completed`] or after its first error, and never yields anything behind either.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::model::error::ModelError;
use crate::model::item::OutputItem;
use crate::model::retry::RetryPolicy;
use crate::protocol::{
    ModelVerification, RateLimitSnapshot, ReasoningEffort, ReasoningSummary, TokenUsageBreakdown, Verbosity,
};

/// One item of a conversation as the JSON text that the model is sent.
pub type InputItem = Arc<RawValue>;

/// A source of model answers. One value serves every thread that uses the provider.
pub trait ModelProvider: Send + Sync + fmt::Debug {
    /// The provider's id in the configuration.
    fn id(&self) -> &str;

    /// How often and for how long a broken stream may be tried again. The engine drives these retries, because each
    /// is announced to clients; retries of the bare request happen inside [`ModelProvider::stream`].
    fn retry(&self) -> &RetryPolicy;

    /// Sends a request and returns once the answer has begun. Cancelling ends the wait and the stream with
    /// [`ModelError::Interrupted`].
    fn stream(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>>;

    /// Has the provider reach a thread's model in a plainer way from now on, after the present one failed for good.
    /// False where there is none that was not tried.
    fn fall_back(&self, _thread: &str) -> bool {
        false
    }

    /// By which way a thread's model is reached.
    fn way(&self, _thread: &str) -> Way {
        Way::Requests
    }

    /// Whether [`ModelProvider::warm_up`] does anything.
    fn warms_up(&self) -> bool {
        false
    }

    /// Prepares for a thread's first request, which is to be like this one but for its input. Whatever fails is left to
    /// that request to find out.
    fn warm_up(&self, _request: SamplingRequest) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    /// Whether the provider compacts conversations by itself; otherwise the model is asked for a summary.
    fn compacts(&self) -> bool {
        false
    }

    /// Has the provider compact a conversation; what it hands back stands for all of the request's input.
    fn compact(
        &self,
        _request: SamplingRequest,
        _cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<Vec<InputItem>, ModelError>> {
        let id = self.id().to_owned();
        Box::pin(async move { Err(ModelError::Provider(format!("the provider `{id}` does not compact"))) })
    }
}

/// By which way a model is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Each answer by a request of its own.
    Requests,
    /// By one connection that is kept.
    Socket,
    /// By such a connection, but there is none to be had: trying again is of no use.
    NoSocket,
}

/// One step of sampling: everything the model is told, and who is asking.
#[derive(Debug, Clone)]
pub struct SamplingRequest {
    /// The model's name.
    pub model: String,
    /// The base instructions, encoded once for a thread with [`json_text`].
    pub instructions: InputItem,
    /// The whole history, oldest first.
    pub input: Vec<InputItem>,
    /// A JSON array of tool definitions; `[]` when there are none.
    pub tools: InputItem,
    /// Whether several tool calls may come in one answer.
    pub parallel_tool_calls: bool,
    /// `None` for models that cannot reason: the request then says `null`.
    pub reasoning: Option<Reasoning>,
    /// How the answer's text should be; left out when nothing is set.
    pub text: TextControls,
    /// The service tier, already checked against the catalog.
    pub service_tier: Option<String>,
    /// Who is asking.
    pub identity: Arc<RequestIdentity>,
    /// The JSON text of `x-codex-turn-metadata`.
    pub turn_metadata: Option<Arc<str>>,
    /// The number of compactions before this request.
    pub window: u32,
    /// The sticky routing token of this turn: [`ResponseHead::turn_state`] of an earlier answer in the same turn.
    pub turn_state: Option<String>,
}

/// How a reasoning model should reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reasoning {
    /// The effort; left out when `None`.
    pub effort: Option<ReasoningEffort>,
    /// The summary; left out when `None`.
    pub summary: Option<ReasoningSummary>,
}

/// The request's `text` member.
#[derive(Debug, Clone, Default)]
pub struct TextControls {
    /// The verbosity, for models that know it.
    pub verbosity: Option<Verbosity>,
    /// The JSON Schema the answer must follow, for this turn only.
    pub schema: Option<Arc<RawValue>>,
    /// The schema is advice: what it does not name may be there or missing.
    pub lenient: bool,
}

/// What the provider is told about the asking thread. Constant for a thread.
#[derive(Debug, Clone, Default)]
pub struct RequestIdentity {
    /// The thread.
    pub thread_id: String,
    /// The root session; equal to the thread for a root thread.
    pub session_id: String,
    /// `originator` header.
    pub originator: String,
    /// `user-agent` header.
    pub user_agent: String,
    /// The persistent id of this installation.
    pub installation_id: String,
    /// Enabled beta features, joined by commas; empty when there are none.
    pub beta_features: String,
    /// What kind of sub-agent asks (`review`, `compact` …); `None` for a root thread.
    pub subagent: Option<String>,
    /// The thread that started this sub-agent.
    pub parent_thread_id: Option<String>,
}

/// Encodes a text once as the JSON string that requests will carry.
pub fn json_text(text: &str) -> InputItem {
    let encoded = serde_json::to_string(text).and_then(RawValue::from_string);
    encoded.unwrap_or_else(|_| RawValue::NULL.to_owned()).into()
}

/// An answer as it arrives.
pub struct ModelStream {
    head: ResponseHead,
    events: Pin<Box<dyn Stream<Item = Result<ModelEvent, ModelError>> + Send>>,
}

impl ModelStream {
    /// A stream of `events` behind `head`.
    pub fn new(
        head: ResponseHead,
        events: impl Stream<Item = Result<ModelEvent, ModelError>> + Send + 'static,
    ) -> Self {
        ModelStream {
            head,
            events: Box::pin(events),
        }
    }

    /// What the provider said before the first event.
    pub fn head(&self) -> &ResponseHead {
        &self.head
    }
}

impl fmt::Debug for ModelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelStream")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Stream for ModelStream {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(cx)
    }
}

/// What the response headers said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ResponseHead {
    /// The state of the rate limits, when the provider told any of it.
    pub rate_limits: Option<RateLimitSnapshot>,
    /// The model that answers; compare it with the one asked (`openai-model`).
    pub server_model: Option<String>,
    /// The version of the provider's model list.
    pub models_etag: Option<String>,
    /// Whether the provider counts earlier reasoning in its usage.
    pub reasoning_included: bool,
    /// To be sent back with later requests of the same turn.
    pub turn_state: Option<String>,
    /// The provider's id for the request.
    pub request_id: Option<String>,
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum ModelEvent {
    /// The answer has begun.
    Created,
    /// An item has begun; its deltas follow.
    ItemAdded(OutputItem),
    /// Text of the open message.
    TextDelta(String),
    /// A new section of the reasoning summary.
    ReasoningSummaryPartAdded {
        /// The section's index.
        summary_index: i64,
    },
    /// Text of a section of the reasoning summary.
    ReasoningSummaryDelta {
        /// The section's index.
        summary_index: i64,
        /// The text.
        delta: String,
    },
    /// Reasoning text itself, from providers that show it.
    ReasoningTextDelta {
        /// The part's index.
        content_index: i64,
        /// The text.
        delta: String,
    },
    /// Input of a custom tool call.
    CustomToolInputDelta {
        /// The item's id.
        item_id: Option<String>,
        /// The call, when the provider names it.
        call_id: Option<String>,
        /// The text.
        delta: String,
    },
    /// An item is whole. A tool call may be executed at once.
    ItemDone(OutputItem),
    /// The provider told the state of the rate limits in mid-stream.
    RateLimits(RateLimitSnapshot),
    /// The provider named, in mid-stream, the model that answers.
    ServerModel(String),
    /// The provider recommends verifications of the account.
    Verification(Vec<ModelVerification>),
    /// The answer is whole. Nothing follows.
    Completed {
        /// The response's id.
        response_id: String,
        /// What it cost.
        usage: Option<TokenUsage>,
        /// `Some(false)`: the model wants to go on without a tool call.
        end_turn: Option<bool>,
    },
}

/// What an answer cost, as the provider counts it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenUsage {
    /// Tokens read.
    pub input_tokens: i64,
    /// Of these, read from a cache.
    pub cached_input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Of these, reasoning.
    pub reasoning_output_tokens: i64,
    /// All tokens.
    pub total_tokens: i64,
}

impl TokenUsage {
    /// More than any answer takes. Counts are added up, and a provider's nonsense must not add up to a fault.
    const MOST: i64 = 1 << 40;

    /// A provider's count, held within reason.
    pub fn plausible(tokens: i64) -> i64 {
        tokens.clamp(0, TokenUsage::MOST)
    }
}

impl From<TokenUsage> for TokenUsageBreakdown {
    fn from(usage: TokenUsage) -> Self {
        TokenUsageBreakdown {
            cached_input_tokens: usage.cached_input_tokens,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            total_tokens: usage.total_tokens,
        }
    }
}
