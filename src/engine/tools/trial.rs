//! For tests of tools: a turn with real files and a real recorder, whose thread is the test.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::{ConfigLoader, ThreadOverrides};
use crate::engine::context::ProjectDocs;
use crate::engine::goal::GoalKeeper;
use crate::engine::host::{RawAnswer, TurnEvent, TurnHost};
use crate::engine::scope::{ThreadServices, TurnScope};
use crate::engine::settings::TurnSettings;
use crate::engine::settings::tests::plain;
use crate::engine::tools::{Tool, ToolCall, ToolContext, ToolInput, ToolOutput, ToolSet};
use crate::model::retry::RetryPolicy;
use crate::model::{ModelError, ModelProvider, ModelStream, RequestIdentity, SamplingRequest, json_text};
use crate::protocol::{FunctionCallOutputBody, ThreadId};
use crate::store::{Durability, LocalThreadStore, NewThread, SessionMeta, ThreadStore};

/// A provider that nobody asks.
#[derive(Debug)]
struct Mute(RetryPolicy);

impl ModelProvider for Mute {
    fn id(&self) -> &str {
        "mute"
    }

    fn retry(&self) -> &RetryPolicy {
        &self.0
    }

    fn stream(&self, _: SamplingRequest, _: CancellationToken) -> BoxFuture<'_, Result<ModelStream, ModelError>> {
        Box::pin(async { Err(ModelError::Interrupted) })
    }
}

/// A turn in a folder of its own.
pub(crate) struct Trial {
    pub(crate) turn: Arc<TurnScope>,
    pub(crate) cwd: std::path::PathBuf,
    events: mpsc::Receiver<TurnEvent>,
    _folders: [tempfile::TempDir; 2],
}

impl Trial {
    /// A turn whose settings `set` may change.
    pub(crate) async fn new(set: impl FnOnce(&mut TurnSettings)) -> Self {
        let (home, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cwd = work.path().canonicalize().unwrap();
        let mut settings = plain(cwd.to_str().unwrap());
        settings.model = "gpt-5.4".into();
        set(&mut settings);
        let id = ThreadId::generate();
        let store = LocalThreadStore::open(home.path().to_path_buf(), Durability::Os);
        let meta = SessionMeta::new(id, cwd.clone(), "test".into(), "mute".into());
        let new = NewThread { meta, ephemeral: false };
        let config = ConfigLoader::new(home.path().into(), cwd.clone(), &[]);
        let recorder = store.create(new).unwrap();
        let services = ThreadServices {
            environments: Arc::default(),
            goal: Arc::new(GoalKeeper::new(recorder.clone(), false, None)),
            config: Arc::new(config.resolve(&ThreadOverrides::default()).unwrap()),
            catalog: Arc::default(),
            provider: Arc::new(Mute(RetryPolicy::new(None, None, None))),
            identity: Arc::new(RequestIdentity::default()),
            instructions: json_text(""),
            recorder,
            tools: ToolSet::new(&[]),
            agents: None,
            shell: "bash".into(),
            project_docs: ProjectDocs::default(),
            extensions: Default::default(),
            contributed: Default::default(),
            raw_events: false,
            hooks: Default::default(),
            came_by: std::sync::Mutex::new(None),
            patch_approvals: Default::default(),
            guardian: Default::default(),
            commands: Default::default(),
        };
        let (sender, events) = mpsc::channel(64);
        let host = TurnHost::new(
            id,
            "turn-1".into(),
            CancellationToken::new(),
            Default::default(),
            sender,
        );
        let model = Arc::new(services.catalog.find(&settings.model));
        let turn = TurnScope::new(host, Arc::new(services), Arc::new(settings), model);
        Trial {
            turn: Arc::new(turn),
            cwd,
            events,
            _folders: [home, work],
        }
    }

    /// What a call of `name` is given.
    pub(crate) fn context(&self, name: &str, input: ToolInput) -> ToolContext {
        ToolContext {
            call: Arc::new(ToolCall {
                call_id: "call_1".into(),
                namespace: None,
                name: name.into(),
                input,
            }),
            turn: Arc::clone(&self.turn),
            cancel: self.turn.host.cancel.clone(),
        }
    }

    /// Runs a call with JSON arguments; nobody answers questions.
    pub(crate) async fn call(&self, tool: &dyn Tool, arguments: Value) -> ToolOutput {
        tool.run(self.context(tool.name(), ToolInput::Function(arguments.to_string())))
            .await
    }

    /// Runs a call with a text, and answers its questions with `decision`.
    pub(crate) async fn call_text(&mut self, tool: &dyn Tool, text: &str, decision: &str) -> (String, Vec<Told>) {
        let call = tool.run(self.context(tool.name(), ToolInput::Custom(text.into())));
        tokio::pin!(call);
        let mut told = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => told.extend(take(event, decision)),
                output = &mut call => {
                    told.extend(self.told());
                    let FunctionCallOutputBody::Text(text) = output.body else { panic!("not a text") };
                    return (text, told);
                }
            }
        }
    }

    /// What was published and not taken yet.
    pub(crate) fn told(&mut self) -> Vec<Told> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .flat_map(|event| take(event, "decline"))
            .collect()
    }

    /// The rollout's lines of a kind of event.
    pub(crate) fn recorded(&self, kind: &str) -> Vec<Value> {
        let path = self.turn.recorder().path().unwrap();
        let lines = std::fs::read_to_string(path).unwrap_or_default();
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].take());
        lines
            .filter(|payload| payload["type"] == kind || payload["kind"] == kind)
            .collect()
    }
}

/// A notification or a question: its method and its parameters.
pub(crate) type Told = (String, Value);

fn take(event: TurnEvent, decision: &str) -> Vec<Told> {
    let parse = |notification: crate::rpc::EncodedNotification| {
        let bytes = notification.frame().bytes();
        let message: Value = serde_json::from_slice(bytes).unwrap();
        (notification.method().to_owned(), message["params"].clone())
    };
    match event {
        TurnEvent::Publish(_, notification) => vec![parse(notification)],
        TurnEvent::Ask {
            method,
            params,
            announce,
            reply,
            ..
        } => {
            let _ = reply.send(RawAnswer::Result(serde_json::json!({"decision": decision})));
            announce
                .map(parse)
                .into_iter()
                .chain([(method.to_owned(), params)])
                .collect()
        }
        _ => vec![],
    }
}
