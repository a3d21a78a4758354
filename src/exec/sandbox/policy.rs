//! What a sandbox policy comes to for one command: where it may write, and whether it may use the network.
//!
//! Resolved once per command from the policy of the turn, its workspace roots and the disk; links of roots are followed
//! here, so that whoever enforces the result works on real paths. Everything may be read: that is what the policies say.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, SandboxPolicy};

/// Folders below a writable root that stay read-only: they steer the agent or the repository itself.
pub const PROTECTED_NAMES: [&str; 3] = [".git", ".codex", ".agents"];
/// The longest pointer file (`.git` of a worktree) that is read.
const POINTER_LIMIT: u64 = 4096;

/// A folder in which a command may write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WritableRoot {
    /// The folder (or file), links resolved if it exists.
    pub path: PathBuf,
    /// What below it stays as it is, whether it exists or not.
    pub protected: Vec<PathBuf>,
    /// Whether others share the folder (`/tmp`): names that do not exist in it are not ours to occupy.
    pub shared: bool,
}

/// What holds for a confined command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// Where it may write; nowhere else.
    pub roots: Vec<WritableRoot>,
    /// Whether it may use the network.
    pub network: bool,
    /// Whether it reaches the network through the proxy alone; `network` is false then.
    #[serde(default)]
    pub proxied: bool,
    /// What it may read and execute; none: everything that is not hidden.
    #[serde(default)]
    pub readable: Option<Vec<PathBuf>>,
    /// What it may not even read.
    #[serde(default)]
    pub hidden: Vec<PathBuf>,
    /// Patterns of what it may not even read.
    #[serde(default)]
    pub hidden_patterns: Vec<String>,
    /// What stays as it is although it lies below a writable root, because somebody said so.
    #[serde(default)]
    pub read_only: Vec<PathBuf>,
}

/// How far sockets reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere.
    Nothing,
    /// A network of the command's own, in which the proxy is.
    Proxy,
    /// Everywhere.
    Everything,
}

/// Where a policy is resolved.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The working folder and the other roots of the workspace.
    pub workspace_roots: &'a [AbsolutePathBuf],
    /// The state root, whose memories may be written.
    pub home: &'a Path,
}

impl Confinement {
    /// What a policy comes to; none when it confines nothing, or leaves that to somebody else. Touches the disk.
    pub fn resolve(policy: &SandboxPolicy, place: &Place<'_>) -> Option<Self> {
        match policy {
            SandboxPolicy::DangerFullAccess | SandboxPolicy::ExternalSandbox { .. } => None,
            SandboxPolicy::ReadOnly { network_access } => Some(Confinement {
                network: *network_access,
                ..Confinement::default()
            }),
            SandboxPolicy::WorkspaceWrite {
                exclude_slash_tmp,
                exclude_tmpdir_env_var,
                network_access,
                writable_roots,
            } => {
                let named = place.workspace_roots.iter().chain(writable_roots);
                let mut roots: Vec<(PathBuf, bool)> = named.map(|root| (root.as_path().to_owned(), false)).collect();
                roots.push((place.home.join("memories"), false));
                if !exclude_slash_tmp {
                    roots.push(("/tmp".into(), true));
                }
                if let Some(folder) = std::env::var_os("TMPDIR").map(PathBuf::from)
                    && !exclude_tmpdir_env_var
                    && folder.is_absolute()
                {
                    roots.push((folder, true));
                }
                Some(Confinement {
                    roots: writable(roots),
                    network: *network_access,
                    ..Confinement::default()
                })
            }
        }
    }

    /// Keeps a command off the network, and from nothing else.
    pub fn offline() -> Self {
        Confinement {
            roots: vec![WritableRoot {
                path: "/".into(),
                protected: Vec::new(),
                shared: true,
            }],
            ..Confinement::default()
        }
    }

    /// Lets a command reach the network through the proxy alone.
    pub fn filter(&mut self) {
        self.network = false;
        self.proxied = true;
    }

