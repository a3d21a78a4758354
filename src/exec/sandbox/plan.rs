//! Which mounts a confinement comes to: a list of paths, parents before what is below them.
//!
//! The most specific path wins; at one path the stricter rule. A folder between a writable root and something that is
//! protected below it is pinned: as a mount point it can be neither renamed nor replaced, so the protected path stays
//! where it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::policy::Confinement;

/// What holds at a path and below it. The stricter comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Writable as it was, and not to be moved.
    Pinned,
    /// It may be written.
    Writable,
    /// It stays as it is.
    ReadOnly,
    /// It cannot be read either.
    Hidden,
}

/// Mounts to be made, in order. Everything else is read-only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Plan {
    /// What holds where, parents first.
    pub steps: Vec<(PathBuf, Kind)>,
    /// Whether the root itself is writable.
    pub root_writable: bool,
    /// What lies in folders that others share, and may go at any time.
    pub fleeting: Vec<PathBuf>,
}

impl Plan {
    /// The plan of a confinement. `held` are names that were occupied so that nobody can make them. Looks at the disk.
    pub(super) fn new(confinement: &Confinement, held: &[PathBuf]) -> Self {
        let mut rules = Vec::new();
        for root in &confinement.roots {
            rules.push((root.path.clone(), Kind::Writable));
            rules.extend(root.protected.iter().map(|path| (path.clone(), Kind::ReadOnly)));
        }
        rules.extend(confinement.read_only.iter().map(|path| (path.clone(), Kind::ReadOnly)));
        rules.extend(confinement.hidden.iter().map(|path| (path.clone(), Kind::Hidden)));
        // What does not exist cannot be mounted on: it lies where nothing can be made, or its name is held.
        rules.retain(|(path, _)| path.symlink_metadata().is_ok());
        let targets: Vec<_> = rules
            .iter()
            .filter(|(path, kind)| *kind > Kind::Writable && path.is_symlink())
            .filter_map(|(path, kind)| Some((path.canonicalize().ok()?, *kind)))
            .collect();
        rules.extend(targets);
        // A name that may not be read need not be shown empty and writable.
        rules.extend(held.iter().map(|path| (path.clone(), Kind::ReadOnly)));
        let shared = confinement.roots.iter().filter(|root| root.shared);
        Plan {
            fleeting: shared.flat_map(|root| root.protected.clone()).collect(),
            ..Self::of(rules)
        }
    }

    fn of(rules: Vec<(PathBuf, Kind)>) -> Self {
        let mut kinds: BTreeMap<PathBuf, Kind> = BTreeMap::new();
        for (path, kind) in rules {
            let known = kinds.entry(path).or_insert(kind);
            *known = kind.max(*known);
        }
        let all = kinds.clone();
        kinds.retain(|path, kind| match kind {
            // Below what is read-only, or hidden, anyway.
            Kind::ReadOnly => above(&all, path) == Some(Kind::Writable),
            Kind::Hidden => above(&all, path) != Some(Kind::Hidden),
            Kind::Pinned | Kind::Writable => true,
        });
        let mut pins = Vec::new();
        for (path, _) in kinds.iter().filter(|(_, kind)| **kind > Kind::Writable) {
            let top = kinds
                .iter()
                .find(|(root, kind)| **kind == Kind::Writable && path.starts_with(root));
            let Some((top, _)) = top else { continue };
            let between = path.ancestors().skip(1).take_while(|folder| *folder != top.as_path());
            pins.extend(
                between
                    .filter(|folder| at(&kinds, folder) == Some(Kind::Writable))
                    .map(Path::to_path_buf),
            );
        }
        for pin in pins {
            kinds.entry(pin).or_insert(Kind::Pinned);
        }
        Plan {
            root_writable: kinds.remove(Path::new("/")) == Some(Kind::Writable),
            steps: kinds.into_iter().collect(),
            fleeting: Vec::new(),
        }
    }

    /// Whether something else holds below `path`.
    pub(super) fn continues_below(&self, path: &Path) -> bool {
        self.steps
            .iter()
            .any(|(step, _)| step != path && step.starts_with(path))
    }

    /// Whether a rule lies at or below `path`.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        self.steps.iter().any(|(step, _)| step.starts_with(path))
    }
}

/// What holds at a path by the rules for it and its ancestors.
fn at(kinds: &BTreeMap<PathBuf, Kind>, path: &Path) -> Option<Kind> {
    path.ancestors().find_map(|folder| kinds.get(folder)).copied()
}

/// What would hold at a path without its own rule.
fn above(kinds: &BTreeMap<PathBuf, Kind>, path: &Path) -> Option<Kind> {
    at(kinds, path.parent()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rules: &[(&str, Kind)]) -> Plan {
        Plan::of(rules.iter().map(|(path, kind)| (path.into(), *kind)).collect())
    }

    fn steps(rules: &[(&str, Kind)]) -> Vec<(String, Kind)> {
        let steps = plan(rules).steps.into_iter();
        steps.map(|(path, kind)| (path.display().to_string(), kind)).collect()
    }

    #[test]
    fn the_most_specific_path_wins_and_the_stricter_rule_at_one_path() {
        use Kind::{Hidden, ReadOnly, Writable};
        let found = steps(&[
            ("/w/.codex/memories", Writable),
            ("/w", Writable),
            ("/w/.codex", ReadOnly),
            ("/w/.git", Writable),
            ("/w/.git", ReadOnly),
            ("/else/.git", ReadOnly),
            ("/secret", Hidden),
            ("/secret/more", Hidden),
        ]);
        let expected = [
            ("/secret", Hidden),
            ("/w", Writable),
            ("/w/.codex", ReadOnly),
            ("/w/.codex/memories", Writable),
            ("/w/.git", ReadOnly),
        ];
        assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
    }

    #[test]
    fn folders_above_something_protected_are_pinned_up_to_the_outermost_root() {
        use Kind::{Pinned, ReadOnly, Writable};
        let found = steps(&[
            ("/tmp", Writable),
            ("/tmp/a/b/work", Writable),
            ("/tmp/a/b/work/.git", ReadOnly),
        ]);
        let expected = [
            ("/tmp", Writable),
            ("/tmp/a", Pinned),
            ("/tmp/a/b", Pinned),
            ("/tmp/a/b/work", Writable),
            ("/tmp/a/b/work/.git", ReadOnly),
        ];
        assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
    }

    #[test]
    fn a_writable_root_of_everything_needs_no_mount() {
        let plan = plan(&[("/", Kind::Writable), ("/.git", Kind::ReadOnly)]);
        assert!(plan.root_writable);
        assert_eq!(plan.steps, [("/.git".into(), Kind::ReadOnly)]);
        assert!(!plan.continues_below(Path::new("/.git")) && plan.reaches(Path::new("/.git")));
    }
}
