//! Where a folder stands in git, read from `.git` itself: no process is started.
//!
//! Only what a thread remembers of it: the commit, the branch, and the address of `origin`. Anything unexpected (a bare
//! repository, a reftable, an unreadable file) leaves the member out; it never fails the request.

use std::path::{Path, PathBuf};

use crate::files;
use crate::store::GitMeta;

/// The state of the repository that `cwd` lies in; `None` outside of one.
pub(crate) fn read(cwd: &Path) -> Option<GitMeta> {
    let dir = cwd.ancestors().find_map(git_dir)?;
    let common = common_dir(&dir);
    let head = files::read_text(&dir.join("HEAD")).ok()?;
    let head = head.trim();
    let (branch, commit_hash) = match head.strip_prefix("ref:").map(str::trim) {
        Some(name) => (
            name.strip_prefix("refs/heads/").map(str::to_owned),
            commit_of(&dir, &common, name),
        ),
        None => (None, Some(head.to_owned()).filter(|hash| is_hash(hash))),
    };
    let repository_url = origin(&common);
    Some(GitMeta {
        commit_hash,
        branch,
        repository_url,
    })
}

/// The folder that holds the repository's own files, when `folder` is the root of a working tree.
fn git_dir(folder: &Path) -> Option<PathBuf> {
    let dot = folder.join(".git");
    let kind = std::fs::metadata(&dot).ok()?;
    if kind.is_dir() {
        return Some(dot);
    }
    let text = files::read_text(&dot).ok()?;
    let target = text.trim().strip_prefix("gitdir:")?.trim();
    Some(folder.join(target))
}

/// Linked working trees keep refs and configuration in the main one.
fn common_dir(dir: &Path) -> PathBuf {
    match files::read_text(&dir.join("commondir")) {
        Ok(path) => dir.join(path.trim()),
        Err(_) => dir.to_path_buf(),
    }
}

fn commit_of(dir: &Path, common: &Path, name: &str) -> Option<String> {
    let loose = [dir, common]
        .iter()
        .find_map(|folder| files::read_text(&folder.join(name)).ok())
        .map(|hash| hash.trim().to_owned());
    loose.or_else(|| packed(common, name)).filter(|hash| is_hash(hash))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let refs = files::read_text(&common.join("packed-refs")).ok()?;
    refs.lines().find_map(|line| {
        let (hash, named) = line.split_once(' ')?;
        (named.trim() == name).then(|| hash.to_owned())
    })
}

fn is_hash(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `url` of `[remote "origin"]`.
fn origin(common: &Path) -> Option<String> {
    let config = files::read_text(&common.join("config")).ok()?;
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').trim() == "[remote \"origin\"";
        } else if inside
            && let Some((key, value)) = line.split_once('=')
            && key.trim() == "url"
        {
            return Some(value.trim().to_owned()).filter(|url| !url.is_empty());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    const HASH: &str = "53d5f386f85e45b4e790b2ba75549ff3efe83670";

    #[test]
    fn a_branch_with_a_loose_ref_and_an_origin() {
        let tree = tempfile::tempdir().unwrap();
        write(tree.path(), ".git/HEAD", "ref: refs/heads/feature/x\n");
        write(tree.path(), ".git/refs/heads/feature/x", &format!("{HASH}\n"));
        write(
            tree.path(),
            ".git/config",
            "[core]\n\turl = no\n[remote \"origin\"]\n\turl = https://example.com/r.git\n",
        );
        write(tree.path(), "a/b/c", "");
        let state = read(&tree.path().join("a/b")).unwrap();
        assert_eq!(state.branch.as_deref(), Some("feature/x"));
        assert_eq!(state.commit_hash.as_deref(), Some(HASH));
        assert_eq!(state.repository_url.as_deref(), Some("https://example.com/r.git"));
    }

    #[test]
    fn packed_refs_and_detached_heads() {
        let tree = tempfile::tempdir().unwrap();
        write(tree.path(), ".git/HEAD", "ref: refs/heads/main\n");
        write(
            tree.path(),
            ".git/packed-refs",
            &format!("# pack-refs\n{HASH} refs/heads/main\n"),
        );
        assert_eq!(read(tree.path()).unwrap().commit_hash.as_deref(), Some(HASH));
        write(tree.path(), ".git/HEAD", HASH);
        let state = read(tree.path()).unwrap();
        assert_eq!((state.branch, state.commit_hash.as_deref()), (None, Some(HASH)));
    }

    #[test]
    fn a_repository_without_a_commit_and_a_folder_without_a_repository() {
        let tree = tempfile::tempdir().unwrap();
        assert!(read(tree.path()).is_none());
        write(tree.path(), ".git/HEAD", "ref: refs/heads/main\n");
        let state = read(tree.path()).unwrap();
        assert_eq!((state.branch.as_deref(), state.commit_hash), (Some("main"), None));
    }
}
