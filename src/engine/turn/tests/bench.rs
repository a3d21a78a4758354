//! A thread without an actor: a scripted model, a real rollout in a temporary home, and an ear for what is published.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigLoader, ThreadOverrides};
use crate::engine::host::{RawAnswer, TurnEnd, TurnEvent, TurnHost};
use crate::engine::pending::PendingInputs;
use crate::engine::scope::ThreadServices;
use crate::engine::settings::TurnSettings;
use crate::engine::tools::{Tool, ToolSet};
use crate::engine::turn::edit::Injected;
use crate::engine::turn::{Conversation, TurnJob, TurnOpening, run_turn};
use crate::model::retry::RetryPolicy;
use crate::model::{
    ModelError, ModelEvent, ModelProvider, ModelStream, OutputItem, RequestIdentity, ResponseHead, SamplingRequest,
    TokenUsage,
};
use crate::protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, ModeKind, SandboxPolicy, ThreadId, UserInput,
};
use crate::rpc::OutFrame;
use crate::store::{Durability, LocalThreadStore, NewThread, Recorder, SessionMeta, ThreadStore};

/// A step of a scripted answer.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    Event(ModelEvent),
    ServerModel(&'static str),
    /// Waits until the test releases it.
    Hold(Arc<Notify>),
    /// The stream breaks.
    Break(ModelError),
}

/// A model that plays its script and remembers what it was asked.
#[derive(Debug)]
struct Script {
    replies: Mutex<VecDeque<Vec<Reply>>>,
    requests: Mutex<Vec<SamplingRequest>>,
    retry: RetryPolicy,
}

impl ModelProvider for Script {
    fn id(&self) -> &str {
        "script"
    }

    fn retry(&self) -> &RetryPolicy {
        &self.retry
    }

    fn stream(
        &self,
        request: SamplingRequest,
        cancel: CancellationToken,
    ) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        self.requests.lock().unwrap().push(request);
        let reply = self.replies.lock().unwrap().pop_front();
        async move {
            let reply = reply.expect("an unscripted request");
            if let [Reply::Break(error)] = reply.as_slice() {
                return Err(error.clone());
            }
            let events = stream::iter(reply).then(move |step| {
                let cancel = cancel.clone();
                async move {
                    match step {
                        Reply::Event(event) => Some(Ok(event)),
                        Reply::ServerModel(name) => Some(Ok(ModelEvent::ServerModel(name.to_owned()))),
                        Reply::Break(error) => Some(Err(error)),
                        Reply::Hold(gate) => tokio::select! {
                            () = gate.notified() => None,
                            () = cancel.cancelled() => Some(Err(ModelError::Interrupted)),
                        },
                    }
                }
            });
            Ok(ModelStream::new(
                ResponseHead::default(),
                events.filter_map(futures_util::future::ready),
            ))
        }
        .boxed()
    }
}

/// What a test may change before the thread is made.
pub(super) struct Setup {
    pub(super) raw_events: bool,
    pub(super) model: String,
    pub(super) mode: ModeKind,
    pub(super) tools: Option<Vec<Arc<dyn Tool>>>,
    pub(super) dynamic: Vec<crate::protocol::DynamicToolSpec>,
    pub(super) retries: u64,
    pub(super) answer: Option<Value>,
}

