//! What a sandbox policy comes to for one command: where it may write, and whether it may use the network.
//!
//! Resolved once per command from the policy of the turn, its workspace roots and the disk; links of roots are followed
//! here, so that whoever enforces the result works on real paths. Under a policy everything may be read; a permission
//! profile may close places, or open only some.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::links::{Link, links_on};
use super::patterns::{self, Pattern, ScanError};
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
    /// The links by which these and the writable roots were named, so that they keep their names where nothing else is
    /// shown.
    #[serde(default)]
    pub links: Vec<Link>,
    /// What it may not even read.
    #[serde(default)]
    pub hidden: Vec<PathBuf>,
    /// Patterns of what it may not even read. They have become places by the time a command is started.
    #[serde(skip)]
    pub patterns: Vec<Pattern>,
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
                let mut confinement = Confinement {
                    network: *network_access,
                    ..Confinement::default()
                };
                confinement.name(roots.iter().map(|(path, _)| path.as_path()));
                confinement.roots = writable(roots);
                confinement.distrust_links(place.workspace_roots);
                Some(confinement)
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
        let protected = self.roots.iter().flat_map(|root| &root.protected);
        let closed = protected.chain(&self.read_only).chain(&self.hidden);
        let open = self.nearest_root(path);
        open.is_some() && open > nearest(closed, path) && !self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Makes further places writable. One that was named by itself is not protected any more.
    pub fn open(&mut self, places: impl Iterator<Item = (PathBuf, bool)>) {
        let places: Vec<(PathBuf, bool)> = places.collect();
        self.name(places.iter().map(|(path, _)| path.as_path()));
        for root in writable(places) {
            for other in &mut self.roots {
                other.protected.retain(|protected| *protected != root.path);
            }
            self.read_only.retain(|place| *place != root.path);
            if root.path == Path::new("/") {
                self.readable = None;
            }
            if !self.roots.iter().any(|known| known.path == root.path) {
                self.roots.push(root);
            }
        }
    }

    /// Makes further places readable, where not everything is.
    pub fn show(&mut self, places: impl Iterator<Item = PathBuf>) {
        let places: Vec<PathBuf> = places.collect();
        self.name(places.iter().map(PathBuf::as_path));
        let Some(readable) = &mut self.readable else {
            return;
        };
        readable.extend(places.into_iter().map(real));
        if readable.iter().any(|place| place == Path::new("/")) {
            self.readable = None;
        }
    }

    /// Remembers the links by which places are named.
    fn name<'a>(&mut self, places: impl Iterator<Item = &'a Path>) {
        self.links.extend(places.flat_map(links_on));
    }

    /// Keeps places as they are, but for those that are writable themselves.
    pub fn keep(&mut self, places: impl Iterator<Item = PathBuf>) {
        let kept = places
            .map(real)
            .filter(|place| !self.roots.iter().any(|root| root.path == *place));
        self.read_only.extend(kept);
    }

    /// Whether a file must not be read that is called `path` and lies at `real`, its links resolved.
    pub fn hides(&self, path: &Path, real: &Path) -> bool {
        self.closes(path) || self.closes(real) || !self.shows(real)
    }

    /// Whether something keeps `path` from being read. A writable folder below a closed one is open.
    fn closes(&self, path: &Path) -> bool {
        let hidden = nearest(&self.hidden, path);
        hidden.is_some() && hidden >= self.nearest_root(path)
            || self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether `path` is among what may be read at all.
    fn shows(&self, path: &Path) -> bool {
        let readable = self.readable.as_ref();
        readable.is_none_or(|places| nearest(places, path).is_some()) || self.nearest_root(path).is_some()
    }

    fn nearest_root(&self, path: &Path) -> Option<usize> {
        nearest(self.roots.iter().map(|root| &root.path), path)
    }

    /// Hides places.
    pub fn hide(&mut self, places: impl Iterator<Item = PathBuf>) {
        self.hidden.extend(places.map(real));
    }

    /// Hides whatever has such a path: `text` begins at `folder` unless it is absolute. `depth` is how far below its
    /// fixed folders it is looked for.
    pub fn hide_pattern(&mut self, folder: &Path, text: &str, depth: Option<usize>) {
        self.patterns.push(Pattern::new(folder, text, depth));
    }

    /// Looks up what has the path of a pattern now, and hides that. Reads folders, as many as the patterns reach.
    pub fn settle(&mut self) -> Result<(), ScanError> {
        let found = patterns::scan(&self.patterns, &patterns::LIMITS)?;
        self.patterns.clear();
        self.hidden.extend(found);
        Ok(())
    }

    /// What rules that only add cannot enforce; none when they can enforce all of it.
    ///
    /// The folders that steer a root ([`PROTECTED_NAMES`]) are not counted: docs/sandbox.md says so.
    pub fn beyond_rules(&self) -> Option<&'static str> {
        // What is not shown anyway needs no rule.
        if self.patterns.iter().any(|pattern| self.shows_some_of(&pattern.base)) {
            return Some("one that keeps a pattern of places from being read");
        }
        if self.hidden.iter().any(|place| self.shows_some_of(place)) {
            return Some("one that keeps places from being read");
        }
        let below_root = |place: &PathBuf| self.roots.iter().any(|root| place.starts_with(&root.path));
        self.read_only
            .iter()
            .any(below_root)
            .then_some("one that keeps places below a writable folder read-only")
    }

    /// Whether something at, below or above `place` may be read.
    fn shows_some_of(&self, place: &Path) -> bool {
        let readable = self.readable.iter().flatten();
        let mut shown = readable.chain(self.roots.iter().map(|root| &root.path));
        self.shows(place) || shown.any(|shown| shown.starts_with(place))
    }
}

