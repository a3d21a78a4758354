//! A thread without actor or model: calls of the command tools, and an ear for what they publish.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigLoader, ThreadOverrides};
use crate::engine::commands::CommandState;
use crate::engine::host::{RawAnswer, TurnEvent, TurnHost};
use crate::engine::pending::PendingInputs;
use crate::engine::scope::{ThreadServices, TurnScope};
use crate::engine::settings::TurnSettings;
use crate::engine::tools::exec_command::ExecCommand;
use crate::engine::tools::write_stdin::WriteStdin;
use crate::engine::tools::{Tool, ToolCall, ToolContext, ToolInput, ToolSet};
use crate::engine::turn::model_info;
use crate::model::retry::RetryPolicy;
use crate::model::{ModelError, ModelProvider, ModelStream, RequestIdentity, SamplingRequest};
use crate::protocol::{
    AbsolutePathBuf, ApprovalsReviewer, AskForApproval, FunctionCallOutputBody, JSONRPCErrorError, ModeKind,
    SandboxPolicy, ThreadId,
};
use crate::rpc::{EncodedNotification, OutFrame};
use crate::store::{Durability, LocalThreadStore, NewThread, Recorder, SessionMeta, ThreadStore};

/// How questions are answered.
#[derive(Debug, Clone)]
pub(super) enum Answering {
    Result(Value),
    Error,
    /// The turn is interrupted instead.
    EndOfTurn,
}

#[derive(Debug)]
struct NoModel(RetryPolicy);

impl ModelProvider for NoModel {
    fn id(&self) -> &str {
        "none"
    }

    fn retry(&self) -> &RetryPolicy {
        &self.0
    }

    fn stream(&self, _: SamplingRequest, _: CancellationToken) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async { Err(ModelError::Interrupted) })
    }
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<(String, Value)>>,
    news: Notify,
}

pub(super) struct Bench {
    home: tempfile::TempDir,
    recorder: Recorder,
    services: Arc<ThreadServices>,
    settings: Arc<TurnSettings>,
    events: mpsc::Sender<TurnEvent>,
    turn: Mutex<u32>,
    cancel: CancellationToken,
    ear: Arc<Ear>,
}

impl Bench {
    /// Full access, no questions.
    pub(super) fn new() -> Self {
        Bench::with_policy(AskForApproval::Never, SandboxPolicy::DangerFullAccess, Answering::Error)
    }

    /// Full access, and every command that is not known to be safe is asked about.
    pub(super) fn asking(answer: Value) -> Self {
        let answer = Answering::Result(answer);
        Bench::with_policy(AskForApproval::Untrusted, SandboxPolicy::DangerFullAccess, answer)
    }

