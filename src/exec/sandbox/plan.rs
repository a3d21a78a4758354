//! Which mounts a confinement comes to: a list of paths, parents before what is below them.
//!
//! The most specific path wins; at one path the stricter rule. A folder between a writable root and something that is
//! protected below it is pinned: as a mount point it can be neither renamed nor replaced, so the protected path stays
//! where it is. Where only some places may be read, they are all that there is.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Whether there is nothing but what the steps show.
    pub bare: bool,
    /// Links that lead to what is shown, and what they hold, where there is nothing else.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// What lies in folders that others share, and may go at any time.
    pub fleeting: Vec<PathBuf>,
}

impl Plan {
    /// The plan of a confinement. `held` are names that were occupied so that nobody can make them. Looks at the disk.
    pub(super) fn new(confinement: &Confinement, held: &[PathBuf]) -> Self {
        let mut rules = Vec::new();
        for root in &confinement.roots {
            rules.push((root.path.clone(), Kind::Writable));
            // A place that is closed does not show what is protected in it.
            if !confinement.hidden.contains(&root.path) {
                rules.extend(root.protected.iter().map(|path| (path.clone(), Kind::ReadOnly)));
            }
        }
        let readable = confinement.readable.iter().flatten();
        // These are the command's own.
        let readable = readable.filter(|path| !["/proc", "/dev"].iter().any(|own| path.starts_with(own)));
        let there = readable.filter(|path| path.symlink_metadata().is_ok());
        let shown: BTreeSet<PathBuf> = there.cloned().collect();
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
        let plan = Plan {
            fleeting: shared.flat_map(|root| root.protected.clone()).collect(),
            ..Self::of(rules, confinement.readable.is_some().then_some(&shown))
        };
        match plan.bare {
            true => Plan {
                links: confinement
                    .links
                    .iter()
                    .map(|link| (link.path.clone(), link.target.clone()))
                    .collect(),
                ..plan
            },
            false => plan,
        }
    }

    /// The plan of rules; `shown` is what may be read, if that is not everything.
    fn of(rules: Vec<(PathBuf, Kind)>, shown: Option<&BTreeSet<PathBuf>>) -> Self {
        let mut kinds: BTreeMap<PathBuf, Kind> = BTreeMap::new();
        let readable = shown.into_iter().flatten().map(|path| (path.clone(), Kind::ReadOnly));
        for (path, kind) in rules.into_iter().chain(readable) {
            let known = kinds.entry(path).or_insert(kind);
            *known = kind.max(*known);
        }
        let all = kinds.clone();
        kinds.retain(|path, kind| match (above(&all, path), *kind) {
            (_, Kind::Pinned | Kind::Writable) => true,
            (Some(Kind::Writable), _) => true,
            // Below what is read-only, or hidden, anyway.
            (Some(_), Kind::ReadOnly) | (Some(Kind::Hidden), Kind::Hidden) => false,
            (Some(_), Kind::Hidden) => true,
            (None, Kind::ReadOnly) => shown.is_some_and(|shown| shown.contains(path)),
            (None, Kind::Hidden) => shown.is_none(),
        });
        let mut pins = Vec::new();
        for (path, _) in kinds.iter().filter(|(_, kind)| **kind > Kind::Writable) {
            let writable = |folder: &&Path| kinds.get(*folder) == Some(&Kind::Writable);
            let Some(top) = path.ancestors().skip(1).filter(writable).last() else {
                continue;
            };
            let between = path.ancestors().skip(1).take_while(|folder| *folder != top);
            let between = between.filter(|folder| at(&kinds, folder) == Some(Kind::Writable));
            pins.extend(between.map(Path::to_path_buf));
        }
        for pin in pins {
            kinds.entry(pin).or_insert(Kind::Pinned);
        }
        let root_writable = kinds.remove(Path::new("/")) == Some(Kind::Writable);
        Plan {
            root_writable,
            bare: shown.is_some() && !root_writable,
            steps: kinds.into_iter().collect(),
            ..Plan::default()
        }
    }

    /// Whether something else holds below `path`.
    pub(super) fn continues_below(&self, path: &Path) -> bool {
        // They are in order: what is below a path follows it.
        let next = self.steps.partition_point(|(step, _)| step.as_path() <= path);
        self.steps.get(next).is_some_and(|(step, _)| step.starts_with(path))
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
        Plan::of(rules.iter().map(|(path, kind)| (path.into(), *kind)).collect(), None)
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
    fn where_little_may_be_read_there_is_nothing_else() {
        use Kind::{Hidden, Pinned, ReadOnly, Writable};
        let rules = [
            ("/w", Writable),
            ("/w/.git", ReadOnly),
            ("/w/a/secret", Hidden),
            ("/usr/secret", Hidden),
            ("/else/.git", ReadOnly),
            ("/else/secret", Hidden),
            ("/closed", Hidden),
        ];
        let rules = rules.map(|(path, kind)| (path.into(), kind)).to_vec();
        let shown = ["/usr", "/usr/lib", "/closed"].map(PathBuf::from).into_iter().collect();
        let plan = Plan::of(rules.clone(), Some(&shown));
        let expected = [
            ("/usr", ReadOnly),
            ("/usr/secret", Hidden),
            ("/w", Writable),
            ("/w/.git", ReadOnly),
            ("/w/a", Pinned),
            ("/w/a/secret", Hidden),
        ];
        assert_eq!(plan.steps, expected.map(|(path, kind)| (path.into(), kind)));
        assert!(plan.bare);
        let all = [rules, vec![("/".into(), Writable)]].concat();
        assert!(!Plan::of(all, Some(&shown)).bare);
    }

    #[test]
    fn a_writable_root_of_everything_needs_no_mount() {
        let plan = plan(&[("/", Kind::Writable), ("/.git", Kind::ReadOnly)]);
        assert!(plan.root_writable);
        assert_eq!(plan.steps, [("/.git".into(), Kind::ReadOnly)]);
        assert!(!plan.continues_below(Path::new("/.git")) && plan.reaches(Path::new("/.git")));
    }
}
