//! A typed client: calls with the protocol's own types, notifications awaited by type.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use greenroom::protocol::methods::{ClientMethod, Notification, ServerMethod, client};
use greenroom::protocol::*;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Message;

use super::within;

#[derive(Default)]
struct Inbox {
    messages: Mutex<Vec<Value>>,
    read: Mutex<HashMap<String, usize>>,
    arrived: Notify,
    closed: std::sync::atomic::AtomicBool,
}

impl Inbox {
    fn push(&self, text: &str) {
        if let Ok(message) = serde_json::from_str(text) {
            self.messages.lock().expect("inbox").push(message);
            self.arrived.notify_waiters();
        }
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.arrived.notify_waiters();
    }

    async fn find(&self, what: &str, from: usize, matches: impl Fn(&Value) -> bool) -> (usize, Value) {
        within(what, async {
            // What was looked at once is not looked at again: a long stream stays linear.
            let mut seen = from;
            loop {
                let arrived = self.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let found = {
                    let messages = self.messages.lock().expect("inbox");
                    let found = messages.iter().enumerate().skip(seen).find(|(_, m)| matches(m));
                    let found = found.map(|(at, m)| (at, m.clone()));
                    seen = messages.len();
                    found
                };
                if let Some(found) = found {
                    return found;
                }
                assert!(
                    !self.closed.load(Ordering::SeqCst),
                    "the connection ended while waiting for {what}"
                );
                arrived.await;
            }
        })
        .await
    }
}

/// A connection to the server under test.
#[derive(Clone)]
pub struct Client {
    inbox: Arc<Inbox>,
    outgoing: mpsc::UnboundedSender<Message>,
    next_id: Arc<AtomicI64>,
}

