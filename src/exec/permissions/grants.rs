//! Permissions as a value: merging, limiting, and the forms in which the wire and the model see them.

use std::path::Path;

use serde::Serialize;

use super::places;
use crate::exec::sandbox::policy::{Confinement, Place};
use crate::protocol::{
    AbsolutePathBuf, AdditionalFileSystemPermissions, AdditionalNetworkPermissions, FileSystemAccessMode,
    FileSystemPath, FileSystemSandboxEntry, FileSystemSpecialPath,
};

/// Permissions that were asked for, or granted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grants {
    network: Option<bool>,
    entries: Vec<FileSystemSandboxEntry>,
    glob_scan_max_depth: Option<usize>,
}

/// Permissions as the model reads them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToldPermissions {
    network: Option<ToldNetwork>,
    file_system: Option<ToldFiles>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ToldNetwork {
    enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum ToldFiles {
    Lists {
        #[serde(skip_serializing_if = "Option::is_none")]
        read: Option<Vec<AbsolutePathBuf>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        write: Option<Vec<AbsolutePathBuf>>,
    },
    Entries {
        #[serde(skip_serializing_if = "Option::is_none")]
        glob_scan_max_depth: Option<usize>,
        entries: Vec<ToldEntry>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ToldEntry {
    path: FileSystemPath,
    access: FileSystemAccessMode,
}

impl Grants {
    /// Takes each entry once. Where there are only paths to read and to write, those to read come first.
    pub fn new(
        network: Option<bool>,
        entries: Vec<FileSystemSandboxEntry>,
        glob_scan_max_depth: Option<usize>,
    ) -> Self {
        let mut once: Vec<FileSystemSandboxEntry> = Vec::with_capacity(entries.len());
        for entry in entries {
            if !once.contains(&entry) {
                once.push(entry);
            }
        }
        let mut grants = Grants {
            network,
            entries: once,
            glob_scan_max_depth,
        };
        if grants.lists().is_some() {
            grants
                .entries
                .sort_by_key(|entry| entry.access != FileSystemAccessMode::Read);
        }
        grants
    }

    /// What a client's answer holds.
    pub fn from_wire(
        files: Option<AdditionalFileSystemPermissions>,
        network: Option<AdditionalNetworkPermissions>,
    ) -> Self {
        let files = files.unwrap_or_default();
        let listed = |paths: Option<Vec<AbsolutePathBuf>>, access| {
            let entry = move |path| FileSystemSandboxEntry {
                access,
                path: FileSystemPath::Path { path },
            };
            paths.unwrap_or_default().into_iter().map(entry)
        };
        let entries = match files.entries {
            Some(entries) => entries,
            None => listed(files.read, FileSystemAccessMode::Read)
                .chain(listed(files.write, FileSystemAccessMode::Write))
                .collect(),
        };
        Grants::new(
            network.and_then(|network| network.enabled),
            entries,
            files.glob_scan_max_depth,
        )
    }

    /// The form of the wire.
    pub fn to_wire(
        &self,
    ) -> (
        Option<AdditionalFileSystemPermissions>,
        Option<AdditionalNetworkPermissions>,
    ) {
        let files = (!self.entries.is_empty()).then(|| {
            let (read, write) = self.lists().unwrap_or_default();
            AdditionalFileSystemPermissions {
                entries: Some(self.entries.clone()),
                glob_scan_max_depth: self.glob_scan_max_depth,
                read,
                write,
            }
        });
        let network = self
            .network
            .map(|enabled| AdditionalNetworkPermissions { enabled: Some(enabled) });
        (files, network)
    }

    /// The form in which the model is told.
    pub fn told(&self) -> ToldPermissions {
        let files = (!self.entries.is_empty()).then(|| match self.lists() {
            Some((read, write)) => ToldFiles::Lists { read, write },
            None => ToldFiles::Entries {
                glob_scan_max_depth: self.glob_scan_max_depth,
                entries: self
                    .entries
                    .iter()
                    .map(|entry| ToldEntry {
                        path: entry.path.clone(),
                        access: entry.access,
                    })
                    .collect(),
            },
        });
        ToldPermissions {
            network: self.network.map(|enabled| ToldNetwork { enabled }),
            file_system: files,
        }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.network.is_none() && self.entries.is_empty()
    }

    /// These and the others.
    #[must_use]
    pub fn merged(&self, others: &Grants) -> Grants {
        let network = match (self.network, others.network) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (one, other) => one.or(other),
        };
        let entries = self.entries.iter().chain(&others.entries).cloned().collect();
        Grants::new(
            network,
            entries,
            self.glob_scan_max_depth.or(others.glob_scan_max_depth),
        )
    }

    /// What of an answer was asked for: no answer grants more than the question.
    #[must_use]
    pub fn limited_to(&self, asked: &Grants, cwd: &AbsolutePathBuf) -> Grants {
        let (answer, asked) = (self.placed(cwd), asked.placed(cwd));
        let network = (answer.network == Some(true) && asked.network == Some(true)).then_some(true);
        let (denied, allowed): (Vec<_>, Vec<_>) = answer
            .entries
            .into_iter()
            .partition(|entry| entry.access == FileSystemAccessMode::None);
        let mut entries: Vec<FileSystemSandboxEntry> =
            allowed.into_iter().filter(|entry| asked.allows(entry)).collect();
        // What was to stay closed stays closed, whoever said so.
        if !entries.is_empty() {
            let closed = asked
                .entries
                .iter()
                .filter(|entry| entry.access == FileSystemAccessMode::None);
            entries.extend(closed.cloned());
            entries.extend(denied);
        }
        Grants::new(network, entries, None)
    }

    /// Whether all of these are among the granted ones.
    pub fn covered_by(&self, granted: &Grants, cwd: &AbsolutePathBuf) -> bool {
        let (asked, granted) = (self.placed(cwd), granted.placed(cwd));
        let network = match asked.network {
            None => true,
            Some(wanted) => wanted && granted.network == Some(true),
        };
        let opens = |entry: &&FileSystemSandboxEntry| entry.access != FileSystemAccessMode::None;
        // A closed place that the grant names must not be opened by leaving it out.
        let closed = |entry: &&FileSystemSandboxEntry| entry.access == FileSystemAccessMode::None;
        let kept = granted
            .entries
            .iter()
            .filter(closed)
            .all(|entry| asked.entries.contains(entry));
        network && kept && asked.entries.iter().filter(opens).all(|entry| granted.allows(entry))
    }

    /// Lets a confined command do these too.
    pub fn widen(&self, confinement: &mut Confinement, place: &Place<'_>) {
        confinement.network |= self.network == Some(true);
        for entry in &self.entries {
            let spots = places::spots(&entry.path, place);
            match entry.access {
                FileSystemAccessMode::Write => confinement.open(spots.into_iter().map(|spot| (spot.path, spot.shared))),
                FileSystemAccessMode::Read => confinement.show(places::readable(&entry.path, place).into_iter()),
                FileSystemAccessMode::None => match &entry.path {
                    FileSystemPath::GlobPattern { pattern } => {
                        let folder = place
                            .workspace_roots
                            .first()
                            .map_or(Path::new("/"), AbsolutePathBuf::as_path);
                        confinement.hide_pattern(folder, pattern, self.glob_scan_max_depth);
                    }
                    _ => confinement.hide(spots.into_iter().map(|spot| spot.path)),
                },
            }
        }
        confinement.distrust_links(place.workspace_roots);
    }

    /// Folders of the workspace by their own paths.
    fn placed(&self, cwd: &AbsolutePathBuf) -> Grants {
        let place = |entry: &FileSystemSandboxEntry| match &entry.path {
            FileSystemPath::Special {
                value: FileSystemSpecialPath::ProjectRoots { subpath },
            } => FileSystemSandboxEntry {
                access: entry.access,
                path: FileSystemPath::Path {
                    path: AbsolutePathBuf::rooted(places::joined(cwd.as_path(), subpath.as_deref())),
                },
            },
            _ => entry.clone(),
        };
        Grants {
            entries: self.entries.iter().map(place).collect(),
            ..self.clone()
        }
    }

    /// Whether an entry that opens something opens nothing that these do not.
    fn allows(&self, wanted: &FileSystemSandboxEntry) -> bool {
        let FileSystemPath::Path { path } = &wanted.path else {
            let same = |entry: &FileSystemSandboxEntry| {
                entry.path == wanted.path
                    || entry.path
                        == FileSystemPath::Special {
                            value: FileSystemSpecialPath::Root,
                        }
            };
            let granted = self.entries.iter().filter(|entry| same(entry));
            return granted.map(|entry| strength(entry.access)).max() >= Some(strength(wanted.access))
                && !self
                    .entries
                    .iter()
                    .any(|entry| same(entry) && entry.access == FileSystemAccessMode::None)
                && matches!(wanted.path, FileSystemPath::Special { .. });
        };
        // The entry nearest to the path decides; of equally near ones that which closes it, else the widest.
        let nearest = self
            .entries
            .iter()
            .filter_map(|entry| Some((reach(&entry.path, path.as_path())?, entry.access)))
            .max_by_key(|(depth, access)| (*depth, *access == FileSystemAccessMode::None, strength(*access)));
        nearest.is_some_and(|(_, access)| strength(access) >= strength(wanted.access))
    }

    /// The paths to read and to write, when that is all there is.
    #[allow(clippy::type_complexity, reason = "the two lists of the wire")]
    fn lists(&self) -> Option<(Option<Vec<AbsolutePathBuf>>, Option<Vec<AbsolutePathBuf>>)> {
        let (mut read, mut write) = (Vec::new(), Vec::new());
        if self.glob_scan_max_depth.is_some() {
            return None;
        }
        for entry in &self.entries {
            match (&entry.path, entry.access) {
                (FileSystemPath::Path { path }, FileSystemAccessMode::Read) => read.push(path.clone()),
                (FileSystemPath::Path { path }, FileSystemAccessMode::Write) => write.push(path.clone()),
                _ => return None,
            }
        }
        let some = |paths: Vec<AbsolutePathBuf>| Some(paths).filter(|paths| !paths.is_empty());
        Some((some(read), some(write)))
    }
}

/// How much an access lets through.
fn strength(access: FileSystemAccessMode) -> u8 {
    match access {
        FileSystemAccessMode::None => 0,
        FileSystemAccessMode::Read => 1,
        FileSystemAccessMode::Write => 2,
    }
}

/// How near an entry's place is to a path that it reaches: the number of names that they share.
fn reach(place: &FileSystemPath, path: &Path) -> Option<usize> {
    let root = match place {
        FileSystemPath::Path { path } => path.as_path().to_path_buf(),
        FileSystemPath::Special { value } => match value {
            FileSystemSpecialPath::Root => "/".into(),
            FileSystemSpecialPath::Tmpdir => places::temporary()?,
            FileSystemSpecialPath::SlashTmp => "/tmp".into(),
            _ => return None,
        },
        FileSystemPath::GlobPattern { .. } => return None,
    };
    path.starts_with(&root).then(|| root.components().count())
}
