use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::AgentMessageDeltaNotification;
use crate::rpc::client::{EncodedNotification, EventRange};

fn limits(limit: usize) -> Arc<OutboxLimits> {
    Arc::new(OutboxLimits {
        join_above: 64,
        limit,
        grace: Duration::from_secs(10),
        hard_limit: limit * 4,
        batch: 1 << 20,
    })
}

fn delta(item: &str, text: &str) -> OutFrame {
    let payload = AgentMessageDeltaNotification {
        delta: text.to_owned(),
        item_id: item.to_owned(),
        thread_id: "t".to_owned(),
        turn_id: "u".to_owned(),
    };
    EncodedNotification::delta(&payload, Arc::from(item)).frame().clone()
}

fn whole(text: &str) -> OutFrame {
    OutFrame::Whole(Bytes::from(
        json!({"method": "m", "params": {"text": text}}).to_string(),
    ))
}

fn event(stream: &str, seq: u64) -> EventRange {
    EventRange {
        stream: stream.into(),
        first: seq,
        last: seq,
    }
}

fn take(outbox: &OutboxQueue) -> Vec<Value> {
    let Some(Some(batch)) = outbox.try_batch() else {
        return Vec::new();
    };
    batch
        .iter()
        .map(|frame| serde_json::from_slice(frame).expect("each frame is JSON"))
        .collect()
}

fn texts(frames: &[Value]) -> Vec<(&str, &str)> {
    frames
        .iter()
        .map(|frame| match frame["params"]["delta"].as_str() {
            Some(text) => (frame["params"]["itemId"].as_str().unwrap_or_default(), text),
            None => ("-", frame["params"]["text"].as_str().unwrap_or_default()),
        })
        .collect()
}

#[test]
fn a_client_that_keeps_up_gets_every_frame_as_it_was_sent() {
    let outbox = OutboxQueue::new(limits(1 << 20));
    for text in ["a", "b", "c"] {
        outbox.push(delta("i", text));
        assert_eq!(texts(&take(&outbox)), [("i", text)]);
    }
    assert_eq!(outbox.backlog(), 0);
    assert!(outbox.try_batch().is_none());
}

#[test]
fn texts_of_a_slow_client_are_joined_by_key() {
    let outbox = OutboxQueue::new(limits(1 << 20));
    outbox.push(whole(&"x".repeat(100)));
    for (item, text) in [
        ("i", "1 \"q\""),
        ("j", "a"),
        ("i", "2\n"),
        ("j", "b\u{1f600}"),
        ("i", "3"),
    ] {
        outbox.push(delta(item, text));
    }
    let frames = take(&outbox);
    assert_eq!(texts(&frames[1..]), [("i", "1 \"q\"2\n3"), ("j", "ab\u{1f600}")]);
    assert_eq!(outbox.backlog(), 0);
}

#[test]
fn no_text_passes_another_message() {
    let outbox = OutboxQueue::new(limits(1 << 20));
    outbox.push(whole(&"x".repeat(100)));
    outbox.push(delta("i", "before"));
    outbox.push(whole("between"));
    outbox.push(delta("i", "after"));
    outbox.push(delta("i", "wards"));
    let frames = take(&outbox);
    assert_eq!(
        texts(&frames[1..]),
        [("i", "before"), ("-", "between"), ("i", "afterwards")]
    );
}

