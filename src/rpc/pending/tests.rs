use super::*;

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("valid JSON")
}

#[test]
fn ids_count_from_zero_for_everyone() {
    let pending = PendingServerRequests::default();
    let first = pending.open(None, "attestation/generate", &serde_json::json!({}));
    let second = pending.open(
        Some(ThreadId::generate()),
        "item/tool/call",
        &serde_json::json!({"a": 1}),
    );
    assert_eq!((first.id, second.id), (RequestId::Integer(0), RequestId::Integer(1)));
    assert_eq!(
        &second.message.form(true)[..],
        br#"{"id":1,"method":"item/tool/call","params":{"a":1}}"#
    );
}

#[test]
fn the_first_answer_wins() {
    let pending = PendingServerRequests::default();
    let mut request = pending.open(None, "m", &());
    for client in [1, 2] {
        assert!(pending.add_recipient(&request.id, ConnectionId(client)));
    }
    assert_eq!(pending.answer(ConnectionId(2), &request.id, Ok(&raw("7"))), Ok(()));
    assert!(matches!(request.answer.try_recv(), Ok(RawAnswer::Result(value)) if value == 7));
    assert!(matches!(
        pending.answer(ConnectionId(1), &request.id, Ok(&raw("8"))),
        Err(AnswerError::Unknown(_))
    ));
    assert!(!pending.add_recipient(&request.id, ConnectionId(3)));
}

#[test]
fn who_was_not_asked_cannot_answer() {
    let pending = PendingServerRequests::default();
    let mut request = pending.open(None, "m", &());
    pending.add_recipient(&request.id, ConnectionId(1));
    let refused = pending.answer(ConnectionId(9), &request.id, Ok(&raw("1")));
    assert!(matches!(
        refused,
        Err(AnswerError::NotAsked {
            client: ConnectionId(9),
            ..
        })
    ));
    assert!(request.answer.try_recv().is_err(), "still open");
    assert!(matches!(
        pending.answer(ConnectionId(1), &RequestId::Text("0".into()), Ok(&raw("1"))),
        Err(AnswerError::Unknown(_))
    ));
}

#[test]
fn a_thread_ends_only_its_own_requests() {
    let pending = PendingServerRequests::default();
    let (mine, other) = (ThreadId::generate(), ThreadId::generate());
    let mut a = pending.open(Some(mine), "m", &());
    let b = pending.open(Some(other), "m", &());
    let c = pending.open(Some(mine), "m", &());
    assert_eq!(
        pending.for_thread(&mine),
        [(a.id.clone(), a.message.clone()), (c.id.clone(), c.message.clone())]
    );
    assert_eq!(pending.cancel_thread(&mine), [a.id.clone(), c.id]);
    assert!(matches!(a.answer.try_recv(), Ok(RawAnswer::Cancelled)));
    assert_eq!(pending.for_thread(&other), [(b.id.clone(), b.message.clone())]);
    assert!(pending.cancel(&b.id) && !pending.cancel(&b.id) && pending.is_empty());
}
