//! The wire of executors: what an exec-server and its client say to each other.
//!
//! Another protocol than the one of app servers, over the same envelopes: a session is opened with `initialize`, then
//! come processes, files and relayed HTTP requests. Bytes travel as base64. Its types are not re-exported with the
//! others, since some names mean other things there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::files::normalised;
use crate::protocol::permissions::{FileSystemSandboxEntry, SandboxPolicy};

pub const INITIALIZE: &str = "initialize";
pub const INITIALIZED: &str = "initialized";
pub const PROCESS_START: &str = "process/start";
pub const PROCESS_READ: &str = "process/read";
pub const PROCESS_WRITE: &str = "process/write";
pub const PROCESS_TERMINATE: &str = "process/terminate";
pub const PROCESS_OUTPUT: &str = "process/output";
pub const PROCESS_EXITED: &str = "process/exited";
pub const PROCESS_CLOSED: &str = "process/closed";
pub const FS_READ_FILE: &str = "fs/readFile";
pub const FS_WRITE_FILE: &str = "fs/writeFile";
pub const FS_CREATE_DIRECTORY: &str = "fs/createDirectory";
pub const FS_GET_METADATA: &str = "fs/getMetadata";
pub const FS_READ_DIRECTORY: &str = "fs/readDirectory";
pub const FS_REMOVE: &str = "fs/remove";
pub const FS_COPY: &str = "fs/copy";
pub const HTTP_REQUEST: &str = "http/request";
pub const HTTP_BODY_DELTA: &str = "http/request/bodyDelta";

/// The code of an error that says a file is not there.
pub const NOT_FOUND: i64 = -32004;

/// Bytes, as base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base64Bytes(pub Vec<u8>);

impl Serialize for Base64Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Base64Bytes).map_err(D::Error::custom)
    }
}

/// An absolute path on the executor, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ExecutorPath(pub PathBuf);

impl ExecutorPath {
    /// Takes `.` and `..` out of a path, by its text.
    pub fn normal(path: &Path) -> Self {
        ExecutorPath(normalised(path))
    }
}

impl<'de> Deserialize<'de> for ExecutorPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        match path.is_absolute() {
            true => Ok(ExecutorPath::normal(&path)),
            // The words that clients of the field know.
            false => Err(D::Error::custom("AbsolutePathBuf deserialized without a base path")),
        }
    }
}

/// What both sides can do beyond the protocol. Told only to clients that tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// `process/start` understands `confine`, and the executor can enforce it.
    #[serde(default)]
    pub confine: bool,
}

/// Parameters of `initialize`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    pub client_name: String,
    #[serde(default)]
    pub resume_session_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// Result of `initialize`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResponse {
    pub session_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

/// Where the environment of a process starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    Core,
    All,
    None,
}

/// Which variables of the executor reach a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvPolicy {
    pub inherit: Inherit,
    pub ignore_default_excludes: bool,
    pub exclude: Vec<String>,
    pub set: BTreeMap<String, String>,
    pub include_only: Vec<String>,
}

/// What holds for a process, where both sides can do that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confine {
    pub policy: SandboxPolicy,
    pub workspace_roots: Vec<ExecutorPath>,
}

/// Parameters of `process/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartParams {
    pub process_id: String,
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    #[serde(default)]
    pub env_policy: Option<EnvPolicy>,
    pub env: BTreeMap<String, String>,
    pub tty: bool,
    #[serde(default)]
    pub pipe_stdin: bool,
    #[serde(default)]
    pub arg0: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confine: Option<Confine>,
}

/// Result of `process/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartResponse {
    pub process_id: String,
}

/// Parameters of `process/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadParams {
    pub process_id: String,
    #[serde(default)]
    pub after_seq: Option<u64>,
    #[serde(default)]
    pub max_bytes: Option<usize>,
    #[serde(default)]
    pub wait_ms: Option<u64>,
}

/// Which stream a process wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    Stdout,
    Stderr,
    Pty,
}

/// A piece of output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputChunk {
    pub seq: u64,
    pub stream: OutputStream,
    pub chunk: Base64Bytes,
}

/// Result of `process/read`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadResponse {
    pub chunks: Vec<OutputChunk>,
    pub next_seq: u64,
    pub exited: bool,
    pub exit_code: Option<i32>,
    pub closed: bool,
    #[serde(default)]
    pub failure: Option<String>,
}

/// Parameters of `process/write`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteParams {
    pub process_id: String,
    pub chunk: Base64Bytes,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    Accepted,
    UnknownProcess,
    StdinClosed,
    Starting,
}

/// Result of `process/write`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteResponse {
    pub status: WriteStatus,
}

/// Parameters of `process/terminate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TerminateParams {
    pub process_id: String,
}

/// Result of `process/terminate`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TerminateResponse {
    pub running: bool,
}

/// `process/output`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutputNotification {
    pub process_id: String,
    pub seq: u64,
    pub stream: OutputStream,
    pub chunk: Base64Bytes,
}

