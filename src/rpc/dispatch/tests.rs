use serde_json::{Value, json};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::*;
use crate::protocol::methods;

fn read<P: DeserializeOwned + 'static>(params: &str) -> Result<P, String> {
    let raw = RawValue::from_string(params.to_owned()).expect("valid JSON");
    read_params(Some(&raw)).map_err(|error| error.message)
}

#[test]
fn every_row_of_the_table_has_an_entry() {
    assert_eq!(METHODS.len(), methods::client::METHODS.len());
    for (name, stability, scope) in methods::client::METHODS {
        let entry = method(name).expect(name);
        assert_eq!((entry.stability, entry.scope), (*stability, *scope));
    }
    assert!(method("thread/nope").is_none());
    assert!(method("initialize").is_some_and(|entry| entry.built));
}

#[test]
fn the_list_for_unknown_methods_is_whole() {
    assert!(KNOWN.starts_with("`initialize`, `thread/start`, `thread/resume`, "));
    assert_eq!(KNOWN.matches('`').count(), 2 * METHODS.len());
}

#[test]
fn absent_parameters_are_told_apart_from_none_wanted() {
    assert_eq!(read_params::<NoParams>(None), Ok(NoParams(())));
    assert_eq!(read::<NoParams>("{}"), Ok(NoParams(())));
    assert_eq!(
        read::<NoParams>(r#"{"a":1}"#),
        Err("Invalid request: invalid type: map, expected unit".to_owned())
    );
    let missing = read_params::<ThreadListParams>(None).map_err(|error| error.message);
    assert_eq!(
        missing.err().as_deref(),
        Some("Invalid request: missing field `params`")
    );
}

#[test]
fn complaints_name_the_trouble_and_no_position() {
    let complaint = |params: &str| read::<ThreadReadParams>(params).err();
    assert_eq!(
        complaint("{}").as_deref(),
        Some("Invalid request: missing field `threadId`")
    );
    assert_eq!(
        complaint(r#"{"threadId": 5}"#).as_deref(),
        Some("Invalid request: invalid type: integer `5`, expected a string")
    );
    assert_eq!(
        complaint(r#""text""#).as_deref(),
        Some(r#"Invalid request: invalid type: string "text", expected struct ThreadReadParams"#)
    );
}

#[test]
fn a_repeated_member_counts_once() {
    let read = read::<ThreadReadParams>(r#"{"threadId": "a", "threadId": "b"}"#);
    assert_eq!(read.map(|params| params.thread_id), Ok("b".to_owned()));
}

#[test]
fn unknown_members_are_ignored_however_deep_they_are() {
    let nest = "[".repeat(100_000) + &"]".repeat(100_000);
    assert!(read::<ThreadReadParams>(&format!(r#"{{"threadId": "a", "x": {nest}}}"#)).is_ok());
    assert!(read::<ThreadStartParams>(&format!(r#"{{"config": {{"x": {nest}}}}}"#)).is_err());
}

#[test]
fn answers_are_encoded_whole() {
    let id = RequestId::Text("a\"".to_owned());
    let text: Value = serde_json::from_slice(&encode_result("m", &id, &json!({"x": 1}))).expect("JSON");
    assert_eq!(text, json!({"id": "a\"", "result": {"x": 1}}));
    let text = encode_error(&RequestId::Integer(-1), RpcError::overloaded());
    assert_eq!(
        std::str::from_utf8(&text),
        Ok(r#"{"error":{"code":-32001,"message":"Server overloaded; retry later."},"id":-1}"#)
    );
}

fn caller() -> (Caller, Arc<crate::rpc::outbox::OutboxQueue>, tempfile::TempDir) {
    let home = tempfile::tempdir().expect("a folder");
    let outbox = Arc::new(crate::rpc::outbox::OutboxQueue::new(Arc::default()));
    let client = ClientHandle::new(ConnectionId(0), "in-process", outbox.clone());
    let settings = crate::settings::Settings::defaults(home.path().to_path_buf());
    let store = crate::store::LocalThreadStore::open(home.path().to_path_buf(), settings.durability);
    let caller = Caller {
        client,
        services: crate::startup::services(settings, &[], &store).expect("services"),
        disconnected: CancellationToken::new(),
    };
    (caller, outbox, home)
}

fn call(work: impl Future<Output = Bytes> + Send + 'static, caller: &Caller) -> (Call, Arc<AfterResponse>) {
    let effects = Arc::new(AfterResponse::default());
    let call = Call {
        method: &METHODS[0],
        id: RequestId::Integer(7),
        lane: None,
        left_lane: CancellationToken::new(),
        client: caller.client.clone(),
        work: Box::pin(async { OutFrame::Whole(work.await) }),
        effects: effects.clone(),
    };
    (call, effects)
}

fn frames(outbox: &crate::rpc::outbox::OutboxQueue) -> Vec<Value> {
    let batch = outbox.try_batch().flatten().unwrap_or_default();
    batch
        .iter()
        .map(|frame| serde_json::from_slice(frame).expect("JSON"))
        .collect()
}

#[actix_rt::test]
async fn a_panic_is_answered() {
    let (caller, outbox, _home) = caller();
    let (call, _) = call(async { panic!("a test wants it") }, &caller);
    call.run().await;
    let [answer] = &frames(&outbox)[..] else {
        panic!("one answer")
    };
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32603)));
}

#[actix_rt::test]
async fn effects_come_after_the_answer_and_in_order() {
    let (caller, outbox, _home) = caller();
    let (call, effects) = call(async { Bytes::from_static(b"\"answer\"") }, &caller);
    let context = RequestContext {
        client: caller.client.clone(),
        request_id: RequestId::Integer(7),
        method: "m",
        trace: None,
        services: caller.services.clone(),
        disconnected: CancellationToken::new(),
        left_lane: CancellationToken::new(),
        effects,
    };
    for text in [&b"1"[..], b"2"] {
        let client = caller.client.clone();
        context.after(move || client.send_raw(Bytes::from_static(text)));
    }
    assert!(frames(&outbox).is_empty());
    call.run().await;
    assert_eq!(frames(&outbox), [json!("answer"), json!(1), json!(2)]);
}
