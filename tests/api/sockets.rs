//! Providers that are asked over WebSockets.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use greenroom::protocol::*;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{TestServer, Transport, within};

/// Answers every request of every connection, and tells of them: the connection's number, and the request.
async fn provider() -> (u16, mpsc::UnboundedReceiver<(usize, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let told = Arc::new(told);
        for connection in 0.. {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let told = Arc::clone(&told);
            tokio::spawn(async move { serve(stream, connection, &told).await });
        }
    });
    (port, requests)
}

async fn serve(stream: TcpStream, connection: usize, told: &mpsc::UnboundedSender<(usize, Value)>) {
    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else {
        return;
    };
    for answer in 0.. {
        let Some(Ok(Message::Text(text))) = socket.next().await else {
            return;
        };
        let request: Value = serde_json::from_str(&text).unwrap();
        let id = format!("r{connection}-{answer}");
        let mut events = vec![json!({"type": "response.created", "response": {"id": id}})];
        if request["generate"] != false {
            let content = json!([{"type": "output_text", "text": "hi"}]);
            let item = json!({"type": "message", "id": "m", "role": "assistant", "content": content});
            events.push(json!({"type": "response.output_item.done", "item": item}));
        }
        events.push(json!({"type": "response.completed", "response": {"id": id}}));
        let _ = told.send((connection, request));
        for event in events {
            if socket.send(Message::text(event.to_string())).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_connection_is_opened_with_the_thread_and_used_by_its_turns() {
    let (port, mut requests) = provider().await;
    let url = format!("model_providers.scripted.base_url=\"http://127.0.0.1:{port}/v1\"");
    let flags = [
        "-c",
        url.as_str(),
        "-c",
        "model_providers.scripted.supports_websockets=true",
    ];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    let mut next = async || within("a request", requests.recv()).await.unwrap();

    let thread = client.thread().await;
    let (connection, prepared) = next().await;
    assert_eq!(
        (connection, &prepared["generate"], &prepared["input"]),
        (0, &json!(false), &json!([]))
    );
    assert_eq!(prepared["type"], "response.create");
    let metadata = prepared["client_metadata"]["x-codex-turn-metadata"].as_str().unwrap();
    let metadata: Value = serde_json::from_str(metadata).unwrap();
    let known = json!({"session_id": thread, "thread_id": thread, "turn_id": "", "sandbox": "none"});
    assert_eq!(metadata, known);

    assert_eq!(client.turn(&thread, "hello").await.status, TurnStatus::Completed);
    let (connection, first) = next().await;
    assert_eq!((connection, &first["previous_response_id"]), (0, &json!("r0-0")));
    assert_eq!(
        (&first["tools"], &first["instructions"]),
        (&prepared["tools"], &prepared["instructions"])
    );
    assert_eq!(first.get("generate"), None);
    client.turn(&thread, "more").await;
    let (connection, second) = next().await;
    assert_eq!((connection, &second["previous_response_id"]), (0, &json!("r0-1")));
    assert_eq!(second["input"].as_array().unwrap().len(), 1);

    // A copy is a thread like any other.
    client
        .call_raw("thread/fork", json!({"threadId": thread}))
        .await
        .unwrap();
    let (connection, copy) = next().await;
    assert_eq!((connection, &copy["generate"]), (1, &json!(false)));
    assert_eq!(server.model.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_without_sockets_is_asked_by_requests_at_once() {
    // The scripted model answers what it does not know with a status that says so.
    let flags = [
        "-c",
        "model_providers.scripted.supports_websockets=true",
        "-c",
        "model_providers.scripted.stream_max_retries=5",
    ];
    let mut server = TestServer::with(Transport::Stdio, "", &flags).await;
    let client = server.client().await;
    let thread = client.thread().await;
    server.model.say("hi");
    assert_eq!(client.turn(&thread, "hello").await.status, TurnStatus::Completed);
    let warning = client.next::<WarningNotification>().await;
    let begins = "Falling back from WebSockets to HTTPS transport. unexpected status 404 Not Found";
    assert!(warning.message.starts_with(begins), "{}", warning.message);
    assert_eq!(server.model.requests().len(), 1);
    let retries = client.methods().iter().filter(|method| *method == "error").count();
    assert_eq!(retries, 0);
}
