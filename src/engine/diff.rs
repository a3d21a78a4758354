//! The diff of a turn: what its patches have done to files since it began, in git's format.
//!
//! Per path it keeps the content before the first touch and the content now; commands that change files are not seen.
//! Invariant: what is shown is exact. When a patch fails half-way or goes through a link the effect is not known
//! exactly; the diff is then lost for the rest of the turn (clients are told an empty one once) rather than wrong.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};
use similar::TextDiff;

use crate::files::is_placeholder;

const ABSENT: &str = "0000000000000000000000000000000000000000";

/// What happened to one file. A move is two: the file is gone, and it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The absolute path.
    pub path: PathBuf,
    /// The content before; none if there was no file.
    pub before: Option<String>,
    /// The content after; none if there is no file.
    pub after: Option<String>,
    /// The path it came from.
    pub moved_from: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Tracked {
    base: Option<String>,
    now: Option<String>,
    /// Where the content of a file that is new here stood when the turn began.
    origin: Option<PathBuf>,
}

/// The diff of one turn.
#[derive(Debug, Default)]
pub struct TurnDiff {
    files: BTreeMap<PathBuf, Tracked>,
    lost: bool,
    /// Clients hold a diff that is not empty.
    shown: bool,
}

impl TurnDiff {
    /// Whether no patch has been taken in.
    pub fn is_untouched(&self) -> bool {
        self.files.is_empty() && !self.lost
    }

    /// Takes in what a patch has done; `None` when that is not known exactly.
    pub fn record(&mut self, effects: Option<Vec<Effect>>) {
        let Some(effects) = effects.filter(|_| !self.lost) else {
            self.lost = true;
            self.files.clear();
            return;
        };
        for effect in effects {
            let origin = effect
                .moved_from
                .map(|from| match self.files.get(&from).and_then(|f| f.origin.clone()) {
                    Some(first) => first,
                    None => from,
                });
            let fresh = effect.before.is_none();
            let tracked = self.files.entry(effect.path).or_insert_with(|| Tracked {
                base: effect.before,
                ..Tracked::default()
            });
            tracked.now = effect.after;
            // A file made anew has nothing to do with one that was moved here earlier.
            if origin.is_some() || fresh {
                tracked.origin = origin;
            }
        }
    }

    /// The text for `turn/diff/updated`, or `None` when nothing is to be told. Paths are shown relative to `root`.
    pub fn update(&mut self, root: &Path) -> Option<String> {
        let text = self.render(root);
        if text.is_empty() {
            // After a loss clients hold a diff that is no longer true: take it back, once.
            let take_back = self.lost && std::mem::take(&mut self.shown);
            return take_back.then_some(text);
        }
        self.shown = true;
        Some(text)
    }

    /// All files that differ from how the turn found them, sorted by path; a moved file stands where it came from.
    fn render(&self, root: &Path) -> String {
        let mut entries: BTreeMap<String, String> = BTreeMap::new();
        let mut moved_away: Vec<&Path> = Vec::new();
        for (path, file) in &self.files {
            let Some(origin) = file.origin.as_deref().filter(|_| file.base.is_none()) else {
                continue;
            };
            let Some(source) = self.files.get(origin).filter(|source| source.now.is_none()) else {
                continue;
            };
            if let (Some(old), Some(new)) = (&source.base, &file.now) {
                moved_away.push(origin);
                moved_away.push(path);
                let (from, to) = (display(origin, root), display(path, root));
                let text = entry(&from, &to, Some(old), Some(new));
                entries.insert(from, text);
            }
        }
        for (path, file) in &self.files {
            if !moved_away.contains(&path.as_path()) {
                let name = display(path, root);
                let text = entry(&name, &name, file.base.as_deref(), file.now.as_deref());
                entries.insert(name, text);
            }
        }
        entries.into_values().collect()
    }
}

/// One file in git's format; empty when nothing changed.
fn entry(from: &str, to: &str, old: Option<&str>, new: Option<&str>) -> String {
    let mut text = String::new();
    if old == new {
        return text;
    }
    let _ = writeln!(text, "diff --git a/{from} b/{to}");
    match (old, new) {
        (None, _) => text.push_str("new file mode 100644\n"),
        (_, None) => text.push_str("deleted file mode 100644\n"),
        _ => {}
    }
    let id = |content: Option<&str>| content.map_or_else(|| ABSENT.to_owned(), blob_id);
    let _ = writeln!(text, "index {}..{}", id(old), id(new));
    let side = |prefix: char, name: &str, content: Option<&str>| match content {
        Some(_) => format!("{prefix}/{name}"),
        None => "/dev/null".to_owned(),
    };
    let hunks = TextDiff::from_lines(old.unwrap_or_default(), new.unwrap_or_default())
        .unified_diff()
        .context_radius(3)
        .header(&side('a', from, old), &side('b', to, new))
        .to_string();
    text.push_str(&hunks);
    text
}

/// The id git gives to a file of this content.
fn blob_id(content: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hex::encode(hash.finalize())
}

/// `path` below `root` relative to it; others stay absolute.
fn display(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// The folder that the diff's paths start from: the top of the work tree that `cwd` is in, else `cwd`.
pub fn root_of(cwd: &Path) -> PathBuf {
    cwd.ancestors()
        .find(|folder| folder.join(".git").exists() && !is_placeholder(&folder.join(".git")))
        .unwrap_or(cwd)
        .to_owned()
}

#[cfg(test)]
mod tests;
