//! The published schema: JSON Schema (draft 07) and TypeScript, generated from the payload types and THE table.
//!
//! Every payload becomes one file, in the layout of the public schema: `v1/` for the handshake, the root for what the
//! server asks of clients, `v2/` for the rest, and four files that name all messages of one direction. Without
//! `experimental`, experimental methods and gated fields are left out.

mod messages;
mod typescript;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::protocol::methods::Stability;
use crate::protocol::*;
use crate::{client_methods, server_methods, server_notifications};

pub use messages::MessageKind;

/// A payload type and the message it belongs to.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The type's name, which is the file's name too.
    pub name: &'static str,
    /// The method that carries it; empty for the envelopes.
    pub method: &'static str,
    /// In which kind of message it travels.
    pub kind: MessageKind,
    /// Whether the method is open to everyone.
    pub stability: Stability,
    /// Makes its schema.
    pub schema: fn() -> Value,
}

/// What to leave out of the generated files.
#[derive(Debug, Clone, Copy, Default)]
pub struct SchemaOptions<'a> {
    /// Keep experimental methods, fields and notifications.
    pub experimental: bool,
    /// `(method, field)` pairs that need the experimental API.
    pub gated_fields: &'a [(&'a str, &'a str)],
    /// The same for what the server asks of clients.
    pub gated_request_fields: &'a [(&'a str, &'a str)],
}

fn schema_of<T: JsonSchema>() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    serde_json::to_value(schema).unwrap_or_default()
}

fn base_name(full: &'static str) -> &'static str {
    full.rsplit(':').next().unwrap_or(full).trim()
}

/// Every payload of the protocol, in the order of the table; a type that serves two methods stands once for each.
pub fn payloads() -> Vec<Payload> {
    let mut all = Vec::new();
    macro_rules! client {
        ($($marker:ident: $wire:literal ($params:ty) -> $response:ty, $stability:ident, $scope:ident $(($global:expr))?, $($handler:ident)::+;)+) => {
            $(
                all.push(Payload { name: base_name(stringify!($params)), method: $wire, kind: MessageKind::ClientParams, stability: Stability::$stability, schema: schema_of::<$params> });
                all.push(Payload { name: base_name(stringify!($response)), method: $wire, kind: MessageKind::ServerResult, stability: Stability::$stability, schema: schema_of::<$response> });
            )+
        };
    }
    client_methods!(client);
    macro_rules! server {
        ($($marker:ident: $wire:literal ($params:ty) -> $response:ty;)+) => {
            $(
                all.push(Payload { name: base_name(stringify!($params)), method: $wire, kind: MessageKind::ServerParams, stability: Stability::Stable, schema: schema_of::<$params> });
                all.push(Payload { name: base_name(stringify!($response)), method: $wire, kind: MessageKind::ClientResult, stability: Stability::Stable, schema: schema_of::<$response> });
            )+
        };
    }
    server_methods!(server);
    macro_rules! notification {
        ($($marker:ident: $wire:literal ($payload:ty), $stability:ident;)+) => {
            $(all.push(Payload { name: base_name(stringify!($payload)), method: $wire, kind: MessageKind::ServerNotification, stability: Stability::$stability, schema: schema_of::<$payload> });)+
        };
    }
    server_notifications!(notification);
    macro_rules! envelope {
        ($($payload:ty),+) => {
            $(all.push(Payload { name: base_name(stringify!($payload)), method: "", kind: MessageKind::Envelope, stability: Stability::Stable, schema: schema_of::<$payload> });)+
        };
    }
    envelope!(
        RequestId,
        JSONRPCMessage,
        JSONRPCRequest,
        JSONRPCNotification,
        JSONRPCResponse,
        JSONRPCError,
        JSONRPCErrorError
    );
    all
}

/// Where a payload's file lies below the output folder.
fn folder(payload: &Payload) -> &'static str {
    match payload.kind {
        MessageKind::Envelope | MessageKind::ServerParams | MessageKind::ClientResult => "",
        _ if payload.method == "initialize" => "v1",
        _ if payload.method.starts_with("fuzzyFileSearch") => "",
        _ => "v2",
    }
}

/// Drops the fields of `payload` that only experimental clients may use.
fn strip_gated(schema: &mut Value, payload: &Payload, options: &SchemaOptions<'_>) {
    let fields = match payload.kind {
        _ if options.experimental => return,
        MessageKind::ClientParams => options.gated_fields,
        MessageKind::ServerParams => options.gated_request_fields,
        _ => return,
    };
    let gated: Vec<&str> = fields
        .iter()
        .filter(|(method, _)| *method == payload.method)
        .map(|(_, field)| *field)
        .collect();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !gated.contains(&name.as_str()));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !gated.iter().any(|field| name == field));
    }
}

/// The payloads that `options` keep, each once, with their schemas.
fn selected(options: &SchemaOptions<'_>) -> Vec<(Payload, Value)> {
    let mut seen = std::collections::HashSet::new();
    let mut kept = Vec::new();
    for payload in payloads() {
        let hidden = payload.stability == Stability::Experimental && !options.experimental;
        if hidden || payload.name == "NoParams" || !seen.insert(payload.name) {
            continue;
        }
        let mut schema = (payload.schema)();
        strip_gated(&mut schema, &payload, options);
        kept.push((payload, schema));
    }
    kept
}

/// Writes the JSON Schema files below `out`, making folders as needed.
///
/// # Errors
/// What the file system says.
pub fn write_json(out: &Path, options: &SchemaOptions<'_>) -> std::io::Result<usize> {
    let mut written = 0;
    let mut write = |folder: &str, name: &str, schema: &Value| {
        let folder = out.join(folder);
        std::fs::create_dir_all(&folder)?;
        written += 1;
        std::fs::write(
            folder.join(format!("{name}.json")),
            serde_json::to_string_pretty(schema)? + "\n",
        )
    };
    for (payload, schema) in selected(options) {
        write(folder(&payload), payload.name, &schema)?;
    }
    for (name, schema) in messages::unions(options) {
        write("", name, &schema)?;
    }
    Ok(written)
}

/// Writes one TypeScript file for each type below `out`, and an `index.ts` that exports them all.
///
/// # Errors
/// What the file system says.
pub fn write_typescript(out: &Path, options: &SchemaOptions<'_>) -> std::io::Result<usize> {
    std::fs::create_dir_all(out)?;
    let mut types: BTreeMap<String, Value> = BTreeMap::new();
    let unions = messages::unions(options)
        .into_iter()
        .map(|(name, schema)| (name.to_string(), schema));
    let payloads = selected(options)
        .into_iter()
        .map(|(payload, schema)| (payload.name.to_string(), schema));
    for (name, mut schema) in payloads.chain(unions) {
        if let Some(Value::Object(definitions)) = schema.as_object_mut().and_then(|s| s.remove("definitions")) {
            types.extend(definitions);
        }
        types.insert(name, schema);
    }
    let mut index = String::new();
    for (name, schema) in &types {
        std::fs::write(out.join(format!("{name}.ts")), typescript::module(name, schema))?;
        index.push_str(&format!("export type {{ {name} }} from \"./{name}\";\n"));
    }
    std::fs::write(out.join("index.ts"), index)?;
    Ok(types.len())
}

/// An empty object schema with a title.
fn titled(title: &str) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    map.insert("title".into(), title.into());
    map
}
