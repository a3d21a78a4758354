//! Which commands may run without asking, and which must not: lists of programs and their options.
//!
//! Three questions, from lax to strict. [`known_safe`] is the list that spares a question under the `untrusted`
//! policy; there the sandbox still stands behind it. [`only_reads`] is for machines without a sandbox: it leaves out
//! whatever could write or start a program by way of an operand, a repository's configuration or an expanded pattern.
//! [`dangerous`] names what is asked about under every policy. Unknown programs are none of the three.

use std::path::Path;

use crate::exec::bash::{self, PlainCommand, Script};
use crate::exec::shell::script_of;

/// Programs that only read, whatever their arguments are.
const READERS: &[&str] = &[
    "cat", "cd", "cut", "echo", "expr", "false", "grep", "head", "id", "ls", "nl", "paste", "pwd", "rev", "seq",
    "stat", "tail", "tr", "true", "uname", "uniq", "wc", "which", "whoami",
];
/// The same, on Linux only.
const LINUX_READERS: &[&str] = &["numfmt", "tac"];
/// Options of `find` that write files or start programs.
const FIND_ACTIONS: &[&str] = &[
    "-exec", "-execdir", "-ok", "-okdir", "-delete", "-fls", "-fprint", "-fprint0", "-fprintf",
];
/// Options of `rg` that start programs, without a value or with one behind `=`.
const RG_PROGRAMS: &[&str] = &["--pre", "--hostname-bin", "--search-zip"];
/// Options of `git branch` that only list.
const GIT_BRANCH_LISTS: &[&str] = &[
    "-a",
    "-r",
    "-l",
    "-v",
    "-vv",
    "--all",
    "--remotes",
    "--list",
    "--verbose",
    "--show-current",
];
/// Options of read-only `git` commands that write a file or start a program.
const GIT_PROGRAMS: &[&str] = &["--output", "--ext-diff", "--textconv", "--exec", "--paginate"];
/// Where the system keeps its programs.
const SYSTEM_FOLDERS: &[&str] = &["/bin", "/usr/bin", "/usr/local/bin"];

/// Whether a command is on the list of those that need no question under `untrusted`.
pub fn known_safe(argv: &[String]) -> bool {
    if let Some(script) = script_of(argv) {
        return match bash::read(script) {
            Script::Plain(commands) => commands.iter().all(|command| known_safe(&command.argv)),
            _ => false,
        };
    }
    let Some((program, arguments)) = argv.split_first() else {
        return false;
    };
    match base_name(program) {
        "find" => !arguments.iter().any(|a| FIND_ACTIONS.contains(&a.as_str())),
        "rg" => !arguments.iter().any(|a| a == "-z" || names_option(a, RG_PROGRAMS)),
        "base64" => !arguments
            .iter()
            .any(|a| a.starts_with("-o") || names_option(a, &["--output"])),
        "sed" => prints_lines(arguments),
        "git" => git_reads(arguments),
        name => is_reader(name),
    }
}

/// Whether a command can do nothing but read files and print, even without a sandbox around it.
pub fn only_reads(command: &PlainCommand) -> bool {
    let Some((program, arguments)) = command.argv.split_first() else {
        return false;
    };
    let path = Path::new(program);
    let trusted_place = !program.contains('/')
        || path
            .parent()
            .is_some_and(|folder| SYSTEM_FOLDERS.iter().any(|system| folder == Path::new(system)));
    if !trusted_place || !known_safe(&command.argv) {
        return false;
    }
    match base_name(program) {
        "bash" | "sh" | "zsh" | "git" => false,
        "find" | "sed" | "base64" => !command.expands,
        "rg" => !command.expands && !arguments.iter().any(|a| is_cluster_with(a, 'z')),
        // A second operand of `uniq` is the file it writes.
        "uniq" => !command.expands && arguments.iter().filter(|a| !a.starts_with('-')).count() <= 1,
        _ => true,
    }
}

/// Whether a command is asked about under every policy: a forced removal, also through `sudo` or a shell.
pub fn dangerous(argv: &[String]) -> bool {
    if let Some(script) = script_of(argv) {
        return match bash::read(script) {
            Script::Plain(commands) => commands.iter().any(|command| dangerous(&command.argv)),
            Script::Heredoc(command) => dangerous(&command.argv),
            Script::Complex => false,
        };
    }
    let Some((program, arguments)) = argv.split_first() else {
        return false;
    };
    match base_name(program) {
        "rm" => arguments
            .iter()
            .take_while(|a| *a != "--")
            .any(|a| a == "--force" || is_cluster_with(a, 'f')),
        "sudo" => {
            let options = arguments.iter().take_while(|a| a.starts_with('-')).count();
            dangerous(&arguments[options..])
        }
        _ => false,
    }
}

