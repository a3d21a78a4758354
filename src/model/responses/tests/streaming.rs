use eventsource_stream::Eventsource;
use futures_util::stream;
use proptest::prelude::*;

use super::*;
use crate::model::http::sse::Decoder;
use crate::model::item::OutputItemKind;
use crate::model::responses::events;

fn payloads(bytes: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut found = Vec::new();
    let mut from = 0;
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    for to in cuts {
        decoder.push(&bytes[from..to]);
        from = to;
        while let Some(payload) = decoder.next() {
            found.push(String::from_utf8(payload.to_vec()).unwrap());
        }
    }
    found
}

/// What the crate that follows the standard to the letter makes of it.
fn oracle(bytes: &[u8]) -> Vec<String> {
    let chunk: Result<_, std::io::Error> = Ok(bytes.to_vec());
    let events = stream::iter([chunk]).eventsource();
    let events = futures_util::FutureExt::now_or_never(events.collect::<Vec<_>>()).unwrap();
    events
        .into_iter()
        .filter_map(|event| event.ok())
        .map(|event| event.data)
        .collect()
}

#[test]
fn fields_comments_and_line_ends() {
    for (bytes, expected) in [
        ("data: a\n\n", vec!["a"]),
        ("data:a\r\n\r\ndata:  b\r\rdata: c\n\n", vec!["a", " b", "c"]),
        ("event: x\nid: 1\ndata: a\nretry: 5\n\n", vec!["a"]),
        (": comment\n\ndata: a\ndata: b\n\n", vec!["a\nb"]),
        ("data\n\n", vec![""]),
        ("dataset: a\n\n", vec![]),
        ("\u{feff}data: a\n\n", vec!["a"]),
        ("data: a", vec![]),
        ("data: a\n", vec![]),
        ("\n\n\ndata: é\n\n\n\n", vec!["é"]),
    ] {
        assert_eq!(payloads(bytes.as_bytes(), &[]), expected, "{bytes:?}");
        for cut in 0..bytes.len() {
            assert_eq!(payloads(bytes.as_bytes(), &[cut]), expected, "{bytes:?} cut at {cut}");
        }
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zé€😀 ]{0,12}".prop_map(|text| format!("data: {text}")),
        1 => "[a-z:]{0,6}".prop_map(|text| format!("data:{text}")),
        1 => Just("data".to_owned()),
        1 => Just("event: x".to_owned()),
        1 => Just(": note".to_owned()),
        3 => Just(String::new()),
    ]
}

fn document() -> impl Strategy<Value = String> {
    let end = prop_oneof![3 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\r")];
    prop::collection::vec((line(), end), 0..24).prop_map(|lines| {
        // A line feed that begins the document would be read as the second half of nothing.
        lines.into_iter().map(|(line, end)| format!("{line}{end}")).collect()
    })
}

proptest! {
    #[test]
    fn division_into_chunks_changes_nothing(text in document(), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let whole = payloads(text.as_bytes(), &[]);
        prop_assert_eq!(&payloads(text.as_bytes(), &cuts), &whole);
        let single: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&payloads(text.as_bytes(), &single), &whole);
    }

    #[test]
    fn events_are_those_of_the_standard(text in document()) {
        // The oracle waits for more at a trailing carriage return.
        let text = format!("{text}\n: end\n");
        prop_assert_eq!(payloads(text.as_bytes(), &[]), oracle(text.as_bytes()));
    }

    #[test]
    fn no_bytes_break_the_decoder(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in any::<usize>()) {
        let mut decoder = Decoder::default();
        let (head, tail) = bytes.split_at(cut % (bytes.len() + 1));
        for part in [head, tail] {
            decoder.push(part);
            while let Some(payload) = decoder.next() {
                let _ = events::read(payload);
            }
        }
    }
}

#[tokio::test]
async fn events_arrive_over_any_division_of_the_stream() {
    let server = Server::start().await;
    let whole = format!("{}{}{}", delta("häl"), delta("lo 😀"), event(COMPLETED));
    let single: Vec<&[u8]> = whole.as_bytes().chunks(1).collect();
    server.stream_with("", &single);
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert!(error.is_none());
    assert_eq!(text(&events), "hällo 😀");
}

#[tokio::test]
async fn every_event_has_its_meaning() {
    let server = Server::start().await;
    let script: String = [
        r#"{"type":"response.created","response":{"id":"r"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_part.added","item_id":"rs_1","summary_index":0}"#,
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"rs_1","summary_index":0,"delta":"s"}"#,
        r#"{"type":"response.reasoning_text.delta","item_id":"rs_1","content_index":0,"delta":"r"}"#,
        r#"{"type":"response.custom_tool_call_input.delta","item_id":"ct_1","delta":"*** "}"#,
        r#"{"type":"response.output_item.done","item":{"type":"function_call","id":"fc","call_id":"c","name":"n","arguments":"{}"}}"#,
        r#"{"type":"response.metadata","headers":{"openai-model":"gpt-5.2"}}"#,
        r#"{"type":"response.metadata","metadata":{"openai_verification_recommendation":["trusted_access_for_cyber"]}}"#,
        r#"{"type":"response.unheard_of","delta":{"a":1}}"#,
        r#"{"type":"codex.rate_limits"}"#,
        r#"{"type":"response.completed"}"#,
    ]
    .into_iter()
    .map(event)
    .collect();
    let broken = "data: {not json\n\ndata: [1]\n\n";
    let done = r#"{"type":"response.completed","response":{"id":"r","end_turn":false,"usage":null}}"#;
    server.stream(&format!("{broken}{script}{}{}", event(done), delta("late")));
    let (events, error) = all(open(&config(&server)).await.unwrap()).await;
    assert!(error.is_none());
    let shown: Vec<String> = events
        .iter()
        .map(|event| match event {
            ModelEvent::ItemAdded(item) => format!("added {}", item.id.clone().unwrap_or_default()),
            ModelEvent::ItemDone(item) => match &item.kind {
                OutputItemKind::FunctionCall { name, arguments, .. } => format!("call {name} {arguments}"),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Created",
            "added rs_1",
            "ReasoningSummaryPartAdded { summary_index: 0 }",
            "ReasoningSummaryDelta { summary_index: 0, delta: \"s\" }",
            "ReasoningTextDelta { content_index: 0, delta: \"r\" }",
            "CustomToolInputDelta { item_id: Some(\"ct_1\"), call_id: None, delta: \"*** \" }",
            "call n {}",
            "ServerModel(\"gpt-5.2\")",
            "Verification([TrustedAccessForCyber])",
            "Completed { response_id: \"r\", usage: None, end_turn: Some(false) }",
        ]
    );
}

#[tokio::test]
async fn usage_that_does_not_parse_breaks_the_answer() {
    let server = Server::start().await;
    server.stream(&event(
        r#"{"type":"response.completed","response":{"id":"r","usage":{"input_tokens":1}}}"#,
    ));
    let (_, error) = all(open(&config(&server)).await.unwrap()).await;
    assert!(
        error
            .unwrap()
            .to_string()
            .contains("failed to parse ResponseCompleted: missing field `output_tokens`")
    );
}
