//! The links that paths lead through, and what is open only by way of such.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::policy::{Confinement, real};
use crate::protocol::AbsolutePathBuf;

/// How many links a path may lead through, as for the kernel.
const MAX_LINKS: usize = 40;

/// A link on the way to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it lies, by a path without any link.
    pub path: PathBuf,
    /// What it holds.
    pub target: PathBuf,
    /// The place that was named by it.
    pub place: PathBuf,
}

impl Confinement {
    /// Closes what is open only by way of a link that a command could have made itself: one in another folder that may be
    /// written. The roots of the workspace are where the user says, whatever leads there. To be called when everything
    /// is named.
    pub fn distrust_links(&mut self, workspace_roots: &[AbsolutePathBuf]) {
        let trusted: Vec<PathBuf> = workspace_roots
            .iter()
            .map(|root| real(root.as_path().to_owned()))
            .collect();
        let roots: Vec<PathBuf> = self.roots.iter().map(|root| root.path.clone()).collect();
        let links = &self.links;
        let led_astray = |place: &PathBuf| {
            let mut by = links.iter().filter(|link| link.place == *place);
            !trusted.contains(place)
                && by.any(|link| roots.iter().any(|root| link.path.starts_with(root) && root != place))
        };
        self.roots.retain(|root| !led_astray(&root.path));
        if let Some(readable) = &mut self.readable {
            readable.retain(|place| !led_astray(place));
        }
    }
}

/// The links that a path leads through.
pub(super) fn links_on(path: &Path) -> Vec<Link> {
    let names = |path: &Path| -> Vec<OsString> { path.iter().rev().map(OsString::from).collect() };
    let place = real(path.to_owned());
    let mut at = PathBuf::new();
    // The last is the next.
    let mut rest = names(path);
    let mut found = Vec::new();
    while let Some(name) = rest.pop() {
        if name == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&name);
        match next.read_link() {
            Ok(target) if found.len() < MAX_LINKS => {
                rest.append(&mut names(&target));
                found.push(Link {
                    path: next,
                    target,
                    place: place.clone(),
                });
            }
            _ => at = next,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::policy::Place;
    use super::*;
    use crate::protocol::SandboxPolicy;

    #[test]
    fn a_link_that_a_command_could_have_made_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for made in ["work/real", "outside", "data"] {
            std::fs::create_dir_all(root.join(made)).unwrap();
        }
        for (target, link) in [
            ("../outside", "work/astray"),
            ("real", "work/inner"),
            ("work", "named"),
            ("data", "own"),
        ] {
            std::os::unix::fs::symlink(target, root.join(link)).unwrap();
        }
        let workspace = [AbsolutePathBuf::rooted(root.join("named"))];
        let place = Place {
            workspace_roots: &workspace,
            home: &root,
        };
        let astray = root.join("work/astray");
        let named = [&astray, &root.join("work/inner"), &root.join("own")];
        let policy = SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp: true,
            exclude_tmpdir_env_var: true,
            network_access: false,
            writable_roots: named.map(AbsolutePathBuf::rooted).to_vec(),
        };
        let mut confinement = Confinement::resolve(&policy, &place).unwrap();
        for (path, allowed) in [
            ("work/x", true),
            ("work/real/x", true),
            ("data/x", true),
            ("outside/x", false),
        ] {
            assert_eq!(confinement.allows_writing(&root.join(path)), allowed, "{path}");
        }
        confinement.readable = Some(Vec::new());
        confinement.show([astray.clone(), root.join("own")].into_iter());
        confinement.distrust_links(&workspace);
        let outside = root.join("outside/x");
        assert!(
            confinement.hides(&astray.join("x"), &outside) && confinement.readable == Some(vec![root.join("data")])
        );
    }
}
