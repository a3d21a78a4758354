//! The roots of a workspace in what clients are shown of a sandbox.

use std::path::Path;

use crate::engine::settings::TurnSettings;
use crate::protocol::{AbsolutePathBuf, SandboxPolicy};

impl TurnSettings {
    /// The sandbox as clients are shown it: with the roots of the workspace, but for the folder itself, which goes without
    /// saying where it is one of them.
    pub fn shown_sandbox(&self) -> SandboxPolicy {
        let SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp,
            exclude_tmpdir_env_var,
            network_access,
            writable_roots,
        } = &self.sandbox
        else {
            return self.sandbox.clone();
        };
        if self.profile.is_some() {
            return self.sandbox.clone();
        }
        let (mut no_slash_tmp, mut no_tmpdir) = (*exclude_slash_tmp, *exclude_tmpdir_env_var);
        let mut roots = self.workspace_roots.clone();
        if !roots.contains(&self.cwd) {
            // The folders for what is passing are then named like any other.
            let slash_tmp = AbsolutePathBuf::rooted("/tmp");
            let tmpdir = std::env::var_os("TMPDIR").and_then(AbsolutePathBuf::new);
            roots.extend((!no_slash_tmp).then(|| slash_tmp.clone()));
            roots.extend(tmpdir.clone().filter(|_| !no_tmpdir));
            no_slash_tmp = !roots.contains(&slash_tmp);
            no_tmpdir = tmpdir.map_or(no_tmpdir, |tmpdir| !roots.contains(&tmpdir));
        }
        let mut shown: Vec<AbsolutePathBuf> = Vec::new();
        for root in roots.into_iter().chain(writable_roots.iter().cloned()) {
            if root != self.cwd && !shown.contains(&root) {
                shown.push(root);
            }
        }
        SandboxPolicy::WorkspaceWrite {
            exclude_slash_tmp: no_slash_tmp,
            exclude_tmpdir_env_var: no_tmpdir,
            network_access: *network_access,
            writable_roots: shown,
        }
    }

    /// Leaves the memories of the home out of what is named writable, where the folder is in none of the roots.
    pub fn name_memories_only_at_home(&mut self, home: &Path) {
        let at_home = self
            .workspace_roots
            .iter()
            .any(|root| self.cwd.as_path().starts_with(root));
        if let SandboxPolicy::WorkspaceWrite { writable_roots, .. } = &mut self.sandbox
            && !at_home
        {
            writable_roots.retain(|root| root.as_path() != home.join("memories"));
        }
    }
}