    pub(super) fn with_policy(approval_policy: AskForApproval, sandbox: SandboxPolicy, answer: Answering) -> Self {
        let home = tempfile::tempdir().unwrap();
        let cwd = home.path().join("work");
        std::fs::create_dir(&cwd).unwrap();
        let loader = ConfigLoader::new(home.path().to_path_buf(), cwd.clone(), &[]);
        let config = Arc::new(loader.resolve(&ThreadOverrides::default()).unwrap());
        let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
        let meta = SessionMeta::new(ThreadId::generate(), cwd.clone(), "test".to_owned(), "none".to_owned());
        let recorder = store.create(NewThread { meta, ephemeral: false }).unwrap();
        let services = Arc::new(ThreadServices {
            catalog: Arc::default(),
            environments: Arc::default(),
            goal: Arc::new(crate::engine::goal::GoalKeeper::new(recorder.clone(), false, None)),
            config,
            provider: Arc::new(NoModel(RetryPolicy::new(Some(0), Some(0), None))),
            identity: Arc::new(RequestIdentity::default()),
            instructions: crate::model::provider::json_text(""),
            recorder: recorder.clone(),
            tools: ToolSet::new(&[]),
            agents: None,
            commands: CommandState::default(),
            shell: "bash".into(),
            project_docs: Default::default(),
            extensions: Default::default(),
            contributed: Default::default(),
            raw_events: false,
            hooks: Default::default(),
            came_by: std::sync::Mutex::new(None),
            patch_approvals: Default::default(),
            guardian: Default::default(),
        });
        let cwd = AbsolutePathBuf::new(cwd).unwrap();
        let settings = Arc::new(TurnSettings {
            model: "gpt-5.4".into(),
            model_provider: "none".into(),
            workspace_roots: vec![cwd.clone()],
            environments: [crate::engine::environments::EnvironmentChoice::local(cwd.clone())].into(),
            cwd,
            approval_policy,
            approvals_reviewer: ApprovalsReviewer::User,
            sandbox,
            permission_profile: None,
            profile: None,
            effort: None,
            summary: None,
            service_tier: None,
            personality: None,
            mode: ModeKind::Default,
            mode_instructions: None,
            developer_instructions: None,
        });
        let (events, told) = mpsc::channel(64);
        let ear = Arc::new(Ear::default());
        let cancel = CancellationToken::new();
        tokio::spawn(listen(told, Arc::clone(&ear), answer, cancel.clone()));
        Bench {
            home,
            recorder,
            services,
            settings,
            events,
            turn: Mutex::new(1),
            cancel,
            ear,
        }
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn cwd(&self) -> PathBuf {
        self.home.path().join("work")
    }

    pub(super) fn thread_id(&self) -> String {
        self.recorder.thread_id().to_string()
    }

    pub(super) fn commands(&self) -> &CommandState {
        &self.services.commands
    }

    pub(super) fn next_turn(&self) {
        *self.turn.lock().unwrap() += 1;
    }

    /// Waits until the turn was cancelled.
    pub(super) async fn cancelled(&self) {
        self.cancel.cancelled().await;
    }

    pub(super) fn exec(&self, call_id: &str, arguments: Value) -> impl Future<Output = String> + use<> {
        self.call(&ExecCommand, call_id, arguments.to_string())
    }

    pub(super) fn exec_text(&self, call_id: &str, arguments: &str) -> impl Future<Output = String> + use<> {
        self.call(&ExecCommand, call_id, arguments.to_owned())
    }

    pub(super) fn write(&self, call_id: &str, arguments: Value) -> impl Future<Output = String> + use<> {
        self.call(&WriteStdin, call_id, arguments.to_string())
    }

    fn call<T: Tool>(&self, tool: &T, call_id: &str, arguments: String) -> impl Future<Output = String> + use<T> {
        let turn_id = format!("turn-{}", self.turn.lock().unwrap());
        let host = TurnHost::new(
            self.recorder.thread_id(),
            turn_id.into(),
            self.cancel.clone(),
            PendingInputs::default(),
            self.events.clone(),
        );
        let model = Arc::new(model_info(
            &self.settings,
            &self.services.config,
            &self.services.catalog,
        ));
        let scope = TurnScope::new(host, Arc::clone(&self.services), Arc::clone(&self.settings), model);
        let running = tool.run(ToolContext {
            call: Arc::new(ToolCall {
                call_id: call_id.to_owned(),
                namespace: None,
                name: tool.name().to_owned(),
                input: ToolInput::Function(arguments),
            }),
            turn: Arc::new(scope),
            cancel: self.cancel.clone(),
        });
        async move {
            match running.await.body {
                FunctionCallOutputBody::Text(text) => text,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for a message of a method; gives its parameters.
    pub(super) async fn until(&self, method: &str) -> Value {
        let wait = async {
            while self.count(method) == 0 {
                self.ear.news.notified().await;
            }
        };
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, wait).await.expect("it is never heard");
        self.heard(method)
    }

    /// The parameters of the first message of a method.
    pub(super) fn heard(&self, method: &str) -> Value {
        let heard = self.ear.heard.lock().unwrap();
        let found = heard.iter().find(|(name, _)| name == method);
        found.unwrap_or_else(|| panic!("{method} was not heard")).1.clone()
    }

    pub(super) fn count(&self, method: &str) -> usize {
        self.methods().iter().filter(|name| *name == method).count()
    }

    pub(super) fn methods(&self) -> Vec<String> {
        let heard = self.ear.heard.lock().unwrap();
        heard.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The texts of all output deltas, joined.
    pub(super) fn deltas(&self) -> String {
        let heard = self.ear.heard.lock().unwrap();
        let deltas = heard
            .iter()
            .filter(|(name, _)| name == "item/commandExecution/outputDelta");
        deltas
            .map(|(_, params)| params["delta"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The items that were recorded whole.
    pub(super) fn recorded_items(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.recorder.path().unwrap()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|line| line["payload"]["kind"] == "item")
            .map(|line| line["payload"]["item"].clone())
            .collect()
    }
}

async fn listen(mut told: mpsc::Receiver<TurnEvent>, ear: Arc<Ear>, answer: Answering, cancel: CancellationToken) {
    let note = |notification: EncodedNotification| {
        let bytes = match notification.frame() {
            OutFrame::Whole(bytes) | OutFrame::Bulk(bytes) => bytes,
            OutFrame::Delta { whole, .. } => whole,
        };
        let message: Value = serde_json::from_slice(bytes).unwrap();
        let method = message["method"].as_str().unwrap().to_owned();
        ear.heard.lock().unwrap().push((method, message["params"].clone()));
        ear.news.notify_one();
    };
    while let Some(event) = told.recv().await {
        match event {
            TurnEvent::Publish(_, notification) => note(notification),
            TurnEvent::Ask {
                method,
                params,
                announce,
                reply,
                ..
            } => {
                announce.into_iter().for_each(note);
                ear.heard.lock().unwrap().push((method.to_owned(), params));
                let _ = reply.send(match &answer {
                    Answering::Result(value) => RawAnswer::Result(value.clone()),
                    Answering::Error => RawAnswer::Error(JSONRPCErrorError {
                        code: -1,
                        message: "no".to_owned(),
                        data: None,
                    }),
                    Answering::EndOfTurn => {
                        cancel.cancel();
                        RawAnswer::Cancelled
                    }
                });
            }
            _ => {}
        }
    }
}
