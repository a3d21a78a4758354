//! The environment of a command: the server's own, filtered by the user's policy, plus what commands rely on.
//!
//! Order: inherit, drop the server's secrets, drop what the policy excludes, set what it sets, keep only what it
//! includes; then the fixed additions. Greenroom's own variables never reach a command, whatever the policy says, save
//! for the home's path: they may hold tokens that open this server.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::config::{InheritEnvironment, ShellEnvironmentPolicy};
use crate::network::{self, NetworkPolicy};
use crate::protocol::ThreadId;

/// What `inherit = "core"` keeps.
const CORE: &[&str] = &[
    "HOME", "LOGNAME", "PATH", "SHELL", "USER", "USERNAME", "TMPDIR", "TEMP", "TMP", "LANG", "LC_ALL", "LC_CTYPE",
];
/// What is dropped unless `ignore_default_excludes` is true.
const DEFAULT_EXCLUDES: &[&str] = &["*KEY*", "*SECRET*", "*TOKEN*"];
/// The prefix of the server's own variables.
const OWN_PREFIX: &str = "GREENROOM_";
/// The one of them that commands may see.
const OWN_PUBLIC: &str = "GREENROOM_HOME";
/// Variables of the server that do not have its prefix, since the field names them so.
const OWN_SECRETS: &[&str] = &["CODEX_EXEC_SERVER_REMOTE_BEARER_TOKEN"];
/// What makes programs print plainly and never wait in a pager.
const PLAIN_OUTPUT: &[(&str, &str)] = &[
    ("NO_COLOR", "1"),
    ("TERM", "dumb"),
    ("LANG", "C.UTF-8"),
    ("LC_CTYPE", "C.UTF-8"),
    ("LC_ALL", "C.UTF-8"),
    ("COLORTERM", ""),
    ("PAGER", "cat"),
    ("GIT_PAGER", "cat"),
    ("GH_PAGER", "cat"),
    ("CODEX_CI", "1"),
];

/// Variables of a child.
pub type Environment = BTreeMap<OsString, OsString>;

/// The environment of a command of a thread. `network_off` tells programs that a sandbox keeps them off the network.
pub fn child_environment(policy: &ShellEnvironmentPolicy, thread: ThreadId, network_off: bool) -> Environment {
    let mut environment = filtered(std::env::vars_os(), policy);
    let added = additions(thread, network_off).into_iter();
    environment.extend(added.map(|(name, value)| (name.into(), value.into())));
    environment
}

/// What every command of a thread gets beside what the policy lets through.
pub fn additions(thread: ThreadId, network_off: bool) -> BTreeMap<String, String> {
    let mut added: BTreeMap<String, String> = PLAIN_OUTPUT
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    added.insert("CODEX_THREAD_ID".to_owned(), thread.to_string());
    if network_off {
        added.insert("CODEX_SANDBOX_NETWORK_DISABLED".to_owned(), "1".to_owned());
    }
    added
}

/// What a command behind the proxy gets beside that.
pub fn behind_proxy(policy: &NetworkPolicy) -> impl Iterator<Item = (OsString, OsString)> {
    let variables = network::variables(policy.socks, policy.local);
    variables.into_iter().map(|(name, value)| (name.into(), value.into()))
}

/// The part of `inherited` that the policy lets through, and what it sets.
pub fn filtered(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    policy: &ShellEnvironmentPolicy,
) -> Environment {
    let mut environment: Environment = inherited
        .into_iter()
        .filter(|(name, _)| {
            let name = name.to_string_lossy();
            match policy.inherit {
                InheritEnvironment::All => {
                    (!name.starts_with(OWN_PREFIX) || name == OWN_PUBLIC) && !OWN_SECRETS.contains(&&*name)
                }
                InheritEnvironment::Core => CORE.iter().any(|core| core.eq_ignore_ascii_case(&name)),
                InheritEnvironment::None => false,
            }
        })
        .collect();
    if !policy.ignore_default_excludes {
        environment.retain(|name, _| {
            !DEFAULT_EXCLUDES
                .iter()
                .any(|pattern| matches(pattern, &name.to_string_lossy()))
        });
    }
    environment.retain(|name, _| !any_matches(&policy.exclude, &name.to_string_lossy()));
    for (name, value) in &policy.set {
        environment.insert(name.into(), value.into());
    }
    if !policy.include_only.is_empty() {
        environment.retain(|name, _| any_matches(&policy.include_only, &name.to_string_lossy()));
    }
    environment
}

fn any_matches(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a name fits a pattern of literal characters, `*` and `?`, whatever the case.
fn matches(pattern: &str, name: &str) -> bool {
    let fold = |text: &str| text.chars().flat_map(char::to_uppercase).collect::<Vec<char>>();
    let (pattern, name) = (fold(pattern), fold(name));
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stood and how far the name was then: one step back is enough for globs.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    n = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(policy: &ShellEnvironmentPolicy) -> Vec<String> {
        let inherited = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("api_key", "x"),
            ("GREENROOM_TOKEN", "x"),
            ("GREENROOM_HOME", "/g"),
            ("EDITOR", "vi"),
        ];
        filtered(inherited.map(|(name, value)| (name.into(), value.into())), policy)
            .into_keys()
            .map(|name| name.into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_policy_filters() {
        let policy = ShellEnvironmentPolicy::default;
        assert_eq!(
            environment(&policy()),
            ["EDITOR", "GREENROOM_HOME", "HOME", "PATH", "api_key"]
        );
        let core = ShellEnvironmentPolicy {
            inherit: InheritEnvironment::Core,
            ..policy()
        };
        assert_eq!(environment(&core), ["HOME", "PATH"]);
        let none = ShellEnvironmentPolicy {
            inherit: InheritEnvironment::None,
            set: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            ..policy()
        };
        assert_eq!(environment(&none), ["A"]);
        let strict = ShellEnvironmentPolicy {
            ignore_default_excludes: false,
            exclude: vec!["edit*".into()],
            ..policy()
        };
        assert_eq!(environment(&strict), ["GREENROOM_HOME", "HOME", "PATH"]);
        let only = ShellEnvironmentPolicy {
            set: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
            include_only: vec!["P?TH".into(), "h*".into()],
            ..policy()
        };
        assert_eq!(environment(&only), ["HOME", "PATH"]);
    }

    #[test]
    fn commands_find_their_thread() {
        let thread = ThreadId::generate();
        let environment = child_environment(&ShellEnvironmentPolicy::default(), thread, true);
        let value = |name: &str| {
            environment
                .get(std::ffi::OsStr::new(name))
                .map(|v| v.to_string_lossy().into_owned())
        };
        assert_eq!(value("CODEX_THREAD_ID"), Some(thread.to_string()));
        assert_eq!(value("CODEX_SANDBOX_NETWORK_DISABLED").as_deref(), Some("1"));
        assert_eq!(value("TERM").as_deref(), Some("dumb"));
        assert_eq!(value("COLORTERM").as_deref(), Some(""));
    }

    #[test]
    fn patterns() {
        for (pattern, name) in [
            ("*", ""),
            ("*KEY*", "monkeys"),
            ("a*b*c", "aXbXbc"),
            ("A?c", "abC"),
            ("", ""),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("?", ""), ("KEY", "KEYS"), ("a*b", "abc"), ("", "x")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
