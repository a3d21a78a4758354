use serde_json::json;

use super::*;

fn item(value: Value) -> InputItem {
    encode_item(&value).unwrap()
}

fn user(text: &str) -> InputItem {
    message::user_texts(vec![text.to_owned()])
}

fn texts(items: &[InputItem]) -> Vec<String> {
    items
        .iter()
        .map(|item| {
            let item: Value = serde_json::from_str(item.get()).unwrap();
            item["content"][0]["text"].as_str().unwrap_or_default().to_owned()
        })
        .collect()
}

#[test]
fn the_users_words_stay_and_nothing_else_does() {
    let history = [
        message::developer(vec!["rules".into()]),
        user("<environment_context>\n</environment_context>"),
        user("first"),
        item(json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "answer"}]})),
        user(&summary::handed_on("an older summary")),
        user("<turn_aborted>\n</turn_aborted>"),
        user("second"),
    ];
    let left = summarised(history.iter(), summary::handed_on("the summary"));
    assert_eq!(texts(&left)[..2], ["first", "second"]);
    assert!(texts(&left)[2].ends_with("\nthe summary"));
    assert_eq!(left.len(), 3);
}

#[test]
fn the_oldest_words_that_fit_in_part_lose_their_middle() {
    let long = format!("BEGIN{}END", "x".repeat(70_000));
    let history = [user("forgotten"), user(&long), user(&"y".repeat(12_000))];
    let left = texts(&summarised(history.iter(), "S".into()));
    assert_eq!(left.len(), 3, "the oldest does not fit at all");
    assert!(left[0].starts_with("BEGIN") && left[0].ends_with("END"));
    assert!(left[0].len() < 69_000);
    assert_eq!(left[1].len(), 12_000);
}

#[test]
fn an_empty_summary_says_so() {
    assert!(summary::handed_on(" \n").ends_with("(there is no summary)"));
}

#[test]
fn the_context_goes_before_the_last_words_of_the_user() {
    let context = vec![message::developer(vec!["rules".into()])];
    let items = vec![user("one"), user("two"), user(&summary::handed_on("s"))];
    let placed = texts(&with_context(items, context.clone()));
    assert_eq!(placed[..3], ["one", "rules", "two"]);
    let only_summary = vec![user(&summary::handed_on("s"))];
    assert_eq!(texts(&with_context(only_summary, context))[0], "rules");
}

#[test]
fn what_a_provider_hands_back_is_sifted() {
    let left = handed_back([
        message::developer(vec!["rules".into()]),
        user("<environment_context>"),
        user("mine"),
        item(json!({"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"})),
        item(json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "kept"}]})),
        item(json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "E"})),
    ]);
    assert_eq!(texts(&left)[..2], ["mine", "kept"]);
    assert_eq!(left[2].get(), r#"{"type":"compaction","encrypted_content":"E"}"#);
}

#[test]
fn inline_pictures_are_not_repeated_in_each_record() {
    let picture = json!({"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
    ]});
    let seal = item(json!({"type": "compaction", "encrypted_content": "E"}));
    let left = sealed([item(picture)].iter(), seal);
    let kept: Value = serde_json::from_str(left[0].get()).unwrap();
    assert_eq!(kept["content"][1], json!({"type": "input_text", "text": PICTURE}));
    assert_eq!(kept["content"][2]["image_url"], "https://example.com/a.png");
    assert!(is_sealed(&left[1]));
}
