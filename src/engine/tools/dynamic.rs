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
/// What the model is told when the client's answer is not one.
const INVALID: &str = "dynamic tool response was invalid";

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

    /// The entry of `tools` for it.
    pub(super) fn function(&self) -> Value {
        function_spec(&self.spec.name, &self.spec.description, self.spec.input_schema.clone())
    }

    /// Its namespace, if the model has to search for it. Only tools of a namespace can be deferred.
    pub(super) fn deferred(&self) -> Option<&str> {
        self.spec.namespace.as_deref().filter(|_| self.spec.defer_loading)
    }

    /// What a search looks at: names, the description, the names of arguments.
    pub(super) fn searched_text(&self) -> String {
        let DynamicToolSpec {
            name,
            namespace,
            description,
            input_schema,
            ..
        } = &self.spec;
        let mut text = format!("{name} {} {description}", name.replace('_', " "));
        let arguments = input_schema["properties"].as_object();
        let arguments = arguments.into_iter().flat_map(|all| all.keys());
        for word in namespace.iter().chain(arguments) {
            text.push(' ');
            text.push_str(word);
        }
        text
    }
}

/// The entries of the request's `tools`, in the order of declaration. A namespace stands where its first tool was
/// declared and lists its tools by name. `all` shows those too that say they can be deferred.
pub(super) fn specs(tools: &[Arc<DynamicTool>], all: bool) -> Vec<Value> {
    let shown: Vec<&Arc<DynamicTool>> = tools.iter().filter(|tool| all || !tool.spec.defer_loading).collect();
    let mut told: Vec<&str> = Vec::new();
    let mut specs = Vec::new();
    for tool in &shown {
        match tool.spec.namespace.as_deref() {
            None => specs.push(tool.function()),
            Some(namespace) if told.contains(&namespace) => {}
            Some(namespace) => {
                told.push(namespace);
                let belongs = |other: &&&Arc<DynamicTool>| other.spec.namespace.as_deref() == Some(namespace);
                let mut members: Vec<_> = shown.iter().filter(belongs).collect();
                members.sort_by(|one, other| one.spec.name.cmp(&other.spec.name));
                let members = members.into_iter().map(|tool| tool.function()).collect();
                specs.push(namespace_spec(namespace, members));
            }
        }
    }
    specs
}

/// The entry for a namespace.
pub(super) fn namespace_spec(namespace: &str, members: Vec<Value>) -> Value {
    let description = format!("Tools in the {namespace} namespace.");
    json!({"type": "namespace", "name": namespace, "description": description, "tools": members})
}

impl Tool for DynamicTool {
    fn name(&self) -> &str {
        &self.spec.name
    }

    /// Offered by [`specs`], together with the other tools of its namespace.
    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        None
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
        Answer::Malformed(_) => no_answer(INVALID),
        Answer::Refused(_) | Answer::Cancelled => no_answer(FAILED),
    };
    let status = match answer.success {
        true => DynamicToolCallStatus::Completed,
        false => DynamicToolCallStatus::Failed,
    };
    let duration = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    items::record_and_publish_completed(&cx.turn, item(status, Some(&answer), Some(duration))).await;
    ToolOutput::parts(answer.content_items.into_iter().map(part).collect())
}

fn no_answer(text: &str) -> DynamicToolCallResponse {
    DynamicToolCallResponse {
        content_items: vec![DynamicToolCallOutputContentItem::InputText { text: text.to_owned() }],
        success: false,
    }
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
