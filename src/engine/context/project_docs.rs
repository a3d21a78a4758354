//! AGENTS.md: what the user and the project want every agent to know.
//!
//! One file of the home, then one per folder from the project's root down to the working folder. Read once when a
//! thread is made; a later change of folder adds nothing. Blocks on the disk: run it on the blocking pool.

use std::path::{Path, PathBuf};

use crate::exec::files::Files;
use crate::files;
use crate::protocol::AbsolutePathBuf;

const NAME: &str = "AGENTS.md";
const OVERRIDE: &str = "AGENTS.override.md";

/// Where to look.
#[derive(Debug, Clone, Copy)]
pub struct ProjectDocsQuery<'a> {
    /// The home, for the user's own file, on this machine.
    pub home: &'a Path,
    /// The files that the project is among.
    pub files: &'a dyn Files,
    /// The working folder.
    pub cwd: &'a Path,
    /// The top of the project; only the working folder is searched without one.
    pub root: Option<&'a Path>,
    /// Further names, tried after the usual ones.
    pub fallback_names: &'a [String],
    /// How many bytes the project's files may have together; none are read at 0.
    pub budget: usize,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProjectDocs {
    /// The files, in order, as `instructionSources` lists them.
    pub sources: Vec<AbsolutePathBuf>,
    /// Their joined text; none if there is nothing to tell.
    pub text: Option<String>,
}

impl ProjectDocs {
    /// Looks for the files and reads them.
    pub fn read(query: &ProjectDocsQuery<'_>) -> Self {
        let mut docs = ProjectDocs::default();
        let global = [OVERRIDE, NAME].into_iter().find_map(|name| {
            let path = query.home.join(name);
            let text = String::from_utf8_lossy(&files::read(&path, files::MAX_TEXT).ok()?)
                .trim()
                .to_owned();
            (!text.is_empty()).then_some((path, text))
        });
        let mut texts = Vec::new();
        if let Some((path, text)) = global {
            docs.sources.extend(AbsolutePathBuf::new(path));
            texts.push(text);
        }
        let project = docs.read_project(query);
        if !project.is_empty() {
            texts.push(project);
        }
        if !texts.is_empty() {
            docs.text = Some(texts.join("\n\n--- project-doc ---\n\n"));
        }
        docs
    }

    /// The project's files joined, within the budget; all that exist are sources, read or not.
    fn read_project(&mut self, query: &ProjectDocsQuery<'_>) -> String {
        if query.budget == 0 {
            return String::new();
        }
        let mut left = query.budget;
        let mut texts: Vec<String> = Vec::new();
        for folder in folders(query.cwd, query.root) {
            let Some(path) = file_in(query.files, &folder, query.fallback_names) else {
                continue;
            };
            if left > 0
                && let Ok(bytes) = query.files.read_start(&path, left as u64)
            {
                let text = String::from_utf8_lossy(&bytes);
                if !text.trim().is_empty() {
                    left -= bytes.len();
                    texts.push(text.into_owned());
                }
            }
            self.sources.extend(AbsolutePathBuf::new(path));
        }
        texts.join("\n\n")
    }

    /// The block of the first user message.
    pub fn block(&self, cwd: &Path) -> Option<String> {
        let text = self.text.as_ref()?;
        Some(format!(
            "# AGENTS.md instructions for {}\n\n<INSTRUCTIONS>\n{text}\n</INSTRUCTIONS>",
            cwd.display()
        ))
    }
}

/// The folders from the root to the working folder.
fn folders(cwd: &Path, root: Option<&Path>) -> Vec<PathBuf> {
    let Some(root) = root.filter(|root| cwd.starts_with(root)) else {
        return vec![cwd.to_owned()];
    };
    let mut folders: Vec<PathBuf> = cwd
        .ancestors()
        .take_while(|folder| folder.starts_with(root))
        .map(Path::to_owned)
        .collect();
    folders.reverse();
    folders
}

/// The nearest folder at or above `cwd` that holds one of the `markers`.
pub fn root_in(files: &dyn Files, cwd: &Path, markers: &[String]) -> Option<PathBuf> {
    let marked = |folder: &&Path| markers.iter().any(|marker| files.look(&folder.join(marker)).is_ok());
    cwd.ancestors().find(marked).map(Path::to_owned)
}

/// The file that speaks for `folder`.
fn file_in(files: &dyn Files, folder: &Path, fallback_names: &[String]) -> Option<PathBuf> {
    let fallback = fallback_names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty());
    [OVERRIDE, NAME]
        .into_iter()
        .chain(fallback)
        .map(|name| folder.join(name))
        .find(|path| files.look(path).is_ok_and(|found| found.is_file))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::exec::files::LocalFiles;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_home_then_the_project_from_the_top() {
        let dir = tempfile::tempdir().unwrap();
        let (home, root) = (dir.path().join("home"), dir.path().join("p"));
        write(home.join("AGENTS.override.md"), "\n");
        write(home.join("AGENTS.md"), " global \n");
        write(root.join("AGENTS.md"), "root\n");
        write(root.join("a/ALT.md"), "  alt  \n\n");
        write(root.join("a/b/AGENTS.override.md"), "over\n");
        write(root.join("a/b/AGENTS.md"), "under\n");
        write(root.join("a/b/c/AGENTS.md"), " \n\n");
        fs::create_dir_all(root.join("a/b/c/d/AGENTS.md")).unwrap();
        write(root.join("a/b/c/d/e/AGENTS.md"), &("x".repeat(50) + &"é".repeat(50)));
        write(root.join("a/b/c/d/e/f/AGENTS.md"), "never");
        let cwd = root.join("a/b/c/d/e/f");
        let names = ["ALT.md".to_owned()];
        let query = ProjectDocsQuery {
            home: &home,
            files: &LocalFiles,
            cwd: &cwd,
            root: Some(&root),
            fallback_names: &names,
            budget: 100,
        };
        let docs = ProjectDocs::read(&query);
        let sources: Vec<_> = docs
            .sources
            .iter()
            .map(|path| path.as_path().strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(
            sources,
            [
                "home/AGENTS.md",
                "p/AGENTS.md",
                "p/a/ALT.md",
                "p/a/b/AGENTS.override.md",
                "p/a/b/c/AGENTS.md",
                "p/a/b/c/d/e/AGENTS.md",
                "p/a/b/c/d/e/f/AGENTS.md"
            ]
        );
        let expected = format!(
            "global\n\n--- project-doc ---\n\nroot\n\n\n  alt  \n\n\n\nover\n\n\n{}{}\u{fffd}",
            "x".repeat(50),
            "é".repeat(15)
        );
        assert_eq!(docs.text.as_deref(), Some(expected.as_str()));
        let off = ProjectDocs::read(&ProjectDocsQuery { budget: 0, ..query });
        assert_eq!((off.sources.len(), off.text.as_deref()), (1, Some("global")));
    }

    #[test]
    fn without_a_root_only_the_folder_counts() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path().join("AGENTS.md"), "above");
        write(dir.path().join("in/AGENTS.md"), "in");
        let cwd = dir.path().join("in");
        let docs = ProjectDocs::read(&ProjectDocsQuery {
            home: Path::new("/nonexistent"),
            files: &LocalFiles,
            cwd: &cwd,
            root: None,
            fallback_names: &[],
            budget: 32 * 1024,
        });
        assert_eq!(
            docs.block(&cwd).unwrap(),
            format!(
                "# AGENTS.md instructions for {}\n\n<INSTRUCTIONS>\nin\n</INSTRUCTIONS>",
                cwd.display()
            )
        );
    }
}
