//! How this server names itself: user agent, originator, host name.
//!
//! All of it is computed on first use and then kept. The version in the user agent is that of the protocol the server
//! speaks, because clients read the level of features out of it; Greenroom's own version is in `greenroom --version`.

use std::path::Path;
use std::sync::OnceLock;

use crate::store;

/// The release of the protocol that this server speaks.
pub const PROTOCOL_RELEASE: &str = "0.131.0";

/// Clients that embed the server set this to be named in place of the first client.
const ORIGINATOR_OVERRIDE: &str = "CODEX_INTERNAL_ORIGINATOR_OVERRIDE";

/// Told when no client has introduced itself yet.
const DEFAULT_ORIGINATOR: &str = "greenroom";

/// The names of this process.
#[derive(Debug, Default)]
pub struct Identity {
    originator: OnceLock<String>,
    platform: OnceLock<String>,
    host: OnceLock<String>,
    installation: OnceLock<String>,
}

impl Identity {
    /// Takes the override from the environment, if there is one.
    pub fn from_environment() -> Self {
        let identity = Identity::default();
        if let Some(name) = std::env::var(ORIGINATOR_OVERRIDE)
            .ok()
            .filter(|name| is_header_value(name))
        {
            let _ = identity.originator.set(name);
        }
        identity
    }

    /// Remembers the first client's name; later ones change nothing.
    pub fn introduce(&self, client_name: &str) {
        if !client_name.is_empty() {
            let _ = self.originator.set(client_name.to_owned());
        }
    }

    /// The originator told to model providers.
    pub fn originator(&self) -> String {
        self.originator
            .get()
            .cloned()
            .unwrap_or_else(|| DEFAULT_ORIGINATOR.to_owned())
    }

    /// The user agent for a client.
    pub fn user_agent(&self, client_name: &str, client_version: &str) -> String {
        let platform = self.platform.get_or_init(platform);
        format!(
            "{}/{PROTOCOL_RELEASE} {platform} ({client_name}; {client_version})",
            self.originator()
        )
    }

    /// The id of this installation. Touches a file on first use.
    pub fn installation_id(&self, home: &Path) -> String {
        self.installation.get_or_init(|| stored_installation_id(home)).clone()
    }

    /// The name of this machine.
    pub fn host_name(&self) -> &str {
        self.host.get_or_init(|| {
            nix::unistd::gethostname()
                .ok()
                .and_then(|name| name.into_string().ok())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "localhost".to_owned())
        })
    }
}

/// Reads the id that the home keeps; a home that cannot keep one gets a new one for this process.
fn stored_installation_id(home: &Path) -> String {
    store::installation_id(home).unwrap_or_else(|error| {
        tracing::warn!("cannot keep the installation id in {}: {error}", home.display());
        uuid::Uuid::new_v4().to_string()
    })
}

/// Whether a text can be the value of an HTTP header: visible ASCII, spaces and tabs, or bytes above ASCII.
pub(crate) fn is_header_value(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'\t' || (byte >= 32 && byte != 127))
}

/// `(<system> <version>; <architecture>) <terminal>`.
fn platform() -> String {
    let (system, version) = system_release();
    format!("({system} {version}; {}) {}", std::env::consts::ARCH, terminal())
}

fn system_release() -> (String, String) {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |key: &str| {
        release.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix('=')?;
            Some(value.trim_matches('"').to_owned())
        })
    };
    let name = field("NAME").and_then(|name| name.split_whitespace().next().map(str::to_owned));
    let version = field("VERSION_ID").map(|version| three_numbers(&version));
    match name {
        Some(name) => (printable(&name), version.unwrap_or_else(|| "unknown".into())),
        None => (capitalised(std::env::consts::OS), "unknown".into()),
    }
}

/// `12` → `12.0.0`, `22.04` → `22.4.0`; a version that is not made of numbers stays as it is.
fn three_numbers(version: &str) -> String {
    let numbers: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    match numbers {
        Some(mut numbers) if numbers.len() <= 3 => {
            numbers.resize(3, 0);
            format!("{}.{}.{}", numbers[0], numbers[1], numbers[2])
        }
        _ => printable(version),
    }
}

/// The terminal program with its version, else the terminal type.
fn terminal() -> String {
    let variable = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|v| v.trim().to_owned())
            .filter(|v| !v.is_empty())
    };
    let text = match (variable("TERM_PROGRAM"), variable("TERM_PROGRAM_VERSION")) {
        (Some(program), Some(version)) => format!("{program}/{version}"),
        (Some(program), None) => program,
        _ => variable("TERM").unwrap_or_else(|| "unknown".into()),
    };
    printable(&text)
}

fn printable(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.chars().map(|c| if keep(c) { c } else { '_' }).collect()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + chars.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_three_numbers() {
        assert_eq!(three_numbers("12"), "12.0.0");
        assert_eq!(three_numbers("22.04"), "22.4.0");
        assert_eq!(three_numbers("rolling"), "rolling");
    }

    #[test]
    fn the_first_client_names_the_process() {
        let identity = Identity::default();
        assert_eq!(identity.originator(), "greenroom");
        identity.introduce("");
        identity.introduce("first");
        identity.introduce("second");
        assert_eq!(identity.originator(), "first");
        assert!(identity.user_agent("b", "2").starts_with("first/0.131.0 ("));
        assert!(identity.user_agent("b", "2").ends_with(" (b; 2)"));
    }

    #[test]
    fn control_characters_are_no_header_value() {
        assert!(is_header_value("") && is_header_value("my client/1") && is_header_value("naïve"));
        assert!(!is_header_value("a\nb") && !is_header_value("a\u{7f}") && !is_header_value("\0"));
    }
}
