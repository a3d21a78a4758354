//! From the payload of one server-sent event to a [`ModelEvent`].
//!
//! One pass over the payload picks out the few members that any event needs; items and responses stay JSON text until
//! their type is known. What is unknown, or does not parse, is passed over: a new kind of event never breaks a turn.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::error::ModelError;
use crate::model::http::failure;
use crate::model::item::OutputItem;
use crate::model::provider::{ModelEvent, TokenUsage};
use crate::protocol::ModelVerification;

#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    delta: Option<String>,
    #[serde(default)]
    summary_index: Option<i64>,
    #[serde(default)]
    content_index: Option<i64>,
    #[serde(borrow, default)]
    item_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    call_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    headers: Option<&'a RawValue>,
    #[serde(borrow, default)]
    metadata: Option<&'a RawValue>,
}

/// What a payload means; `Ok(None)` when it means nothing here.
pub(super) fn read(payload: &[u8]) -> Result<Option<ModelEvent>, ModelError> {
    let Some(payload) = std::str::from_utf8(payload)
        .ok()
        .and_then(|text| serde_json::from_str(text).ok())
    else {
        return Ok(None);
    };
    let payload: Payload<'_> = payload;
    let event = match &*payload.kind {
        "response.output_text.delta" => payload.delta.map(ModelEvent::TextDelta),
        "response.reasoning_summary_text.delta" => payload
            .delta
            .zip(payload.summary_index)
            .map(|(delta, summary_index)| ModelEvent::ReasoningSummaryDelta { summary_index, delta }),
        "response.reasoning_text.delta" => payload
            .delta
            .zip(payload.content_index)
            .map(|(delta, content_index)| ModelEvent::ReasoningTextDelta { content_index, delta }),
        "response.custom_tool_call_input.delta" => payload.delta.map(|delta| ModelEvent::CustomToolInputDelta {
            item_id: string(payload.item_id),
            call_id: string(payload.call_id),
            delta,
        }),
        "response.output_item.added" => payload.item.and_then(OutputItem::parse).map(ModelEvent::ItemAdded),
        "response.output_item.done" => payload.item.and_then(OutputItem::parse).map(ModelEvent::ItemDone),
        "response.reasoning_summary_part.added" => payload
            .summary_index
            .map(|summary_index| ModelEvent::ReasoningSummaryPartAdded { summary_index }),
        "response.created" => Some(ModelEvent::Created),
        "response.completed" => match payload.response {
            Some(response) => Some(completed(response)?),
            None => None,
        },
        "response.failed" => return Err(failure::of_failed_event(payload.response)),
        "response.incomplete" => return Err(failure::of_incomplete_event(payload.response)),
        "response.metadata" => metadata(payload.headers, payload.metadata),
        _ => None,
    };
    Ok(event)
}

fn string(raw: Option<&RawValue>) -> Option<String> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

fn completed(response: &RawValue) -> Result<ModelEvent, ModelError> {
    #[derive(Deserialize)]
    struct Response {
        #[serde(default)]
        id: String,
        usage: Option<Usage>,
        end_turn: Option<bool>,
    }
    let response: Response = serde_json::from_str(response.get())
        .map_err(|error| ModelError::disconnected(format!("failed to parse ResponseCompleted: {error}")))?;
    Ok(ModelEvent::Completed {
        response_id: response.id,
        usage: response.usage.map(TokenUsage::from),
        end_turn: response.end_turn,
    })
}

/// `response.metadata` tells in mid-stream what headers tell at the start, and recommends verifications.
fn metadata(headers: Option<&RawValue>, metadata: Option<&RawValue>) -> Option<ModelEvent> {
    #[derive(Deserialize)]
    struct Headers {
        #[serde(rename = "openai-model", alias = "OpenAI-Model")]
        model: Option<String>,
    }
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(default)]
        openai_verification_recommendation: Vec<String>,
    }
    let model = headers.and_then(|raw| serde_json::from_str::<Headers>(raw.get()).ok());
    if let Some(model) = model.and_then(|headers| headers.model) {
        return Some(ModelEvent::ServerModel(model));
    }
    let told: Metadata = serde_json::from_str(metadata?.get()).ok()?;
    let known = told.openai_verification_recommendation.iter();
    let known = known.filter(|name| *name == "trusted_access_for_cyber");
    let verifications: Vec<_> = known
        .map(|_| ModelVerification::TrustedAccessForCyber)
        .take(1)
        .collect();
    (!verifications.is_empty()).then_some(ModelEvent::Verification(verifications))
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: i64,
    input_tokens_details: Option<InputDetails>,
    output_tokens: i64,
    output_tokens_details: Option<OutputDetails>,
    total_tokens: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: i64,
}

impl From<Usage> for TokenUsage {
    fn from(usage: Usage) -> Self {
        let count = TokenUsage::plausible;
        TokenUsage {
            input_tokens: count(usage.input_tokens),
            cached_input_tokens: count(usage.input_tokens_details.unwrap_or_default().cached_tokens),
            output_tokens: count(usage.output_tokens),
            reasoning_output_tokens: count(usage.output_tokens_details.unwrap_or_default().reasoning_tokens),
            total_tokens: count(usage.total_tokens),
        }
    }
}