    /// How far the command's sockets reach.
    pub fn reach(&self) -> Reach {
        match (self.network, self.proxied) {
            (_, true) => Reach::Proxy,
            (true, false) => Reach::Everything,
            (false, false) => Reach::Nothing,
        }
    }

    /// Every protected path, without those in or below another one.
    pub fn protected(&self) -> Vec<&Path> {
        let mut paths: Vec<&Path> = self
            .roots
            .iter()
            .flat_map(|root| root.protected.iter().map(PathBuf::as_path))
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let all = paths.clone();
        paths.retain(|path| !all.iter().any(|other| other != path && path.starts_with(other)));
        paths
    }

    /// Whether `path` may be written, by its text: what is nearest to it decides, and protection between equals.
    pub fn allows_writing(&self, path: &Path) -> bool {
        let depth = |place: &Path| path.starts_with(place).then(|| place.components().count());
        let open = self.roots.iter().filter_map(|root| depth(&root.path)).max();
        let protected = self.roots.iter().flat_map(|root| &root.protected);
        let closed = protected.chain(&self.read_only).chain(&self.hidden);
        open.is_some() && open > closed.filter_map(|place| depth(place)).max()
    }

    /// Makes further places writable. One that was named by itself is not protected any more.
    pub fn open(&mut self, places: impl Iterator<Item = (PathBuf, bool)>) {
        for root in writable(places.collect()) {
            for other in &mut self.roots {
                other.protected.retain(|protected| *protected != root.path);
            }
            self.read_only.retain(|place| *place != root.path);
            if !self.roots.iter().any(|known| known.path == root.path) {
                self.roots.push(root);
            }
        }
    }

    /// Makes further places readable, where not everything is.
    pub fn show(&mut self, places: impl Iterator<Item = PathBuf>) {
        if let Some(readable) = &mut self.readable {
            readable.extend(places.map(real));
        }
    }

    /// Keeps places as they are, but for those that are writable themselves.
    pub fn keep(&mut self, places: impl Iterator<Item = PathBuf>) {
        let kept = places
            .map(real)
            .filter(|place| !self.roots.iter().any(|root| root.path == *place));
        self.read_only.extend(kept);
    }

    /// Whether `path` must not be read, by its text.
    pub fn hides(&self, path: &Path) -> bool {
        let shown = self
            .readable
            .as_ref()
            .is_none_or(|places| places.iter().any(|place| path.starts_with(place)))
            || self.roots.iter().any(|root| path.starts_with(&root.path));
        !shown
            || self.hidden.iter().any(|place| path.starts_with(place))
            || self.hidden_patterns.iter().any(|pattern| {
                let glob = globset::GlobBuilder::new(pattern).literal_separator(true).build();
                // Whoever wrote a pattern that is none wanted something hidden.
                glob.map_or(true, |glob| glob.compile_matcher().is_match(path))
            })
    }

    /// Hides places.
    pub fn hide(&mut self, places: impl Iterator<Item = PathBuf>) {
        self.hidden.extend(places.map(real));
    }

    /// Hides whatever has such a path.
    pub fn hide_pattern(&mut self, pattern: &str) {
        self.hidden_patterns.push(pattern.to_owned());
    }

    /// What mounts cannot enforce; none when they can enforce all of it.
    pub fn beyond_mounts(&self) -> Option<&'static str> {
        if self.readable.is_some() {
            return Some("one that lets only some places be read");
        }
        // What is made while the command runs would not be covered.
        (!self.hidden_patterns.is_empty()).then_some("one that keeps a pattern of places from being read")
    }

    /// What rules that only add cannot enforce; none when they can enforce all of it.
    ///
    /// The folders that steer a root ([`PROTECTED_NAMES`]) are not counted: docs/sandbox.md says so.
    pub fn beyond_rules(&self) -> Option<&'static str> {
        if let Some(what) = self.beyond_mounts() {
            return Some(what);
        }
        if !self.hidden.is_empty() {
            return Some("one that keeps places from being read");
        }
        let below_root = |place: &PathBuf| self.roots.iter().any(|root| place.starts_with(&root.path));
        self.read_only
            .iter()
            .any(below_root)
            .then_some("one that keeps places below a writable folder read-only")
    }
}

