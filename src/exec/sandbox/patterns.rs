//! Patterns of what must not be read: which paths they mean, and what has such a path right now.
//!
//! No kernel knows patterns, so they are looked up before each command and what they match is hidden. What comes to match
//! while the command runs is not (docs/sandbox.md). Looking up is bounded, and a command whose patterns need more than
//! that is not run. A folder that matches is hidden with all that is below it. Links are passed over: they show nothing
//! that the path behind them does not.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use ignore::{WalkBuilder, WalkState};

use super::policy::real;

/// The characters that make a name a pattern.
const SPECIAL: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];
/// What the kernel shows as files; nothing of a user's lies there.
const KERNEL: [&str; 2] = ["/proc", "/sys"];
/// How many folders are read at once.
const READERS: usize = 4;

/// How much may be looked up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many paths may match.
    pub matches: usize,
    /// How long it may take.
    pub time: Duration,
}

/// How much is looked up before a command. Each match is a mount.
pub const LIMITS: Limits = Limits {
    matches: 1000,
    time: Duration::from_secs(5),
};

/// Why what has the path of a pattern is not known.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// Too much has.
    #[error("more than {0} paths match the patterns that must not be read")]
    Many(usize),
    /// It takes too long.
    #[error(
        "{} seconds do not suffice to look up the patterns that must not be read; name their folders, or set \
         glob_scan_max_depth",
        .0.as_secs()
    )]
    Long(Duration),
    /// A folder that a command could open to itself cannot be looked into.
    #[error("patterns that must not be read cannot be looked up: {0}")]
    Unreadable(String),
}

/// A pattern of paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The folder that all of them lie below, links resolved.
    pub base: PathBuf,
    /// The pattern of what comes after it.
    below: String,
    /// How far below the folder it is looked for.
    depth: Option<usize>,
}

impl Pattern {
    /// A pattern that begins at `folder`, unless it is absolute. Touches the disk.
    pub(super) fn new(folder: &Path, text: &str, depth: Option<usize>) -> Self {
        let (folder, text) = match text.strip_prefix('/') {
            Some(text) => (Path::new("/"), text),
            None => (folder, text),
        };
        // A folder with all that is in it is the folder.
        let mut text = text.trim_end_matches('/');
        while let Some(shorter) = text.strip_suffix("/**").filter(|shorter| !shorter.is_empty()) {
            text = shorter;
        }
        let mut base = folder.to_owned();
        while let Some((name, rest)) = text.split_once('/').filter(|(name, _)| !name.contains(SPECIAL)) {
            base.push(name);
            text = rest;
        }
        // A mere name is meant wherever it is, as by those who wrote such patterns first.
        let below = match text.contains('/') {
            true => text.to_owned(),
            false => format!("**/{text}"),
        };
        Pattern {
            base: real(base),
            below,
            depth,
        }
    }

    /// Whether it means `path`, or a folder above it.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let matcher: Option<GlobMatcher> = self.glob().map(|glob| glob.compile_matcher());
        path.strip_prefix(&self.base).is_ok_and(|below| {
            let mut parts = below.ancestors().filter(|part| !part.as_os_str().is_empty());
            // Whoever wrote a pattern that is none wanted something hidden.
            parts.any(|part| matcher.as_ref().is_none_or(|matcher| matcher.is_match(part)))
        })
    }

    /// The pattern, or its text where that is no pattern.
    fn glob(&self) -> Option<Glob> {
        let build = |text: &str| GlobBuilder::new(text).literal_separator(true).build();
        let plain = |name: &str| match name {
            "**" => name.to_owned(),
            name => globset::escape(name),
        };
        let text = || self.below.split('/').map(plain).collect::<Vec<_>>().join("/");
        build(&self.below).or_else(|_| build(&text())).ok()
    }

    /// How deep it is worth looking.
    fn reach(&self) -> Option<usize> {
        let names = (!self.below.contains("**")).then(|| self.below.split('/').count());
        match (names, self.depth) {
            (Some(names), Some(depth)) => Some(names.min(depth)),
            (names, depth) => names.or(depth),
        }
    }
}

