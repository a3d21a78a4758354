use std::collections::HashMap;

use serde_json::{Value, json};

use super::*;
use crate::rpc::ConnectionId;
use crate::settings::Settings;
use crate::startup::{self, Options, Server};

/// A server on a home of its own, without listeners.
async fn server(set: impl FnOnce(&mut Settings)) -> (Server, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a folder");
    let mut settings = Settings::defaults(home.path().to_path_buf());
    set(&mut settings);
    let options = Options {
        settings: Some(settings),
        ..Options::default()
    };
    (startup::build(options).await.expect("it starts"), home)
}

struct Client {
    edge: ConnectionEdge,
    read: std::collections::VecDeque<Value>,
}

impl Client {
    fn connect(server: &Server, transport: &'static str) -> Self {
        Client {
            edge: open(server.kernel(), transport),
            read: Default::default(),
        }
    }

    async fn initialized(server: &Server) -> Self {
        let mut client = Client::connect(server, "in-process");
        client.say(&initialize("init")).await;
        client.answer("init").await;
        client
    }

    async fn say(&self, message: &Value) {
        self.edge
            .inbound
            .send(Bytes::from(message.to_string()))
            .await
            .expect("open");
    }

    async fn next(&mut self) -> Value {
        while self.read.is_empty() {
            let batch = self.edge.outbox.next_batch().await.expect("open");
            self.read.extend(
                batch
                    .iter()
                    .map(|frame| serde_json::from_slice::<Value>(frame).expect("JSON")),
            );
        }
        self.read.pop_front().unwrap_or_default()
    }

    /// The answer to `id`; what comes before is thrown away.
    async fn answer(&mut self, id: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
        }
    }
}

fn initialize(id: &str) -> Value {
    json!({"id": id, "method": "initialize", "params": {"clientInfo": {"name": "test", "version": "1"}}})
}

fn list(id: usize) -> Value {
    json!({"id": id, "method": "thread/loaded/list", "params": {}})
}

#[actix_rt::test]
async fn the_handshake_comes_first_and_once() {
    let (server, _home) = server(|_| {}).await;
    let mut client = Client::connect(&server, "in-process");
    client.say(&list(1)).await;
    client
        .say(&json!({"id": 2, "method": "initialize", "params": {}}))
        .await;
    client.say(&json!({"id": 3, "method": "nope"})).await;
    client.say(&initialize("a")).await;
    client.say(&list(4)).await;
    client.say(&initialize("b")).await;
    assert_eq!(client.next().await["error"]["message"], "Not initialized");
    assert_eq!(
        client.next().await["error"]["message"],
        "Invalid request: missing field `clientInfo`"
    );
    let unknown = client.next().await["error"]["message"].to_string();
    assert!(unknown.contains("unknown variant `nope`, expected one of `initialize`"));
    assert_eq!(client.next().await["result"]["platformFamily"], "unix");
    assert_eq!(client.answer_any().await["result"]["data"], json!([]));
    assert_eq!(client.answer("b").await["error"]["message"], "Already initialized");
}

impl Client {
    async fn answer_any(&mut self) -> Value {
        loop {
            let message = self.next().await;
            if message.get("id").is_some() {
                return message;
            }
        }
    }
}

#[actix_rt::test]
async fn a_bad_name_leaves_the_connection_uninitialised() {
    let (server, _home) = server(|_| {}).await;
    let mut client = Client::connect(&server, "in-process");
    let mut bad = initialize("a");
    bad["params"]["clientInfo"]["name"] = json!("two\nlines");
    client.say(&bad).await;
    assert_eq!(
        client.next().await["error"]["message"],
        "Invalid clientInfo.name: 'two\nlines'. Must be a valid HTTP header value."
    );
    client.say(&initialize("b")).await;
    assert!(client.next().await.get("result").is_some());
}

#[actix_rt::test]
async fn new_clients_are_told_the_state_of_remote_control() {
    let (server, _home) = server(|_| {}).await;
    let mut client = Client::connect(&server, "in-process");
    client.say(&initialize("a")).await;
    assert!(client.next().await.get("result").is_some());
    let mut notice = client.next().await;
    // A server without a sandbox, as in these tests, says so first.
    if notice["method"] == "configWarning" {
        notice = client.next().await;
    }
    assert_eq!(notice["method"], "remoteControl/status/changed");
    assert_eq!(notice["params"]["status"], "disabled");
    assert_eq!(notice["params"]["environmentId"], Value::Null);
}

