//! The codec, the reader and the writer, against damage of every kind.

use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::codec::{Decoded, decode_line, encode_line};
use super::writer::RolloutFile;
use super::*;
use crate::protocol::ThreadId;

fn line_of(item: &RolloutItem) -> Vec<u8> {
    let mut out = Vec::new();
    encode_line(&mut out, "2026-01-02T03:04:05.678Z", item).unwrap();
    out
}

fn message(text: &str) -> RolloutItem {
    EventMsg::UserMessage(UserMessage {
        message: text.to_owned(),
        ..UserMessage::default()
    })
    .into()
}

fn messages(path: &Path) -> Vec<String> {
    let mut reader = RolloutReader::open(path).unwrap();
    let mut found = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        if let RolloutItem::Event(EventMsg::UserMessage(message)) = item {
            found.push(message.message);
        }
    }
    found
}

fn arb_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".*", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn arb_item() -> impl Strategy<Value = RolloutItem> {
    prop_oneof![
        ".*".prop_map(|text| message(&text)),
        (".*", prop::option::of(".*"), any::<Option<i64>>()).prop_map(|(id, text, at)| {
            EventMsg::TaskComplete(TaskComplete {
                turn_id: Some(id),
                last_agent_message: text,
                completed_at: at,
                ..TaskComplete::default()
            })
            .into()
        }),
        (
            any::<i64>(),
            any::<i64>(),
            prop::option::of(arb_json().prop_filter("some", |v| !v.is_null()))
        )
            .prop_map(|(input, total, limits)| {
                EventMsg::TokenCount(Box::new(TokenCount {
                    info: Some(TokenUsageInfo {
                        total_token_usage: TokenUsage {
                            input_tokens: input,
                            total_tokens: total,
                            ..TokenUsage::default()
                        },
                        ..TokenUsageInfo::default()
                    }),
                    rate_limits: limits,
                }))
                .into()
            }),
        arb_json().prop_map(|value| RolloutItem::response_item(&json!({"type": "message", "content": value})).unwrap()),
        (".*", prop::option::of(prop::collection::vec(arb_json(), 0..3))).prop_map(|(message, history)| {
            RolloutItem::Compacted(Box::new(CompactedLine {
                window: None,
                message,
                replacement_history: history.map(|items| {
                    items
                        .iter()
                        .map(|item| serde_json::value::to_raw_value(item).unwrap())
                        .collect()
                }),
            }))
        }),
        (".*", ".*").prop_map(|(turn, id)| RolloutItem::item_id(turn, id, ItemIdOf::Reasoning)),
        any::<u128>().prop_map(|id| {
            let id = ThreadId(uuid::Uuid::from_u128(id));
            RolloutItem::SessionMeta(Box::new(SessionMeta::new(
                id,
                "/work".into(),
                "me".into(),
                "mock".into(),
            )))
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_encoded_line_decodes_to_itself(item in arb_item()) {
        let line = line_of(&item);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let Decoded::Line(decoded) = decode_line(&line) else { panic!("not a line") };
        prop_assert_eq!(decoded.timestamp.as_str(), "2026-01-02T03:04:05.678Z");
        prop_assert_eq!(line_of(&decoded.item), line);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        decode_line(&bytes);
    }

    #[test]
    fn a_torn_line_in_front_costs_nothing_behind_it(first in arb_item(), second in arb_item(), cut in any::<prop::sample::Index>()) {
        let torn = line_of(&first);
        let torn = &torn[..cut.index(torn.len() - 1)];
        let whole = line_of(&second);
        let glued = [torn, &whole].concat();
        let Decoded::Line(decoded) = decode_line(&glued) else { panic!("lost") };
        prop_assert_eq!(line_of(&decoded.item), whole);
    }

    /// A process killed in the middle of a write leaves any prefix; what is appended later is whole, and so is all before.
    #[test]
    fn a_torn_tail_costs_only_itself(cut in any::<prop::sample::Index>()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rollout.jsonl");
        let lines: Vec<_> = ["one", "two", "three"].iter().map(|text| line_of(&message(text))).collect();
        let all = lines.concat();
        let cut = cut.index(all.len());
        std::fs::write(&path, &all[..cut]).unwrap();
        // A line that lacks only its newline is whole.
        let mut expected: Vec<String> = Vec::new();
        let mut end = 0;
        for (line, text) in lines.iter().zip(["one", "two", "three"]) {
            end += line.len();
            if cut + 1 >= end { expected.push(text.to_owned()); }
        }
        let mut file = RolloutFile::open(&path).unwrap();
        let (_, offset) = file.append(&line_of(&message("four"))).unwrap();
        expected.push("four".to_owned());
        prop_assert_eq!(messages(&path), expected);
        let mut reader = RolloutReader::open_at(&path, offset).unwrap();
        prop_assert!(matches!(reader.next_item().unwrap(), Some(RolloutItem::Event(EventMsg::UserMessage(_)))));
    }
}

#[test]
fn damage_costs_its_line_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    for part in [
        &line_of(&message("one"))[..],
        b"{\"timestamp\":\"x\",\"type\":\"event_msg\",\"pay\n",
        b"\0\0\0\0\0\0\n",
        b"\xff\xfe broken \xc3\n",
        b"\n   \n",
        b"{\"timestamp\":\"x\",\"type\":\"from_the_future\",\"payload\":{}}\n",
        b"{\"timestamp\":\"x\",\"type\":\"event_msg\",\"payload\":{\"type\":\"thread_rolled_back\",\"num_turns\":\"many\"}}\n",
        b"\0\0\0",
        &line_of(&message("two")),
        b"[[[[[[[[[[",
        b"\n",
        &line_of(&message("three")),
        b"{\"timestamp\":\"half",
    ] {
        file.write_all(part).unwrap();
    }
    drop(file);
    assert_eq!(messages(&path), ["one", "two", "three"]);
    let mut reader = RolloutReader::open(&path).unwrap();
    while reader.next_line().unwrap().is_some() {}
    assert_eq!(reader.damaged(), 6);
}

#[test]
fn unknown_events_are_kept_as_they_are() {
    let line = br#"{"timestamp":"t","type":"event_msg","payload":{"type":"new_thing","a":[1, {"b":"\u00e9"}]}}"#;
    let Decoded::Line(decoded) = decode_line(line) else {
        panic!()
    };
    let mut again = Vec::new();
    encode_line(&mut again, &decoded.timestamp, &decoded.item).unwrap();
    assert_eq!(again.trim_ascii(), line);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.jsonl");
    let mut file = RolloutFile::create(&path).unwrap();
    file.append(&line_of(&message("kept"))).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    // What a disk that fills up leaves: a part of the lines, then an error.
    let refused = line_of(&message("refused"));
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(&refused[..20])
        .unwrap();
    let error = file.take_back(b"", &refused, 20, std::io::ErrorKind::StorageFull.into());
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), size);
    file.append(&line_of(&message("after"))).unwrap();
    assert_eq!(messages(&path), ["kept", "after"]);
}

