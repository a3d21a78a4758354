//! The body of a request.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::messages::{self, Message};
use super::tools::{Function, Tools};
use crate::model::provider::{SamplingRequest, TextControls};
use crate::protocol::{ReasoningEffort, Verbosity};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message>,
    // Many servers refuse an empty list, or what only makes sense beside one.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tools: &'a [Function],
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<ReasoningEffort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<Verbosity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct ResponseFormat<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    json_schema: JsonSchema<'a>,
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    strict: bool,
    schema: &'a RawValue,
}

/// The body of `POST {base_url}/chat/completions`.
pub(super) fn body(request: &SamplingRequest, tools: &Tools) -> Bytes {
    let body = Body {
        model: &request.model,
        messages: messages::of(&request.instructions, &request.input),
        tools: tools.functions(),
        parallel_tool_calls: (!tools.functions().is_empty()).then_some(request.parallel_tool_calls),
        stream: true,
        stream_options: StreamOptions { include_usage: true },
        reasoning_effort: request.reasoning.and_then(|reasoning| reasoning.effort),
        verbosity: request.text.verbosity,
        service_tier: request.service_tier.as_deref(),
        response_format: format(&request.text),
    };
    // Writing to memory fails only for types that are not JSON; all of ours are.
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}

fn format(text: &TextControls) -> Option<ResponseFormat<'_>> {
    let schema = text.schema.as_deref()?;
    let json_schema = JsonSchema {
        name: "codex_output_schema",
        strict: !text.lenient,
        schema,
    };
    Some(ResponseFormat {
        kind: "json_schema",
        json_schema,
    })
}
