//! A thread with a scripted turn and clients in memory: what is published, to whom, in which order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::Arbiter;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

mod falls;
mod idle;
mod questions;
mod steering;

use super::*;
use crate::engine::host::{Answer, TurnEnd};
use crate::engine::thread_ref::ThreadRef;
use crate::methods::thread_load::tests::seed;
use crate::protocol::methods::server::ItemToolRequestUserInput;
use crate::rpc::context::ThreadDirectory;
use crate::rpc::{ClientHandle, ClientInfo, OutFrame, Outbox};

/// A client whose frames can be read.
struct Screen {
    client: ClientHandle,
    frames: mpsc::UnboundedReceiver<Value>,
    /// Set, it makes the next frame panic whoever sends it.
    fault: Arc<AtomicBool>,
}

struct Frames(mpsc::UnboundedSender<Value>, Arc<AtomicBool>);

impl Outbox for Frames {
    fn push(&self, frame: OutFrame) {
        assert!(!self.1.swap(false, Ordering::Relaxed), "as asked");
        let bytes = match frame {
            OutFrame::Whole(bytes) | OutFrame::Bulk(bytes) | OutFrame::Delta { whole: bytes, .. } => bytes,
        };
        let _ = self.0.send(serde_json::from_slice(&bytes).unwrap());
    }
}

impl Screen {
    async fn next(&mut self) -> Value {
        self.frames.recv().await.unwrap()
    }

    /// The methods of the next frames, a status with its type.
    async fn see(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            let frame = self.next().await;
            let method = frame["method"].as_str().unwrap().to_owned();
            seen.push(match frame["params"]["status"]["type"].as_str() {
                Some(status) => format!("{method} {status}"),
                None => method,
            });
        }
        seen
    }

    fn quiet(&mut self) -> bool {
        self.frames.try_recv().is_err()
    }
}

struct House {
    registry: ThreadRegistry,
    clients: Arc<ClientDirectory>,
    pending: Arc<PendingServerRequests>,
    turns: Arc<TurnCounter>,
    /// What a lingering turn waits for.
    linger: Arc<tokio::sync::Notify>,
    next: Mutex<u64>,
    _home: tempfile::TempDir,
    home: std::path::PathBuf,
}

impl House {
    fn new() -> Self {
        Self::with(Duration::from_secs(60))
    }

    fn with(idle_unload: Duration) -> Self {
        let clients = Arc::new(ClientDirectory::default());
        let pending = Arc::new(PendingServerRequests::default());
        let turns = Arc::new(TurnCounter::default());
        let home = tempfile::tempdir().unwrap();
        let linger = Arc::new(tokio::sync::Notify::new());
        let lingers = linger.clone();
        let surroundings = Surroundings {
            run_turn: Box::new(move |job| Box::pin(script(job, lingers.clone()))),
            store: Arc::new(crate::store::LocalThreadStore::open(
                home.path().to_path_buf(),
                crate::store::Durability::Os,
            )),
            clients: clients.clone(),
            pending: pending.clone(),
            turns: turns.clone(),
            idle_unload,
            replay: Arc::default(),
        };
        House {
            registry: ThreadRegistry::on(vec![Arbiter::current()], surroundings),
            clients,
            pending,
            turns,
            linger,
            next: Mutex::new(0),
            home: home.path().to_path_buf(),
            _home: home,
        }
    }

    fn client(&self) -> Screen {
        let mut next = self.next.lock().unwrap();
        let (sender, frames) = mpsc::unbounded_channel();
        let fault = Arc::new(AtomicBool::new(false));
        let client = ClientHandle::new(
            ConnectionId(*next),
            "in-process",
            Arc::new(Frames(sender, fault.clone())),
        );
        *next += 1;
        client.initialize(ClientInfo::default());
        self.clients.insert(client.clone());
        Screen { client, frames, fault }
    }

    async fn thread(&self, screens: &[&Screen]) -> ThreadRef {
        let mut seed = seed(&self.home);
        seed.subscribers = screens.iter().map(|screen| screen.client.clone()).collect();
        self.registry.spawn(seed).await.unwrap()
    }

