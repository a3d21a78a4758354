//! The unions of all messages of one direction: `ClientRequest`, `ServerRequest`, `ServerNotification`,
//! `ClientNotification`.

use serde_json::{Map, Value, json};

use super::{SchemaOptions, payloads, strip_gated, titled};
use crate::protocol::methods::Stability;

/// In which kind of message a payload travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// Parameters of a client's request.
    ClientParams,
    /// The server's answer to it.
    ServerResult,
    /// Parameters of the server's request.
    ServerParams,
    /// The client's answer to it.
    ClientResult,
    /// Payload of the server's notification.
    ServerNotification,
    /// The JSON-RPC envelope itself.
    Envelope,
}

/// The four unions, by file name.
pub(super) fn unions(options: &SchemaOptions<'_>) -> Vec<(&'static str, Value)> {
    vec![
        (
            "ClientRequest",
            union("ClientRequest", MessageKind::ClientParams, true, options),
        ),
        (
            "ServerRequest",
            union("ServerRequest", MessageKind::ServerParams, true, options),
        ),
        (
            "ServerNotification",
            union("ServerNotification", MessageKind::ServerNotification, false, options),
        ),
        ("ClientNotification", client_notification()),
    ]
}

fn client_notification() -> Value {
    let mut schema = titled("ClientNotification");
    let message = json!({"type": "object", "required": ["method"],
        "properties": {"method": {"type": "string", "enum": ["initialized"]}}});
    schema.insert("oneOf".into(), json!([message]));
    Value::Object(schema)
}

fn union(title: &str, kind: MessageKind, with_id: bool, options: &SchemaOptions<'_>) -> Value {
    let mut schema = titled(title);
    let mut definitions = Map::new();
    let mut alternatives = Vec::new();
    for payload in payloads().into_iter().filter(|payload| payload.kind == kind) {
        if payload.stability == Stability::Experimental && !options.experimental {
            continue;
        }
        let mut properties = Map::new();
        let mut required = vec!["method"];
        if with_id {
            properties.insert("id".into(), json!({"$ref": "#/definitions/RequestId"}));
            required.insert(0, "id");
        }
        properties.insert("method".into(), json!({"type": "string", "enum": [payload.method]}));
        if payload.name == "NoParams" {
            properties.insert("params".into(), json!({"type": "null"}));
        } else {
            properties.insert(
                "params".into(),
                json!({"$ref": format!("#/definitions/{}", payload.name)}),
            );
            required.push("params");
            let mut body = (payload.schema)();
            strip_gated(&mut body, &payload, options);
            if let Some(body) = body.as_object_mut() {
                body.remove("$schema");
                if let Some(Value::Object(inner)) = body.remove("definitions") {
                    definitions.extend(inner);
                }
            }
            definitions.insert(payload.name.into(), body);
        }
        alternatives.push(json!({"type": "object", "required": required, "properties": properties}));
    }
    if with_id {
        definitions.insert(
            "RequestId".into(),
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "format": "int64"}]}),
        );
    }
    schema.insert("oneOf".into(), Value::Array(alternatives));
    schema.insert("definitions".into(), Value::Object(definitions));
    Value::Object(schema)
}
