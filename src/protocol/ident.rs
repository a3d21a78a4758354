//! Identifiers and paths shared by all payloads: small newtypes that validate where the wire demands it.
//!
//! A thread id on the wire is a plain string, because handlers tell an id that is no UUID apart from one that is
//! unknown; inside, [`ThreadId`] is used wherever an id has been checked.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::files::normalised;

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

    /// Reads an id in any of the usual spellings of a UUID.
    ///
    /// # Errors
    /// What clients see after `invalid thread id: `.
    pub fn parse(text: &str) -> Result<Self, ThreadIdError> {
        uuid::Uuid::parse_str(text)
            .map(ThreadId)
            .map_err(|error| ThreadIdError::new(&error))
    }
}

/// Why a text is no thread id, in the words the protocol's clients know: positions count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ThreadIdError(String);

impl ThreadIdError {
    /// The UUID parser's reason, whose words differ between its versions, in the words of the wire.
    fn new(error: &uuid::Error) -> Self {
        let text = error.to_string();
        let character = text
            .strip_prefix("invalid character: found `")
            .and_then(|rest| rest.rsplit_once("` at "));
        if let Some((character, index)) = character
            && let Ok(index) = index.parse::<usize>()
        {
            return ThreadIdError(format!(
                "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], \
                 found `{character}` at {}",
                index + 1
            ));
        }
        match text.strip_prefix("invalid length: found ") {
            Some(length) => ThreadIdError(format!(
                "invalid length: expected length 32 for simple format, found {length}"
            )),
            None => ThreadIdError(text),
        }
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

/// An absolute path without dots. Reading a relative one fails, so that no handler resolves it against the wrong folder.
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

    /// Joins a possibly relative `path` to an absolute `base`; an absolute `path` stands alone, and `~` is the home of
    /// whoever runs the server.
    pub fn resolve(base: &AbsolutePathBuf, path: impl AsRef<Path>) -> Self {
        AbsolutePathBuf(normalised(&base.0.join(below_home(path.as_ref()))))
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

/// A path that begins with `~`, below the home.
fn below_home(path: &Path) -> Cow<'_, Path> {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) if !home.is_empty() => Cow::Owned(Path::new(&home).join(rest)),
        _ => Cow::Borrowed(path),
    }
}

impl<'de> Deserialize<'de> for AbsolutePathBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::deserialize(deserializer)?;
        if path.is_absolute() {
            Ok(AbsolutePathBuf(normalised(&path)))
        } else {
            Err(serde::de::Error::custom(format!(
                "path is not absolute: `{}`; give the full path",
                path.display()
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_thread_id_is_told_why_in_the_words_of_the_wire() {
        let why = |text: &str| ThreadId::parse(text).unwrap_err().to_string();
        let character =
            "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found ";
        assert_eq!(why("not-a-thread"), format!("{character}`n` at 1"));
        assert_eq!(
            why("01234567-89ab-cdef-0123-456789abcdeg"),
            format!("{character}`g` at 36")
        );
        assert_eq!(
            why("01234567"),
            "invalid length: expected length 32 for simple format, found 8"
        );
        assert_eq!(
            why("01234567-89ab-cdef-0123456789abcdef"),
            "invalid group count: expected 5, found 4"
        );
        assert_eq!(
            why("0123456-89ab-cdef-0123-456789abcdef"),
            "invalid group length in group 0: expected 8, found 7"
        );
    }
}