    fn answer(&self, screen: &Screen, request: &Value, result: Value) -> bool {
        let id = serde_json::from_value(request["id"].clone()).unwrap();
        let raw = serde_json::value::to_raw_value(&result).unwrap();
        self.pending.answer(screen.client.id(), &id, Ok(&raw)).is_ok()
    }
}

/// The turn that the first word of its input asks for.
async fn script(job: TurnJob, linger: Arc<tokio::sync::Notify>) {
    let host = job.host.clone();
    let said = match job.input.first() {
        Some(UserInput::Text { text, .. }) => text.clone(),
        _ => String::new(),
    };
    let mut status = TurnStatus::Completed;
    let mut error = None;
    match said.as_str() {
        "wait" => {
            host.cancel.cancelled().await;
            status = TurnStatus::Interrupted;
        }
        "linger" => {
            host.cancel.cancelled().await;
            linger.notified().await;
        }
        "ask" => {
            let question = ToolRequestUserInputParams {
                item_id: "call".into(),
                questions: vec![],
                thread_id: host.thread_id.to_string(),
                turn_id: host.turn_id.to_string(),
            };
            let flag = Some(ThreadActiveFlag::WaitingOnUserInput);
            let answer = host.ask::<ItemToolRequestUserInput>(&question, flag).await;
            let heard = match answer {
                Answer::Given(_) => "given",
                Answer::Refused(_) => "refused",
                Answer::Malformed(_) => "malformed",
                Answer::Cancelled => "cancelled",
            };
            warn(&host, heard).await;
            if host.cancel.is_cancelled() {
                status = TurnStatus::Interrupted;
            }
        }
        "fail" => {
            status = TurnStatus::Failed;
            error = Some(TurnError {
                message: "no".into(),
                ..TurnError::default()
            });
        }
        "panic" => panic!("as asked"),
        "break" => {
            while host.pending.is_empty() {
                tokio::task::yield_now().await;
            }
            panic!("as asked");
        }
        "hear" => {
            let heard = host.pending.take_inputs();
            warn(
                &host,
                &format!("{:?}", heard.iter().map(|said| &said.input).collect::<Vec<_>>()),
            )
            .await;
        }
        "late" => {
            // Input arrives after the turn looked for the last time.
            while host.pending.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        other => warn(&host, other).await,
    }
    let turn = Turn {
        completed_at: Some(1),
        duration_ms: Some(1),
        error,
        id: host.turn_id.to_string(),
        items: vec![],
        items_view: TurnItemsView::NotLoaded,
        started_at: Some(1),
        status,
    };
    let conversation = job.conversation;
    host.send(TurnEvent::Finished(TurnEnd {
        turn,
        conversation,
        last_message: None,
    }))
    .await;
}

async fn warn(host: &crate::engine::host::TurnHost, message: &str) {
    host.publish(&WarningNotification {
        message: message.into(),
        thread_id: None,
    })
    .await;
}

fn text(text: &str) -> Vec<UserInput> {
    vec![UserInput::Text {
        text: text.into(),
        text_elements: vec![],
    }]
}

/// Sends `turn/start` whose response is out at once.
async fn start(thread: &ThreadRef, input: Vec<UserInput>) -> Arc<str> {
    let (go, turn) = start_held(thread, input).await;
    // Input that joined a running turn waits for no response.
    let _ = go.send(());
    turn
}

async fn start_held(thread: &ThreadRef, input: Vec<UserInput>) -> (oneshot::Sender<()>, Arc<str>) {
    let (go, wait) = oneshot::channel();
    let params = Box::new(TurnStartParams {
        input,
        ..TurnStartParams::default()
    });
    let turn = thread
        .ask(|reply| ThreadCommand::StartTurn {
            params,
            permissions: None,
            go: wait,
            reply,
        })
        .await
        .unwrap()
        .unwrap();
    (go, turn)
}

async fn interrupt(thread: &ThreadRef, expected: &str) -> Result<(), ThreadError> {
    let (go, wait) = oneshot::channel();
    go.send(()).unwrap();
    let expected = expected.to_owned();
    thread
        .ask(|reply| ThreadCommand::InterruptTurn {
            expected,
            go: wait,
            reply,
        })
        .await
        .unwrap()
}

const BEGIN: [&str; 2] = ["thread/status/changed active", "turn/started"];
const END: [&str; 2] = ["thread/status/changed idle", "turn/completed"];

#[actix_web::test]
async fn nothing_is_seen_of_a_turn_before_its_response() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let (go, turn) = start_held(&thread, text("hello")).await;
    thread.ask(ThreadCommand::View).await.unwrap();
    assert!(screen.quiet(), "the response is not out");
    go.send(()).unwrap();
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(screen.see(1).await, ["warning"]);
    assert_eq!(screen.see(1).await, ["thread/status/changed idle"]);
    assert_eq!(screen.next().await["params"]["turn"]["id"], *turn);
}

