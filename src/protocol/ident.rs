//! Identifiers and paths shared by all payloads: small newtypes that validate where the wire demands it.
//!
//! A thread id on the wire is a plain string, because handlers tell an id that is no UUID apart from one that is
//! unknown; inside, [`ThreadId`] is used wherever an id has been checked.

use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A JSON-RPC request id: a string or a 64-bit integer, echoed with its own type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum RequestId {
    /// A string id.
    Text(String),
    /// An integer id.
    Integer(i64),
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestId::Text(text) => f.write_str(text),
            RequestId::Integer(number) => write!(f, "{number}"),
        }
    }
}

/// A thread's id: a UUID (v7 for threads made here), lower-case with hyphens on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ThreadId(pub uuid::Uuid);

impl ThreadId {
    /// A new time-ordered id.
    pub fn generate() -> Self {
        ThreadId(uuid::Uuid::now_v7())
    }

    /// Reads an id; the error text is the UUID parser's, which clients see after `invalid thread id: `.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        uuid::Uuid::parse_str(text).map(ThreadId)
    }
}

impl fmt::Display for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The path of an agent in its spawn tree, such as `/root/task`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct AgentPath(pub String);

/// An absolute path. Reading a relative one fails, so that no handler resolves it against the wrong folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct AbsolutePathBuf(#[schemars(with = "String")] PathBuf);

impl AbsolutePathBuf {
    /// Takes an absolute path; `None` when it is relative.
    pub fn new(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.is_absolute().then_some(AbsolutePathBuf(path))
    }

    /// Takes any path; a relative one is put below the file system's root.
    pub fn rooted(path: impl AsRef<Path>) -> Self {
        AbsolutePathBuf(Path::new(std::path::MAIN_SEPARATOR_STR).join(path))
    }

    /// Joins a possibly relative `path` to an absolute `base`; an absolute `path` stands alone.
    pub fn resolve(base: &AbsolutePathBuf, path: impl AsRef<Path>) -> Self {
        AbsolutePathBuf(base.0.join(path))
    }

    /// The path itself.
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl fmt::Display for AbsolutePathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl AsRef<Path> for AbsolutePathBuf {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AbsolutePathBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        if path.is_absolute() {
            Ok(AbsolutePathBuf(path))
        } else {
            Err(serde::de::Error::custom(format!(
                "path is not absolute: `{}`; give the full path",
                path.display()
            )))
        }
    }
}