/// A thread under test.
pub(super) struct Bench {
    _home: tempfile::TempDir,
    pub(super) recorder: Recorder,
    script: Arc<Script>,
    services: Arc<ThreadServices>,
    settings: Arc<TurnSettings>,
    conversation: Option<Conversation>,
    pub(super) cancel: CancellationToken,
    pub(super) pending: PendingInputs,
    /// Of the turn that was begun last.
    pub(super) injected: Injected,
    pub(super) heard: Arc<Mutex<Vec<Value>>>,
    pub(super) news: Arc<Notify>,
    answer: Option<Value>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Bench::with(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            raw_events: false,
            model: "gpt-5.4".to_owned(),
            mode: ModeKind::Default,
            tools: None,
            dynamic: Vec::new(),
            retries: 0,
            answer: None,
        };
        change(&mut setup);
        let home = tempfile::tempdir().unwrap();
        let cwd = home.path().join("work");
        std::fs::create_dir(&cwd).unwrap();
        let loader = ConfigLoader::new(home.path().to_path_buf(), cwd.clone(), &[]);
        let config = Arc::new(loader.resolve(&ThreadOverrides::default()).unwrap());
        let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
        let id = ThreadId::generate();
        let meta = SessionMeta::new(id, cwd.clone(), "test".to_owned(), "script".to_owned());
        let recorder = store.create(NewThread { meta, ephemeral: false }).unwrap();
        let script = Arc::new(Script {
            replies: Mutex::default(),
            requests: Mutex::default(),
            retry: RetryPolicy::new(Some(0), Some(setup.retries), None),
        });
        let services = Arc::new(ThreadServices {
            catalog: Arc::default(),
            environments: Arc::default(),
            goal: Arc::new(crate::engine::goal::GoalKeeper::new(recorder.clone(), false, None)),
            config,
            provider: Arc::clone(&script) as Arc<dyn ModelProvider>,
            identity: Arc::new(RequestIdentity::default()),
            instructions: crate::model::provider::json_text("Be brief."),
            recorder: recorder.clone(),
            tools: match setup.tools {
                Some(tools) => ToolSet::with(tools, &setup.dynamic),
                None => ToolSet::new(&setup.dynamic),
            },
            commands: Default::default(),
            hooks: Default::default(),
            came_by: std::sync::Mutex::new(None),
            agents: None,
            patch_approvals: Default::default(),
            guardian: Default::default(),
            shell: "bash".into(),
            project_docs: Default::default(),
            extensions: Default::default(),
            contributed: Default::default(),
            raw_events: setup.raw_events,
        });
        let cwd = AbsolutePathBuf::new(cwd).unwrap();
        let settings = Arc::new(TurnSettings {
            model: setup.model.into(),
            model_provider: "script".into(),
            workspace_roots: vec![cwd.clone()],
            environments: [crate::engine::environments::EnvironmentChoice::local(cwd.clone())].into(),
            cwd,
            approval_policy: AskForApproval::Never,
            approvals_reviewer: ApprovalsReviewer::User,
            sandbox: SandboxPolicy::DangerFullAccess,
            permission_profile: None,
            profile: None,
            effort: None,
            summary: None,
            service_tier: None,
            personality: None,
            mode: setup.mode,
            mode_instructions: None,
            developer_instructions: None,
        });
        Bench {
            _home: home,
            recorder,
            script,
            services,
            settings,
            conversation: Some(Conversation::default()),
            cancel: CancellationToken::new(),
            pending: PendingInputs::default(),
            injected: Injected::default(),
            heard: Arc::default(),
            news: Arc::default(),
            answer: setup.answer,
        }
    }

    /// Queues an answer of the model.
    pub(super) fn reply(&mut self, reply: Vec<Reply>) {
        self.script.replies.lock().unwrap().push_back(reply);
    }

    /// Runs a turn to its end.
    pub(super) async fn turn(&mut self, text: &str) -> TurnEnd {
        self.begin(text).await.unwrap()
    }

    /// Starts a turn; the handle gives its end.
    pub(super) fn begin(&mut self, text: &str) -> tokio::task::JoinHandle<TurnEnd> {
        self.open(TurnOpening::Said, input(text))
    }

    /// Starts a turn that compacts.
    pub(super) fn compact(&mut self) -> tokio::task::JoinHandle<TurnEnd> {
        self.open(TurnOpening::Compact, Vec::new())
    }

    fn open(&mut self, opening: TurnOpening, input: Vec<UserInput>) -> tokio::task::JoinHandle<TurnEnd> {
        let (events, mut told) = mpsc::channel(64);
        let host = TurnHost::new(
            self.recorder.thread_id(),
            "turn-1".into(),
            self.cancel.clone(),
            self.pending.clone(),
            events,
        );
        self.injected = host.injected.clone();
        let job = TurnJob {
            opening,
            host,
            services: Arc::clone(&self.services),
            settings: Arc::clone(&self.settings),
            conversation: self.conversation.take().unwrap_or_default(),
            input,
            lenient: false,
            output_schema: None,
            client_metadata: Default::default(),
            started_at: SystemTime::now(),
        };
        tokio::spawn(run_turn(job));
        let heard = Arc::clone(&self.heard);
        let news = Arc::clone(&self.news);
        let answer = self.answer.clone();
        tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                match event {
                    TurnEvent::Publish(_, notification) => {
                        let bytes = match notification.frame() {
                            OutFrame::Whole(bytes) | OutFrame::Bulk(bytes) => bytes,
                            OutFrame::Delta { whole, .. } => whole,
                        };
                        heard.lock().unwrap().push(serde_json::from_slice(bytes).unwrap());
                        news.notify_one();
                    }
                    TurnEvent::Ask {
                        method, params, reply, ..
                    } => {
                        heard.lock().unwrap().push(json!({"method": method, "params": params}));
                        news.notify_one();
                        let _ = reply.send(match &answer {
                            Some(answer) => RawAnswer::Result(answer.clone()),
                            None => RawAnswer::Cancelled,
                        });
                    }
                    TurnEvent::Finished(end) => return end,
                    _ => {}
                }
            }
            panic!("the turn ended without saying so");
        })
    }

    /// Takes the conversation back for the next turn.
    pub(super) fn keep(&mut self, end: &TurnEnd) {
        self.conversation = Some(end.conversation.clone());
        self.cancel = CancellationToken::new();
    }

    /// Adds input to the running turn.
    pub(super) fn steer(&self, text: &str) {
        assert!(self.pending.steer(input(text)));
    }

    /// Waits until a line that begins so was heard.
    pub(super) async fn until(&self, start: &str) {
        let wait = async {
            while !self.heard().iter().any(|line| line.starts_with(start)) {
                self.news.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait)
            .await
            .expect("it is never heard");
    }

    /// What was published, one short line each.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(line).collect()
    }

    /// The parameters of the last notification of a method.
    pub(super) fn last(&self, method: &str) -> Value {
        let heard = self.heard.lock().unwrap();
        let found = heard.iter().rev().find(|message| message["method"] == method);
        found.expect("it was heard")["params"].clone()
    }

    /// How often the model was asked.
    pub(super) fn asked_count(&self) -> usize {
        self.script.requests.lock().unwrap().len()
    }

    /// The input of a request.
    pub(super) fn asked(&self, index: usize) -> Vec<Value> {
        let requests = self.script.requests.lock().unwrap();
        let item = |item: &crate::model::InputItem| serde_json::from_str(item.get()).unwrap();
        requests[index].input.iter().map(item).collect()
    }

    /// The lines of the rollout, one short line each.
    pub(super) fn recorded(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.recorder.path().unwrap()).unwrap();
        let short = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let payload = &line["payload"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            match text(&line["type"]).as_str() {
                "event_msg" => text(&payload["type"]),
                "response_item" if payload["type"] == "message" => text(&payload["role"]),
                "response_item" => text(&payload["type"]),
                "greenroom" if payload["kind"] == "item_id" => format!("item_id {}", text(&payload["of"])),
                "greenroom" => format!("item {}", text(&payload["item"]["type"])),
                other => other.to_owned(),
            }
        };
        text.lines().map(short).collect()
    }
}

