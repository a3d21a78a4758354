use super::*;

fn history(json: &str) -> String {
    let raw = RawValue::from_string(json.to_owned()).unwrap();
    let item = OutputItem::parse(&raw).unwrap();
    item.history().map(|raw| raw.get().to_owned()).unwrap_or_default()
}

#[test]
fn history_has_no_ids_and_keeps_the_known_order() {
    let cases = [
        (
            r#"{"id":"msg_1","type":"message","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"a","annotations":[]},{"type":"output_text","text":"b"}]}"#,
            r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}],"phase":"commentary"}"#,
        ),
        (
            r#"{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"sealed"}"#,
            r#"{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"content":null,"encrypted_content":"sealed"}"#,
        ),
        (
            r#"{"type":"function_call","id":"fc_1","call_id":"c","name":"n","arguments":"{}","status":"completed","namespace":"x"}"#,
            r#"{"type":"function_call","name":"n","namespace":"x","arguments":"{}","call_id":"c"}"#,
        ),
        (
            r#"{"type":"custom_tool_call","id":"ct","call_id":"c","name":"apply_patch","input":"p","status":"completed"}"#,
            r#"{"type":"custom_tool_call","status":"completed","call_id":"c","name":"apply_patch","input":"p"}"#,
        ),
        (
            r#"{"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search","query":"q"}}"#,
            r#"{"type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}}"#,
        ),
        (
            r#"{"type":"image_generation_call","id":"ig","status":"completed","result":"aGk=","size":"x"}"#,
            r#"{"type":"image_generation_call","id":"ig","status":"completed","result":"aGk="}"#,
        ),
        (
            r#"{"type":"compaction","encrypted_content":"z"}"#,
            r#"{"type":"compaction","encrypted_content":"z"}"#,
        ),
        (r#"{"type":"mystery","id":"m"}"#, ""),
    ];
    for (raw, kept) in cases {
        assert_eq!(history(raw), kept, "{raw}");
    }
}

#[test]
fn refusals_and_unknown_parts_do_not_lose_the_message() {
    let raw = r#"{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"},{"type":"zz"}]}"#;
    let raw = RawValue::from_string(raw.to_owned()).unwrap();
    let item = OutputItem::parse(&raw).unwrap();
    assert!(matches!(item.kind, OutputItemKind::Message { text, .. } if text == "ano"));
}

#[test]
fn what_is_not_an_item_is_none() {
    for raw in ["1", "{}", r#"{"type":"function_call","name":"n"}"#, r#"{"type":5}"#] {
        let raw = RawValue::from_string(raw.to_owned()).unwrap();
        assert!(OutputItem::parse(&raw).is_none());
    }
}
