//! Shells: which one runs a command, how its command line is made, and how it is shown.
//!
//! The user's shell comes from `$SHELL`, else from the account; only bash, zsh and sh are used, since only their
//! scripts are understood. A shell that the model names but this machine lacks becomes `/bin/sh`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The shells whose scripts are understood.
const KNOWN: [&str; 3] = ["bash", "zsh", "sh"];
/// The shell that is always there.
const FALLBACK: &str = "/bin/sh";

/// A shell that can run scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    path: PathBuf,
}

impl Shell {
    /// The user's own shell, looked up once.
    pub fn login() -> &'static Shell {
        static LOGIN: OnceLock<Shell> = OnceLock::new();
        LOGIN.get_or_init(|| {
            let account = || nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
            let usable = |path: &Path| is_known(path) && path.is_absolute() && path.exists();
            let from_environment = std::env::var_os("SHELL").map(PathBuf::from).filter(|path| usable(path));
            let path = from_environment
                .or_else(|| account().map(|user| user.shell).filter(|path| usable(path)))
                .or_else(|| Some(PathBuf::from("/bin/bash")).filter(|path| path.exists()))
                .unwrap_or_else(|| PathBuf::from(FALLBACK));
            Shell { path }
        })
    }

    /// The shell that the model asked for, by path or by name; `/bin/sh` when it is none of the known ones or missing.
    pub fn named(wanted: &str) -> Shell {
        let path = Path::new(wanted);
        let found = is_known(path)
            .then(|| {
                if path.is_absolute() {
                    path.exists().then(|| path.to_path_buf())
                } else {
                    find_on_path(wanted)
                }
            })
            .flatten();
        Shell {
            path: found.unwrap_or_else(|| PathBuf::from(FALLBACK)),
        }
    }

    /// The command line that runs `script`, as a login shell or not.
    pub fn command_line(&self, script: &str, login: bool) -> Vec<String> {
        vec![
            self.path.to_string_lossy().into_owned(),
            if login { "-lc" } else { "-c" }.to_owned(),
            script.to_owned(),
        ]
    }

    /// Its base name: `bash`, `zsh` or `sh`.
    pub fn name(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or("sh")
    }
}

/// A command line as one would type it. Text that no shell can carry (a NUL) is left unquoted.
pub fn display(argv: &[String]) -> String {
    shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_else(|_| argv.join(" "))
}

/// The script of a `bash|zsh|sh -c|-lc SCRIPT` command line.
pub fn script_of(argv: &[String]) -> Option<&str> {
    match argv {
        [shell, flag, script] if is_known(Path::new(shell)) && (flag == "-lc" || flag == "-c") => Some(script),
        _ => None,
    }
}

fn is_known(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| KNOWN.contains(&name))
}

fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_shown_quoted() {
        let bash = Shell::named("/bin/bash");
        assert_eq!(display(&bash.command_line("echo hi", true)), "/bin/bash -lc 'echo hi'");
        assert_eq!(display(&bash.command_line("ls", false)), "/bin/bash -c ls");
        assert_eq!(display(&bash.command_line("", false)), "/bin/bash -c ''");
        assert_eq!(
            display(&bash.command_line("python3 -c 'print(1)'", false)),
            "/bin/bash -c \"python3 -c 'print(1)'\""
        );
    }

    #[test]
    fn unknown_shells_become_sh() {
        for wanted in ["nonexist", "/bin/nonexist", "python3", "/no/such/bash", ""] {
            assert_eq!(Shell::named(wanted).path, Path::new(FALLBACK), "{wanted}");
        }
        assert_eq!(Shell::named("bash").name(), "bash");
        assert!(Shell::login().path.is_absolute());
    }

    #[test]
    fn scripts_are_recognised() {
        let line = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        assert_eq!(script_of(&line(&["/bin/zsh", "-lc", "x"])), Some("x"));
        assert_eq!(script_of(&line(&["bash", "-x", "x"])), None);
        assert_eq!(script_of(&line(&["python3", "-c", "x"])), None);
    }
}