fn line(message: &Value) -> String {
    let params = &message["params"];
    let method = message["method"].as_str().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let detail = match method {
        "item/started" => text(&params["item"]["type"]),
        "item/completed" => format!("{} {}", text(&params["item"]["type"]), text(&params["item"]["text"])),
        "thread/tokenUsage/updated" => params["tokenUsage"]["total"]["totalTokens"].to_string(),
        "rawResponseItem/completed" => text(&params["item"]["type"]),
        "error" => text(&params["error"]["message"]),
        _ => text(&params["delta"]),
    };
    if detail.is_empty() {
        return method.to_owned();
    }
    let line = format!("{method} {detail}");
    line.strip_suffix(' ')
        .filter(|_| method == "item/completed")
        .unwrap_or(&line)
        .to_owned()
}

fn input(text: &str) -> Vec<UserInput> {
    vec![UserInput::Text {
        text: text.to_owned(),
        text_elements: Vec::new(),
    }]
}

fn item(value: Value) -> OutputItem {
    OutputItem::parse(&serde_json::value::to_raw_value(&value).unwrap()).expect("an item")
}

pub(super) fn added(value: Value) -> Reply {
    Reply::Event(ModelEvent::ItemAdded(item(value)))
}

pub(super) fn done(value: Value) -> Reply {
    Reply::Event(ModelEvent::ItemDone(item(value)))
}

pub(super) fn completed(end_turn: Option<bool>) -> Reply {
    Reply::Event(ModelEvent::Completed {
        response_id: "resp".to_owned(),
        usage: Some(TokenUsage {
            input_tokens: 100,
            cached_input_tokens: 40,
            output_tokens: 20,
            reasoning_output_tokens: 5,
            total_tokens: 120,
        }),
        end_turn,
    })
}

pub(super) fn text_item(id: &str, text: &str) -> Value {
    json!({"type": "message", "id": id, "role": "assistant", "content": [{"type": "output_text", "text": text}]})
}

/// A whole answer that is a message.
pub(super) fn message(id: &str, deltas: &[&str]) -> Vec<Reply> {
    let mut reply = vec![added(
        json!({"type": "message", "id": id, "role": "assistant", "content": []}),
    )];
    reply.extend(
        deltas
            .iter()
            .map(|delta| Reply::Event(ModelEvent::TextDelta((*delta).to_owned()))),
    );
    reply.push(done(text_item(id, &deltas.concat())));
    reply.push(completed(None));
    reply
}

/// A whole answer that is reasoning, a delta for each section.
pub(super) fn reasoning(id: &str, sections: &[&str]) -> Vec<Reply> {
    let mut reply = vec![added(json!({"type": "reasoning", "id": id, "summary": []}))];
    let mut summary = Vec::new();
    for (index, text) in sections.iter().enumerate() {
        let summary_index = i64::try_from(index).unwrap();
        reply.push(Reply::Event(ModelEvent::ReasoningSummaryPartAdded { summary_index }));
        reply.push(Reply::Event(ModelEvent::ReasoningSummaryDelta {
            summary_index,
            delta: (*text).to_owned(),
        }));
        summary.push(json!({"type": "summary_text", "text": text}));
    }
    reply.push(done(
        json!({"type": "reasoning", "id": id, "summary": summary, "encrypted_content": "sealed"}),
    ));
    reply.push(completed(None));
    reply
}

/// A call of a function tool.
pub(super) fn call(name: &str, call_id: &str, arguments: &str) -> Reply {
    done(json!({"type": "function_call", "id": "fc", "call_id": call_id, "name": name, "arguments": arguments}))
}
