use super::*;

fn told<P: serde::de::DeserializeOwned + 'static>(method: &str, params: serde_json::Value) -> Option<&'static str> {
    let params: P = serde_json::from_value(params).expect("well-formed parameters");
    check(method).and_then(|check| check(&params))
}

fn granular() -> serde_json::Value {
    serde_json::json!({"granular": {"mcp_elicitations": true, "rules": true, "sandbox_approval": true}})
}

#[test]
fn an_empty_list_counts_and_null_and_false_do_not() {
    let start = |params| told::<ThreadStartParams>("thread/start", params);
    assert_eq!(
        start(serde_json::json!({"dynamicTools": []})),
        Some("thread/start.dynamicTools")
    );
    assert_eq!(
        start(serde_json::json!({"dynamicTools": null, "experimentalRawEvents": false})),
        None
    );
    assert_eq!(
        start(serde_json::json!({"persistExtendedHistory": true})),
        Some("thread/start.persistFullHistory")
    );
}

#[test]
fn the_first_field_in_the_list_is_told() {
    assert_eq!(
        told::<ThreadStartParams>(
            "thread/start",
            serde_json::json!({"dynamicTools": [], "environments": [], "approvalPolicy": granular()})
        ),
        Some("askForApproval.granular")
    );
    assert_eq!(
        told::<TurnStartParams>(
            "turn/start",
            serde_json::json!({"threadId": "x", "input": [], "responsesapiClientMetadata": {}, "environments": []})
        ),
        Some("turn/start.responsesapiClientMetadata")
    );
}

#[test]
fn a_variant_is_told_by_its_method() {
    let tokens = serde_json::json!({"type": "chatgptAuthTokens", "accessToken": "a", "chatgptAccountId": "b"});
    assert_eq!(
        told::<LoginAccountParams>("account/login/start", tokens),
        Some("account/login/start.chatgptAuthTokens")
    );
    assert!(check("thread/list").is_none());
    assert_eq!(
        told::<TurnStartParams>("turn/start", serde_json::json!({"threadId": "x", "input": []})),
        None
    );
}

#[test]
fn every_gated_field_is_listed_for_the_schema() {
    assert_eq!(FIELDS.len(), 25);
    assert!(FIELDS.contains(&("thread/start", "persistExtendedHistory")));
}
