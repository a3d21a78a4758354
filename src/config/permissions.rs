//! Permission profiles: `default_permissions` and the `[permissions]` table of config.toml.
//!
//! A profile lists places and what may be done there (`read`, `write`, `none`), and whether the network may be used. A
//! place is an absolute path, one below the user's home (`~`), or a special one (`:root`, `:minimal`, `:workspace_roots`,
//! `:tmpdir`); names below `:workspace_roots` and below paths may be nested. Patterns can only be closed. A special place
//! that this version does not know is left out, with a warning: less is allowed then, never more.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::config::ConfigError;
use crate::files::normalised;
use crate::network::{NetworkPolicy, NetworkSettings};
use crate::protocol::{
    AbsolutePathBuf, FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
};

/// The special place that patterns may begin with, too.
pub const WORKSPACE_ROOTS: &str = ":workspace_roots";
/// The profiles that need no configuration.
pub const BUILT_IN: [&str; 3] = [":read-only", ":workspace", ":danger-full-access"];

/// A profile of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PermissionsProfile {
    /// Its name.
    pub id: String,
    /// What may be done where. The entry nearest to a path decides.
    pub entries: Vec<FileSystemSandboxEntry>,
    /// How far below their fixed folders what patterns close is looked for.
    pub scan_depth: Option<usize>,
    /// Whether the network may be used, without anybody looking at it.
    pub network: bool,
    /// What else is said of the network. Where that limits it, `network` is false: only a proxy can see to it.
    pub filter: NetworkSettings,
    /// Further roots of the workspace.
    pub workspace_roots: Vec<PathBuf>,
    /// The home, whose memories may be written by whoever may write anything.
    pub home: PathBuf,
    /// What is odd about it, for the user.
    pub warnings: Vec<String>,
}

