//! Tool calls: order of outputs, overlap, unknown tools, interrupts, the client's own tools.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use super::bench::{Bench, call, completed, message};
use crate::engine::tools::{Tool, ToolContext, ToolOffer, ToolOutput};
use crate::protocol::{DynamicToolSpec, ModeKind, TurnStatus};

/// A tool that does what the test says.
struct Probe {
    name: &'static str,
    parallel: bool,
    /// Both calls must be running before either ends.
    meet: Option<Arc<Barrier>>,
    log: Arc<Mutex<Vec<String>>>,
    hangs: bool,
}

impl Tool for Probe {
    fn name(&self) -> &str {
        self.name
    }

    fn spec(&self, _offer: &ToolOffer) -> Option<Value> {
        Some(json!({"name": self.name}))
    }

    fn parallel(&self) -> bool {
        self.parallel
    }

    fn run(&self, cx: ToolContext) -> BoxFuture<'static, ToolOutput> {
        let (meet, log, hangs) = (self.meet.clone(), Arc::clone(&self.log), self.hangs);
        async move {
            let id = cx.call.call_id.clone();
            log.lock().unwrap().push(format!("begin {id}"));
            if hangs {
                std::future::pending::<()>().await;
            }
            match meet {
                Some(meet) => {
                    meet.wait().await;
                }
                None => tokio::task::yield_now().await,
            }
            log.lock().unwrap().push(format!("end {id}"));
            ToolOutput::text(format!("did {id}"))
        }
        .boxed()
    }

    fn aborted(&self, _elapsed: Duration) -> String {
        "stopped".to_owned()
    }
}

fn probe(name: &'static str, parallel: bool, meet: Option<Arc<Barrier>>) -> (Probe, Arc<Mutex<Vec<String>>>) {
    let log = Arc::default();
    let tool = Probe {
        name,
        parallel,
        meet,
        log: Arc::clone(&log),
        hangs: false,
    };
    (tool, log)
}

async fn bench_of(tool: Probe) -> Bench {
    Bench::with(|setup| setup.tools = Some(vec![Arc::new(tool)])).await
}

#[tokio::test]
async fn outputs_follow_the_calls_and_usage_follows_both() {
    let meet = Arc::new(Barrier::new(2));
    let (tool, _) = probe("look", true, Some(meet));
    let mut bench = bench_of(tool).await;
    bench.reply(vec![call("look", "a", "{}"), call("look", "b", "{}"), completed(None)]);
    bench.reply(message("msg", &["done"]));
    bench.turn("go").await;
    let asked = bench.asked(1);
    let ids: Vec<_> = asked[3..]
        .iter()
        .map(|item| (&item["type"], &item["call_id"]))
        .collect();
    assert_eq!(
        ids,
        [
            (&json!("function_call"), &json!("a")),
            (&json!("function_call"), &json!("b")),
            (&json!("function_call_output"), &json!("a")),
            (&json!("function_call_output"), &json!("b")),
        ]
    );
    assert_eq!(asked[5]["output"], "did a");
    assert_eq!(asked[3].get("id"), None);
    let recorded = bench.recorded();
    let at = recorded.iter().position(|line| line == "function_call").unwrap();
    let step = [
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
        "token_count",
    ];
    assert_eq!(recorded[at..at + 5], step);
}

#[tokio::test]
async fn an_exclusive_tool_runs_alone() {
    let (tool, log) = probe("write", false, None);
    let mut bench = bench_of(tool).await;
    bench.reply(vec![
        call("write", "a", "{}"),
        call("write", "b", "{}"),
        completed(None),
    ]);
    bench.reply(message("msg", &["done"]));
    bench.turn("go").await;
    assert_eq!(*log.lock().unwrap(), ["begin a", "end a", "begin b", "end b"]);
}

#[tokio::test]
async fn an_unknown_tool_is_answered() {
    let mut bench = Bench::new().await;
    bench.reply(vec![call("nope", "a", "{}"), completed(None)]);
    bench.reply(message("msg", &["done"]));
    bench.turn("go").await;
    assert_eq!(bench.asked(1)[4]["output"], "unsupported call: nope");
}

#[tokio::test]
async fn an_interrupt_leaves_an_output_and_the_usage() {
    let (mut tool, _) = probe("sleep", true, None);
    tool.hangs = true;
    let log = Arc::clone(&tool.log);
    let mut bench = bench_of(tool).await;
    bench.reply(vec![call("sleep", "a", "{}"), completed(None)]);
    let running = bench.begin("go");
    bench.until("item/completed userMessage").await;
    while log.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    bench.cancel.cancel();
    let end = running.await.unwrap();
    assert_eq!(end.turn.status, TurnStatus::Interrupted);
    assert!(
        bench
            .recorded()
            .ends_with(&["token_count".into(), "user".into(), "turn_aborted".into()])
    );
    let output = end.conversation.history.items().nth(4).unwrap().get().to_owned();
    assert!(output.contains("stopped"), "{output}");
}

#[tokio::test]
async fn a_clients_tool_is_asked_of_the_client() {
    let spec = DynamicToolSpec {
        name: "lookup".to_owned(),
        description: "Looks a thing up".to_owned(),
        input_schema: json!({"type": "object"}),
        ..DynamicToolSpec::default()
    };
    let answer = json!({"contentItems": [{"type": "inputText", "text": "found"}], "success": true});
    let mut bench = Bench::with(|setup| {
        setup.dynamic = vec![spec];
        setup.answer = Some(answer);
    })
    .await;
    bench.reply(vec![call("lookup", "a", r#"{"id": 1}"#), completed(None)]);
    bench.reply(message("msg", &["done"]));
    bench.turn("go").await;
    assert_eq!(
        bench.heard()[2..5],
        [
            "item/started dynamicToolCall",
            "item/tool/call",
            "item/completed dynamicToolCall"
        ]
    );
    assert_eq!(bench.asked(1)[4]["output"], "found");
    assert!(bench.recorded().contains(&"item dynamicToolCall".to_owned()));
}

#[tokio::test]
async fn questions_are_asked_in_plan_mode_only() {
    let question = json!({"questions": [{"id": "pick", "header": "Pick", "question": "Go?", "options": [
        {"label": "Yes", "description": "do"}, {"label": "No", "description": "do not"}]}]});
    for mode in [ModeKind::Plan, ModeKind::Default] {
        let mut bench = Bench::with(|setup| {
            setup.mode = mode;
            setup.answer = Some(json!({"answers": {"pick": {"answers": ["Yes"]}}}));
        })
        .await;
        bench.reply(vec![
            call("request_user_input", "a", &question.to_string()),
            completed(None),
        ]);
        bench.reply(message("msg", &["thanks"]));
        bench.turn("go").await;
        let output = bench.asked(1)[4]["output"].as_str().unwrap().to_owned();
        match mode {
            ModeKind::Plan => assert_eq!(output, r#"{"answers":{"pick":{"answers":["Yes"]}}}"#),
            ModeKind::Default => assert_eq!(output, "request_user_input is unavailable in Default mode"),
        }
    }
}

#[tokio::test]
async fn a_search_for_tools_finds_none() {
    let mut bench = Bench::new().await;
    let search = json!({"type": "tool_search_call", "call_id": "s", "status": "completed", "execution": "client",
        "arguments": {"query": "x"}});
    bench.reply(vec![super::bench::done(search), completed(None)]);
    bench.reply(message("msg", &["done"]));
    bench.turn("go").await;
    assert_eq!(bench.asked(1)[4]["tools"], json!([]));
}