/// What has the path of one of the patterns, as far as they are looked for.
pub(super) fn scan(patterns: &[Pattern], limits: &Limits) -> Result<Vec<PathBuf>, ScanError> {
    let mut places: Vec<(&Path, Option<usize>)> = patterns
        .iter()
        .map(|pattern| (pattern.base.as_path(), pattern.reach()))
        .collect();
    places.sort_unstable();
    places.dedup();
    let deadline = Instant::now() + limits.time;
    let mut found = Vec::new();
    for (base, reach) in places {
        let mut set = GlobSetBuilder::new();
        for pattern in patterns.iter().filter(|of| of.base == base && of.reach() == reach) {
            let unclear = || ScanError::Unreadable(format!("`{}` is no pattern", pattern.below));
            set.add(pattern.glob().ok_or_else(unclear)?);
        }
        let set = set.build().map_err(|error| ScanError::Unreadable(error.to_string()))?;
        found.extend(scan_folder(base, reach, &set, limits, deadline)?);
        if found.len() > limits.matches {
            return Err(ScanError::Many(limits.matches));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn scan_folder(
    base: &Path,
    reach: Option<usize>,
    set: &GlobSet,
    limits: &Limits,
    deadline: Instant,
) -> Result<Vec<PathBuf>, ScanError> {
    let found: Mutex<Result<Vec<PathBuf>, ScanError>> = Mutex::new(Ok(Vec::new()));
    let fail = |error: ScanError| {
        *found.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
        WalkState::Quit
    };
    let see = |entry: Result<ignore::DirEntry, ignore::Error>| {
        if Instant::now() > deadline {
            return fail(ScanError::Long(limits.time));
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if harmless(&error) => return WalkState::Continue,
            Err(error) => return fail(ScanError::Unreadable(error.to_string())),
        };
        let path = entry.path();
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        if is_folder && KERNEL.iter().any(|folder| path == Path::new(folder)) {
            return WalkState::Skip;
        }
        let meant = path.strip_prefix(base).is_ok_and(|below| set.is_match(below));
        if entry.depth() == 0 || entry.path_is_symlink() || !meant {
            return WalkState::Continue;
        }
        match &mut *found.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(paths) if paths.len() <= limits.matches => paths.push(path.to_owned()),
            _ => return WalkState::Quit,
        }
        WalkState::Skip
    };
    WalkBuilder::new(base)
        .standard_filters(false)
        .follow_links(false)
        .max_depth(reach)
        .threads(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(READERS)))
        .build_parallel()
        .run(|| Box::new(see));
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Whether what could not be looked at cannot matter: it is gone, or whoever runs commands cannot open it either.
fn harmless(error: &ignore::Error) -> bool {
    let kind = error.io_error().map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => true,
        // The owner could change the mode.
        Some(io::ErrorKind::PermissionDenied) => path_of(error).is_some_and(|path| {
            let own = nix::unistd::geteuid().as_raw();
            path.symlink_metadata().is_ok_and(|meta| own != 0 && meta.uid() != own)
        }),
        _ => false,
    }
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files, and a link.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in ["a.env", "x/.b.env", "x/y/c.env", "x/y/z.key/inner", "x/[odd", "other"] {
            let file = root.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        std::os::unix::fs::symlink("../other", root.join("x/link.env")).unwrap();
        (folder, root)
    }

    #[test]
    fn patterns_mean_the_same_looked_up_and_looked_at() {
        let (_folder, root) = tree();
        for (text, depth, expected) in [
            ("**/*.env", None, &["a.env", "x/.b.env", "x/y/c.env"][..]),
            ("*.env", None, &["a.env", "x/.b.env", "x/y/c.env"]),
            ("**/*.env", Some(2), &["a.env", "x/.b.env"]),
            ("*/*.env", None, &["x/.b.env"]),
            ("x/*/*.env", None, &["x/y/c.env"]),
            ("**/*.key/**", None, &["x/y/z.key"]),
            ("**/*.key", None, &["x/y/z.key"]),
            ("x/[odd", None, &["x/[odd"]),
            ("{a,b}.env", None, &["a.env"]),
            ("gone/**/*.env", None, &[]),
        ] {
            let pattern = Pattern::new(&root, text, depth);
            let found = scan(std::slice::from_ref(&pattern), &LIMITS).unwrap();
            let expected: Vec<PathBuf> = expected.iter().map(|path| root.join(path)).collect();
            assert_eq!(found, expected, "{text}");
            assert!(found.iter().all(|path| pattern.matches(path)), "{text}");
        }
        let folder = Pattern::new(&root, "**/*.key", None);
        assert!(folder.matches(&root.join("new.key/below")) && !folder.matches(Path::new("/else.key")));
        let absolute = Pattern::new(Path::new("/else"), &format!("{}/x/*.env", root.display()), None);
        assert!(absolute.matches(&root.join("x/new.env")));
    }

    #[test]
    fn looking_up_is_bounded() {
        let (_folder, root) = tree();
        let all = [Pattern::new(&root, "**/*", None)];
        let limits = Limits { matches: 2, ..LIMITS };
        assert!(matches!(scan(&all, &limits), Err(ScanError::Many(2))));
        let limits = Limits {
            time: Duration::ZERO,
            ..LIMITS
        };
        assert!(matches!(scan(&all, &limits), Err(ScanError::Long(_))));
    }

    #[test]
    fn a_folder_that_its_owner_closed_is_not_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, root) = tree();
        std::fs::set_permissions(root.join("x/y"), PermissionsExt::from_mode(0o000)).unwrap();
        let found = scan(&[Pattern::new(&root, "**/*.env", None)], &LIMITS);
        match nix::unistd::geteuid().is_root() {
            // Whom no mode stops.
            true => assert_eq!(found.unwrap().len(), 3),
            false => assert!(matches!(found, Err(ScanError::Unreadable(_)))),
        }
        std::fs::set_permissions(root.join("x/y"), PermissionsExt::from_mode(0o755)).unwrap();
    }
}
