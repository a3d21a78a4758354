//! Tool calls of one step: started as they arrive, running beside the stream, their outputs recorded in call order.
//!
//! A call never fails the turn. Calls of tools that may overlap share a lock, the others hold it alone; an interrupt
//! drops the running calls and leaves an output that says so.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::RwLock;
use tokio::task::JoinHandle;

use crate::engine::guardian;
use crate::engine::history::encode_item;
use crate::engine::tools::hooked::{self, Called};
use crate::engine::tools::{DeferredTools, Tool, ToolCall, ToolContext, ToolInput, ToolOutput};
use crate::engine::turn::request;
use crate::engine::turn::task::Task;
use crate::exec::truncate::{Budget, truncate_middle};
use crate::model::catalog::Truncation;
use crate::model::{InputItem, OutputItem, OutputItemKind};
use crate::protocol::{FunctionCallOutputBody, FunctionCallOutputContentItem};
use crate::store::StoreError;

/// A search for tools that the model asks of this side.
#[derive(Deserialize)]
struct SearchCall {
    call_id: Option<String>,
    #[serde(default)]
    execution: String,
    #[serde(default)]
    arguments: Value,
}

/// A call that has been recorded and may be running.
pub(super) struct RunningCall {
    call_id: String,
    /// The type of the output item.
    output_kind: &'static str,
    work: Work,
}

enum Work {
    Done(ToolOutput),
    /// The tools that a search found.
    Found(Vec<Value>),
    Running(JoinHandle<Called>),
}

impl Task {
    /// Records a call and starts it.
    pub(super) async fn begin_call(
        &mut self,
        item: OutputItem,
        calls: &mut Vec<RunningCall>,
    ) -> Result<(), StoreError> {
        let Some(raw) = item.history() else {
            return Ok(());
        };
        self.remember(Arc::clone(&raw));
        self.flush().await?;
        self.publish_raw(&raw).await;
        let (call, output_kind) = match item.kind {
            OutputItemKind::FunctionCall {
                call_id,
                name,
                namespace,
                arguments,
            } => (
                ToolCall {
                    call_id,
                    namespace,
                    name,
                    input: ToolInput::Function(arguments),
                },
                "function_call_output",
            ),
            OutputItemKind::CustomToolCall {
                call_id, name, input, ..
            } => (
                ToolCall {
                    call_id,
                    namespace: None,
                    name,
                    input: ToolInput::Custom(input),
                },
                "custom_tool_call_output",
            ),
            OutputItemKind::LocalShellCall { call_id, action, .. } => (
                ToolCall {
                    call_id: call_id.or(item.id).unwrap_or_default(),
                    namespace: None,
                    name: "local_shell".to_owned(),
                    input: ToolInput::Function(action.get().to_owned()),
                },
                "function_call_output",
            ),
            _ => return Ok(()),
        };
        if guardian::judges(&self.scope) {
            let seen = self.conversation.history.items().cloned().collect();
            self.scope.judgements.see(seen);
        }
        calls.push(RunningCall {
            call_id: call.call_id.clone(),
            output_kind,
            work: self.start_call(call),
        });
        Ok(())
    }

    /// Records a search for tools, and answers it where it is for this side to answer.
    pub(super) async fn answer_tool_search(
        &mut self,
        raw: &InputItem,
        calls: &mut Vec<RunningCall>,
    ) -> Result<(), StoreError> {
        self.remember(Arc::clone(raw));
        self.flush().await?;
        self.publish_raw(raw).await;
        let Ok(call) = serde_json::from_str::<SearchCall>(raw.get()) else {
            return Ok(());
        };
        let Some(call_id) = call.call_id.filter(|_| call.execution == "client") else {
            return Ok(());
        };
        let found = match request::deferred(&self.scope) {
            DeferredTools::Searched => self.scope.services.tools.search(&call.arguments),
            DeferredTools::Hidden | DeferredTools::Shown => Vec::new(),
        };
        calls.push(RunningCall {
            call_id,
            output_kind: "tool_search_output",
            work: Work::Found(found),
        });
        Ok(())
    }

