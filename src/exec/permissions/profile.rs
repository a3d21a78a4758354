//! What a permission profile of the configuration comes to: the sandbox policy that it looks like from outside, and the
//! confinement that commands are held to.

use std::path::PathBuf;

use super::places;
use crate::config::{PermissionsProfile, WORKSPACE_ROOTS};
use crate::exec::sandbox::policy::{Confinement, Place};
use crate::protocol::{
    AbsolutePathBuf, FileSystemAccessMode, FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
    NetworkAccess, SandboxPolicy,
};

/// A profile where it is used.
#[derive(Debug, Clone, Copy)]
pub struct PlacedProfile<'a> {
    profile: &'a PermissionsProfile,
    cwd: &'a AbsolutePathBuf,
    roots: &'a [AbsolutePathBuf],
}

impl<'a> PlacedProfile<'a> {
    /// A profile for a working folder and the roots of its workspace.
    pub fn new(profile: &'a PermissionsProfile, cwd: &'a AbsolutePathBuf, roots: &'a [AbsolutePathBuf]) -> Self {
        PlacedProfile { profile, cwd, roots }
    }

    /// Its name.
    pub fn id(&self) -> &'a str {
        &self.profile.id
    }

    /// The places of an access, for the model; `:root` is what the name says.
    pub fn places(&self, access: FileSystemAccessMode) -> Vec<String> {
        let roots = self.workspace();
        let place = self.place(&roots);
        let mut names = Vec::new();
        for entry in self.profile.entries.iter().filter(|entry| entry.access == access) {
            match &entry.path {
                FileSystemPath::GlobPattern { pattern } => {
                    let patterns = self.patterns(pattern, &roots).into_iter();
                    names
                        .extend(patterns.map(|(folder, pattern)| folder.as_path().join(pattern).display().to_string()));
                }
                path if *path == ROOT => names.push(":root".to_owned()),
                path => names.extend(
                    places::spots(path, &place)
                        .into_iter()
                        .map(|spot| spot.path.display().to_string()),
                ),
            }
        }
        names.dedup();
        names
    }

    /// Whether it lets everything be read.
    pub fn reads_all(&self) -> bool {
        let closed = |entry: &FileSystemSandboxEntry| entry.access == FileSystemAccessMode::None;
        self.everywhere(FileSystemAccessMode::Read) && !self.profile.entries.iter().any(closed)
    }

    /// Whether nothing has to be confined.
    pub fn is_unrestricted(&self) -> bool {
        self.writes_all() && self.profile.network
    }

    /// The policy that says most nearly the same.
    pub fn as_policy(&self) -> SandboxPolicy {
        let network_access = self.profile.network;
        if self.writes_all() {
            return match network_access {
                true => SandboxPolicy::DangerFullAccess,
                false => SandboxPolicy::ExternalSandbox {
                    network_access: NetworkAccess::Restricted,
                },
            };
        }
        if !self.writes_anything() {
            return SandboxPolicy::ReadOnly { network_access };
        }
        let everywhere = self.everywhere(FileSystemAccessMode::Write);
        let writes = |wanted: FileSystemSpecialPath| {
            let place = FileSystemPath::Special { value: wanted };
            everywhere || self.written().any(|entry| entry.path == place)
        };
        let roots = self.workspace();
        let place = self.place(&roots);
        let mut writable_roots: Vec<AbsolutePathBuf> = Vec::new();
        let spots = self.written().flat_map(|entry| places::spots(&entry.path, &place));
        let named = spots.filter(|spot| !spot.shared && spot.path != self.cwd.as_path());
        for path in named.map(|spot| spot.path).chain([self.profile.home.join("memories")]) {
            let path = AbsolutePathBuf::rooted(path);
            if !writable_roots.contains(&path) {
                writable_roots.push(path);
            }
        }
        SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp: !writes(FileSystemSpecialPath::SlashTmp),
            exclude_tmpdir_env_var: !writes(FileSystemSpecialPath::Tmpdir),
            network_access,
            writable_roots,
        }
    }

    /// What commands are held to; none when nothing has to be confined. Touches the disk.
    pub fn confinement(&self) -> Option<Confinement> {
        self.held_to(true)
    }

    /// The same by its entries alone: the home's memories are not added to what may be written.
    pub fn confinement_of_entries(&self) -> Option<Confinement> {
        self.held_to(false)
    }

    fn held_to(&self, memories: bool) -> Option<Confinement> {
        if self.is_unrestricted() {
            return None;
        }
        let mut confinement = Confinement {
            network: self.profile.network,
            readable: (!self.everywhere(FileSystemAccessMode::Read)).then(Vec::new),
            ..Confinement::default()
        };
        let roots = self.workspace();
        let place = self.place(&roots);
        for entry in &self.profile.entries {
            let spots = places::spots(&entry.path, &place).into_iter();
            match entry.access {
                FileSystemAccessMode::Write => confinement.open(spots.map(|spot| (spot.path, spot.shared))),
                FileSystemAccessMode::Read => confinement.show(places::readable(&entry.path, &place).into_iter()),
                FileSystemAccessMode::None => match &entry.path {
                    FileSystemPath::GlobPattern { pattern } => {
                        for (folder, pattern) in self.patterns(pattern, &roots) {
                            confinement.hide_pattern(folder.as_path(), pattern, self.profile.scan_depth);
                        }
                    }
                    // There is nothing to hide where nothing can be read anyway.
                    path if is_root(path) => {}
                    _ => confinement.hide(spots.map(|spot| spot.path)),
                },
            }
        }
        if memories && self.writes_anything() {
            let memories = self.profile.home.join("memories");
            confinement.open([(memories, false)].into_iter());
        }
        // Last, because what may be written wins where an entry of the same place may only be read.
        let read = self
            .profile
            .entries
            .iter()
            .filter(|entry| entry.access == FileSystemAccessMode::Read);
        let kept = read.flat_map(|entry| places::spots(&entry.path, &place));
        confinement.keep(kept.map(|spot| spot.path));
        confinement.distrust_links(&roots);
        Some(confinement)
    }

    /// The roots of the workspace, those that the profile adds included.
    fn workspace(&self) -> Vec<AbsolutePathBuf> {
        let further = self.profile.workspace_roots.iter();
        let further = further.map(|root| places::named(self.cwd, &root.display().to_string()));
        let mut roots = self.roots.to_vec();
        for root in further {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        roots
    }

    fn place<'b>(&'b self, roots: &'b [AbsolutePathBuf]) -> Place<'b> {
        Place {
            workspace_roots: roots,
            home: &self.profile.home,
        }
    }

    /// A pattern and where it begins unless it is absolute: each root of the workspace if it is below them.
    fn patterns<'b>(&self, pattern: &'b str, roots: &[AbsolutePathBuf]) -> Vec<(AbsolutePathBuf, &'b str)> {
        match pattern.strip_prefix(WORKSPACE_ROOTS) {
            None => vec![(self.cwd.clone(), pattern)],
            Some(below) => {
                let below = below.trim_start_matches('/');
                roots.iter().map(|root| (root.clone(), below)).collect()
            }
        }
    }

    fn written(&self) -> impl Iterator<Item = &FileSystemSandboxEntry> {
        let entries = self.profile.entries.iter();
        entries.filter(|entry| entry.access == FileSystemAccessMode::Write)
    }

    fn writes_anything(&self) -> bool {
        self.written().next().is_some()
    }

    /// Whether everything may be written and nothing is closed.
    fn writes_all(&self) -> bool {
        let mut entries = self.profile.entries.iter();
        entries.all(|entry| entry.access == FileSystemAccessMode::Write)
            && self.written().any(|entry| entry.path == ROOT)
    }

    /// Whether an entry for all of the file system gives at least this.
    fn everywhere(&self, wanted: FileSystemAccessMode) -> bool {
        let of_root = |entry: &&FileSystemSandboxEntry| is_root(&entry.path);
        let mut entries = self.profile.entries.iter().filter(of_root);
        let mut all = self.profile.entries.iter().filter(of_root);
        let enough = |access| access == FileSystemAccessMode::Write || access == wanted;
        all.all(|entry| entry.access != FileSystemAccessMode::None) && entries.any(|entry| enough(entry.access))
    }
}

/// Whether a place is all of the file system.
fn is_root(path: &FileSystemPath) -> bool {
    let whole = FileSystemPath::Path {
        path: AbsolutePathBuf::rooted(PathBuf::new()),
    };
    *path == ROOT || *path == whole
}

const ROOT: FileSystemPath = FileSystemPath::Special {
    value: FileSystemSpecialPath::Root,
};
