//! A model provider that plays a script: one reply for each request, over real HTTP with server-sent events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// What the provider answers to one request.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    body: Option<String>,
    events: Vec<Value>,
    etag: Option<String>,
    hold_before: Option<usize>,
    truncated: bool,
    gate: Arc<Semaphore>,
    reached: Arc<Notify>,
}

/// A usage object of `tokens` in all.
fn usage(tokens: u64) -> Value {
    json!({"input_tokens": tokens - 20, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": tokens})
}

impl Reply {
    /// A stream of these events, ended by `response.completed`.
    pub fn events(events: Vec<Value>) -> Self {
        let mut all = vec![json!({"type": "response.created", "response": {"id": "resp"}})];
        all.extend(events);
        all.push(json!({"type": "response.completed", "response": {"id": "resp", "usage": usage(120)}}));
        Reply {
            status: 200,
            body: None,
            events: all,
            etag: None,
            hold_before: None,
            truncated: false,
            gate: Arc::new(Semaphore::new(0)),
            reached: Arc::default(),
        }
    }

    /// A message streamed in these deltas.
    pub fn message(deltas: &[&str]) -> Self {
        Reply::events(message_events("msg_1", deltas))
    }

    /// A function call.
    pub fn call(name: &str, arguments: Value, call_id: &str) -> Self {
        let item = json!({"type": "function_call", "id": format!("fc_{call_id}"), "name": name, "call_id": call_id,
            "arguments": arguments.to_string()});
        Reply::events(vec![
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        ])
    }

    /// A freeform tool call.
    pub fn custom(name: &str, input: &str, call_id: &str) -> Self {
        let item = json!({"type": "custom_tool_call", "id": format!("ct_{call_id}"), "name": name,
            "call_id": call_id, "input": input, "status": "completed"});
        Reply::events(vec![
            json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
        ])
    }

    /// An answer of Chat Completions: one chunk for each delta, then the reason to stop, the usage and `[DONE]`.
    pub fn chat(deltas: &[Value], finish: &str) -> Self {
        let chunk = |delta: &Value, finish: Option<&str>| {
            json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "local",
                "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        };
        let mut events: Vec<Value> = deltas.iter().map(|delta| chunk(delta, None)).collect();
        events.push(chunk(&json!({}), Some(finish)));
        let usage = json!({"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 40}});
        events.push(json!({"id": "chatcmpl-1", "choices": [], "usage": usage}));
        events.push(json!("[DONE]"));
        Reply {
            events,
            ..Reply::events(Vec::new())
        }
    }

    /// An HTTP failure.
    pub fn status(status: u16, body: Value) -> Self {
        Reply {
            status,
            body: Some(body.to_string()),
            ..Reply::events(Vec::new())
        }
    }

    /// Says which version the provider's list of models has; an HTTP failure says it of itself.
    pub fn knowing_models(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }

    /// Says that the answer made the conversation this many tokens long.
    pub fn of_tokens(mut self, tokens: u64) -> Self {
        if let Some(end) = self.events.last_mut() {
            end["response"]["usage"] = usage(tokens);
        }
        self
    }

    /// The stream stops before the `n`th event until [`Reply::release`].
    pub fn held_before(mut self, n: usize) -> Self {
        self.hold_before = Some(n);
        self
    }

    /// The connection ends before `response.completed`.
    pub fn truncated(mut self) -> Self {
        self.truncated = true;
        self.events.pop();
        self
    }

    /// Lets a held stream go on a while after it has come to its hold, if it ever does.
    pub fn released_after(self, time: std::time::Duration) -> Self {
        let held = self.clone();
        tokio::spawn(async move {
            held.reached.notified().await;
            tokio::time::sleep(time).await;
            held.release();
        });
        self
    }

    /// Lets a held stream go on.
    pub fn release(&self) {
        self.gate.add_permits(1);
    }

    /// Waits until a held stream has come to its hold.
    pub async fn reached(&self) {
        super::within("the held reply", self.reached.notified()).await;
    }
}

fn message_events(id: &str, deltas: &[&str]) -> Vec<Value> {
    let text: String = deltas.concat();
    let item = |content: Value| json!({"type": "message", "id": id, "role": "assistant", "content": content});
    let mut events = vec![json!({"type": "response.output_item.added", "output_index": 0, "item": item(json!([]))})];
    for delta in deltas {
        events.push(
            json!({"type": "response.output_text.delta", "item_id": id, "output_index": 0,
            "content_index": 0, "delta": delta}),
        );
    }
    let content = json!([{"type": "output_text", "text": text}]);
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item(content)}));
    events
}

#[derive(Debug, Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Value>>,
    agent_replies: Mutex<VecDeque<Reply>>,
    agent_requests: Mutex<Vec<Value>>,
    models: Mutex<Option<(Value, String)>>,
    listings: Mutex<Vec<String>>,
}

/// The provider. Requests beyond the script are answered with a plain `ok`.
#[derive(Debug, Clone)]
pub struct ScriptedModel {
    script: Arc<Script>,
    port: u16,
}

impl ScriptedModel {
    /// Starts listening on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let script = Arc::new(Script::default());
        let serving = script.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, serving.clone()));
            }
        });
        ScriptedModel { script, port }
    }

    /// What goes into `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Adds a reply to the end of the script and returns it, so that a held one can be released.
    pub fn add(&self, reply: Reply) -> Reply {
        self.script.replies.lock().expect("script").push_back(reply.clone());
        reply
    }

    /// Adds a reply to the script of spawned agents, who have one of their own.
    pub fn add_for_agents(&self, reply: Reply) -> Reply {
        self.script
            .agent_replies
            .lock()
            .expect("script")
            .push_back(reply.clone());
        reply
    }

    /// The bodies of all requests of spawned agents so far.
    pub fn agent_requests(&self) -> Vec<Value> {
        self.script.agent_requests.lock().expect("requests").clone()
    }

    /// Has the provider list these models from now on, under this etag. It has no list before.
    pub fn list(&self, models: Value, etag: &str) {
        *self.script.models.lock().expect("models") = Some((models, etag.to_owned()));
    }

    /// The heads of all requests for that list so far, in lower case.
    pub fn listings(&self) -> Vec<String> {
        self.script.listings.lock().expect("listings").clone()
    }

    /// Adds a message in one delta.
    pub fn say(&self, text: &str) -> Reply {
        self.add(Reply::message(&[text]))
    }

    /// Forgets the rest of the script.
    pub fn clear(&self) {
        self.script.replies.lock().expect("script").clear();
    }

    /// The bodies of all requests so far, those of spawned agents excepted.
    pub fn requests(&self) -> Vec<Value> {
        self.script.requests.lock().expect("requests").clone()
    }

    /// What the model was told about its tool call `call_id` in the latest request.
    pub fn output_of(&self, call_id: &str) -> Option<Value> {
        let requests = self.requests();
        let input = requests.last()?.get("input")?.as_array()?.clone();
        let found = input.into_iter().find(|item| {
            item["call_id"] == call_id && item["type"].as_str().is_some_and(|kind| kind.ends_with("_output"))
        });
        found.map(|item| item["output"].clone())
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>) {
    let mut buffer = Vec::new();
    while let Some((head, body)) = read_request(&mut stream, &mut buffer).await {
        let path = head.split_whitespace().nth(1).unwrap_or_default().to_string();
        let by_agent = head.contains("\r\nx-openai-subagent: collab_spawn");
        if head.starts_with("get ") && path.ends_with("/responses") {
            // It has no WebSockets.
            if play(&mut stream, &Reply::status(404, json!({}))).await.is_err() {
                return;
            }
            continue;
        }
        if path.contains("/models") {
            script.listings.lock().expect("listings").push(head);
            let models = script.models.lock().expect("models").clone();
            let reply = match models {
                Some((models, etag)) => Reply::status(200, json!({"models": models})).knowing_models(&etag),
                None => Reply::status(404, json!({})),
            };
            if play(&mut stream, &reply).await.is_err() {
                return;
            }
            continue;
        }
        let known = ["/responses", "/responses/compact", "/chat/completions"];
        if !known.iter().any(|end| path.ends_with(end)) {
            // Some things are asked of a provider at times of the client's own choosing.
            if play(&mut stream, &Reply::status(404, json!({}))).await.is_err() {
                return;
            }
            continue;
        }
        let (requests, replies) = match by_agent {
            true => (&script.agent_requests, &script.agent_replies),
            false => (&script.requests, &script.replies),
        };
        requests
            .lock()
            .expect("requests")
            .push(serde_json::from_slice(&body).unwrap_or(Value::Null));
        let reply = replies
            .lock()
            .expect("script")
            .pop_front()
            .unwrap_or_else(|| Reply::message(&["ok"]));
        if play(&mut stream, &reply).await.is_err() || reply.truncated {
            return;
        }
    }
}

