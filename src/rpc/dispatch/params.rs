//! Parameters: from their text into their type, or into the complaint that a client is told.

use std::any::TypeId;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::protocol::NoParams;
use crate::rpc::error::RpcError;

/// Reads parameters into their type. The fast path reads the text directly; what it refuses is read again by way of a
/// value, which tolerates repeated members and words its complaints without positions in a text the client never saw.
pub(super) fn read_params<P: DeserializeOwned + 'static>(params: Option<&RawValue>) -> Result<P, RpcError> {
    let none_wanted = TypeId::of::<P>() == TypeId::of::<NoParams>();
    let text = match params {
        Some(raw) => raw.get(),
        None if none_wanted => "null",
        None => return Err(invalid("missing field `params`")),
    };
    // A list would be read by position, with everything left out where all members are optional.
    if text.starts_with('[') && !none_wanted {
        return Err(invalid("invalid type: sequence, expected an object in `params`"));
    }
    let first = match serde_json::from_str(text) {
        Ok(params) => return Ok(params),
        Err(error) => error,
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|_| invalid(&first.to_string()))?;
    let value = match value {
        serde_json::Value::Object(members) if none_wanted && members.is_empty() => serde_json::Value::Null,
        value => value,
    };
    serde_json::from_value(value).map_err(|error| invalid(&error.to_string()))
}

fn invalid(reason: &str) -> RpcError {
    RpcError::invalid_request(format!("Invalid request: {reason}"))
}