#[test]
fn numbered_texts_are_joined_only_with_their_neighbours() {
    let outbox = OutboxQueue::new(limits(1 << 20));
    outbox.push(whole(&"x".repeat(100)));
    let pushed = [
        ("s", "i", "1"),
        ("s", "i", "2"),
        ("t", "k", "a"),
        ("s", "j", "b"),
        ("s", "i", "3"),
    ];
    for (seq, (stream, item, text)) in (1..).zip(pushed) {
        outbox.push_numbered(delta(item, text), event(stream, seq));
    }
    outbox.push_numbered(delta("k", "c"), event("t", 6));
    let frames = take(&outbox);
    assert_eq!(texts(&frames[1..]), [("i", "12"), ("k", "ac"), ("j", "b"), ("i", "3")]);
    let numbers: Vec<&Value> = frames[1..].iter().map(|frame| &frame["greenroom"]).collect();
    assert_eq!(*numbers[0], json!({"stream": "s", "firstSeq": 1, "seq": 2}));
    assert_eq!(*numbers[1], json!({"stream": "t", "firstSeq": 3, "seq": 6}));
    assert_eq!(*numbers[2], json!({"stream": "s", "seq": 4}));
    assert_eq!(*numbers[3], json!({"stream": "s", "seq": 5}));
    assert!(frames[0].get("greenroom").is_none());
    assert_eq!(outbox.backlog(), 0);
}

#[test]
fn a_joined_text_stays_below_its_limit() {
    let outbox = OutboxQueue::new(limits(1 << 24));
    let piece = "y".repeat(LARGEST_JOINED / 4);
    for _ in 0..8 {
        outbox.push(delta("i", &piece));
    }
    let frames = take(&outbox);
    assert!(frames.len() > 1 && frames.len() < 8, "{}", frames.len());
    let total: usize = texts(&frames).iter().map(|(_, text)| text.len()).sum();
    assert_eq!(total, 8 * piece.len());
}

#[test]
fn a_client_over_the_limit_has_its_grace() {
    let outbox = OutboxQueue::new(limits(100));
    outbox.push(whole(&"x".repeat(150)));
    let now = Instant::now();
    assert!(!outbox.check_grace(now + Duration::from_secs(9)));
    assert!(outbox.check_grace(now + Duration::from_secs(11)));
    assert_eq!(outbox.close_reason(), Some(CloseReason::TooSlow));
    assert_eq!((outbox.try_batch(), outbox.backlog()), (Some(None), 0));
}

#[test]
fn who_catches_up_in_time_is_kept() {
    let outbox = OutboxQueue::new(limits(100));
    let now = Instant::now();
    outbox.push(whole(&"x".repeat(150)));
    take(&outbox);
    outbox.push(whole(&"x".repeat(150)));
    assert!(!outbox.check_grace(now + Duration::from_secs(9)));
}

#[test]
fn the_hard_limit_allows_no_grace() {
    let outbox = OutboxQueue::new(limits(100));
    for _ in 0..4 {
        outbox.push(whole(&"x".repeat(100)));
    }
    assert_eq!(outbox.close_reason(), Some(CloseReason::TooSlow));
    outbox.push(whole("late"));
    assert_eq!(outbox.backlog(), 0);
}

#[test]
fn a_goodbye_hands_out_what_is_left_and_a_cut_does_not() {
    let polite = OutboxQueue::new(limits(100));
    polite.push(whole("last"));
    polite.close(CloseReason::ShuttingDown);
    polite.push(whole("too late"));
    assert_eq!(texts(&take(&polite)), [("-", "last")]);
    assert_eq!(polite.try_batch(), Some(None));

    let cut = OutboxQueue::new(limits(100));
    cut.push(whole("last"));
    cut.close(CloseReason::Disconnected);
    assert_eq!(cut.try_batch(), Some(None));
}

#[tokio::test]
async fn the_reader_is_woken_by_frames_and_by_the_end() {
    let outbox = Arc::new(OutboxQueue::new(limits(100)));
    let reader = tokio::spawn({
        let outbox = outbox.clone();
        async move {
            let mut frames = 0;
            while let Some(batch) = outbox.next_batch().await {
                frames += batch.len();
            }
            frames
        }
    });
    for _ in 0..5 {
        outbox.push(whole("x"));
        tokio::task::yield_now().await;
    }
    outbox.close_when_drained();
    assert_eq!(reader.await.expect("no panic"), 5);
}