fn is_reader(name: &str) -> bool {
    READERS.contains(&name) || (cfg!(target_os = "linux") && LINUX_READERS.contains(&name))
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

/// `--name` or `--name=value` of one of the names.
fn names_option(argument: &str, names: &[&str]) -> bool {
    let name = argument.split_once('=').map_or(argument, |(name, _)| name);
    names.contains(&name)
}

/// A cluster of short options that has `letter` in it.
fn is_cluster_with(argument: &str, letter: char) -> bool {
    argument
        .strip_prefix('-')
        .is_some_and(|rest| !rest.starts_with('-') && rest.contains(letter))
}

/// `sed -n Np [file]` or `sed -n M,Np [file]`.
fn prints_lines(arguments: &[String]) -> bool {
    match arguments {
        [n, range] | [n, range, _] => n == "-n" && is_line_range(range),
        _ => false,
    }
}

/// `Np` or `M,Np`.
pub(crate) fn is_line_range(range: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    range
        .strip_suffix('p')
        .is_some_and(|lines| match lines.split_once(',') {
            Some((from, to)) => number(from) && number(to),
            None => number(lines),
        })
}

fn git_reads(arguments: &[String]) -> bool {
    let arguments = match arguments {
        [first, rest @ ..] if first == "--no-pager" => rest,
        all => all,
    };
    let Some((subcommand, rest)) = arguments.split_first() else {
        return false;
    };
    match subcommand.as_str() {
        "status" | "log" | "diff" | "show" => !rest
            .iter()
            .any(|a| names_option(a, GIT_PROGRAMS) || a == "-p" && subcommand == "status"),
        "branch" => rest
            .iter()
            .all(|a| GIT_BRANCH_LISTS.contains(&a.as_str()) || a.starts_with("--format=")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        shlex::split(line).unwrap()
    }

    fn reads(script: &str) -> bool {
        match bash::read(script) {
            Script::Plain(commands) => commands.iter().all(only_reads),
            _ => false,
        }
    }

    #[test]
    fn known_safe_commands() {
        for line in [
            "ls",
            "ls -la *.txt",
            "/bin/ls",
            "cat a b",
            "grep -rn x .",
            "find . -name x",
            "rg x",
            "rg --files",
            "git status",
            "git log -1",
            "git diff",
            "git show",
            "git branch",
            "git branch -a",
            "git --no-pager log",
            "sed -n 5p a",
            "sed -n 1,5p a",
            "sed -n 1,5p",
            "base64 a",
            "uniq a",
            "seq 3",
            "tac a",
            "numfmt 1",
            "true",
            "bash -lc 'cat a && ls'",
            "which ls",
            "stat a",
        ] {
            assert!(known_safe(&words(line)), "{line}");
        }
        for line in [
            "sort a",
            "date",
            "env",
            "printf x",
            "touch x",
            "find . -delete",
            "find . -exec rm x",
            "rg --pre cat x",
            "rg --pre=cat x",
            "rg -z x",
            "git -C sub status",
            "git log --output=x",
            "git branch new",
            "git push",
            "git",
            "sed s/a/b/ x",
            "sed -n /x/p a",
            "sed -n 5p a b",
            "base64 -o x a",
            "base64 --output=x a",
            "bash -lc 'cat a > b'",
            "bash x.sh",
            "xargs ls",
            "python3 a.py",
            "",
        ] {
            assert!(!known_safe(&words(line)), "{line}");
        }
    }

    #[test]
    fn readers_without_a_sandbox() {
        for script in [
            "ls *.txt",
            "cat a | wc -l",
            "/usr/bin/head a",
            "cd x && ls",
            "find . -name '*.rs'",
            "rg -n x src",
            "uniq a",
        ] {
            assert!(reads(script), "{script}");
        }
        for script in [
            "git status",
            "uniq a b",
            "find *",
            "rg -nz x",
            "rg x *",
            "./ls",
            "/tmp/cat x",
            "bash -c ls",
            "ls > x",
            "cat $X",
            "sort a",
        ] {
            assert!(!reads(script), "{script}");
        }
    }

    #[test]
    fn dangerous_commands() {
        for line in [
            "rm -f x",
            "rm -rf x",
            "rm -fr x",
            "rm -r -f x",
            "rm --force x",
            "sudo rm -f x",
            "sudo -n rm -rf /",
            "/bin/rm -rf x",
            "bash -lc 'ls && rm -rf x'",
        ] {
            assert!(dangerous(&words(line)), "{line}");
        }
        for line in ["rm x", "rm -r x", "rm -- -f", "ls -f", "echo rm -rf", "sudo ls", ""] {
            assert!(!dangerous(&words(line)), "{line}");
        }
    }
}
