//! Where skills are looked for.

use std::path::{Path, PathBuf};

use crate::config::ConfigLoader;
use crate::protocol::SkillScope;

/// Skills of the machine.
const ADMIN: &str = "/etc/codex/skills";

/// A folder with skills below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillRoot {
    /// The folder; it may not exist.
    pub folder: PathBuf,
    /// Whose skills they are.
    pub scope: SkillScope,
}

/// The roots for a working folder. A skill that several lead to belongs to the first. Projects need not be trusted:
/// a skill is a text. Blocking.
pub fn roots(config: &ConfigLoader, user_home: Option<&Path>, cwd: &Path) -> Vec<SkillRoot> {
    let root = |folder: PathBuf, scope| SkillRoot { folder, scope };
    let (folders, bundled) = config.skill_folders(cwd);
    let home = config.home();
    let mut roots = Vec::new();
    // The nearest folder counts most.
    for folder in folders.iter().rev().map(|folder| folder.join(".codex")) {
        if folder != home {
            roots.push(root(folder.join("skills"), SkillScope::Repo));
        }
    }
    roots.push(root(home.join("skills"), SkillScope::User));
    roots.extend(user_home.map(|user| root(user.join(".agents/skills"), SkillScope::User)));
    if bundled {
        roots.push(root(home.join("skills/.system"), SkillScope::System));
    }
    roots.push(root(ADMIN.into(), SkillScope::Admin));
    roots.extend(
        folders
            .iter()
            .map(|folder| root(folder.join(".agents/skills"), SkillScope::Repo)),
    );
    roots
}