    fn start_call(&self, call: ToolCall) -> Work {
        let found = self.scope.services.tools.find(call.namespace.as_deref(), &call.name);
        let found = found.filter(|tool| !tool.needs_environment() || !self.scope.environments.is_empty());
        let Some(tool) = found else {
            let kind = match call.input {
                ToolInput::Function(_) => "call",
                ToolInput::Custom(_) => "custom tool call",
            };
            let namespace = call.namespace.as_deref().unwrap_or_default();
            return Work::Done(ToolOutput::text(format!(
                "unsupported {kind}: {namespace}{}",
                call.name
            )));
        };
        let overlaps = tool.parallel() && self.scope.model.parallel_tool_calls;
        let cx = ToolContext {
            call: Arc::new(call),
            turn: Arc::clone(&self.scope),
            cancel: self.host().cancel.clone(),
        };
        Work::Running(tokio::spawn(run(tool, cx, Arc::clone(&self.tool_lock), overlaps)))
    }

    /// Waits for the calls and records their outputs in call order. Returns whether there were any.
    pub(super) async fn settle(&mut self, calls: Vec<RunningCall>) -> bool {
        let called = !calls.is_empty();
        for call in calls {
            let (output, contexts) = match call.work {
                Work::Found(tools) => {
                    let item = json!({"type": call.output_kind, "call_id": call.call_id, "status": "completed",
                        "execution": "client", "tools": tools});
                    self.record_output(encode_item(&item)).await;
                    continue;
                }
                Work::Done(output) => (output, Vec::new()),
                Work::Running(handle) => match handle.await {
                    Ok(Called { output, contexts }) => (output, contexts),
                    Err(error) => {
                        tracing::error!(%error, thread.id = %self.host().thread_id, "a tool call ended in a panic");
                        let text = "the tool failed because of an internal fault of the server";
                        (ToolOutput::text(text), Vec::new())
                    }
                },
            };
            let notes = self.scope.services.commands.take_notes();
            self.add_contexts(notes).await;
            self.add_contexts(contexts).await;
            let output = capped(output, self.scope.model.truncation);
            let item = json!({"type": call.output_kind, "call_id": call.call_id, "output": output.body});
            self.record_output(encode_item(&item)).await;
        }
        called
    }

    async fn record_output(&mut self, item: Option<InputItem>) {
        if let Some(item) = item {
            self.remember(Arc::clone(&item));
            self.publish_raw(&item).await;
        }
    }
}

async fn run(tool: Arc<dyn Tool>, cx: ToolContext, lock: Arc<RwLock<()>>, overlaps: bool) -> Called {
    let started = Instant::now();
    let cancel = cx.cancel.clone();
    let work = async {
        if overlaps {
            let _shared = lock.read().await;
            hooked::run(&*tool, cx).await
        } else {
            let _alone = lock.write().await;
            hooked::run(&*tool, cx).await
        }
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Called {
            output: ToolOutput::text(tool.aborted(started.elapsed())),
            contexts: Vec::new(),
        },
        called = work => called,
    }
}

/// Keeps an output that a tool did not cut itself from filling the conversation. Tools that do cut their text get a
/// fifth more than the model's limit, so that what they put around it is not cut again.
fn capped(mut output: ToolOutput, limit: Truncation) -> ToolOutput {
    let budget = match limit {
        Truncation::Tokens(tokens) => Budget::Tokens(tokens.saturating_add(tokens / 5)),
        Truncation::Bytes(bytes) => Budget::Bytes(bytes.saturating_add(bytes / 5)),
    };
    let cut = |text: &mut String| {
        if let Cow::Owned(short) = truncate_middle(text, budget) {
            *text = short;
        }
    };
    match &mut output.body {
        FunctionCallOutputBody::Text(text) => cut(text),
        FunctionCallOutputBody::List(parts) => {
            for part in parts {
                if let FunctionCallOutputContentItem::InputText { text } = part {
                    cut(text);
                }
            }
        }
    }
    output
}