impl Client {
    fn new() -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (outgoing, queue) = mpsc::unbounded_channel();
        (
            Client {
                inbox: Arc::default(),
                outgoing,
                next_id: Arc::default(),
            },
            queue,
        )
    }

    /// One JSON message for each line.
    pub fn over_stdio(
        mut stdin: impl AsyncWrite + Unpin + Send + 'static,
        stdout: impl AsyncRead + Unpin + Send + 'static,
    ) -> Self {
        let (this, mut queue) = Self::new();
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                let mut bytes = message.into_data().to_vec();
                bytes.push(b'\n');
                if stdin.write_all(&bytes).await.is_err() {
                    break;
                }
            }
        });
        let inbox = this.inbox.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                inbox.push(&line);
            }
            inbox.close();
        });
        this
    }

    /// A WebSocket on loopback, with a bearer token if one is given. Errors are the handshake's.
    pub async fn over_ws(port: u16, token: Option<&str>) -> Result<Self, String> {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(|e| e.to_string())?;
        Self::handshake(stream, token).await
    }

    /// A WebSocket as a page of `origin` would open it.
    pub async fn from_page(port: u16, origin: &str) -> Result<(), String> {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(|e| e.to_string())?;
        let mut request = "ws://localhost/".into_client_request().map_err(|e| e.to_string())?;
        let origin = origin.parse().map_err(|_| "origin".to_string())?;
        request.headers_mut().insert("origin", origin);
        let opened = tokio_tungstenite::client_async(request, stream).await;
        opened.map(drop).map_err(|e| e.to_string())
    }

    /// A WebSocket on a Unix socket.
    pub async fn over_unix(path: &Path) -> Result<Self, String> {
        let stream = tokio::net::UnixStream::connect(path).await.map_err(|e| e.to_string())?;
        Self::handshake(stream, None).await
    }

    async fn handshake<S>(stream: S, token: Option<&str>) -> Result<Self, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest;
        let mut request = "ws://localhost/".into_client_request().map_err(|e| e.to_string())?;
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().map_err(|_| "token".to_string())?;
            request.headers_mut().insert("authorization", value);
        }
        let mut limits = tokio_tungstenite::tungstenite::protocol::WebSocketConfig::default();
        limits.max_frame_size = None;
        limits.max_message_size = None;
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(limits))
            .await
            .map_err(|error| error.to_string())?;
        let (mut sink, mut source) = socket.split();
        let (this, mut queue) = Self::new();
        tokio::spawn(async move {
            while let Some(message) = queue.recv().await {
                let last = message.is_close();
                if sink.send(message).await.is_err() || last {
                    break;
                }
            }
        });
        let inbox = this.inbox.clone();
        tokio::spawn(async move {
            while let Some(Ok(message)) = source.next().await {
                if let Message::Text(text) = &message {
                    inbox.push(text);
                }
            }
            inbox.close();
        });
        Ok(this)
    }

    /// The handshake, with the experimental API.
    pub async fn initialize(&self) -> InitializeResponse {
        self.initialize_with(json!({"experimentalApi": true})).await
    }

    /// The handshake, with these capabilities.
    pub async fn initialize_with(&self, capabilities: Value) -> InitializeResponse {
        let params = json!({"clientInfo": {"name": "tests", "title": null, "version": "1.0"},
            "capabilities": capabilities});
        let response = self
            .call_raw(client::Initialize::NAME, params)
            .await
            .expect("initialize");
        self.send(json!({"method": "initialized"}));
        serde_json::from_value(response).expect("an initialize response")
    }

    /// Sends any message.
    pub fn send(&self, message: Value) {
        self.send_text(message.to_string());
    }

    /// Sends any text.
    pub fn send_text(&self, text: String) {
        let _ = self.outgoing.send(Message::text(text));
    }

    /// Sends any WebSocket message (text only over stdio).
    pub fn send_message(&self, message: Message) {
        let _ = self.outgoing.send(message);
    }

    /// Sends a request and returns its id at once.
    pub fn start(&self, method: &str, params: Value) -> i64 {
        let id = self.next_id.fetch_add(1, Ordering::SeqCst);
        self.send(json!({"id": id, "method": method, "params": params}));
        id
    }

    /// Waits for the answer to a request.
    pub async fn answer_to(&self, id: i64) -> Result<Value, JSONRPCErrorError> {
        let matches = |m: &Value| m.get("method").is_none() && m["id"] == id;
        let (_, message) = self
            .inbox
            .find(&format!("the answer to request {id}"), 0, matches)
            .await;
        match message.get("error") {
            Some(error) => Err(serde_json::from_value(error.clone()).expect("an error")),
            None => Ok(message["result"].clone()),
        }
    }

    /// Calls a method by name.
    pub async fn call_raw(&self, method: &str, params: Value) -> Result<Value, JSONRPCErrorError> {
        let id = self.start(method, params);
        self.answer_to(id).await
    }

    /// Calls a method by type.
    pub async fn call<M: ClientMethod>(&self, params: M::Params) -> Result<M::Response, JSONRPCErrorError> {
        let params = serde_json::to_value(params).expect("parameters");
        let result = self.call_raw(M::NAME, params).await?;
        Ok(serde_json::from_value(result).unwrap_or_else(|error| panic!("{}: {error}", M::NAME)))
    }

    /// The next notification of this type that was not read before.
    pub async fn next<N: Notification + serde::de::DeserializeOwned>(&self) -> N {
        self.next_where(|_: &N| true).await
    }

    /// The next notification of this type that satisfies `wanted`; earlier ones of the type are passed over.
    pub async fn next_where<N: Notification + serde::de::DeserializeOwned>(&self, wanted: impl Fn(&N) -> bool) -> N {
        let from = self
            .inbox
            .read
            .lock()
            .expect("cursors")
            .get(N::NAME)
            .copied()
            .unwrap_or(0);
        let matches = |m: &Value| {
            m["method"] == N::NAME
                && serde_json::from_value::<N>(m["params"].clone()).is_ok_and(|payload| wanted(&payload))
        };
        let (at, message) = self.inbox.find(N::NAME, from, matches).await;
        self.inbox
            .read
            .lock()
            .expect("cursors")
            .insert(N::NAME.to_string(), at + 1);
        serde_json::from_value(message["params"].clone()).expect("checked above")
    }

    /// The next request of this type from the server: its id and parameters.
    pub async fn asked<M: ServerMethod>(&self) -> (Value, M::Params) {
        let from = self
            .inbox
            .read
            .lock()
            .expect("cursors")
            .get(M::NAME)
            .copied()
            .unwrap_or(0);
        let matches = |m: &Value| m["method"] == M::NAME && m.get("id").is_some();
        let (at, message) = self.inbox.find(M::NAME, from, matches).await;
        self.inbox
            .read
            .lock()
            .expect("cursors")
            .insert(M::NAME.to_string(), at + 1);
        (
            message["id"].clone(),
            serde_json::from_value(message["params"].clone()).expect("parameters"),
        )
    }

    /// Answers a request from the server.
    pub fn reply(&self, id: &Value, result: Value) {
        self.send(json!({"id": id, "result": result}));
    }

    /// Everything received so far.
    pub fn log(&self) -> Vec<Value> {
        self.inbox.messages.lock().expect("inbox").clone()
    }

    /// The first message that matches, whenever it comes; `None` when the connection ends without it.
    pub async fn find_or_end(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Option<Value> {
        within(what, async {
            let mut seen = 0;
            loop {
                let arrived = self.inbox.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                // Asked before looking: what comes before the end is looked at.
                let ended = self.inbox.closed.load(Ordering::SeqCst);
                {
                    let messages = self.inbox.messages.lock().expect("inbox");
                    if let Some(found) = messages.iter().skip(seen).find(|m| matches(m)) {
                        return Some(found.clone());
                    }
                    seen = messages.len();
                }
                if ended {
                    return None;
                }
                arrived.await;
            }
        })
        .await
    }

    /// Waits until what was received satisfies `enough`, and returns it.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        within(what, async {
            loop {
                let arrived = self.inbox.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                let log = self.log();
                if enough(&log) {
                    return log;
                }
                arrived.await;
            }
        })
        .await
    }

    /// The methods of all notifications and requests received so far, in order.
    pub fn methods(&self) -> Vec<String> {
        self.log()
            .iter()
            .filter_map(|m| m["method"].as_str().map(str::to_string))
            .collect()
    }

    /// Waits for the server to end the connection.
    pub async fn closed(&self) {
        within("the end of the connection", async {
            loop {
                let arrived = self.inbox.arrived.notified();
                tokio::pin!(arrived);
                arrived.as_mut().enable();
                if self.inbox.closed.load(Ordering::SeqCst) {
                    return;
                }
                arrived.await;
            }
        })
        .await;
    }

    /// Closes the connection as a polite client does.
    pub fn close(&self) {
        let _ = self.outgoing.send(Message::Close(None));
    }

    /// Starts a thread in the server's folder and returns its id.
    pub async fn thread(&self) -> String {
        let started = self.call::<client::ThreadStart>(ThreadStartParams::default()).await;
        started.expect("thread/start").thread.id
    }

    /// Starts a turn with a text and returns its id.
    pub async fn begin(&self, thread: &str, text: &str) -> String {
        let params = json!({"threadId": thread, "input": [{"type": "text", "text": text}]});
        let response = self
            .call_raw(client::TurnStart::NAME, params)
            .await
            .expect("turn/start");
        response["turn"]["id"].as_str().expect("a turn id").to_string()
    }

    /// Waits for the end of a turn.
    pub async fn done(&self, turn: &str) -> Turn {
        self.next_where(|n: &TurnCompletedNotification| n.turn.id == turn)
            .await
            .turn
    }

    /// Runs a whole turn.
    pub async fn turn(&self, thread: &str, text: &str) -> Turn {
        let turn = self.begin(thread, text).await;
        self.done(&turn).await
    }
}