/// `[permissions.<name>]`. Other keys are for other versions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct PermissionProfileToml {
    workspace_roots: BTreeMap<String, bool>,
    filesystem: FilesystemPermissionsToml,
    network: NetworkSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct FilesystemPermissionsToml {
    #[serde(default)]
    glob_scan_max_depth: Option<usize>,
    #[serde(flatten)]
    entries: BTreeMap<String, FilesystemPermissionToml>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum FilesystemPermissionToml {
    Access(FileSystemAccessMode),
    Scoped(BTreeMap<String, FileSystemAccessMode>),
}

/// The profiles of a configuration, none when it has no table of them.
pub(super) type Profiles = Option<BTreeMap<String, PermissionProfileToml>>;

/// Looks a profile up by its name; none for a built-in one.
pub(super) fn select(name: &str, profiles: &Profiles, home: &Path) -> Result<Option<PermissionsProfile>, ConfigError> {
    let invalid = |why: String| Err(ConfigError::Invalid(why));
    let reserved = profiles
        .iter()
        .flat_map(BTreeMap::keys)
        .find(|name| name.starts_with(':'));
    if let Some(reserved) = reserved {
        return invalid(format!(
            "permissions profile `{reserved}` uses a reserved built-in profile prefix"
        ));
    }
    if BUILT_IN.contains(&name) {
        return Ok(None);
    }
    if name.starts_with(':') {
        return invalid(format!(
            "default_permissions refers to unknown built-in profile `{name}`"
        ));
    }
    let Some(profiles) = profiles else {
        return invalid("default_permissions requires a `[permissions]` table".to_owned());
    };
    match profiles.get(name) {
        None => invalid(format!("default_permissions refers to undefined profile `{name}`")),
        Some(profile) => profile.compile(name, home).map(Some).map_err(ConfigError::Invalid),
    }
}

impl PermissionProfileToml {
    fn compile(&self, name: &str, home: &Path) -> Result<PermissionsProfile, String> {
        if self.filesystem.glob_scan_max_depth == Some(0) {
            return Err("glob_scan_max_depth must be at least 1".to_owned());
        }
        let mut compiled = Compiled::default();
        for (place, permission) in &self.filesystem.entries {
            match permission {
                FilesystemPermissionToml::Access(access) => compiled.plain(place, *access)?,
                FilesystemPermissionToml::Scoped(below) => {
                    for (subpath, access) in below {
                        compiled.nested(place, subpath, *access)?;
                    }
                }
            }
        }
        if compiled.entries.is_empty() {
            compiled.warnings.push(format!(
                "Permissions profile `{name}` does not define any recognized filesystem entries for this version of \
                 Greenroom. Filesystem access will remain restricted. Upgrade Greenroom if this profile expects \
                 filesystem permissions."
            ));
        }
        NetworkPolicy::new(&[&self.network], None).map_err(|error| error.to_string())?;
        if let Some(key) = self.network.unheeded() {
            compiled.warnings.push(format!(
                "Permissions profile `{name}` sets `network.{key}`, which has no effect: commands behind the network proxy \
                 reach no Unix sockets."
            ));
        }
        let enabled = self.network.enabled == Some(true);
        let roots = self.workspace_roots.iter().filter(|(_, counts)| **counts);
        Ok(PermissionsProfile {
            id: name.to_owned(),
            entries: compiled.entries,
            scan_depth: self.filesystem.glob_scan_max_depth,
            network: enabled && !self.network.limits(),
            filter: self.network.clone(),
            workspace_roots: roots
                .filter_map(|(root, _)| at_home(root).or_else(|| Some(PathBuf::from(root))))
                .collect(),
            home: home.to_path_buf(),
            warnings: compiled.warnings,
        })
    }
}

#[derive(Default)]
struct Compiled {
    entries: Vec<FileSystemSandboxEntry>,
    warnings: Vec<String>,
}

impl Compiled {
    fn add(&mut self, path: FileSystemPath, access: FileSystemAccessMode) {
        self.entries.push(FileSystemSandboxEntry { access, path });
    }

    /// `"place" = "access"`.
    fn plain(&mut self, place: &str, access: FileSystemAccessMode) -> Result<(), String> {
        match special(place) {
            Some(value) => self.add(FileSystemPath::Special { value }, access),
            None if place.starts_with(':') => self.warnings.push(format!(
                "Configured filesystem path `{place}` is not recognized by this version of Greenroom and will be ignored. \
                 Upgrade Greenroom if this path is required."
            )),
            None => {
                let path = pattern_or_path(place, absolute(place)?, access)?;
                self.add(path, access);
            }
        }
        Ok(())
    }

    /// `["place"]` with `"subpath" = "access"` in it.
    fn nested(&mut self, place: &str, subpath: &str, access: FileSystemAccessMode) -> Result<(), String> {
        if subpath == "." {
            return self.plain(place, access);
        }
        let of_workspace = place == WORKSPACE_ROOTS;
        match special(place) {
            Some(_) if !of_workspace => {
                return Err(format!("filesystem path `{place}` does not support nested entries"));
            }
            None if place.starts_with(':') => {
                self.warnings.push(format!(
                    "Configured filesystem path `{place}` with nested entry `{subpath}` is not recognized by this version \
                     of Greenroom and will be ignored. Upgrade Greenroom if this path is required."
                ));
                return Ok(());
            }
            _ => {}
        }
        let inside = Path::new(subpath)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if subpath.is_empty() || !inside {
            return Err(format!(
                "filesystem subpath `{subpath}` must be a descendant path without `.` or `..` components"
            ));
        }
        let shown = format!("{place}/{subpath}");
        let path = match of_workspace {
            false => pattern_or_path(&shown, absolute(place)?.join(subpath), access)?,
            true => match pattern_or_path(&shown, Path::new("/").join(subpath), access)? {
                FileSystemPath::Path { path } => FileSystemPath::Special {
                    value: FileSystemSpecialPath::ProjectRoots {
                        subpath: path
                            .as_path()
                            .strip_prefix("/")
                            .ok()
                            .map(|below| below.display().to_string()),
                    },
                },
                _ => FileSystemPath::GlobPattern { pattern: shown },
            },
        };
        self.add(path, access);
        Ok(())
    }
}

fn special(place: &str) -> Option<FileSystemSpecialPath> {
    Some(match place {
        ":root" => FileSystemSpecialPath::Root,
        ":minimal" => FileSystemSpecialPath::Minimal,
        WORKSPACE_ROOTS => FileSystemSpecialPath::ProjectRoots { subpath: None },
        ":tmpdir" => FileSystemSpecialPath::Tmpdir,
        _ => return None,
    })
}

/// A pattern when it is one. `/**` at the end is the folder with all that is below it.
fn pattern_or_path(shown: &str, path: PathBuf, access: FileSystemAccessMode) -> Result<FileSystemPath, String> {
    let text = path.display().to_string();
    let is_pattern = |text: &str| text.contains(['*', '?', '[', ']']);
    let folder = text.strip_suffix("/**").filter(|folder| !is_pattern(folder));
    match (access, folder) {
        _ if !is_pattern(&text) => Ok(plain_path(&path)),
        (_, Some(folder)) => Ok(plain_path(Path::new(folder))),
        (FileSystemAccessMode::None, None) => Ok(FileSystemPath::GlobPattern { pattern: text }),
        (FileSystemAccessMode::Read | FileSystemAccessMode::Write, None) => {
            let access = match access {
                FileSystemAccessMode::Write => "write",
                _ => "read",
            };
            Err(format!(
                "filesystem glob path `{shown}` only supports `none` access; use an exact path or trailing `/**` for \
                 `{access}` subtree access"
            ))
        }
    }
}

fn plain_path(path: &Path) -> FileSystemPath {
    FileSystemPath::Path {
        path: AbsolutePathBuf::rooted(normalised(path)),
    }
}

fn absolute(place: &str) -> Result<PathBuf, String> {
    at_home(place)
        .or_else(|| Some(PathBuf::from(place)).filter(|path| path.is_absolute()))
        .ok_or_else(|| format!("filesystem path `{place}` must be absolute, use `~/...`, or start with `:`"))
}

/// What `~` and `~/…` stand for.
fn at_home(place: &str) -> Option<PathBuf> {
    let home = || {
        std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
    };
    match place.strip_prefix('~')? {
        "" => home(),
        rest => Some(home()?.join(rest.strip_prefix('/')?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(name: &str, text: &str) -> Result<PermissionsProfile, String> {
        let table: toml::Table = text.parse().unwrap();
        let profiles: Profiles = table.get("permissions").cloned().map(|table| table.try_into().unwrap());
        select(name, &profiles, Path::new("/home"))
            .map(|profile| profile.expect("a profile of the configuration"))
            .map_err(|error| error.to_string())
    }

    fn of(filesystem: &str) -> Result<PermissionsProfile, String> {
        selected("p", &format!("[permissions.p.filesystem]\n{filesystem}"))
    }

    #[test]
    fn places_are_special_or_absolute() {
        let profile = of(
            "\":root\" = \"read\"\n\"/a/../b/**\" = \"write\"\n\":workspace_roots\" = { \".\" = \"write\", \
             \"sub\" = \"read\", \"*.env\" = \"none\" }\n\"/x\" = { \"y\" = \"none\" }",
        )
        .unwrap();
        let mut shown: Vec<String> = profile
            .entries
            .iter()
            .map(|entry| serde_json::to_string(&entry.path).unwrap())
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                r#"{"type":"glob_pattern","pattern":":workspace_roots/*.env"}"#,
                r#"{"type":"path","path":"/b"}"#,
                r#"{"type":"path","path":"/x/y"}"#,
                r#"{"type":"special","value":{"kind":"project_roots","subpath":"sub"}}"#,
                r#"{"type":"special","value":{"kind":"project_roots","subpath":null}}"#,
                r#"{"type":"special","value":{"kind":"root"}}"#,
            ]
        );
        assert!(profile.warnings.is_empty() && profile.scan_depth.is_none());
        let deep = of("glob_scan_max_depth = 3\n\"/a\" = { \"**/*.env\" = \"none\" }").unwrap();
        assert_eq!(deep.scan_depth, Some(3));
    }

    #[test]
    fn what_a_profile_cannot_say_is_an_error() {
        for (filesystem, why) in [
            (
                "\"rel\" = \"write\"",
                "filesystem path `rel` must be absolute, use `~/...`, or start with `:`",
            ),
            (
                "\":root\" = { \"etc\" = \"read\" }",
                "filesystem path `:root` does not support nested entries",
            ),
            (
                "\":workspace_roots\" = { \"../x\" = \"read\" }",
                "filesystem subpath `../x` must be a descendant path without `.` or `..` components",
            ),
            (
                "\"/w/*.env\" = \"read\"",
                "filesystem glob path `/w/*.env` only supports `none` access; use an exact path or trailing `/**` for \
                 `read` subtree access",
            ),
            ("glob_scan_max_depth = 0", "glob_scan_max_depth must be at least 1"),
        ] {
            assert_eq!(of(filesystem).unwrap_err(), why, "{filesystem}");
        }
    }

    #[test]
    fn a_profile_is_found_by_its_name() {
        let one = "[permissions.p]\n";
        for (name, text, why) in [
            ("p", "", "default_permissions requires a `[permissions]` table"),
            ("q", one, "default_permissions refers to undefined profile `q`"),
            (":q", one, "default_permissions refers to unknown built-in profile `:q`"),
            (
                "p",
                "[permissions.\":p\"]\n",
                "permissions profile `:p` uses a reserved built-in profile prefix",
            ),
        ] {
            assert_eq!(selected(name, text).unwrap_err(), why);
        }
        assert_eq!(select(":workspace", &None, Path::new("/home")).unwrap(), None);
        assert_eq!(selected("p", one).unwrap().warnings.len(), 1, "an empty one is odd");
        let limited = "[permissions.p.filesystem]\n\":root\" = \"read\"\n[permissions.p.network]\nenabled = true\n\
            domains = { \"a.example\" = \"allow\" }\n";
        let limited = selected("p", limited).unwrap();
        assert_eq!(
            (limited.network, limited.filter.enabled, limited.warnings.len()),
            (false, Some(true), 0),
            "never more than it says"
        );
    }
}
