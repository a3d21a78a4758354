//! Wire payloads: realtime.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of `thread/realtime/appendAudio`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeAppendAudioParams {
    pub audio: ThreadRealtimeAudioChunk,
    pub thread_id: String,
}

/// Result of `thread/realtime/appendAudio`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeAppendAudioResponse {}

/// Parameters of `thread/realtime/appendText`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeAppendTextParams {
    pub text: String,
    pub thread_id: String,
}

/// Result of `thread/realtime/appendText`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeAppendTextResponse {}

/// Payload of the notification `thread/realtime/closed`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeClosedNotification {
    #[serde(default)]
    pub reason: Option<String>,
    pub thread_id: String,
}

/// Payload of the notification `thread/realtime/error`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeErrorNotification {
    pub message: String,
    pub thread_id: String,
}

/// Payload of the notification `thread/realtime/itemAdded`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeItemAddedNotification {
    pub item: serde_json::Value,
    pub thread_id: String,
}

/// Parameters of `thread/realtime/listVoices`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeListVoicesParams {}

/// Result of `thread/realtime/listVoices`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeListVoicesResponse {
    pub voices: RealtimeVoicesList,
}

/// Payload of the notification `thread/realtime/outputAudio/delta`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeOutputAudioDeltaNotification {
    pub audio: ThreadRealtimeAudioChunk,
    pub thread_id: String,
}

/// Payload of the notification `thread/realtime/sdp`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeSdpNotification {
    pub sdp: String,
    pub thread_id: String,
}

/// Parameters of `thread/realtime/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeStartParams {
    pub output_modality: RealtimeOutputModality,
    #[serde(
        default,
        deserialize_with = "crate::protocol::double_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub prompt: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime_session_id: Option<String>,
    pub thread_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<ThreadRealtimeStartTransport>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<RealtimeVoice>,
}

/// Result of `thread/realtime/start`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeStartResponse {}

/// Payload of the notification `thread/realtime/started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeStartedNotification {
    #[serde(default)]
    pub realtime_session_id: Option<String>,
    pub thread_id: String,
    pub version: RealtimeConversationVersion,
}

/// Parameters of `thread/realtime/stop`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeStopParams {
    pub thread_id: String,
}

/// Result of `thread/realtime/stop`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ThreadRealtimeStopResponse {}

/// Payload of the notification `thread/realtime/transcript/delta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeTranscriptDeltaNotification {
    pub delta: String,
    pub role: String,
    pub thread_id: String,
}

/// Payload of the notification `thread/realtime/transcript/done`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeTranscriptDoneNotification {
    pub role: String,
    pub text: String,
    pub thread_id: String,
}

/// Realtime output modality, carried by `thread/realtime/start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RealtimeOutputModality {
    Text,
    Audio,
}

/// Realtime voice, carried by `thread/realtime/listVoices`, `thread/realtime/start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RealtimeVoice {
    Alloy,
    Arbor,
    Ash,
    Ballad,
    Breeze,
    Cedar,
    Coral,
    Cove,
    Echo,
    Ember,
    Juniper,
    Maple,
    Marin,
    Sage,
    Shimmer,
    Sol,
    Spruce,
    Vale,
    Verse,
}

/// Thread realtime audio chunk, carried by `thread/realtime/appendAudio`, `thread/realtime/outputAudio/delta`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThreadRealtimeAudioChunk {
    pub data: String,
    #[serde(default)]
    pub item_id: Option<String>,
    pub num_channels: u16,
    pub sample_rate: u32,
    #[serde(default)]
    pub samples_per_channel: Option<u32>,
}

/// Thread realtime start transport, carried by `thread/realtime/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum ThreadRealtimeStartTransport {
    #[serde(rename = "websocket")]
    Websocket,
    #[serde(rename = "webrtc")]
    Webrtc { sdp: String },
}

/// Realtime conversation version, carried by `thread/realtime/started`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RealtimeConversationVersion {
    V1,
    V2,
}

/// Realtime voices list, carried by `thread/realtime/listVoices`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeVoicesList {
    pub default_v1: RealtimeVoice,
    pub default_v2: RealtimeVoice,
    pub v1: Vec<RealtimeVoice>,
    pub v2: Vec<RealtimeVoice>,
}