/// The head of the next request in lower case, and its body.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .and_then(|value| value.trim().parse().ok())
                .unwrap_or(0);
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let mut chunk = [0; 16384];
        match stream.read(&mut chunk).await {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            _ => return None,
        }
    }
}

fn header(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!("{name}: {value}\r\n"))
}

async fn play(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    if let Some(body) = &reply.body {
        let head = format!(
            "HTTP/1.1 {} X\r\ncontent-type: application/json\r\n{}content-length: {}\r\n\r\n",
            reply.status,
            header("etag", reply.etag.as_deref()),
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        return stream.write_all(body.as_bytes()).await;
    }
    let etag = header("x-models-etag", reply.etag.as_deref());
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{etag}transfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for (index, event) in reply.events.iter().enumerate() {
        if reply.hold_before == Some(index) {
            reply.reached.notify_one();
            if let Ok(permit) = reply.gate.acquire().await {
                permit.forget();
            }
        }
        let text = match (event.as_str(), event["type"].as_str()) {
            (Some(bare), _) => format!("data: {bare}\n\n"),
            (None, Some(kind)) => format!("event: {kind}\ndata: {event}\n\n"),
            (None, None) => format!("data: {event}\n\n"),
        };
        stream
            .write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
            .await?;
    }
    if !reply.truncated {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}
