//! What goes wrong with a request, as its client is told: a code and a message.

use std::io;

use crate::protocol::exec_server::NOT_FOUND;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct Refusal {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Refusal {
    pub(super) const INVALID_REQUEST: i64 = -32600;

    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Refusal {
            code: Self::INVALID_REQUEST,
            message: message.into(),
        }
    }

    pub(super) fn unknown_method(method: &str) -> Self {
        Refusal {
            code: -32601,
            // The words that clients of the field know.
            message: format!("exec-server stub does not implement `{method}` yet"),
        }
    }

    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Refusal {
            code: -32602,
            message: message.into(),
        }
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Refusal {
            code: -32603,
            message: message.into(),
        }
    }
}

/// Errors of the file system, in its own words.
impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::NotFound => NOT_FOUND,
            io::ErrorKind::InvalidInput => Self::INVALID_REQUEST,
            _ => return Refusal::internal(error.to_string()),
        };
        Refusal {
            code,
            message: error.to_string(),
        }
    }
}
