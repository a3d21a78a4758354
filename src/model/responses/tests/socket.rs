use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;
use crate::model::Way;
use crate::protocol::PlanType;

/// What the server does with one request.
enum Act {
    /// Says this.
    Say(Vec<Value>),
    /// Closes the connection without a word.
    Close,
}

/// Names and values.
type Headers = Vec<(String, String)>;

/// A server of WebSockets. Each connection plays the next script, an act for each request.
#[derive(Clone, Default)]
struct SocketServer {
    port: u16,
    scripts: Arc<Mutex<VecDeque<Vec<Act>>>>,
    /// The connection's number and the request.
    seen: Arc<Mutex<Vec<(usize, Value)>>>,
    heads: Arc<Mutex<Vec<Headers>>>,
}

impl SocketServer {
    async fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = SocketServer {
            port: listener.local_addr().unwrap().port(),
            scripts: Arc::new(Mutex::new(scripts.into())),
            ..SocketServer::default()
        };
        let shared = server.clone();
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(shared.clone().serve(stream, connection));
            }
        });
        server
    }

    #[allow(clippy::result_large_err, reason = "the callback's type is the crate's")]
    async fn serve(self, stream: TcpStream, connection: usize) {
        let heads = Arc::clone(&self.heads);
        let note = |request: &Request, response: Response| {
            let pair = |(name, value): (&_, &tokio_tungstenite::tungstenite::http::HeaderValue)| {
                let name: &tokio_tungstenite::tungstenite::http::HeaderName = name;
                (name.to_string(), value.to_str().unwrap().to_owned())
            };
            heads.lock().unwrap().push(request.headers().iter().map(pair).collect());
            Ok(response)
        };
        let mut socket = tokio_tungstenite::accept_hdr_async(stream, note).await.unwrap();
        let script = self.scripts.lock().unwrap().pop_front().unwrap_or_default();
        for act in script {
            let Some(Ok(Message::Text(text))) = socket.next().await else {
                return;
            };
            let request = serde_json::from_str(&text).unwrap();
            self.seen.lock().unwrap().push((connection, request));
            match act {
                Act::Say(events) => {
                    for event in events {
                        socket.send(Message::text(event.to_string())).await.unwrap();
                    }
                }
                Act::Close => return,
            }
        }
        // Stays open, as long as the client wants.
        while let Some(Ok(_)) = socket.next().await {}
    }

    fn provider(&self) -> ResponsesProvider {
        let config = ProviderConfig {
            base_url: Some(format!("http://127.0.0.1:{}/v1", self.port)),
            experimental_bearer_token: Some("secret".into()),
            supports_websockets: true,
            stream_idle_timeout_ms: Some(5_000),
            ..ProviderConfig::default()
        };
        ResponsesProvider::new("mock", &config, std::path::Path::new("/nowhere")).unwrap()
    }

    fn seen(&self) -> Vec<(usize, Value)> {
        self.seen.lock().unwrap().clone()
    }
}

fn answer(id: &str, text: &str) -> Act {
    Act::Say(vec![
        json!({"type": "response.created", "response": {"id": id}}),
        json!({"type": "response.output_item.done", "item": {"type": "message", "id": "m", "role": "assistant",
            "content": [{"type": "output_text", "text": text}]}}),
        json!({"type": "response.completed", "response": {"id": id}}),
    ])
}

fn said(text: &str) -> InputItem {
    let item = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    raw(&item.to_string())
}

/// Asks, and adds what is answered to the conversation.
async fn ask(
    provider: &ResponsesProvider,
    input: &mut Vec<InputItem>,
    text: &str,
) -> Result<Vec<ModelEvent>, ModelError> {
    input.push(said(text));
    let request = SamplingRequest {
        input: input.clone(),
        ..sampling()
    };
    let stream = provider.stream(request, CancellationToken::new()).await?;
    let (events, error) = all(stream).await;
    for event in &events {
        if let ModelEvent::ItemDone(item) = event {
            input.extend(item.history());
        }
    }
    error.map_or(Ok(events), Err)
}

