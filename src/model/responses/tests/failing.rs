use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::protocol::CodexErrorInfo;

#[tokio::test]
async fn a_bad_request_is_not_repeated() {
    let server = Server::start().await;
    server.answer("400 Bad Request", "", r#"{"error": {"message": "bad thing"}}"#);
    let mut config = config(&server);
    config.request_max_retries = Some(3);
    let error = open(&config).await.unwrap_err();
    assert_eq!(error.to_string(), r#"{"error": {"message": "bad thing"}}"#);
    assert_eq!(error.to_turn_error().codex_error_info, Some(CodexErrorInfo::Other));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn too_many_requests_are_not_repeated() {
    let server = Server::start().await;
    server.answer("429 Too Many Requests", "x-request-id: req_1\r\n", "{}");
    let mut config = config(&server);
    config.request_max_retries = Some(3);
    let error = open(&config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "exceeded retry limit, last status: 429 Too Many Requests, request id: req_1"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn server_faults_are_repeated_silently() {
    let server = Server::start().await;
    server.answer("500 Internal Server Error", "", "boom");
    server.answer("503 Service Unavailable", "", "nope");
    server.stream(&event(COMPLETED));
    let mut config = config(&server);
    config.request_max_retries = Some(2);
    let (_, error) = all(open(&config).await.unwrap()).await;
    assert!(error.is_none());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn the_last_server_fault_is_told() {
    let server = Server::start().await;
    server.answer("500 Internal Server Error", "", "boom");
    server.answer("503 Service Unavailable", "", "nope");
    let mut config = config(&server);
    config.request_max_retries = Some(1);
    let error = open(&config).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("unexpected status 503 Service Unavailable: nope, url: http://127")
    );
    let notice = error.to_retry_notice(1, 5);
    assert_eq!(notice.message, "Reconnecting... 1/5");
    assert_eq!(
        notice.codex_error_info,
        Some(CodexErrorInfo::ResponseStreamDisconnected {
            http_status_code: Some(503)
        })
    );
    assert_eq!(notice.additional_details, Some(error.to_string()));
}

#[tokio::test]
async fn nobody_listening_is_a_disconnection() {
    let config = ProviderConfig {
        base_url: Some("http://127.0.0.1:9/v1".into()),
        request_max_retries: Some(1),
        ..ProviderConfig::default()
    };
    let error = open(&config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream disconnected before completion: error sending request for url (http://127.0.0.1:9/v1/responses)"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_stream_that_ends_early_says_so() {
    let server = Server::start().await;
    server.stream(&delta("ha"));
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert_eq!(text(&events), "ha");
    assert_eq!(
        error.unwrap().to_string(),
        "stream disconnected before completion: stream closed before response.completed"
    );
}

#[tokio::test]
async fn a_cut_connection_says_so_after_its_last_event() {
    let server = Server::start().await;
    server.stream_cut(&delta("ha"));
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert_eq!(text(&events), "ha");
    let error = error.unwrap();
    assert_eq!(
        error.to_string(),
        "stream disconnected before completion: Transport error: network error: error decoding response body"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_silent_stream_times_out() {
    let server = Server::start().await;
    server.stream_held(&[&delta("a"), &delta("b")], 2);
    let mut config = config(&server);
    config.stream_idle_timeout_ms = Some(50);
    let (events, error) = all(open(&config).await.unwrap()).await;
    assert_eq!(text(&events), "a");
    assert_eq!(
        error.unwrap().to_string(),
        "stream disconnected before completion: idle timeout waiting for SSE"
    );
    // The connection is given up, not kept for the next request.
    tokio::time::timeout(Duration::from_secs(5), server.closed.notified())
        .await
        .unwrap();
}

#[tokio::test]
async fn cancelling_ends_a_stream_and_its_connection() {
    let server = Server::start().await;
    server.stream_held(&[&delta("a"), &delta("b")], 2);
    let cancel = CancellationToken::new();
    let mut stream = provider(&config(&server))
        .stream(sampling(), cancel.clone())
        .await
        .unwrap();
    assert!(matches!(stream.next().await, Some(Ok(ModelEvent::TextDelta(_)))));
    cancel.cancel();
    assert!(matches!(stream.next().await, Some(Err(ModelError::Interrupted))));
    assert!(stream.next().await.is_none());
    tokio::time::timeout(Duration::from_secs(5), server.closed.notified())
        .await
        .unwrap();
}

#[tokio::test]
async fn cancelling_ends_the_wait_for_an_answer() {
    let server = Server::start().await;
    server.stream_held(&[], 0);
    let cancel = CancellationToken::new();
    let provider = provider(&config(&server));
    let opening = provider.stream(sampling(), cancel.clone());
    let ((), opened) = tokio::join!(async { cancel.cancel() }, opening);
    assert!(matches!(opened, Err(ModelError::Interrupted)));
}

#[tokio::test]
async fn failed_answers_become_their_errors() {
    let server = Server::start().await;
    let failed = r#"{"type":"response.failed","response":{"error":{"code":"context_length_exceeded","message":"m"}}}"#;
    server.stream(&format!("{}{}{}", event(failed), delta("late"), event(COMPLETED)));
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert!(events.is_empty());
    assert_eq!(error.unwrap().info(), CodexErrorInfo::ContextWindowExceeded);
}