#[actix_rt::test]
async fn ten_thousand_requests_at_once_get_one_answer_each() {
    let (server, _home) = server(|settings| settings.in_flight_limit = 64).await;
    let mut client = Client::initialized(&server).await;
    let inbound = client.edge.inbound.clone();
    let missing = "00000000-0000-7000-8000-000000000000";
    actix_rt::spawn(async move {
        for id in 0..10_000 {
            let request = match id % 2 {
                0 => list(id),
                // In a lane, by way of the supervisor.
                _ => json!({"id": id, "method": "turn/interrupt", "params": {"threadId": missing, "turnId": "x"}}),
            };
            if inbound.send(Bytes::from(request.to_string())).await.is_err() {
                break;
            }
        }
    });
    let mut answers: HashMap<u64, usize> = HashMap::new();
    while answers.len() < 10_000 {
        let message = client.next().await;
        if let Some(id) = message["id"].as_u64() {
            *answers.entry(id).or_default() += 1;
        }
    }
    assert!(answers.values().all(|count| *count == 1));
    assert_eq!(client.edge.gate.in_flight(), 0);
}

#[actix_rt::test]
async fn junk_is_survived() {
    let (server, _home) = server(|_| {}).await;
    let mut client = Client::initialized(&server).await;
    for junk in [&b"{not json"[..], b"\xff\xfe", b"[]", b"42", b"", b"{\"id\":77}"] {
        client.edge.inbound.send(Bytes::from_static(junk)).await.expect("open");
    }
    client.say(&json!({"id": 9, "result": {}})).await;
    client.say(&list(1)).await;
    assert_eq!(client.answer_any().await["id"], 1);
}

#[actix_rt::test]
async fn when_nothing_moves_requests_are_shed_and_answered() {
    let (server, _home) = server(|settings| settings.in_flight_limit = 1).await;
    let mut client = Client::initialized(&server).await;
    // Holds the only place, like a request that waits for the client's own answer.
    let pass = client.edge.gate.admit();
    client.say(&list(1)).await;
    assert_eq!(client.answer_any().await["error"]["code"], -32001);
    drop(pass);
    client.say(&list(2)).await;
    assert!(client.answer_any().await.get("result").is_some());
}

#[actix_rt::test]
async fn a_client_that_leaves_is_forgotten() {
    let (server, _home) = server(|_| {}).await;
    let Client { edge, .. } = Client::initialized(&server).await;
    assert_eq!(edge.id, ConnectionId(0));
    assert_eq!(server.kernel().services().clients.len(), 1);
    let ConnectionEdge {
        inbound,
        mut commands,
        outbox,
        gate,
        ..
    } = edge;
    drop(inbound);
    gate.disconnected().cancelled().await;
    assert!(matches!(
        commands.recv().await,
        Some(EdgeCommand::Close { code: 1000, .. })
    ));
    assert_eq!(commands.recv().await, None);
    assert_eq!(outbox.next_batch().await, None);
    assert!(server.kernel().services().clients.is_empty());
}

#[actix_rt::test]
async fn silent_clients_are_pinged_then_ended() {
    let (server, _home) = server(|settings| {
        settings.heartbeat_interval = Duration::from_millis(20);
        settings.heartbeat_timeout = Duration::from_millis(200);
    })
    .await;
    let mut edge = open(server.kernel(), "ws");
    let alive = Instant::now();
    while alive.elapsed() < Duration::from_millis(400) {
        assert_eq!(edge.commands.recv().await, Some(EdgeCommand::Ping));
        edge.pong();
    }
    let end = loop {
        match edge.commands.recv().await {
            Some(EdgeCommand::Ping) => {}
            end => break end,
        }
    };
    assert!(matches!(end, Some(EdgeCommand::Close { code: 1011, .. })), "{end:?}");
    assert_eq!(edge.outbox.close_reason(), Some(CloseReason::Unresponsive));
}

#[actix_rt::test]
async fn a_stop_says_goodbye_to_everyone() {
    let (server, _home) = server(|_| {}).await;
    let mut edge = open(server.kernel(), "ws");
    let kernel = server.kernel().clone();
    let stopping = actix_rt::spawn(server.stop());
    assert!(matches!(
        edge.commands.recv().await,
        Some(EdgeCommand::Close { code: 1001, .. })
    ));
    assert_eq!(kernel.open_edges(), 1);
    drop(edge);
    stopping.await.expect("no panic");
}
