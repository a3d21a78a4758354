//! Which skills a user's input means.
//!
//! Items that name a skill by its file come first, then texts: a link `[$name](path)` means a file, a plain `$name` the
//! only skill of that name. Names of well-known environment variables mean those.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::files::normalised;
use crate::protocol::UserInput;
use crate::skills::Skill;

/// Names that are more often meant otherwise.
const VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "PWD",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LANG",
    "TERM",
    "XDG_CONFIG_HOME",
];

/// Whether an input can mean any skill at all.
pub fn mentions_any(input: &[UserInput]) -> bool {
    input.iter().any(|item| match item {
        UserInput::Text { text, .. } => text.contains('$'),
        UserInput::Skill { .. } => true,
        _ => false,
    })
}

/// The skills among `enabled` that the input means, each once: those of items first, each group in the order of lists.
pub fn mentioned<'s>(input: &[UserInput], enabled: &[&'s Skill]) -> Vec<&'s Skill> {
    let mut chosen = Chosen::default();
    let mut taken = HashSet::new();
    for item in input {
        if let UserInput::Skill { name, path } = item {
            // Whoever names a file means no other skill of that name.
            taken.insert(name.as_str());
            let path = file_of(path);
            chosen.extend(enabled.iter().copied().filter(|skill| skill.path() == path));
        }
    }
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    for item in input {
        if let UserInput::Text { text, .. } = item {
            for mention in mentions(text) {
                match mention {
                    Mention::Name(name) if !taken.contains(name) => {
                        names.insert(name);
                    }
                    Mention::Name(_) => {}
                    Mention::File(path) => {
                        paths.insert(file_of(path));
                    }
                }
            }
        }
    }
    let mut bearers: HashMap<&str, usize> = HashMap::new();
    for skill in enabled {
        *bearers.entry(&skill.shown.name).or_default() += 1;
    }
    chosen.extend(enabled.iter().copied().filter(|skill| {
        let name = skill.shown.name.as_str();
        paths.contains(skill.path()) || (names.contains(name) && bearers.get(name) == Some(&1))
    }));
    chosen.skills
}

#[derive(Default)]
struct Chosen<'s> {
    skills: Vec<&'s Skill>,
    known: HashSet<&'s Path>,
}

impl<'s> Chosen<'s> {
    fn extend(&mut self, skills: impl Iterator<Item = &'s Skill>) {
        let Chosen { skills: all, known } = self;
        all.extend(skills.filter(|skill| known.insert(skill.path())));
    }
}

/// The file that a path of a client means.
fn file_of(path: &str) -> PathBuf {
    let path = normalised(Path::new(path.strip_prefix("skill://").unwrap_or(path)));
    std::fs::canonicalize(&path).unwrap_or(path)
}

#[derive(Debug, PartialEq, Eq)]
enum Mention<'t> {
    Name(&'t str),
    File(&'t str),
}

fn mentions(text: &str) -> Vec<Mention<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let linked = rest[..at].ends_with('[');
        rest = &rest[at + 1..];
        let end = rest.find(|c: char| !is_part_of_name(c)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        if name.is_empty() {
            continue;
        }
        let link = after.strip_prefix(']').filter(|_| linked);
        let file = link.and_then(|link| link.trim_start().strip_prefix('(')?.split_once(')'));
        match file {
            Some((file, after)) if !file.trim().is_empty() => {
                found.push(Mention::File(file.trim()));
                rest = after;
            }
            _ if VARIABLES.contains(&name.to_ascii_uppercase().as_str()) => {}
            _ => found.push(Mention::Name(name)),
        }
    }
    found
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_links_are_told_apart() {
        assert_eq!(
            mentions("use $one, ($two) price$three $HOME $ $my-skill_2:x [$four](skill:///a/SKILL.md) [$five] ($six"),
            [
                Mention::Name("one"),
                Mention::Name("two"),
                Mention::Name("three"),
                Mention::Name("my-skill_2:x"),
                Mention::File("skill:///a/SKILL.md"),
                Mention::Name("five"),
                Mention::Name("six"),
            ]
        );
        assert_eq!(mentions("$ é$é [$x]()"), [Mention::Name("x")]);
    }
}
