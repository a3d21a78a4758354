//! Tools that a client declared at `thread/start`: a call becomes the server request `item/tool/call`.

use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::engine::host::Answer;
use crate::engine::items;
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput, function_spec};
use crate::protocol::methods::server::ItemToolCall;
use crate::protocol::{
    DynamicToolCallOutputContentItem, DynamicToolCallParams, DynamicToolCallResponse, DynamicToolCallStatus,
    DynamicToolSpec, FunctionCallOutputContentItem, ImageDetail, ThreadItem,
};

/// What the model is told when the client could not answer.
const FAILED: &str = "dynamic tool request failed";

/// A client's tool.
pub struct DynamicTool {
    spec: DynamicToolSpec,
}

impl DynamicTool {
    /// The tool that `spec` declares; the spec has been checked at `thread/start`.
    pub fn new(spec: DynamicToolSpec) -> Self {
        DynamicTool { spec }
    }

    /// Whether a call is for this tool.
    pub fn answers(&self, namespace: Option<&str>, name: &str) -> bool {
        self.spec.name == name && self.spec.namespace.as_deref() == namespace
    }

    fn function(&self) -> Value {
        function_spec(&self.spec.name, &self.spec.description, self.spec.input_schema.clone())
    }
}

/// One entry of the request's `tools` for each namespace, in the order of first mention.
pub(super) fn namespace_specs(tools: &[Arc<DynamicTool>]) -> Vec<Value> {
    let mut groups: Vec<(&str, Vec<Value>)> = Vec::new();
    for tool in tools.iter().filter(|tool| !tool.spec.defer_loading) {
        let Some(namespace) = tool.spec.namespace.as_deref() else {
            continue;
        };
        match groups.iter_mut().find(|(name, _)| *name == namespace) {
            Some((_, members)) => members.push(tool.function()),
            None => groups.push((namespace, vec![tool.function()])),
        }
    }
    let spec = |(name, tools): (&str, Vec<Value>)| {
        let description = format!("Tools in the {name} namespace.");
        json!({"type": "namespace", "name": name, "description": description, "tools": tools})
    };
    groups.into_iter().map(spec).collect()
}

impl Tool for DynamicTool {
    fn name(&self) -> &str {
        &self.spec.name
    }

    /// A tool in a namespace is offered by `namespace_specs`.
    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        (self.spec.namespace.is_none() && !self.spec.defer_loading).then(|| self.function())
    }

    fn parallel(&self) -> bool {
        true
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        call(cx).boxed()
    }
}

async fn call(cx: ToolContext) -> ToolOutput {
    let arguments: Value = match serde_json::from_str(cx.call.input.as_str()) {
        Ok(arguments) => arguments,
        Err(error) => return ToolOutput::text(format!("failed to parse function arguments: {error}")),
    };
    let item = |status, answer: Option<&DynamicToolCallResponse>, duration_ms| ThreadItem::DynamicToolCall {
        arguments: arguments.clone(),
        content_items: answer.map(|answer| answer.content_items.clone()),
        duration_ms,
        id: cx.call.call_id.clone(),
        namespace: cx.call.namespace.clone(),
        status,
        success: answer.map(|answer| answer.success),
        tool: cx.call.name.clone(),
    };
    items::publish_started(&cx.turn.host, item(DynamicToolCallStatus::InProgress, None, None)).await;
    let started = Instant::now();
    let params = DynamicToolCallParams {
        arguments: arguments.clone(),
        call_id: cx.call.call_id.clone(),
        namespace: cx.call.namespace.clone(),
        thread_id: cx.turn.host.thread_id.to_string(),
        tool: cx.call.name.clone(),
        turn_id: cx.turn.host.turn_id.to_string(),
    };
    let answer = match cx.turn.host.ask::<ItemToolCall>(&params, None).await {
        Answer::Given(answer) => answer,
        Answer::Refused(_) | Answer::Malformed(_) | Answer::Cancelled => DynamicToolCallResponse {
            content_items: vec![DynamicToolCallOutputContentItem::InputText {
                text: FAILED.to_owned(),
            }],
            success: false,
        },
    };
    let status = match answer.success {
        true => DynamicToolCallStatus::Completed,
        false => DynamicToolCallStatus::Failed,
    };
    let duration = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    items::record_and_publish_completed(&cx.turn, item(status, Some(&answer), Some(duration))).await;
    ToolOutput::parts(answer.content_items.into_iter().map(part).collect())
}

fn part(item: DynamicToolCallOutputContentItem) -> FunctionCallOutputContentItem {
    match item {
        DynamicToolCallOutputContentItem::InputText { text } => FunctionCallOutputContentItem::InputText { text },
        DynamicToolCallOutputContentItem::InputImage { image_url } => FunctionCallOutputContentItem::InputImage {
            detail: Some(ImageDetail::High),
            image_url,
        },
    }
}