#[tokio::test]
async fn a_conversation_goes_on_with_what_is_new() {
    let server = SocketServer::start(vec![vec![
        answer("r1", "one"),
        answer("r2", "two"),
        answer("r3", "three"),
    ]])
    .await;
    let provider = server.provider();
    let mut input = Vec::new();
    ask(&provider, &mut input, "first").await.unwrap();
    ask(&provider, &mut input, "second").await.unwrap();
    // Something before it is another now: it is sent whole.
    input[0] = said("rewritten");
    ask(&provider, &mut input, "third").await.unwrap();
    let seen = server.seen();
    assert!(seen.iter().all(|(connection, _)| *connection == 0));
    let lengths: Vec<_> = seen
        .iter()
        .map(|(_, request)| request["input"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [1, 1, 5]);
    let previous: Vec<_> = seen
        .iter()
        .map(|(_, request)| request["previous_response_id"].clone())
        .collect();
    assert_eq!(previous, [Value::Null, json!("r1"), Value::Null]);
    let first = &seen[0].1;
    assert_eq!(
        (&first["type"], &first["store"]),
        (&json!("response.create"), &json!(false))
    );
    assert_eq!(first["client_metadata"]["x-codex-turn-metadata"], r#"{"turn_id":"u"}"#);
    let heads = server.heads.lock().unwrap().clone();
    for (name, value) in [
        ("authorization", "Bearer secret"),
        ("openai-beta", "responses_websockets=2026-02-06"),
        ("thread-id", "t-1"),
    ] {
        assert!(heads[0].contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
}

#[tokio::test]
async fn a_connection_that_broke_at_rest_is_replaced_unnoticed() {
    let forgot = json!({"type": "error", "status": 400, "error": {"code": "previous_response_not_found"}});
    let server = SocketServer::start(vec![
        vec![answer("r1", "one"), Act::Close],
        vec![answer("r2", "two"), Act::Say(vec![forgot])],
        vec![answer("r3", "three")],
    ])
    .await;
    let provider = server.provider();
    let mut input = Vec::new();
    for text in ["first", "second", "third"] {
        ask(&provider, &mut input, text).await.unwrap();
    }
    let seen = server.seen();
    let connections: Vec<_> = seen.iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [0, 0, 1, 1, 2]);
    assert_eq!(seen[4].1["input"].as_array().unwrap().len(), 5);
    assert_eq!(seen[4].1.get("previous_response_id"), None);
}

#[tokio::test]
async fn faults_and_limits_are_told_on_the_socket_too() {
    let limits = json!({"type": "codex.rate_limits", "plan_type": "plus",
        "rate_limits": {"primary": {"used_percent": 12.5, "window_minutes": 300, "reset_at": 7}}});
    let full =
        json!({"type": "error", "status": 429, "error": {"type": "usage_not_included"}, "headers": {"x-a": "b"}});
    let fault = |event: Value| vec![Act::Say(vec![json!({"type": "response.created"}), event])];
    let server = SocketServer::start(vec![
        vec![Act::Say(vec![
            limits,
            json!({"type": "response.completed", "response": {"id": "r"}}),
        ])],
        fault(full),
        fault(json!({"type": "error", "status": 400, "error": {"code": "websocket_connection_limit_reached"}})),
        vec![Act::Say(vec![json!({"type": "response.created"})]), Act::Close],
    ])
    .await;
    let provider = server.provider();
    let events = ask(&provider, &mut Vec::new(), "first").await.unwrap();
    let ModelEvent::RateLimits(limits) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (limits.plan_type, limits.primary.as_ref().unwrap().used_percent),
        (Some(PlanType::Plus), 13)
    );
    // The first connection has no script left: a cancelled request leaves it.
    let cancel = CancellationToken::new();
    cancel.cancel();
    let interrupted = provider.stream(sampling(), cancel).await.unwrap_err();
    assert!(matches!(interrupted, ModelError::Interrupted));
    assert!(matches!(
        ask(&provider, &mut Vec::new(), "second").await,
        Err(ModelError::Quota(_))
    ));
    let limited = ask(&provider, &mut Vec::new(), "third").await.unwrap_err();
    assert!(limited.is_retryable(), "{limited}");
}

#[tokio::test]
async fn a_provider_without_sockets_is_asked_by_requests_from_then_on() {
    let server = Server::start().await;
    server.answer("426 Upgrade Required", "", "");
    for _ in 0..2 {
        server.stream(&event(COMPLETED));
    }
    let config = ProviderConfig {
        supports_websockets: true,
        ..config(&server)
    };
    let provider = ResponsesProvider::new("mock", &config, std::path::Path::new("/nowhere")).unwrap();
    for _ in 0..2 {
        let stream = provider.stream(sampling(), CancellationToken::new()).await.unwrap();
        assert!(all(stream).await.1.is_none());
    }
    let lines: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.head.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["GET", "POST", "POST"]);
    assert!(!provider.fall_back("t-1"), "it has already");
    assert!(provider.fall_back("another thread"));
}

/// A thread's first request without its input.
fn empty() -> SamplingRequest {
    SamplingRequest {
        input: Vec::new(),
        ..sampling()
    }
}

#[tokio::test]
async fn a_request_goes_on_with_what_was_prepared_for_it() {
    let server = SocketServer::start(vec![vec![answer("w", ""), answer("r1", "one"), answer("r2", "two")]]).await;
    let provider = server.provider();
    let mut input = Vec::new();
    // The request comes before the connection is ready, and waits for it.
    let ((), first) = tokio::join!(provider.warm_up(empty()), ask(&provider, &mut input, "first"));
    first.unwrap();
    // A thread that has a connection needs no other.
    provider.warm_up(empty()).await;
    ask(&provider, &mut input, "second").await.unwrap();
    let seen = server.seen();
    let told: Vec<_> = seen
        .iter()
        .map(|(connection, request)| {
            let input = request["input"].as_array().unwrap().len();
            (
                *connection,
                input,
                request["generate"].clone(),
                request["previous_response_id"].clone(),
            )
        })
        .collect();
    let prepared = (0, 0, json!(false), Value::Null);
    assert_eq!(
        told,
        [
            prepared,
            (0, 1, Value::Null, json!("w")),
            (0, 1, Value::Null, json!("r1"))
        ]
    );
}

#[tokio::test]
async fn what_was_prepared_for_another_request_is_of_no_use() {
    let server = SocketServer::start(vec![vec![answer("w", ""), answer("r1", "one")]]).await;
    let provider = server.provider();
    let other = SamplingRequest {
        model: "another".to_owned(),
        ..empty()
    };
    provider.warm_up(other).await;
    ask(&provider, &mut Vec::new(), "first").await.unwrap();
    let seen = server.seen();
    assert_eq!((seen[1].0, seen[1].1.get("previous_response_id")), (0, None));
}

#[tokio::test]
async fn an_address_without_sockets_is_found_out_and_left() {
    let server = Server::start().await;
    for _ in 0..2 {
        server.answer("404 Not Found", "", "");
    }
    server.stream(&event(COMPLETED));
    let config = ProviderConfig {
        supports_websockets: true,
        ..config(&server)
    };
    let provider = ResponsesProvider::new("mock", &config, std::path::Path::new("/nowhere")).unwrap();
    assert_eq!(provider.way("t-1"), Way::Socket);
    provider.warm_up(empty()).await;
    assert_eq!(provider.way("t-1"), Way::NoSocket);
    let error = provider.stream(sampling(), CancellationToken::new()).await.unwrap_err();
    assert!(
        error.is_retryable() && error.to_string().contains("url: ws://"),
        "{error}"
    );
    assert_eq!(provider.way("t-1"), Way::NoSocket);
    assert!(provider.fall_back("t-1"));
    assert_eq!(provider.way("t-1"), Way::Requests);
    let stream = provider.stream(sampling(), CancellationToken::new()).await.unwrap();
    assert!(all(stream).await.1.is_none());
}
