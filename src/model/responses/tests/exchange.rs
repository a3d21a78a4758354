use std::collections::BTreeMap;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::ProviderAuthCommand;
use crate::model::provider::{Reasoning, TokenUsage};
use crate::protocol::{ReasoningEffort, ReasoningSummary, Verbosity};

#[tokio::test]
async fn a_plain_request_has_its_members_and_headers() {
    let server = Server::start().await;
    server.stream(&event(COMPLETED));
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert!(error.is_none());
    let Some(ModelEvent::Completed {
        response_id,
        usage,
        end_turn,
    }) = events.last()
    else {
        panic!("{events:?}")
    };
    assert_eq!((response_id.as_str(), *end_turn), ("resp_1", None));
    assert_eq!(
        *usage,
        Some(TokenUsage {
            input_tokens: 100,
            cached_input_tokens: 40,
            output_tokens: 20,
            reasoning_output_tokens: 5,
            total_tokens: 120
        })
    );
    let seen = &server.seen()[0];
    assert!(seen.head.starts_with("POST /v1/responses HTTP/1.1\r\n"));
    assert_eq!(
        seen.body,
        json!({
            "model": "mock-model", "instructions": "do \"well\"\n",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}],
            "tools": [], "tool_choice": "auto", "parallel_tool_calls": false, "reasoning": null, "store": false,
            "stream": true, "include": [], "prompt_cache_key": "t-1",
            "client_metadata": {"x-codex-installation-id": "inst"},
        })
    );
    for (name, value) in [
        ("accept", "text/event-stream"),
        ("content-type", "application/json"),
        ("originator", "tester"),
        ("user-agent", "tester/1 (x)"),
        ("session-id", "t-1"),
        ("thread-id", "t-1"),
        ("x-client-request-id", "t-1"),
        ("x-codex-window-id", "t-1:0"),
        ("x-codex-turn-metadata", r#"{"turn_id":"u"}"#),
        ("x-codex-beta-features", "a,b"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    for name in ["authorization", "version", "x-codex-turn-state", "x-openai-subagent"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn every_option_of_a_request_is_told() {
    let server = Server::start().await;
    server.stream(&event(COMPLETED));
    let mut request = sampling();
    request.reasoning = Some(Reasoning {
        effort: Some(ReasoningEffort::High),
        summary: Some(ReasoningSummary::Auto),
    });
    request.text = TextControls {
        verbosity: Some(Verbosity::Low),
        schema: Some(raw(r#"{"type":"object"}"#)),
        lenient: false,
    };
    request.service_tier = Some("priority".into());
    request.parallel_tool_calls = true;
    request.turn_state = Some("sticky".into());
    let provider = provider(&config(&server));
    all(provider.stream(request, CancellationToken::new()).await.unwrap()).await;
    let seen = &server.seen()[0];
    assert_eq!(seen.body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert_eq!(seen.body["include"], json!(["reasoning.encrypted_content"]));
    assert_eq!(
        seen.body["text"],
        json!({"verbosity": "low", "format": {"type": "json_schema", "strict": true, "schema": {"type": "object"},
            "name": "codex_output_schema"}})
    );
    assert_eq!(seen.body["service_tier"], "priority");
    assert_eq!(seen.header("x-codex-turn-state"), Some("sticky"));
}

#[tokio::test]
async fn history_is_copied_byte_by_byte() {
    let server = Server::start().await;
    server.stream(&event(COMPLETED));
    let mut request = sampling();
    let odd = r#"{"type":"x",  "n":1.10, "s":"\u00e9\/" }"#;
    request.input = vec![raw(odd), raw("{}")];
    let provider = provider(&config(&server));
    all(provider.stream(request, CancellationToken::new()).await.unwrap()).await;
    assert!(server.seen()[0].raw_body.contains(&format!("\"input\":[{odd},{{}}]")));
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::start().await;
    let config = config(&server);
    let provider = provider(&config);
    for _ in 0..3 {
        // The end of the answer comes behind its last event, in a piece of its own.
        server.stream(&format!("{}{}", delta("a"), event(COMPLETED)));
        let stream = provider.stream(sampling(), CancellationToken::new()).await.unwrap();
        all(stream).await;
        // Lets the rest be read, as the work between two steps does.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0]);
}

#[tokio::test]
async fn configured_headers_parameters_and_tokens_are_sent() {
    let server = Server::start().await;
    server.stream(&event(COMPLETED));
    let config = ProviderConfig {
        query_params: BTreeMap::from([("api-version".into(), "2025 a".into())]),
        http_headers: BTreeMap::from([("X-One".into(), "1".into()), ("bad name".into(), "x".into())]),
        env_http_headers: BTreeMap::from([
            ("X-Path".into(), "PATH".into()),
            ("X-Unset".into(), "GREENROOM_TEST_UNSET".into()),
        ]),
        experimental_bearer_token: Some("tok".into()),
        ..config(&server)
    };
    all(open(&config).await.unwrap()).await;
    let seen = &server.seen()[0];
    assert!(seen.head.starts_with("POST /v1/responses?api-version=2025+a HTTP"));
    assert_eq!(seen.header("x-one"), Some("1"));
    assert_eq!(seen.header("x-path"), std::env::var("PATH").ok().as_deref());
    assert_eq!(seen.header("x-unset"), None);
    assert_eq!(seen.header("authorization"), Some("Bearer tok"));
}

#[tokio::test]
async fn a_key_is_taken_from_its_variable_or_missed() {
    let server = Server::start().await;
    server.stream(&event(COMPLETED));
    let mut config = ProviderConfig {
        env_key: Some("PATH".into()),
        env_key_instructions: Some("Get one.".into()),
        ..config(&server)
    };
    all(open(&config).await.unwrap()).await;
    let expected = format!("Bearer {}", std::env::var("PATH").unwrap());
    assert_eq!(server.seen()[0].header("authorization"), Some(expected.as_str()));
    config.env_key = Some("GREENROOM_TEST_UNSET".into());
    let error = open(&config).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Missing environment variable: `GREENROOM_TEST_UNSET`. Get one."
    );
    assert!(!error.is_retryable());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_refused_token_is_asked_of_its_command_once_more() {
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    server.answer("401 Unauthorized", "", "{}");
    server.stream(&event(COMPLETED));
    let config = ProviderConfig {
        auth: Some(ProviderAuthCommand {
            command: "/bin/sh".into(),
            args: vec![
                "-c".into(),
                "echo x >> runs; echo \" tok-$(wc -l < runs | tr -d ' ') \"".into(),
            ],
            timeout_ms: None,
            refresh_interval_ms: None,
            cwd: Some(folder.path().display().to_string()),
        }),
        ..config(&server)
    };
    all(open(&config).await.unwrap()).await;
    let tokens: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer tok-1", "Bearer tok-2"]);
}

#[tokio::test]
async fn the_head_of_an_answer_is_read() {
    let server = Server::start().await;
    let headers = "openai-model: gpt-5.2\r\nx-codex-turn-state: st\r\nx-reasoning-included: true\r\n\
                   x-codex-primary-used-percent: 12.5\r\nx-models-etag: e1\r\nx-request-id: r1\r\n";
    server.stream_with(headers, &[event(COMPLETED).as_bytes()]);
    let stream = open(&config(&server)).await.unwrap();
    let head = stream.head();
    assert_eq!(head.server_model.as_deref(), Some("gpt-5.2"));
    assert_eq!(head.turn_state.as_deref(), Some("st"));
    assert_eq!(head.models_etag.as_deref(), Some("e1"));
    assert_eq!(head.request_id.as_deref(), Some("r1"));
    assert!(head.reasoning_included);
    let primary = head.rate_limits.clone().unwrap().primary.unwrap();
    assert_eq!(primary.used_percent, 13);
}

#[tokio::test]
async fn a_stored_login_is_used_where_the_provider_wants_one() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("auth.json"),
        r#"{"OPENAI_API_KEY":"sk-stored","tokens":null}"#,
    )
    .unwrap();
    let config = ProviderConfig {
        requires_openai_auth: true,
        ..config(&server)
    };
    let provider = ResponsesProvider::new("mock", &config, home.path()).unwrap();
    server.stream(&event(COMPLETED));
    all(provider.stream(sampling(), CancellationToken::new()).await.unwrap()).await;
    std::fs::remove_file(home.path().join("auth.json")).unwrap();
    server.stream(&event(COMPLETED));
    all(provider.stream(sampling(), CancellationToken::new()).await.unwrap()).await;
    let seen = server.seen();
    // A key in the environment of the tests comes first.
    if std::env::var_os("OPENAI_API_KEY").is_none() {
        assert_eq!(seen[0].header("authorization"), Some("Bearer sk-stored"));
        assert_eq!(seen[1].header("authorization"), None);
    }
}
