//! environments.toml: the executors that a home knows from the start.
//!
//! Read once, strictly: a key or a value that is not understood stops the start, since commands would otherwise run
//! somewhere else than was meant.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{LOCAL, NONE};
use crate::exec::remote::{RemoteSpec, Route};
use crate::files;

/// The file's name.
const NAME: &str = "environments.toml";
/// The longest name of an environment.
const MAX_ID: usize = 64;

/// What is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("exec-server protocol error: {0}")]
pub struct EnvironmentsError(String);

/// What the file says.
#[derive(Debug, PartialEq)]
pub(super) struct EnvironmentsFile {
    /// The default environment; none when threads get none unless they name some.
    pub(super) default: Option<Arc<str>>,
    /// The executors.
    pub(super) environments: Vec<(Arc<str>, RemoteSpec)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    environments: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    token_file: Option<PathBuf>,
    #[serde(default)]
    program: Option<String>,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<BTreeMap<String, String>>,
    #[serde(default)]
    cwd: Option<PathBuf>,
    #[serde(default)]
    connect_timeout_sec: Option<f64>,
    #[serde(default)]
    initialize_timeout_sec: Option<f64>,
}

/// Reads the file of a home; none when there is none.
pub(super) fn read(home: &Path) -> Result<Option<EnvironmentsFile>, EnvironmentsError> {
    let path = home.join(NAME);
    match files::read_text(&path) {
        Ok(text) => parse(&text, &path, home).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(format!(
            "failed to read environment config `{}`: {error}",
            path.display()
        ))),
    }
}

fn wrong(why: String) -> EnvironmentsError {
    EnvironmentsError(why)
}

fn parse(text: &str, path: &Path, home: &Path) -> Result<EnvironmentsFile, EnvironmentsError> {
    let written: Written = toml::from_str(text).map_err(|error| {
        let path = path.display();
        wrong(format!("failed to parse environment config `{path}`: {error}"))
    })?;
    let mut seen = HashSet::new();
    let mut environments = Vec::with_capacity(written.environments.len());
    for entry in written.environments {
        check_id(&entry.id)?;
        if !seen.insert(entry.id.clone()) {
            return Err(wrong(format!("environment id `{}` is duplicated", entry.id)));
        }
        environments.push((entry.id.as_str().into(), entry.spec(home)?));
    }
    let default = match written.default.as_deref().map(str::trim) {
        None => Some(LOCAL.into()),
        Some("") => return Err(wrong("default environment id cannot be empty".to_owned())),
        Some(none) if none.eq_ignore_ascii_case(NONE) => None,
        Some(id) if id == LOCAL || seen.contains(id) => Some(id.into()),
        Some(id) => return Err(wrong(format!("default environment `{id}` is not configured"))),
    };
    Ok(EnvironmentsFile { default, environments })
}

fn check_id(id: &str) -> Result<(), EnvironmentsError> {
    let what = match id {
        "" => return Err(wrong("environment id cannot be empty".to_owned())),
        id if id.trim() != id => "must not contain surrounding whitespace",
        id if id == LOCAL || id.eq_ignore_ascii_case(NONE) => "is reserved",
        id if id.chars().count() > MAX_ID => {
            return Err(wrong(format!(
                "environment id `{id}` cannot be longer than {MAX_ID} characters"
            )));
        }
        id if id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') => return Ok(()),
        _ => "must contain only ASCII letters, numbers, '-' or '_'",
    };
    Err(wrong(format!("environment id `{id}` {what}")))
}

