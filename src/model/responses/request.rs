//! The body of a request, put together from parts that are JSON already.
//!
//! History items, instructions and tools are copied, never encoded again: a long thread costs one memory copy a step.
//! The order of members is fixed, which keeps a provider's prompt cache warm.

use bytes::Bytes;
use serde::Serialize;

use crate::model::provider::{Reasoning, SamplingRequest};
use crate::protocol::ReasoningSummary;

/// The body of `POST {base_url}/responses`.
pub(super) fn body(request: &SamplingRequest) -> Bytes {
    let input: usize = request.input.iter().map(|item| item.get().len() + 1).sum();
    let fixed = request.instructions.get().len() + request.tools.get().len() + 1024;
    let mut out = Body(Vec::with_capacity(input + fixed));
    out.conversation(request);
    out.text(",\"tool_choice\":\"auto\"");
    out.member(",\"parallel_tool_calls\":", &request.parallel_tool_calls);
    match &request.reasoning {
        Some(reasoning) => out.member(",\"reasoning\":", &ReasoningBody::from(reasoning)),
        None => out.text(",\"reasoning\":null"),
    };
    out.text(",\"store\":false,\"stream\":true");
    out.text(match request.reasoning {
        Some(_) => ",\"include\":[\"reasoning.encrypted_content\"]",
        None => ",\"include\":[]",
    });
    if let Some(tier) = &request.service_tier {
        out.member(",\"service_tier\":", tier);
    }
    out.member(",\"prompt_cache_key\":", &request.identity.thread_id);
    out.text_controls(request);
    out.member(
        ",\"client_metadata\":{\"x-codex-installation-id\":",
        &request.identity.installation_id,
    );
    out.text("}}");
    Bytes::from(out.0)
}

/// The body of `POST {base_url}/responses/compact`.
pub(super) fn compaction(request: &SamplingRequest) -> Bytes {
    let input: usize = request.input.iter().map(|item| item.get().len() + 1).sum();
    let fixed = request.instructions.get().len() + request.tools.get().len() + 512;
    let mut out = Body(Vec::with_capacity(input + fixed));
    out.conversation(request);
    out.member(",\"parallel_tool_calls\":", &request.parallel_tool_calls);
    match &request.reasoning {
        Some(reasoning) => out.member(",\"reasoning\":", &ReasoningBody::from(reasoning)),
        None => out.text(",\"reasoning\":null"),
    };
    if let Some(tier) = &request.service_tier {
        out.member(",\"service_tier\":", tier);
    }
    out.member(",\"prompt_cache_key\":", &request.identity.thread_id);
    out.text_controls(request);
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

    fn conversation(&mut self, request: &SamplingRequest) {
        self.member("{\"model\":", &request.model);
        self.text(",\"instructions\":").text(request.instructions.get());
        self.text(",\"input\":[");
        for (index, item) in request.input.iter().enumerate() {
            if index > 0 {
                self.text(",");
            }
            self.text(item.get());
        }
        self.text("],\"tools\":").text(request.tools.get());
    }

    fn text_controls(&mut self, request: &SamplingRequest) {
        let controls = &request.text;
        if controls.verbosity.is_none() && controls.schema.is_none() {
            return;
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
        self.text("}");
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
