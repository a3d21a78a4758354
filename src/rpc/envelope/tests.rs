use proptest::prelude::*;

use super::*;

fn request(text: &str) -> IncomingRequest<'_> {
    match decode(text.as_bytes()) {
        Incoming::Request(request) => request,
        other => panic!("{text}: {other:?}"),
    }
}

fn is_junk(message: &[u8]) -> bool {
    matches!(decode(message), Incoming::Junk(_))
}

#[test]
fn a_request_borrows_its_parts() {
    let text = r#" {"jsonrpc":"2.0","id":"a","method":"thread/read","params":{"threadId":"x"},"extra":[1]} "#;
    let request = request(text);
    assert_eq!(request.id, RequestId::Text("a".into()));
    assert!(matches!(request.method, Cow::Borrowed("thread/read")));
    assert_eq!(request.params.map(RawValue::get), Some(r#"{"threadId":"x"}"#));
}

#[test]
fn escapes_are_read() {
    let request = request(r#"{"id":"\u0041\"","method":"thread\/read"}"#);
    assert_eq!(request.id, RequestId::Text("A\"".into()));
    assert_eq!(request.method, "thread/read");
}

#[test]
fn null_params_and_trace_are_absent() {
    let request = request(r#"{"id":-5,"method":"m","params":null,"trace":null}"#);
    assert_eq!(
        (request.id, request.params.is_none(), request.trace),
        (RequestId::Integer(-5), true, None)
    );
}

#[test]
fn a_trace_is_read() {
    let request = request(r#"{"id":1,"method":"m","trace":{"traceparent":"00-a-b-01"}}"#);
    assert_eq!(
        request.trace.and_then(|trace| trace.traceparent).as_deref(),
        Some("00-a-b-01")
    );
}

#[test]
fn what_cannot_be_answered_is_a_notification() {
    for id in [
        "1.5",
        "1.0",
        "null",
        "true",
        "[1]",
        "9223372036854775808",
        r#""\ud800""#,
    ] {
        let text = format!(r#"{{"id":{id},"method":"m","params":{{}}}}"#);
        assert!(
            matches!(decode(text.as_bytes()), Incoming::Notification { .. }),
            "{text}"
        );
    }
    assert!(matches!(
        decode(br#"{"id":1,"method":"m","trace":5}"#),
        Incoming::Notification { .. }
    ));
    assert!(matches!(
        decode(br#"{"method":"initialized"}"#),
        Incoming::Notification { .. }
    ));
}

#[test]
fn what_is_no_message_is_junk() {
    let messages: [&[u8]; 15] = [
        b"",
        b"   ",
        b"{not json",
        b"[]",
        b"[1,2,3,4,5,6]",
        b"42",
        b"\"text\"",
        b"null",
        b"{}",
        br#"{"id":77}"#,
        br#"{"id":1,"method":5}"#,
        br#"{"id":1,"error":5}"#,
        br#"{"id":1,"method":"a","method":"b"}"#,
        br#"{"id":1,"method":"m"} trailing"#,
        b"{\"id\":1,\"method\":\"m\xff\"}",
    ];
    for message in messages {
        assert!(is_junk(message), "{}", String::from_utf8_lossy(message));
    }
}

#[test]
fn answers_are_told_apart() {
    assert!(matches!(
        decode(br#"{"id":7,"result":null}"#),
        Incoming::Response { id: RequestId::Integer(7), result } if result.get() == "null"
    ));
    assert!(matches!(
        decode(br#"{"error":{"code":1,"message":"no"},"id":7}"#),
        Incoming::Error { id: RequestId::Integer(7), error } if error.code == 1
    ));
    assert!(matches!(
        decode(br#"{"id":1,"method":"m","result":1,"error":{}}"#),
        Incoming::Request(_)
    ));
}

#[test]
fn depth_is_no_danger() {
    for depth in [200, 200_000] {
        let nest = "[".repeat(depth) + &"]".repeat(depth);
        let text = format!(r#"{{"id":1,"method":"m","params":{{"x":{nest}}},"other":{nest}}}"#);
        assert!(request(&text).params.is_some());
        assert!(is_junk("{\"a\":".repeat(depth).as_bytes()));
        assert!(is_junk(nest.as_bytes()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&message);
    }

    #[test]
    fn ids_and_methods_come_back(id in any::<i64>(), text_id in ".*", method in ".*") {
        let message = serde_json::json!({"method": method, "id": id, "params": {"a": [1]}}).to_string();
        let read = request(&message);
        prop_assert_eq!(read.id, RequestId::Integer(id));
        prop_assert_eq!(read.method.as_ref(), method.as_str());
        let message = serde_json::json!({"id": text_id, "method": "m"}).to_string();
        prop_assert_eq!(request(&message).id, RequestId::Text(text_id));
    }
}
