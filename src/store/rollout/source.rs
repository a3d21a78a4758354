//! Spellings that differ between rollouts and the wire: session sources, sandbox policies, text ranges.
//!
//! Rollouts are snake_case and kebab-case where the wire is camelCase. Reading is lenient: an unknown source is
//! `unknown`, an optional member of a wrong shape counts as absent.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::protocol::{ByteRange, SessionSource, SubAgentSource, TextElement};

/// The source of a thread whose meta names none.
pub(crate) fn unset() -> SessionSource {
    SessionSource::Vscode
}

/// The summary setting of a turn context that names none.
pub(crate) fn auto_summary() -> Value {
    Value::from("auto")
}

/// The rollout spelling of a source; also what the index keeps.
pub(crate) fn to_value(source: &SessionSource) -> Value {
    match source {
        SessionSource::Cli => "cli".into(),
        SessionSource::Vscode => "vscode".into(),
        SessionSource::Exec => "exec".into(),
        SessionSource::AppServer => "mcp".into(),
        SessionSource::Unknown => "unknown".into(),
        SessionSource::Custom(name) => serde_json::json!({ "custom": name }),
        SessionSource::SubAgent(agent) => serde_json::json!({ "subagent": agent }),
    }
}

/// Reads the rollout spelling of a source.
pub(crate) fn from_value(value: Value) -> SessionSource {
    match value {
        Value::String(name) => match name.as_str() {
            "cli" => SessionSource::Cli,
            "vscode" => SessionSource::Vscode,
            "exec" => SessionSource::Exec,
            "mcp" | "appServer" => SessionSource::AppServer,
            _ => SessionSource::Unknown,
        },
        Value::Object(mut object) => {
            if let Some(Value::String(name)) = object.remove("custom") {
                return SessionSource::Custom(name);
            }
            object
                .remove("subagent")
                .or_else(|| object.remove("subAgent"))
                .and_then(|agent| serde_json::from_value::<SubAgentSource>(agent).ok())
                .map_or(SessionSource::Unknown, SessionSource::SubAgent)
        }
        Value::Null => unset(),
        _ => SessionSource::Unknown,
    }
}

pub(crate) fn serialize<S: Serializer>(source: &SessionSource, serializer: S) -> Result<S::Ok, S::Error> {
    to_value(source).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SessionSource, D::Error> {
    Value::deserialize(deserializer).map(from_value)
}

/// Reads an optional member; one of a wrong shape counts as absent.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// Sandbox policies: `{"type": "workspace-write", "writable_roots": […], …}`.
pub(crate) mod sandbox {
    use super::*;
    use crate::protocol::{AbsolutePathBuf, NetworkAccess, SandboxPolicy};

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type", rename_all = "kebab-case")]
    enum Spelled {
        DangerFullAccess,
        ReadOnly {
            #[serde(default, skip_serializing_if = "std::ops::Not::not")]
            network_access: bool,
        },
        ExternalSandbox {
            #[serde(default)]
            network_access: NetworkAccess,
        },
        WorkspaceWrite {
            #[serde(default)]
            writable_roots: Vec<AbsolutePathBuf>,
            #[serde(default)]
            network_access: bool,
            #[serde(default)]
            exclude_tmpdir_env_var: bool,
            #[serde(default)]
            exclude_slash_tmp: bool,
        },
    }

    pub(crate) fn serialize<S: Serializer>(policy: &SandboxPolicy, serializer: S) -> Result<S::Ok, S::Error> {
        match policy.clone() {
            SandboxPolicy::DangerFullAccess => Spelled::DangerFullAccess,
            SandboxPolicy::ReadOnly { network_access } => Spelled::ReadOnly { network_access },
            SandboxPolicy::ExternalSandbox { network_access } => Spelled::ExternalSandbox { network_access },
            SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp,
                exclude_tmpdir_env_var,
                network_access,
                writable_roots,
            } => Spelled::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            },
        }
        .serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SandboxPolicy, D::Error> {
        Ok(match Spelled::deserialize(deserializer)? {
            Spelled::DangerFullAccess => SandboxPolicy::DangerFullAccess,
            Spelled::ReadOnly { network_access } => SandboxPolicy::ReadOnly { network_access },
            Spelled::ExternalSandbox { network_access } => SandboxPolicy::ExternalSandbox { network_access },
            Spelled::WorkspaceWrite {
                writable_roots,
                network_access,
                exclude_tmpdir_env_var,
                exclude_slash_tmp,
            } => SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp,
                exclude_tmpdir_env_var,
                network_access,
                writable_roots,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct SpelledElement {
    byte_range: ByteRange,
    #[serde(default)]
    placeholder: Option<String>,
}

/// Reads text elements: `byte_range` instead of `byteRange`.
pub(crate) fn text_elements<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TextElement>, D::Error> {
    let elements: Option<Vec<SpelledElement>> = lenient(deserializer)?;
    Ok(elements
        .unwrap_or_default()
        .into_iter()
        .map(|element| TextElement {
            byte_range: element.byte_range,
            placeholder: element.placeholder,
        })
        .collect())
}

/// Writes text elements in the rollout's spelling.
pub(crate) fn write_text_elements<S: Serializer>(elements: &[TextElement], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(elements.iter().map(|element| SpelledElement {
        byte_range: element.byte_range.clone(),
        placeholder: element.placeholder.clone(),
    }))
}
