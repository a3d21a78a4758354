use super::*;
use crate::protocol::WarningNotification;

fn event(text: &str) -> EncodedNotification {
    EncodedNotification::new(&WarningNotification {
        message: text.to_owned(),
        thread_id: None,
    })
}

fn log(events: usize, bytes: usize, total_bytes: usize) -> EventLog {
    let log = EventLog::new(Arc::new(ReplayLimits {
        events,
        bytes,
        total_bytes,
        held: Level::default(),
    }));
    log.arm();
    log
}

fn after(log: &EventLog, seq: u64) -> Result<Vec<u64>, SnapshotReason> {
    let stream = log.stream.to_string();
    let missed = log.since(&EventMark { stream, seq })?;
    Ok(missed.into_iter().map(|(number, _)| number.seq).collect())
}

#[test]
fn nothing_is_kept_before_somebody_wants_it() {
    let log = EventLog::default();
    assert_eq!(log.append(&event("a")), None);
    log.arm();
    assert_eq!(log.append(&event("b")).map(|number| number.seq), Some(1));
    assert_eq!(after(&log, 0), Ok(vec![1]));
}

#[test]
fn a_mark_gets_exactly_what_follows_it() {
    let log = log(100, 1 << 20, 1 << 20);
    for text in ["a", "b", "c"] {
        log.append(&event(text));
    }
    assert_eq!(after(&log, 0), Ok(vec![1, 2, 3]));
    assert_eq!(after(&log, 2), Ok(vec![3]));
    assert_eq!(after(&log, 3), Ok(vec![]));
    assert_eq!(after(&log, 4), Err(SnapshotReason::NumberUnknown));
    assert_eq!(after(&log, u64::MAX), Err(SnapshotReason::NumberUnknown));
    let other = EventMark {
        stream: "other".into(),
        seq: 1,
    };
    assert_eq!(log.since(&other).err(), Some(SnapshotReason::StreamUnknown));
}

#[test]
fn the_window_is_bounded_in_events_and_in_bytes() {
    let few = log(2, 1 << 20, 1 << 20);
    for text in ["a", "b", "c"] {
        few.append(&event(text));
    }
    assert_eq!(after(&few, 0), Err(SnapshotReason::WindowPassed));
    assert_eq!(after(&few, 1), Ok(vec![2, 3]));

    let one = weight(&event("a"));
    let small = log(100, one * 2, 1 << 20);
    for text in ["a", "b", "c"] {
        small.append(&event(text));
    }
    assert_eq!(after(&small, 0), Err(SnapshotReason::WindowPassed));
    assert_eq!(after(&small, 1), Ok(vec![2, 3]));
    small.append(&event(&"x".repeat(one * 2)));
    assert_eq!(after(&small, 3), Err(SnapshotReason::WindowPassed), "larger than all");
    assert_eq!(after(&small, 4), Ok(vec![]));
}

#[test]
fn all_windows_together_are_bounded_and_given_back() {
    let one = weight(&event("a"));
    let limits = Arc::new(ReplayLimits {
        total_bytes: one * 3,
        ..ReplayLimits::default()
    });
    let (first, second) = (EventLog::new(limits.clone()), EventLog::new(limits.clone()));
    for log in [&first, &second] {
        log.arm();
        log.append(&event("a"));
        log.append(&event("b"));
    }
    assert_eq!(after(&first, 0), Ok(vec![1, 2]));
    assert_eq!(
        after(&second, 0),
        Err(SnapshotReason::WindowPassed),
        "who is over gives way"
    );
    assert_eq!(limits.held.now(), one * 3);
    drop((first, second));
    assert_eq!(limits.held.now(), 0);
}
