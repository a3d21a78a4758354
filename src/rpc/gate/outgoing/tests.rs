use serde_json::json;

use super::*;

fn forms(method: &str, params: Value) -> [Value; 2] {
    let message = ServerRequestMessage::new(&RequestId::Integer(4), method, &params);
    [true, false].map(|experimental| serde_json::from_slice(message.form(experimental)).expect("valid JSON"))
}

#[test]
fn gated_fields_are_only_for_those_who_asked() {
    let method = "item/commandExecution/requestApproval";
    let kept = json!({"itemId": "i", "command": "ls", "availableDecisions": ["accept"]});
    let mut params = kept.clone();
    params["additionalPermissions"] = json!({"network": {"enabled": true}});
    let [full, stable] = forms(method, params.clone());
    assert_eq!(full, json!({"id": 4, "method": method, "params": params}));
    assert_eq!(stable, json!({"id": 4, "method": method, "params": kept}));
}

#[test]
fn everyone_shares_a_message_without_gated_fields() {
    for (method, params) in [
        ("item/commandExecution/requestApproval", json!({"itemId": "i"})),
        ("item/tool/call", json!({"additionalPermissions": [], "tool": "t"})),
    ] {
        let message = ServerRequestMessage::new(&RequestId::Integer(0), method, &params);
        assert_eq!(message.form(true).as_ptr(), message.form(false).as_ptr(), "{method}");
        assert_eq!(forms(method, params.clone())[1]["params"], params);
    }
}

#[test]
fn gated_fields_exist_and_are_optional() {
    for (method, field) in FIELDS {
        let payload = crate::protocol::schema::payloads()
            .into_iter()
            .find(|payload| payload.method == *method)
            .expect("a server request of the table");
        let schema = (payload.schema)();
        assert!(!schema["properties"][field].is_null(), "{method} has {field}");
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        assert!(!required.contains(&json!(field)), "{method} can do without {field}");
    }
}
