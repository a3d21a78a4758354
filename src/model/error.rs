//! Why a sampling step failed, and what clients are told about it.
//!
//! Each variant is one row of the mapping from HTTP statuses and `response.failed` codes to a message and a
//! [`CodexErrorInfo`]. Messages are for people: where clients or tests know a text, it is that text.

use std::time::Duration;

use crate::protocol::{CodexErrorInfo, RateLimitSnapshot, TurnError};

/// A failed sampling step.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// HTTP 400: the body is all there is to say.
    #[error("{0}")]
    InvalidRequest(String),
    /// The provider refuses for reasons of security policy.
    #[error("{0}")]
    CyberPolicy(String),
    /// The provider cannot read an image of the request. The engine may replace images and try again.
    #[error("Invalid image in your last message. Please remove it and try again.")]
    InvalidImage,
    /// Any other unexpected status.
    #[error("{message}")]
    UnexpectedStatus {
        /// The status.
        status: u16,
        /// The whole message.
        message: String,
    },
    /// HTTP 429 with a usage limit.
    #[error("{message}")]
    UsageLimit {
        /// The whole message.
        message: String,
        /// The limits as the headers told them.
        rate_limits: Option<Box<RateLimitSnapshot>>,
    },
    /// The account's plan does not include the model, or its quota is used up.
    #[error("{0}")]
    Quota(String),
    /// HTTP 429 otherwise.
    #[error("exceeded retry limit, last status: 429 Too Many Requests{}", request_id_suffix(.request_id))]
    TooManyRequests {
        /// The provider's id for the request.
        request_id: Option<String>,
    },
    /// HTTP 500.
    #[error(
        "The model provider is having trouble with high demand and answered with an internal error. Try again later."
    )]
    ServerError,
    /// The model has no capacity.
    #[error("The selected model is at capacity. Try a different model.")]
    Overloaded,
    /// The conversation does not fit the model.
    #[error("The conversation no longer fits the model's context window. Start a new thread, or compact this one.")]
    ContextWindow,
    /// The request did not get through, or the stream broke.
    #[error("stream disconnected before completion: {message}")]
    Disconnected {
        /// What happened.
        message: String,
        /// How long the server asked to wait.
        retry_after: Option<Duration>,
    },
    /// The environment variable that holds the key is not set.
    #[error("Missing environment variable: `{variable}`.{}", instructions_suffix(.instructions))]
    MissingEnvironment {
        /// The variable.
        variable: String,
        /// What the configuration says about it.
        instructions: Option<String>,
    },
    /// The provider's configuration cannot be used, or its token command failed.
    #[error("{0}")]
    Provider(String),
    /// The turn was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl ModelError {
    /// A broken stream that may be tried again.
    pub fn disconnected(message: impl Into<String>) -> Self {
        ModelError::Disconnected {
            message: message.into(),
            retry_after: None,
        }
    }

    /// Whether the same step may be tried again.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            ModelError::UnexpectedStatus { .. } | ModelError::ServerError | ModelError::Disconnected { .. }
        )
    }

    /// The wait that the server asked for.
    pub fn requested_delay(&self) -> Option<Duration> {
        match self {
            ModelError::Disconnected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The HTTP status that clients are told. (Of HTTP 500 they are not: its message says enough.)
    pub fn http_status(&self) -> Option<u16> {
        match self {
            ModelError::UnexpectedStatus { status, .. } => Some(*status),
            ModelError::TooManyRequests { .. } | ModelError::UsageLimit { .. } => Some(429),
            _ => None,
        }
    }

    /// The rate limits that came with it; to be published.
    pub fn rate_limits(&self) -> Option<&RateLimitSnapshot> {
        match self {
            ModelError::UsageLimit { rate_limits, .. } => rate_limits.as_deref(),
            _ => None,
        }
    }

    /// The class that clients see.
    pub fn info(&self) -> CodexErrorInfo {
        match self {
            ModelError::CyberPolicy(_) => CodexErrorInfo::CyberPolicy,
            ModelError::InvalidImage => CodexErrorInfo::BadRequest,
            ModelError::UsageLimit { .. } | ModelError::Quota(_) => CodexErrorInfo::UsageLimitExceeded,
            ModelError::TooManyRequests { .. } => CodexErrorInfo::ResponseTooManyFailedAttempts {
                http_status_code: Some(429),
            },
            ModelError::ServerError => CodexErrorInfo::InternalServerError,
            ModelError::Overloaded => CodexErrorInfo::ServerOverloaded,
            ModelError::ContextWindow => CodexErrorInfo::ContextWindowExceeded,
            ModelError::InvalidRequest(_)
            | ModelError::UnexpectedStatus { .. }
            | ModelError::Disconnected { .. }
            | ModelError::MissingEnvironment { .. }
            | ModelError::Provider(_)
            | ModelError::Interrupted => CodexErrorInfo::Other,
        }
    }

    /// The error that ends a turn: for `error` with `willRetry: false` and for `turn.error`.
    pub fn to_turn_error(&self) -> TurnError {
        TurnError {
            additional_details: None,
            codex_error_info: Some(self.info()),
            message: self.to_string(),
        }
    }

    /// The notice before the `attempt`th repetition of at most `most`: for `error` with `willRetry: true`.
    pub fn to_retry_notice(&self, attempt: u64, most: u64) -> TurnError {
        TurnError {
            additional_details: Some(self.to_string()),
            codex_error_info: Some(CodexErrorInfo::ResponseStreamDisconnected {
                http_status_code: self.http_status(),
            }),
            message: format!("Reconnecting... {attempt}/{most}"),
        }
    }
}

fn request_id_suffix(id: &Option<String>) -> String {
    id.as_ref().map(|id| format!(", request id: {id}")).unwrap_or_default()
}

fn instructions_suffix(instructions: &Option<String>) -> String {
    instructions.as_ref().map(|text| format!(" {text}")).unwrap_or_default()
}
