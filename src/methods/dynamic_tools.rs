//! The rules for tools that a client brings with `thread/start`.
//!
//! Names and namespaces go to the model provider as they are, so what it would refuse is refused here, before a turn
//! depends on it. The first broken rule is the answer.

use std::collections::HashSet;

use serde_json::Value;

use crate::protocol::DynamicToolSpec;
use crate::rpc::RpcError;

const MAX_NAME: usize = 128;
const MAX_NAMESPACE: usize = 64;

/// Namespaces that the Responses API keeps for itself.
const RESERVED_NAMESPACES: &[&str] = &[
    "api_tool",
    "browser",
    "computer",
    "container",
    "file_search",
    "functions",
    "image_gen",
    "multi_tool_use",
    "python",
    "python_user_visible",
    "submodel_delegator",
    "terminal",
    "tool_search",
    "web",
];

/// Checks all tools of a thread.
pub(crate) fn check(tools: &[DynamicToolSpec]) -> Result<(), RpcError> {
    let mut seen = HashSet::new();
    for tool in tools {
        check_name(&tool.name)?;
        if let Some(namespace) = &tool.namespace {
            check_namespace(namespace, &tool.name)?;
        }
        if !seen.insert((&tool.namespace, &tool.name)) {
            return refuse(match &tool.namespace {
                Some(namespace) => format!("duplicate dynamic tool name in namespace {namespace}: {}", tool.name),
                None => format!("duplicate dynamic tool name: {}", tool.name),
            });
        }
        if tool.defer_loading && tool.namespace.is_none() {
            return refuse(format!("deferred dynamic tool must include a namespace: {}", tool.name));
        }
        if let Err(reason) = check_schema(&tool.input_schema) {
            return refuse(format!(
                "dynamic tool input schema is not supported for {}: {reason}",
                tool.name
            ));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), RpcError> {
    if name.trim().is_empty() {
        return refuse("dynamic tool name must not be empty".into());
    }
    if name.trim() != name {
        return refuse(format!("dynamic tool name has leading/trailing whitespace: {name}"));
    }
    if !is_plain(name) {
        return refuse(format!(
            "dynamic tool name must match ^[a-zA-Z0-9_-]+$ to match Responses API: {name}"
        ));
    }
    if name.len() > MAX_NAME {
        return refuse(format!(
            "dynamic tool name must be at most {MAX_NAME} characters to match Responses API: {name}"
        ));
    }
    if is_reserved_for_mcp(name) {
        return refuse(format!("dynamic tool name is reserved: {name}"));
    }
    Ok(())
}

fn check_namespace(namespace: &str, name: &str) -> Result<(), RpcError> {
    if namespace.trim().is_empty() {
        return refuse(format!("dynamic tool namespace must not be empty for {name}"));
    }
    let trimmed = namespace.trim();
    if trimmed != namespace {
        return refuse(format!(
            "dynamic tool namespace has leading/trailing whitespace for {name}: {trimmed}"
        ));
    }
    if !is_plain(namespace) {
        return refuse(format!(
            "dynamic tool namespace must match ^[a-zA-Z0-9_-]+$ to match Responses API: {namespace}"
        ));
    }
    if namespace.len() > MAX_NAMESPACE {
        return refuse(format!(
            "dynamic tool namespace must be at most {MAX_NAMESPACE} characters to match Responses API: {namespace}"
        ));
    }
    if is_reserved_for_mcp(namespace) {
        return refuse(format!("dynamic tool namespace is reserved for {name}: {namespace}"));
    }
    if RESERVED_NAMESPACES.contains(&namespace) {
        return refuse(format!(
            "dynamic tool namespace collides with a reserved Responses API namespace for {name}: {namespace}"
        ));
    }
    Ok(())
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

fn is_reserved_for_mcp(text: &str) -> bool {
    text == "mcp" || text.starts_with("mcp__")
}

/// The parts of a schema that the provider must be able to read.
fn check_schema(schema: &Value) -> Result<(), String> {
    let object = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(object) => object,
        other => return Err(format!("invalid type: {}, expected struct JsonSchema", found(other))),
    };
    if object.get("type").and_then(Value::as_str) == Some("null") {
        return Err("tool input schema must not be a singleton null type".into());
    }
    match object.get("properties") {
        None | Some(Value::Object(_) | Value::Null) => Ok(()),
        Some(other) => Err(format!("invalid type: {}, expected a map", found(other))),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => format!("boolean `{value}`"),
        Value::Number(number) if number.is_f64() => format!("floating point `{number}`"),
        Value::Number(number) => format!("integer `{number}`"),
        Value::String(text) => format!("string {text:?}"),
        Value::Array(_) => "sequence".into(),
        Value::Object(_) => "map".into(),
    }
}

fn refuse(message: String) -> Result<(), RpcError> {
    Err(RpcError::invalid_request(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(name: &str, namespace: Option<&str>) -> DynamicToolSpec {
        DynamicToolSpec {
            description: "d".into(),
            input_schema: json!({"type": "object"}),
            name: name.into(),
            namespace: namespace.map(str::to_owned),
            ..DynamicToolSpec::default()
        }
    }

    fn refusal(tools: &[DynamicToolSpec]) -> String {
        check(tools).unwrap_err().message
    }

    #[test]
    fn names_are_told_what_is_wrong_with_them() {
        assert_eq!(refusal(&[tool("", None)]), "dynamic tool name must not be empty");
        assert_eq!(
            refusal(&[tool("a b", None)]),
            "dynamic tool name must match ^[a-zA-Z0-9_-]+$ to match Responses API: a b"
        );
        assert_eq!(
            refusal(&[tool("mcp__x", None)]),
            "dynamic tool name is reserved: mcp__x"
        );
        assert_eq!(
            refusal(&[tool("a", None), tool("a", None)]),
            "duplicate dynamic tool name: a"
        );
        assert_eq!(
            refusal(&[tool("a", Some("n")), tool("a", Some("n"))]),
            "duplicate dynamic tool name in namespace n: a"
        );
        assert!(check(&[tool("a", Some("n")), tool("a", None)]).is_ok());
    }

    #[test]
    fn schemas_must_be_readable() {
        let mut odd = tool("a", None);
        odd.input_schema = json!(5);
        assert_eq!(
            refusal(&[odd.clone()]),
            "dynamic tool input schema is not supported for a: invalid type: integer `5`, expected struct JsonSchema"
        );
        odd.input_schema = json!({"properties": 5});
        assert_eq!(
            refusal(&[odd]),
            "dynamic tool input schema is not supported for a: invalid type: integer `5`, expected a map"
        );
    }
}
