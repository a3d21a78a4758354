//! The body of a request, put together from parts that are JSON already.
//!
//! History items, instructions and tools are copied, never encoded again: a long thread costs one memory copy a step.
//! The order of members is fixed, which keeps a provider's prompt cache warm.

use std::hash::{DefaultHasher, Hasher};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;

use crate::model::provider::{InputItem, Reasoning, SamplingRequest};
use crate::protocol::ReasoningSummary;

/// The text of instructions that say nothing: they are left out.
const NOTHING: &str = "\"\"";

/// The body of `POST {base_url}/responses`.
pub(super) fn body(request: &SamplingRequest) -> Bytes {
    let mut out = Body::for_input(request, &request.input);
    out.text("{").conversation(request, &request.input).settings(request);
    out.member(
        ",\"client_metadata\":{\"x-codex-installation-id\":",
        &request.identity.installation_id,
    );
    out.text("}}");
    Bytes::from(out.0)
}

/// What a request adds to an answer that the other side still knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Continuation<'a> {
    /// The answer's id.
    pub(super) response_id: &'a str,
    /// How many items of the input it covers.
    pub(super) covered: usize,
}

/// The message that asks for an answer over a WebSocket. What headers say of a turn elsewhere is said in it, because the
/// connection outlives the turn.
pub(super) fn message(request: &SamplingRequest, continuation: Option<Continuation<'_>>) -> String {
    create(request, continuation, "")
}

/// The message that has the provider prepare for such requests, without an answer.
pub(super) fn warming(request: &SamplingRequest) -> String {
    create(request, None, "\"generate\":false,")
}

fn create(request: &SamplingRequest, continuation: Option<Continuation<'_>>, member: &str) -> String {
    let covered = continuation.map_or(0, |continuation| continuation.covered);
    let input = request.input.get(covered..).unwrap_or_default();
    let mut out = Body::for_input(request, input);
    out.text("{\"type\":\"response.create\",").text(member);
    if let Some(continuation) = continuation {
        out.member("\"previous_response_id\":", &continuation.response_id)
            .text(",");
    }
    out.conversation(request, input).settings(request);
    out.member(
        ",\"client_metadata\":{\"x-codex-installation-id\":",
        &request.identity.installation_id,
    );
    let window = format!("{}:{}", request.identity.thread_id, request.window);
    out.member(",\"x-codex-window-id\":", &window);
    if let Some(metadata) = &request.turn_metadata {
        out.member(",\"x-codex-turn-metadata\":", metadata);
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_millis());
    out.member(",\"x-codex-ws-stream-request-start-ms\":", &now.to_string());
    out.text("}}");
    // Built of nothing but JSON text.
    String::from_utf8(out.0).unwrap_or_default()
}

/// What tells whether two requests differ in anything but their input.
pub(super) fn settings_digest(request: &SamplingRequest) -> u64 {
    let mut out = Body::for_input(request, &[]);
    out.conversation(request, &[]).settings(request);
    let mut hasher = DefaultHasher::new();
    hasher.write(&out.0);
    hasher.finish()
}

/// The body of `POST {base_url}/responses/compact`.
pub(super) fn compaction(request: &SamplingRequest) -> Bytes {
    let mut out = Body::for_input(request, &request.input);
    out.text("{").conversation(request, &request.input);
    out.reasoning(request).tier(request).text_controls(request);
    out.text("}");
    Bytes::from(out.0)
}

struct Body(Vec<u8>);

impl Body {
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    fn member(&mut self, name: &str, value: &impl Serialize) -> &mut Self {
        self.text(name);
        // Writing to memory fails only for types that are not JSON; all of ours are.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.text("null");
        }
        self
    }

    fn for_input(request: &SamplingRequest, input: &[InputItem]) -> Self {
        let input: usize = input.iter().map(|item| item.get().len() + 1).sum();
        let fixed = request.instructions.get().len() + request.tools.get().len() + 1024;
        Body(Vec::with_capacity(input + fixed))
    }

    fn conversation(&mut self, request: &SamplingRequest, input: &[InputItem]) -> &mut Self {
        self.member("\"model\":", &request.model);
        if request.instructions.get() != NOTHING {
            self.text(",\"instructions\":").text(request.instructions.get());
        }
        self.text(",\"input\":[");
        for (index, item) in input.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.text(item.get());
        }
        self.text("],\"tools\":").text(request.tools.get())
    }

    /// Everything else that shapes an answer.
    fn settings(&mut self, request: &SamplingRequest) -> &mut Self {
        self.text(",\"tool_choice\":\"auto\"").reasoning(request);
        self.text(",\"store\":false,\"stream\":true");
        self.text(match request.reasoning {
            Some(_) => ",\"include\":[\"reasoning.encrypted_content\"]",
            None => ",\"include\":[]",
        });
        self.tier(request).text_controls(request)
    }

    fn reasoning(&mut self, request: &SamplingRequest) -> &mut Self {
        self.member(",\"parallel_tool_calls\":", &request.parallel_tool_calls);
        match &request.reasoning {
            Some(reasoning) => self.member(",\"reasoning\":", &ReasoningBody::from(reasoning)),
            None => self.text(",\"reasoning\":null"),
        }
    }

    fn tier(&mut self, request: &SamplingRequest) -> &mut Self {
        if let Some(tier) = &request.service_tier {
            self.member(",\"service_tier\":", tier);
        }
        self.member(",\"prompt_cache_key\":", &request.identity.thread_id)
    }

    fn text_controls(&mut self, request: &SamplingRequest) -> &mut Self {
        let controls = &request.text;
        if controls.verbosity.is_none() && controls.schema.is_none() {
            return self;
        }
        self.text(",\"text\":{");
        if let Some(verbosity) = &controls.verbosity {
            self.member("\"verbosity\":", verbosity);
        }
        if let Some(schema) = &controls.schema {
            if controls.verbosity.is_some() {
                self.text(",");
            }
            self.member("\"format\":{\"type\":\"json_schema\",\"strict\":", &!controls.lenient);
            self.text(",\"schema\":");
            self.text(schema.get()).text(",\"name\":\"codex_output_schema\"}");
        }
        self.text("}")
    }
}

#[derive(Serialize)]
struct ReasoningBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<crate::protocol::ReasoningEffort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<ReasoningSummary>,
}

impl From<&Reasoning> for ReasoningBody {
    fn from(reasoning: &Reasoning) -> Self {
        ReasoningBody {
            effort: reasoning.effort,
            summary: reasoning.summary.filter(|summary| *summary != ReasoningSummary::None),
        }
    }
}
