//! Tells what a line is from its first bytes, so that lines nobody asked for are passed over undecoded.
//!
//! Most of a long rollout is the conversation with the model, which lists and pages never show. A line counts as skimmed
//! only if it looks exactly as this format's writers make it, from its first byte to its last, and holds no second line
//! behind the remains of a torn one; everything else goes to the decoder. What is inside a skimmed line is not checked:
//! damage there is found by whoever reads that line for its content.

use memchr::memmem;

use crate::store::rollout::codec::{LINE_MARK, is_ghost};

/// Which lines of a rollout a reader is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interest {
    /// All of them.
    #[default]
    Everything,
    /// What turns, their items and a thread's row are made of: all but the conversation with the model.
    Turns,
    /// What the conversation with the model is made of.
    Conversation,
    /// What says who the thread is, and where its folder stands in git.
    Metadata,
}

/// What a line that was passed over is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skimmed {
    /// An item of the conversation.
    ResponseItem,
    /// A compaction, and whether it brings the conversation that replaces the earlier one.
    Compacted {
        /// Nothing before it matters to the conversation.
        replaces: bool,
    },
    /// The settings of a turn.
    TurnContext,
    /// Any other line.
    Other,
}

/// What the line is, if `interest` does not ask for it.
pub(super) fn skim(line: &[u8], interest: Interest) -> Option<Skimmed> {
    if interest == Interest::Everything {
        return None;
    }
    let (kind, payload) = head(line)?;
    let skimmed = match (kind, interest) {
        (b"response_item", Interest::Turns) if is_ghost(payload) => return None,
        (b"response_item", Interest::Turns) => Skimmed::ResponseItem,
        (b"compacted", Interest::Turns) => Skimmed::Compacted {
            replaces: memmem::find(payload, b"\"replacement_history\":[").is_some(),
        },
        (b"turn_context", Interest::Conversation) => Skimmed::TurnContext,
        (b"session_meta" | b"greenroom", Interest::Conversation) => Skimmed::Other,
        (b"session_meta", Interest::Metadata) => return None,
        (_, Interest::Metadata) => Skimmed::Other,
        (b"event_msg", Interest::Conversation) if !speaks_of_conversation(payload) => Skimmed::Other,
        _ => return None,
    };
    let glued = line
        .get(1..)
        .is_some_and(|rest| memmem::find(rest, LINE_MARK).is_some());
    (!glued).then_some(skimmed)
}

/// The kind of a line and its payload, if the line has the usual form.
fn head(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_end();
    let rest = line.strip_prefix(LINE_MARK)?;
    let rest = rest.get(memchr::memchr(b'"', rest.get(..64).unwrap_or(rest))?..)?;
    let rest = rest.strip_prefix(b"\",\"type\":\"")?;
    let end = memchr::memchr(b'"', rest.get(..64).unwrap_or(rest))?;
    let (kind, rest) = rest.split_at_checked(end)?;
    let payload = rest.strip_prefix(b"\",\"payload\":")?;
    (payload.starts_with(b"{") && payload.ends_with(b"}}")).then_some((kind, payload))
}

/// Whether an event matters to the conversation, or hides its kind.
fn speaks_of_conversation(payload: &[u8]) -> bool {
    let Some(rest) = payload.strip_prefix(b"{\"type\":\"") else {
        return true;
    };
    [
        &b"user_message\""[..],
        b"thread_rolled_back\"",
        b"entered_review_mode\"",
    ]
    .iter()
    .any(|kind| rest.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &[u8] = br#"{"timestamp":"2026-01-01T00:00:00.000Z","type":"response_item","payload":{"type":"message","role":"user"}}"#;

    #[test]
    fn items_of_the_conversation_are_passed_over_where_turns_are_asked_for() {
        assert_eq!(skim(ITEM, Interest::Turns), Some(Skimmed::ResponseItem));
        assert_eq!(skim(ITEM, Interest::Conversation), None);
        assert_eq!(skim(ITEM, Interest::Everything), None);
    }

    #[test]
    fn a_whole_line_behind_a_torn_one_is_not_passed_over() {
        let torn = &ITEM[..90];
        assert_eq!(skim(torn, Interest::Turns), None);
        assert_eq!(skim(&[torn, ITEM].concat(), Interest::Turns), None);
    }

    #[test]
    fn a_compaction_tells_whether_it_replaces_the_conversation() {
        let line = |payload: &str| format!(r#"{{"timestamp":"t","type":"compacted","payload":{payload}}}"#);
        let skimmed = |payload| skim(line(payload).as_bytes(), Interest::Turns);
        let replaces = |replaces| Some(Skimmed::Compacted { replaces });
        assert_eq!(skimmed(r#"{"message":"m","replacement_history":[]}"#), replaces(true));
        assert_eq!(skimmed(r#"{"message":"m"}"#), replaces(false));
        assert_eq!(skimmed(r#"{"message":"\"replacement_history\":["}"#), replaces(false));
        assert_eq!(
            skimmed(r#"{"message":"m","replacement_history":null}"#),
            replaces(false)
        );
    }

    #[test]
    fn only_messages_and_rollbacks_are_events_of_the_conversation() {
        let line = |payload: &str| format!(r#"{{"timestamp":"t","type":"event_msg","payload":{payload}}}"#);
        let skimmed = |payload| skim(line(payload).as_bytes(), Interest::Conversation);
        assert_eq!(skimmed(r#"{"type":"token_count"}"#), Some(Skimmed::Other));
        assert_eq!(skimmed(r#"{"type":"user_message","message":"a"}"#), None);
        assert_eq!(skimmed(r#"{"message":"a","type":"user_message"}"#), None);
    }

    #[test]
    fn lines_of_another_form_are_decoded() {
        let spaced = br#"{"timestamp": "t", "type": "response_item", "payload": {}}"#;
        assert_eq!(skim(spaced, Interest::Turns), None);
        assert_eq!(skim(b"", Interest::Turns), None);
        assert_eq!(skim(b"{\"timestamp\":\"", Interest::Turns), None);
    }
}
