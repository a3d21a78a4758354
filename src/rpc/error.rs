//! The one place where failures become JSON-RPC errors.
//!
//! Inside, every room has its typed error; at the edge it becomes an [`RpcError`], whose message tells the client what
//! to change. Internal faults carry a generic message; their cause is logged where they are handled.

use crate::protocol::JSONRPCErrorError;

/// The client did something wrong: malformed, unknown, out of order, not found.
pub const INVALID_REQUEST: i64 = -32600;
/// The operation exists but cannot be done here.
pub const METHOD_NOT_SUPPORTED: i64 = -32601;
/// A value is out of its range.
pub const INVALID_PARAMS: i64 = -32602;
/// The server failed.
pub const INTERNAL: i64 = -32603;
/// The server has too much to do; the request was not started.
pub const OVERLOADED: i64 = -32001;

/// A failed answer: code, message and optional data.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// One of the constants above.
    pub code: i64,
    /// What the client should know or change.
    pub message: String,
    /// Machine-readable detail, left out when absent.
    pub data: Option<serde_json::Value>,
}

impl RpcError {
    /// -32600 with `message`.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        RpcError {
            code: INVALID_REQUEST,
            message: message.into(),
            data: None,
        }
    }

    /// -32601 with `message`.
    pub fn not_supported(message: impl Into<String>) -> Self {
        RpcError {
            code: METHOD_NOT_SUPPORTED,
            message: message.into(),
            data: None,
        }
    }

    /// -32602 with `message`.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        RpcError {
            code: INVALID_PARAMS,
            message: message.into(),
            data: None,
        }
    }

    /// -32603 with `message`.
    pub fn internal(message: impl Into<String>) -> Self {
        RpcError {
            code: INTERNAL,
            message: message.into(),
            data: None,
        }
    }

    /// -32001: the request was shed and may be sent again.
    pub fn overloaded() -> Self {
        RpcError {
            code: OVERLOADED,
            message: "Server overloaded; retry later.".into(),
            data: None,
        }
    }

    /// The same error with machine-readable detail.
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }
}

impl From<RpcError> for JSONRPCErrorError {
    fn from(error: RpcError) -> Self {
        JSONRPCErrorError {
            code: error.code,
            data: error.data,
            message: error.message,
        }
    }
}