/// `process/exited`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExitedNotification {
    pub process_id: String,
    pub seq: u64,
    pub exit_code: i32,
}

/// `process/closed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedNotification {
    pub process_id: String,
    pub seq: u64,
}

/// A permission profile as files are confined by it. A later form of the one that app servers speak of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FilePermissions {
    Managed { file_system: FileRules, network: Network },
    Disabled,
    External { network: Network },
}

/// What a profile says of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FileRules {
    Restricted {
        entries: Vec<FileSystemSandboxEntry>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        glob_scan_max_depth: Option<usize>,
    },
    Unrestricted,
}

/// What a profile says of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    Restricted,
    Enabled,
}

/// What holds for an operation on files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystemSandboxContext {
    #[serde(deserialize_with = "known_permissions")]
    pub permissions: FilePermissions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<ExecutorPath>,
    /// Of another platform; here it is read and changes nothing.
    pub windows_sandbox_level: String,
    #[serde(default)]
    pub windows_sandbox_private_desktop: bool,
    #[serde(default)]
    pub use_legacy_landlock: bool,
}

/// Reads permissions of a known form; what else there is would mean something that nobody here could hold to.
fn known_permissions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FilePermissions, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    // The words that clients of the field know.
    FilePermissions::deserialize(value)
        .map_err(|_| D::Error::custom("data did not match any variant of untagged enum PermissionProfileDe"))
}

/// Parameters of the operations that need no more than a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathParams {
    pub path: ExecutorPath,
    #[serde(default)]
    pub sandbox: Option<FileSystemSandboxContext>,
}

/// Result of `fs/readFile`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadFileResponse {
    pub data_base64: Base64Bytes,
}

/// Parameters of `fs/writeFile`. The data stay text: what is wrong with them is told in other words than usual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteFileParams {
    pub path: ExecutorPath,
    pub data_base64: String,
    #[serde(default)]
    pub sandbox: Option<FileSystemSandboxContext>,
}

/// Parameters of `fs/createDirectory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CreateDirectoryParams {
    pub path: ExecutorPath,
    #[serde(default)]
    pub recursive: Option<bool>,
    #[serde(default)]
    pub sandbox: Option<FileSystemSandboxContext>,
}

/// Result of `fs/getMetadata`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetadataResponse {
    pub is_directory: bool,
    pub is_file: bool,
    pub is_symlink: bool,
    pub created_at_ms: i64,
    pub modified_at_ms: i64,
}

/// An entry of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryEntry {
    pub file_name: String,
    pub is_directory: bool,
    pub is_file: bool,
}

/// Result of `fs/readDirectory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadDirectoryResponse {
    pub entries: Vec<DirectoryEntry>,
}

/// Parameters of `fs/remove`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoveParams {
    pub path: ExecutorPath,
    #[serde(default)]
    pub recursive: Option<bool>,
    #[serde(default)]
    pub force: Option<bool>,
    #[serde(default)]
    pub sandbox: Option<FileSystemSandboxContext>,
}

/// Parameters of `fs/copy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CopyParams {
    pub source_path: ExecutorPath,
    pub destination_path: ExecutorPath,
    pub recursive: bool,
    #[serde(default)]
    pub sandbox: Option<FileSystemSandboxContext>,
}

/// Result of methods that only say that they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {}

/// A header of a relayed request or its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
}

/// Parameters of `http/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRequestParams {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: Vec<HttpHeader>,
    #[serde(default)]
    pub body_base64: Option<Base64Bytes>,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    pub request_id: String,
    #[serde(default)]
    pub stream_response: bool,
}

/// Result of `http/request`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<HttpHeader>,
    pub body_base64: Base64Bytes,
}

/// `http/request/bodyDelta`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpBodyDelta {
    pub request_id: String,
    pub seq: u64,
    pub delta_base64: Base64Bytes,
    pub done: bool,
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn refusal<T: serde::de::DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        from_value::<T>(value).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_the_wire() {
        assert_eq!(refusal::<InitializeParams>(json!({})), "missing field `clientName`");
        assert_eq!(
            refusal::<InitializeParams>(Value::Null),
            "invalid type: null, expected struct InitializeParams"
        );
        assert_eq!(
            refusal::<PathParams>(json!({"path": "a"})),
            "AbsolutePathBuf deserialized without a base path"
        );
        assert_eq!(
            refusal::<PathParams>(json!({"path": 5})),
            "invalid type: integer `5`, expected path string"
        );
        assert_eq!(
            refusal::<WriteParams>(json!({"processId": "p", "chunk": "!!"})),
            "Invalid symbol 33, offset 0."
        );
        assert_eq!(
            refusal::<ReadParams>(json!({"processId": "p", "afterSeq": -1})),
            "invalid value: integer `-1`, expected u64"
        );
    }

    #[test]
    fn paths_lose_their_dots() {
        let params: PathParams = from_value(json!({"path": "/t/./x/../a"})).unwrap();
        assert_eq!(params.path.0, Path::new("/t/a"));
    }
}
