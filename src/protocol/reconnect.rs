//! Wire payloads of the lossless reconnect: Greenroom's own extension, seen only by clients that ask for it.
//!
//! Everything hangs below members named `greenroom`, which the public protocol does not use. The public schema leaves
//! them out; docs/reconnect.schema.json describes them, and a test keeps that file equal to these types.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a client asks for at `initialize`, in `capabilities.greenroom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GreenroomCapabilities {
    /// Number the events of threads, and keep them for a while so that they can be sent again.
    #[serde(default)]
    pub event_replay: bool,
}

/// What a client asks for at `thread/resume`, in `params.greenroom`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GreenroomResume {
    /// The last event that the client has seen; what followed is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<EventMark>,
}

/// One event of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventMark {
    /// The stream.
    pub stream: String,
    /// The number.
    pub seq: u64,
}

/// The member `greenroom` of the answers to `thread/start`, `thread/resume` and `thread/fork`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventPosition {
    /// The stream that the thread's events belong to.
    pub stream: String,
    /// The number of the stream's last event at that moment. A replay reaches up to it; everything new comes after it.
    pub seq: u64,
    /// What became of `after`; absent when it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayOutcome>,
    /// Why a snapshot is needed; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<SnapshotReason>,
}

/// What became of a client's wish for the events it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplayOutcome {
    /// Exactly the missed events follow the answer, in order, before any new one. `thread.turns` is empty.
    Complete,
    /// They cannot be had: the answer is a snapshot, and what the client knew of the thread is out of date.
    SnapshotNeeded,
}

/// Why the missed events cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SnapshotReason {
    /// The stream is another one: the server was restarted, or the thread was unloaded in between.
    StreamUnknown,
    /// Some of the missed events are no longer kept.
    WindowPassed,
    /// The stream has no event of that number yet.
    NumberUnknown,
}

/// The member `greenroom` of a notification that belongs to a thread's stream, beside `method` and `params`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventNumbers {
    /// The stream.
    pub stream: String,
    /// The first event, when this message stands for several (text deltas that were joined).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    /// The last event that this message stands for.
    pub seq: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn definition<T: JsonSchema>() -> Value {
        let schema = schemars::generate::SchemaSettings::draft07()
            .with(|settings| settings.inline_subschemas = true)
            .into_generator()
            .into_root_schema_for::<T>();
        let mut schema = serde_json::to_value(schema).unwrap();
        schema.as_object_mut().unwrap().remove("$schema");
        schema
    }

    #[test]
    fn the_documented_schema_is_that_of_the_types() {
        let written: Value = serde_json::from_str(include_str!("../../docs/reconnect.schema.json")).unwrap();
        let ours = json!({
            "initialize.params.capabilities.greenroom": definition::<GreenroomCapabilities>(),
            "thread/resume.params.greenroom": definition::<GreenroomResume>(),
            "thread/start|resume|fork.result.greenroom": definition::<EventPosition>(),
            "notification.greenroom": definition::<EventNumbers>(),
        });
        assert_eq!(written["properties"], ours, "{ours:#}");
    }
}
