//! The client against a real server on loopback that plays scripted bytes.

mod exchange;
mod failing;
mod server;
mod socket;
mod streaming;

use std::sync::Arc;

use futures_util::StreamExt;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use self::server::Server;
use super::ResponsesProvider;
use crate::config::ProviderConfig;
use crate::model::error::ModelError;
use crate::model::provider::{
    InputItem, ModelEvent, ModelProvider, ModelStream, RequestIdentity, SamplingRequest, TextControls, json_text,
};

pub(super) fn raw(json: &str) -> InputItem {
    RawValue::from_string(json.to_owned()).unwrap().into()
}

pub(super) fn sampling() -> SamplingRequest {
    SamplingRequest {
        model: "mock-model".into(),
        instructions: json_text("do \"well\"\n"),
        input: vec![raw(
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"hello"}]}"#,
        )],
        tools: raw("[]"),
        parallel_tool_calls: false,
        reasoning: None,
        text: TextControls::default(),
        service_tier: None,
        identity: Arc::new(RequestIdentity {
            thread_id: "t-1".into(),
            session_id: "t-1".into(),
            originator: "tester".into(),
            user_agent: "tester/1 (x)".into(),
            installation_id: "inst".into(),
            beta_features: "a,b".into(),
            ..RequestIdentity::default()
        }),
        turn_metadata: Some(r#"{"turn_id":"u"}"#.into()),
        window: 0,
        turn_state: None,
    }
}

/// A configuration without retries.
pub(super) fn config(server: &Server) -> ProviderConfig {
    ProviderConfig {
        base_url: Some(server.base_url()),
        request_max_retries: Some(0),
        stream_max_retries: Some(0),
        ..ProviderConfig::default()
    }
}

pub(super) fn provider(config: &ProviderConfig) -> ResponsesProvider {
    ResponsesProvider::new("mock", config, std::path::Path::new("/nowhere")).unwrap()
}

pub(super) async fn open(config: &ProviderConfig) -> Result<ModelStream, ModelError> {
    provider(config).stream(sampling(), CancellationToken::new()).await
}

/// All events, and the error that ended them.
pub(super) async fn all(mut stream: ModelStream) -> (Vec<ModelEvent>, Option<ModelError>) {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        match event {
            Ok(event) => events.push(event),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (events, Some(error));
            }
        }
    }
    (events, None)
}

pub(super) fn event(payload: &str) -> String {
    let kind: serde_json::Value = serde_json::from_str(payload).unwrap();
    format!("event: {}\ndata: {payload}\n\n", kind["type"].as_str().unwrap())
}

pub(super) fn delta(text: &str) -> String {
    event(&serde_json::json!({"type": "response.output_text.delta", "item_id": "m", "delta": text}).to_string())
}

pub(super) const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":40},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":120}}}"#;

/// The text of an answer's deltas.
pub(super) fn text(events: &[ModelEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        ModelEvent::TextDelta(text) => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}