/// How near the nearest of some places is to a path at or below it: the number of names that they share.
fn nearest<'a>(places: impl IntoIterator<Item = &'a PathBuf>, path: &Path) -> Option<usize> {
    let above = places.into_iter().filter(|place| path.starts_with(place));
    above.map(|place| place.components().count()).max()
}

/// The real path of a place, or its text when it does not exist.
pub(super) fn real(path: PathBuf) -> PathBuf {
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

    #[test]
    fn what_may_be_read_is_what_is_shown_and_not_closed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for made in ["usr/bin", "work/closed/open", "other"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
        std::os::unix::fs::symlink("bin", root.join("sbin")).unwrap();
        let mut confinement = Confinement {
            readable: Some(Vec::new()),
            ..Confinement::default()
        };
        confinement.show([root.join("sbin")].into_iter());
        confinement.open([(root.join("work"), false), (root.join("work/closed/open"), false)].into_iter());
        confinement.hide([root.join("work/closed")].into_iter());
        confinement.hide_pattern(&root, "work/**/*.env", None);
        for (path, hidden) in [
            ("usr/bin/env", false),
            ("usr/lib", true),
            ("other/x", true),
            ("work/x", false),
            ("work/closed/x", true),
            ("work/closed/open/x", false),
            ("work/a/b.env", true),
            ("work/a.env/below", true),
        ] {
            let path = root.join(path);
            assert_eq!(confinement.hides(&path, &path), hidden, "{}", path.display());
        }
        assert!(
            !confinement.hides(&root.join("sbin/env"), &root.join("usr/bin/env")),
            "by a link"
        );
        assert!(!confinement.allows_writing(&root.join("work/a/b.env")));
        let links = confinement.links.iter().map(|link| (&*link.path, &*link.target));
        let expected = [("sbin", "bin"), ("bin", "usr/bin")].map(|(link, target)| (root.join(link), target));
        assert!(links.eq(expected.iter().map(|(link, target)| (&**link, Path::new(target)))));
        confinement.show(["/".into()].into_iter());
        assert!(!confinement.hides(&root.join("other/x"), &root.join("other/x")));
    }

    #[test]
    fn rules_need_not_close_what_nothing_shows() {
        let mut confinement = Confinement {
            readable: Some(vec!["/usr".into()]),
            ..Confinement::default()
        };
        confinement.hide(["/secret".into()].into_iter());
        confinement.hide_pattern(Path::new("/secret"), "**/*.key", None);
        assert_eq!(confinement.beyond_rules(), None);
        confinement.hide_pattern(Path::new("/usr"), "share/*.key", None);
        assert!(confinement.beyond_rules().is_some());
        confinement.patterns.clear();
        confinement.hide(["/usr/lib".into()].into_iter());
        assert!(confinement.beyond_rules().is_some());
    }
}
