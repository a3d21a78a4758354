//! Bubblewrap: a program that makes the mounts where this one may not, because the system allows it alone to.
//!
//! Only a program counts that root installed, in folders that nobody else can write to.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::plan::{Kind, Plan};
use super::stage::StageError;

/// How many arguments it takes.
const MOST: usize = 9000;

/// Its command line up to the program that it runs, for mounts as planned.
pub(super) fn arguments(plan: &Plan, folder: &Path) -> Result<Vec<OsString>, StageError> {
    // Our own program reaps inside, so that there is one process less.
    let mut line: Vec<OsString> = [
        "--die-with-parent",
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--as-pid-1",
    ]
    .map(OsString::from)
    .to_vec();
    let root: &[&str] = match (plan.bare, plan.root_writable) {
        (true, _) => &["--tmpfs", "/"],
        (false, true) => &["--bind", "/", "/"],
        (false, false) => &["--ro-bind", "/", "/"],
    };
    line.extend(
        root.iter()
            .chain(&["--dev", "/dev", "--proc", "/proc"])
            .map(OsString::from),
    );
    // By the name, because the link is to be found there and not what it leads to.
    let links: BTreeMap<&PathBuf, &PathBuf> = plan.links.iter().map(|(link, target)| (link, target)).collect();
    for (link, target) in links {
        line.extend(["--symlink".into(), target.into(), link.into()]);
    }
    for (path, kind) in &plan.steps {
        if path.is_symlink() {
            return Err(StageError::Link(path.clone()));
        }
        let folder = path.is_dir();
        match kind {
            Kind::Pinned | Kind::Writable => line.extend(["--bind-try".into(), path.into(), path.into()]),
            Kind::ReadOnly if plan.fleeting.contains(path) => {
                line.extend(["--ro-bind-try".into(), path.into(), path.into()])
            }
            Kind::ReadOnly => line.extend(["--ro-bind".into(), path.into(), path.into()]),
            Kind::Hidden if folder => line.extend(
                ["--perms", "0111", "--tmpfs"]
                    .map(OsString::from)
                    .into_iter()
                    .chain([path.into()]),
            ),
            // Bubblewrap's mounts know no devices, so this one cannot be opened.
            Kind::Hidden => line.extend(["--ro-bind".into(), "/dev/null".into(), path.into()]),
        }
    }
    for (path, kind) in &plan.steps {
        if *kind == Kind::Hidden && path.is_dir() {
            line.extend(["--remount-ro".into(), path.into()]);
        }
    }
    if plan.bare {
        line.extend(["--remount-ro", "/"].map(OsString::from));
    }
    line.extend(["--chdir".into(), folder.into(), "--".into()]);
    match line.len() > MOST {
        true => Err(StageError::Long(line.len())),
        false => Ok(line),
    }
}

/// The program, if one is on the path that can be trusted.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("bwrap"))
        .filter_map(|program| program.canonicalize().ok())
        .find(|program| program.is_file() && trusted(program))
}

/// Whether nobody but root could have put it there.
fn trusted(program: &Path) -> bool {
    program.ancestors().all(|part| {
        part.metadata()
            .is_ok_and(|meta| meta.uid() == 0 && meta.mode() & 0o022 == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_root_is_filled_and_closed() {
        let plan = Plan {
            bare: true,
            links: vec![("/bin".into(), "usr/bin".into()), ("/bin".into(), "usr/bin".into())],
            steps: vec![
                ("/closed".into(), Kind::Hidden),
                ("/usr".into(), Kind::ReadOnly),
                ("/work".into(), Kind::Writable),
            ],
            ..Plan::default()
        };
        let line = arguments(&plan, Path::new("/work")).unwrap();
        let line: Vec<&str> = line.iter().filter_map(|part| part.to_str()).collect();
        let shown = line.join(" ");
        let expected = "--tmpfs / --dev /dev --proc /proc --symlink usr/bin /bin --ro-bind /dev/null /closed --ro-bind /usr \
                        /usr --bind-try /work /work --remount-ro / --chdir /work --";
        assert!(shown.ends_with(expected), "{shown}");
        let many = (0..MOST).map(|number| (format!("/{number:05}").into(), Kind::Hidden));
        let plan = Plan {
            steps: many.collect(),
            ..plan
        };
        assert!(arguments(&plan, Path::new("/")).is_err());
    }

    #[test]
    fn a_program_that_others_could_replace_is_not_trusted() {
        assert!(trusted(Path::new("/usr/bin/env").canonicalize().unwrap().as_path()));
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bwrap");
        std::fs::write(&program, "").unwrap();
        // Whoever runs this test, everybody can write to the folder for temporary files.
        assert!(!trusted(&program));
    }
}