/// The real path of a place, or its text when it does not exist.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| normalised(&path))
}

/// Real paths, each once, with what stays protected below them.
fn writable(roots: Vec<(PathBuf, bool)>) -> Vec<WritableRoot> {
    let mut found: Vec<WritableRoot> = Vec::new();
    for (path, shared) in roots {
        let path = real(path);
        // A root that is named and shared at once is somebody's own: it came first.
        if found.iter().any(|root| root.path == path) {
            continue;
        }
        let protected = PROTECTED_NAMES.iter().map(|name| path.join(name)).collect::<Vec<_>>();
        let pointed = git_folder(&path);
        found.push(WritableRoot {
            protected: protected.into_iter().chain(pointed).collect(),
            path,
            shared,
        });
    }
    found
}

/// Where a `.git` file points to: the repository of a worktree or a submodule.
fn git_folder(root: &Path) -> Option<PathBuf> {
    let pointer = root.join(".git");
    let meta = std::fs::symlink_metadata(&pointer).ok()?;
    if !meta.is_file() || meta.len() > POINTER_LIMIT {
        return None;
    }
    let text = std::fs::read_to_string(&pointer).ok()?;
    let folder = root.join(text.strip_prefix("gitdir:")?.trim());
    Some(folder.canonicalize().unwrap_or_else(|_| normalised(&folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace_write(network_access: bool, writable_roots: &[&Path]) -> SandboxPolicy {
        SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp: true,
            exclude_tmpdir_env_var: true,
            network_access,
            writable_roots: writable_roots.iter().map(|root| absolute(root)).collect(),
        }
    }

    fn absolute(path: &Path) -> AbsolutePathBuf {
        AbsolutePathBuf::rooted(path)
    }

    #[test]
    fn full_access_and_an_outer_sandbox_confine_nothing() {
        let place = Place {
            workspace_roots: &[],
            home: Path::new("/h"),
        };
        assert_eq!(Confinement::resolve(&SandboxPolicy::DangerFullAccess, &place), None);
        let external = SandboxPolicy::ExternalSandbox {
            network_access: Default::default(),
        };
        assert_eq!(Confinement::resolve(&external, &place), None);
        let read_only = SandboxPolicy::ReadOnly { network_access: true };
        let confinement = Confinement::resolve(&read_only, &place).unwrap();
        assert_eq!((confinement.roots.len(), confinement.network), (0, true));
        assert!(!confinement.allows_writing(Path::new("/tmp/x")));
    }

    #[test]
    fn a_workspace_is_writable_but_for_what_steers_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (work, other, repository) = (root.join("work"), root.join("other"), root.join("repository"));
        for made in [&work, &other, &repository] {
            std::fs::create_dir(made).unwrap();
        }
        std::os::unix::fs::symlink(&other, root.join("link")).unwrap();
        std::fs::write(work.join(".git"), "gitdir: ../repository\n").unwrap();
        let roots = [absolute(&work)];
        let place = Place {
            workspace_roots: &roots,
            home: &root,
        };
        let policy = workspace_write(false, &[&root.join("link"), &work]);
        let confinement = Confinement::resolve(&policy, &place).unwrap();
        let paths: Vec<&Path> = confinement.roots.iter().map(|root| root.path.as_path()).collect();
        assert_eq!(paths, [work.as_path(), &other, &root.join("memories")]);
        for (path, allowed) in [
            (work.join("src/a.rs"), true),
            (work.join(".gitignore"), true),
            (work.join(".git/config"), false),
            (work.join(".codex/config.toml"), false),
            (other.join(".agents"), false),
            (other.join("x"), true),
            (root.join("x"), false),
            (repository.join("hooks/x"), false),
        ] {
            assert_eq!(confinement.allows_writing(&path), allowed, "{}", path.display());
        }
        assert!(confinement.protected().contains(&repository.as_path()));
    }
}
