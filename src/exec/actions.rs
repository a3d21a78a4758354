//! What a command is about, for showing it: reading a file, listing, searching, or something else.
//!
//! Best effort, and all or nothing: one entry for each telling command of the script when all of them are recognised,
//! else a single `unknown` with the whole script. Commands that only shape the output of others (`| head`, `| wc -l`)
//! do not count, nor does `cd`, which moves the paths of what follows. Nothing is decided by this.

mod operands;
mod summary;

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use crate::exec::bash::{self, Script};
use crate::exec::shell::{display, script_of};
use crate::protocol::{AbsolutePathBuf, CommandAction};

use summary::{Summary, only_shapes_output, summarise};

/// The actions of a command line that runs in `cwd`.
pub fn command_actions(argv: &[String], cwd: &AbsolutePathBuf) -> Vec<CommandAction> {
    let Some(script) = script_of(argv) else {
        return vec![CommandAction::Unknown { command: display(argv) }];
    };
    recognised(script, cwd).unwrap_or_else(|| {
        vec![CommandAction::Unknown {
            command: script.to_owned(),
        }]
    })
}

/// A command that counts, where it runs, and what it is about.
struct Step {
    argv: Vec<String>,
    folder: PathBuf,
    summary: Summary,
}

fn recognised(script: &str, cwd: &AbsolutePathBuf) -> Option<Vec<CommandAction>> {
    let Script::Plain(commands) = bash::read(script) else {
        return None;
    };
    let several = commands.len() > 1;
    let mut folder = cwd.as_path().to_path_buf();
    let mut moved = false;
    let mut steps: Vec<Step> = Vec::new();
    for argv in commands.into_iter().map(|command| command.argv) {
        if several && only_shapes_output(&argv) {
            continue;
        }
        if argv[0] == "cd" {
            moved = true;
            if let Some(target) = argv[1..].iter().rfind(|word| !word.starts_with('-')) {
                folder = resolved(&folder, target);
            }
            continue;
        }
        let summary = summarise(&argv);
        let step = Step {
            argv,
            folder: folder.clone(),
            summary,
        };
        steps.push(step);
    }
    if steps.len() > 1 {
        steps.retain(|step| step.argv != ["true"]);
        while steps.len() > 1 && steps[0].argv[0] == "echo" {
            steps.remove(0);
        }
    }
    let words = shlex::split(script);
    let command = match steps.as_slice() {
        // Nothing but moving about.
        [] if moved => return Some(Vec::new()),
        [] => return None,
        [only] => Some(command_of_only(
            only,
            script,
            words.as_deref().unwrap_or_default(),
            several,
        )),
        _ => None,
    };
    let mut actions = Vec::with_capacity(steps.len());
    for step in steps {
        let command = command.clone().unwrap_or_else(|| display(&step.argv));
        actions.push(action(step, command)?);
    }
    actions.dedup();
    Some(actions)
}

/// How the only action of a script is worded: as the whole script when it is one command, or a file piped through
/// `sed -n`; else as the one command that counts.
fn command_of_only(step: &Step, script: &str, words: &[String], several: bool) -> String {
    let joins = |word: &String| matches!(word.as_str(), "|" | "&&" | "||" | ";");
    if !several && !words.iter().any(joins) {
        return display(words);
    }
    let piped_through_sed =
        words.iter().any(|word| word == "|") && words.windows(2).any(|pair| pair[0] == "sed" && pair[1] == "-n");
    match step.summary {
        Summary::Read { .. } if piped_through_sed => script.to_owned(),
        _ => display(&step.argv),
    }
}

fn action(step: Step, command: String) -> Option<CommandAction> {
    Some(match step.summary {
        Summary::Read { path } => CommandAction::Read {
            command,
            name: short_name(&path),
            path: AbsolutePathBuf::new(resolved(&step.folder, &path))?,
        },
        Summary::List { path } => CommandAction::ListFiles {
            command,
            path: path.as_deref().map(short_name),
        },
        Summary::Search { query, path } => CommandAction::Search {
            command,
            path: path.as_deref().map(short_name),
            query,
        },
        Summary::Other => return None,
    })
}

/// The part of a path that tells it apart: its last component that is not one of the usual folders.
fn short_name(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    let telling = |part: &&str| !part.is_empty() && !matches!(*part, "build" | "dist" | "node_modules" | "src");
    trimmed.rsplit('/').find(telling).unwrap_or(trimmed).to_owned()
}

/// A path as the shell would find it from a folder, without `.` and `..`.
fn resolved(folder: &Path, path: &str) -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    let joined = match (path, path.strip_prefix("~/")) {
        ("~", _) => home().unwrap_or_else(|| folder.join(path)),
        (_, Some(below)) => home().map_or_else(|| folder.join(path), |home| home.join(below)),
        _ => folder.join(path),
    };
    let mut plain = PathBuf::new();
    for component in joined.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