impl Entry {
    fn spec(self, home: &Path) -> Result<RemoteSpec, EnvironmentsError> {
        let id = &self.id;
        let route = match (self.url, self.program) {
            (Some(url), None) => {
                if self.args.is_some() || self.env.is_some() || self.cwd.is_some() {
                    return Err(wrong(format!("environment `{id}` args, env, and cwd require program")));
                }
                let url = url.trim();
                if url.is_empty() {
                    return Err(wrong("environment url cannot be empty".to_owned()));
                }
                if !url.starts_with("ws://") && !url.starts_with("wss://") {
                    return Err(wrong(format!("environment url `{url}` must use ws:// or wss://")));
                }
                Route::Url {
                    url: url.to_owned(),
                    token_file: self.token_file.map(|file| home.join(file)),
                }
            }
            (None, Some(_)) if self.token_file.is_some() => {
                return Err(wrong(format!("environment `{id}` token_file requires url")));
            }
            (None, Some(program)) => {
                let program = program.trim();
                if program.is_empty() {
                    return Err(wrong(format!("environment `{id}` program cannot be empty")));
                }
                Route::Program {
                    program: program.to_owned(),
                    args: self.args.unwrap_or_default(),
                    env: self.env.unwrap_or_default(),
                    cwd: self.cwd.map(|cwd| home.join(cwd)),
                }
            }
            _ => {
                return Err(wrong(format!(
                    "environment `{id}` must set exactly one of url or program"
                )));
            }
        };
        let patience = |seconds: Option<f64>, what: &str| match seconds {
            None => Ok(RemoteSpec::PATIENCE),
            Some(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|_| wrong(format!("environment `{id}` {what} must be a number of seconds"))),
        };
        Ok(RemoteSpec {
            route,
            connect_timeout: patience(self.connect_timeout_sec, "connect_timeout_sec")?,
            initialize_timeout: patience(self.initialize_timeout_sec, "initialize_timeout_sec")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let error = parse(text, Path::new("/h/environments.toml"), Path::new("/h")).unwrap_err();
        let text = error.to_string();
        text.strip_prefix("exec-server protocol error: ").unwrap().to_owned()
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_the_field() {
        let entry = |rest: &str| format!("[[environments]]\n{rest}");
        let url = "url = \"ws://x\"";
        for (text, expected) in [
            (
                "default = \"zz\"".to_owned(),
                "default environment `zz` is not configured",
            ),
            ("default = \"\"".to_owned(), "default environment id cannot be empty"),
            (entry(&format!("id = \"\"\n{url}")), "environment id cannot be empty"),
            (
                entry(&format!("id = \"local\"\n{url}")),
                "environment id `local` is reserved",
            ),
            (
                entry(&format!("id = \"none\"\n{url}")),
                "environment id `none` is reserved",
            ),
            (
                entry("id = \"a\""),
                "environment `a` must set exactly one of url or program",
            ),
            (
                entry(&format!("id = \"a\"\n{url}\nprogram = \"y\"")),
                "environment `a` must set exactly one of url or program",
            ),
            (
                entry("id = \"a\"\nurl = \"http://x\""),
                "environment url `http://x` must use ws:// or wss://",
            ),
            (entry("id = \"a\"\nurl = \"\""), "environment url cannot be empty"),
            (
                format!("{0}\n{0}", entry(&format!("id = \"a\"\n{url}"))),
                "environment id `a` is duplicated",
            ),
            (
                entry(&format!("id = \"a b\"\n{url}")),
                "environment id `a b` must contain only ASCII letters, numbers, '-' or '_'",
            ),
            (
                entry(&format!("id = \" a\"\n{url}")),
                "environment id ` a` must not contain surrounding whitespace",
            ),
            (
                entry(&format!("id = \"a\"\n{url}\nargs = [\"y\"]")),
                "environment `a` args, env, and cwd require program",
            ),
            (
                entry("id = \"a\"\nprogram = \" \""),
                "environment `a` program cannot be empty",
            ),
        ] {
            assert_eq!(refusal(&text), expected, "{text}");
        }
        let example = include_str!("../../../config/environments.example.toml");
        let example = parse(example, Path::new("/h/environments.toml"), Path::new("/h")).unwrap();
        assert_eq!(example.environments.len(), 2);
        let unknown = refusal("what = 1");
        assert!(unknown.starts_with("failed to parse environment config `/h/environments.toml`: TOML parse error"));
    }
}