#[actix_web::test]
async fn commands_after_the_response_find_the_turn_running() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let turn = start(&thread, text("wait")).await;
    assert_eq!(interrupt(&thread, "other").await.unwrap_err().to_string(), {
        format!("expected active turn id other but found {turn}")
    });
    interrupt(&thread, &turn).await.unwrap();
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(screen.see(1).await, ["thread/status/changed idle"]);
    assert_eq!(screen.next().await["params"]["turn"]["status"], "interrupted");
    let idle = interrupt(&thread, &turn).await;
    assert_eq!(idle, Err(ThreadError::NothingToInterrupt));
    assert_eq!(
        interrupt(&thread, "").await,
        Ok(()),
        "nothing may be interrupted at any time"
    );
}

#[actix_web::test]
async fn an_empty_input_is_an_error_without_a_turn() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, vec![]).await;
    assert_eq!(screen.see(2).await, ["thread/status/changed systemError", "error"]);
    start(&thread, text("hello")).await;
    assert_eq!(screen.see(2).await, BEGIN);
}

#[actix_web::test]
async fn a_failed_turn_says_so_before_it_ends() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, text("fail")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(
        screen.see(3).await,
        ["thread/status/changed systemError", "error", "turn/completed"]
    );
    assert_eq!(thread.face().status(), ThreadStatus::SystemError);
}

#[actix_web::test]
async fn a_broken_turn_costs_the_turn_alone() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, text("panic")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    assert_eq!(
        screen.see(3).await,
        ["thread/status/changed systemError", "error", "turn/completed"]
    );
    start(&thread, text("hello")).await;
    assert_eq!(screen.see(3).await, [BEGIN[0], BEGIN[1], "warning"]);
    assert_eq!(screen.see(2).await, END);
}

#[actix_web::test]
async fn overrides_hold_from_the_next_turn_on() {
    let house = House::new();
    let screen = house.client();
    let thread = house.thread(&[&screen]).await;
    let (go, wait) = oneshot::channel();
    go.send(()).unwrap();
    let params = Box::new(TurnStartParams {
        input: text("hello"),
        model: Some("second-model".into()),
        cwd: Some("/tmp".into()),
        ..TurnStartParams::default()
    });
    thread
        .ask(|reply| ThreadCommand::StartTurn {
            params,
            permissions: None,
            go: wait,
            reply,
        })
        .await
        .unwrap()
        .unwrap();
    let view = thread.ask(ThreadCommand::View).await.unwrap();
    assert_eq!(&*view.settings.model, "second-model");
    assert_eq!(view.settings.cwd.as_path(), std::path::Path::new("/tmp"));
}

#[actix_web::test]
async fn a_thread_that_nobody_needs_is_unloaded() {
    let house = House::with(Duration::from_millis(5));
    let mut watcher = house.client();
    let thread = house.thread(&[]).await;
    assert_eq!(
        watcher.see(2).await,
        ["thread/status/changed notLoaded", "thread/closed"]
    );
    assert!(house.registry.get(&thread.id()).is_none());
    let gone = thread.ask(ThreadCommand::View).await;
    assert!(matches!(gone, Err(ThreadError::Gone(_))));
}

#[actix_web::test]
async fn closing_interrupts_the_turn_and_refuses_new_ones() {
    let house = House::new();
    let mut screen = house.client();
    let thread = house.thread(&[&screen]).await;
    start(&thread, text("wait")).await;
    assert_eq!(screen.see(2).await, BEGIN);
    house.registry.shutdown().await;
    assert_eq!(screen.see(2).await, END);
    assert_eq!(screen.see(1).await, ["thread/status/changed notLoaded"]);
    assert!(house.registry.loaded_ids().is_empty());
}