#[test]
fn what_cannot_be_taken_back_is_fenced_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollout.jsonl");
    let mut file = RolloutFile::create(&path).unwrap();
    let refused = line_of(&message("refused"));
    let mut other = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    other.write_all(&refused[..20]).unwrap();
    // Another program wrote behind it.
    other.write_all(b"garbage").unwrap();
    file.take_back(b"", &refused, 20, std::io::ErrorKind::StorageFull.into());
    file.append(&line_of(&message("after"))).unwrap();
    assert_eq!(messages(&path), ["after"]);
}

#[test]
fn a_full_disk_is_told_by_its_error() {
    let device = Path::new("/dev/full");
    let error = std::io::Write::write_all(
        &mut std::fs::OpenOptions::new().write(true).open(device).unwrap(),
        &line_of(&message("x")),
    )
    .unwrap_err();
    let crate::store::StoreError::Write { disk_full, .. } = crate::store::StoreError::write(device, &error) else {
        panic!()
    };
    assert!(disk_full);
}

#[test]
fn a_device_is_no_rollout() {
    assert!(RolloutFile::open(Path::new("/dev/full")).is_err());
}

#[test]
fn paths_carry_time_and_id() {
    let id = ThreadId::parse("01900000-0000-7000-8000-0000000000aa").unwrap();
    let name = "rollout-2025-01-05T12-00-00-01900000-0000-7000-8000-0000000000aa.jsonl";
    let (time, parsed) = path::parse_name(name).unwrap();
    assert_eq!((time.to_string().as_str(), parsed), ("2025-01-05 12:00:00", id));
    assert_eq!(
        path::unarchived_path(Path::new("/home"), name).unwrap(),
        Path::new("/home/sessions/2025/01/05").join(name)
    );
    assert!(path::parse_name("rollout-2025-01-05.jsonl").is_none());
    assert!(path::parse_name("rollout-2025-01-05T12-00-00-é.jsonl").is_none());
}