#[tokio::test]
async fn room_comes_back_when_bytes_leave() {
    let outbox = Arc::new(OutboxQueue::new(limits(100)));
    outbox.push(whole(&"x".repeat(60)));
    assert!(outbox.is_congested());
    let room = tokio::spawn({
        let outbox = outbox.clone();
        async move { poll_fn(|cx| outbox.poll_room(cx)).await }
    });
    tokio::task::yield_now().await;
    assert!(!room.is_finished());
    take(&outbox);
    room.await.expect("no panic");
}

proptest! {
    /// Whatever is pushed and however it is drained: per key nothing is lost or reordered, whole frames keep their
    /// order, and no text passes one.
    #[test]
    fn joining_loses_nothing(
        steps in proptest::collection::vec((0..4u8, ".{0,12}", any::<bool>()), 0..80),
        join_above in prop_oneof![Just(0usize), 0..2000usize],
    ) {
        let outbox = OutboxQueue::new(Arc::new(OutboxLimits { join_above, ..*limits(1 << 24) }));
        // Per key, the text since the latest whole frame, and the whole frames themselves.
        let record = |log: &mut Vec<(u8, String)>, key: u8, text: &str| {
            let start = log.iter().rposition(|(key, _)| *key == 3).map_or(0, |at| at + 1);
            match log[start..].iter_mut().find(|(known, _)| *known == key && key != 3) {
                Some((_, known)) => known.push_str(text),
                None => log.push((key, text.to_owned())),
            }
        };
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let drain = |got: &mut Vec<(u8, String)>| {
            for frame in take(&outbox) {
                let (key, text) = (texts(std::slice::from_ref(&frame))[0].0.to_owned(), texts(std::slice::from_ref(&frame))[0].1.to_owned());
                record(got, key.parse().unwrap_or(3), &text);
            }
        };
        for (key, text, pause) in steps {
            match key {
                3 => outbox.push(whole(&text)),
                key => outbox.push(delta(&key.to_string(), &text)),
            }
            record(&mut sent, key, &text);
            if pause {
                drain(&mut got);
            }
        }
        drain(&mut got);
        // Between two whole frames the keys may come in any order.
        let settled = |log: &[(u8, String)]| -> Vec<Vec<(u8, String)>> {
            log.split(|(key, _)| *key == 3)
                .map(|stretch| {
                    let mut stretch = stretch.to_vec();
                    stretch.sort();
                    stretch
                })
                .collect()
        };
        prop_assert_eq!(settled(&sent), settled(&got));
        prop_assert_eq!(outbox.backlog(), 0);
    }

    /// Wherever a client stops reading: what it has are the events up to the number it saw last, and no others.
    #[test]
    fn numbers_tell_how_far_a_client_came(
        steps in proptest::collection::vec((0..4u8, "[a-z]{1,6}", any::<bool>()), 1..80),
        join_above in prop_oneof![Just(0usize), 0..2000usize],
        stop in 0..80usize,
    ) {
        let outbox = OutboxQueue::new(Arc::new(OutboxLimits { join_above, ..*limits(1 << 24) }));
        let mut seen = Vec::new();
        for (seq, (key, text, pause)) in (1..).zip(&steps) {
            let frame = match key {
                3 => whole(text),
                key => delta(&key.to_string(), text),
            };
            outbox.push_numbered(frame, event("s", seq));
            if *pause {
                seen.extend(take(&outbox));
            }
        }
        seen.extend(take(&outbox));
        seen.truncate(stop);
        let last = seen.last().map_or(0, |frame| frame["greenroom"]["seq"].as_u64().unwrap_or(0));
        let mut expected = 1;
        for frame in &seen {
            let seq = frame["greenroom"]["seq"].as_u64().unwrap_or(0);
            prop_assert_eq!(frame["greenroom"]["firstSeq"].as_u64().unwrap_or(seq), expected);
            expected = seq + 1;
        }
        let got: String = texts(&seen).iter().map(|(_, text)| *text).collect();
        let sent: String = steps.iter().take(last as usize).map(|(_, text, _)| text.as_str()).collect();
        prop_assert_eq!(got, sent);
    }
}
