//! Finding the skills below the roots: a walk of bounded width and depth, then reading what it found.
//!
//! The walk is done root by root, because a skill that several roots lead to belongs to the first. Reading is most of the
//! work and is shared among a few threads.

use std::collections::{HashSet, VecDeque};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::files;
use crate::protocol::{AbsolutePathBuf, SkillErrorInfo, SkillMetadata, SkillScope};
use crate::skills::roots::SkillRoot;
use crate::skills::{Skill, SkillSet, appearance, skill_file};

/// The file that makes a folder a skill.
const SKILL_FILE: &str = "SKILL.md";
/// How deep skills lie.
const DEEPEST: usize = 6;
/// How many folders of one root are looked into.
const MOST_FOLDERS: usize = 2000;
/// Fewer skills than this are read on one thread.
const WORTH_A_THREAD: usize = 64;
/// The most threads that read.
const MOST_THREADS: usize = 4;

/// All skills below the roots. Blocking.
pub(super) fn discover(roots: Vec<SkillRoot>) -> SkillSet {
    let (mut folders, mut files, mut found) = (HashSet::new(), HashSet::new(), Vec::new());
    for root in &roots {
        walk(root, &mut folders, |folder| {
            if files.insert(folder.clone()) {
                found.push((folder, root.scope));
            }
        });
    }
    let mut set = SkillSet {
        roots: roots.into_iter().map(|root| root.folder).collect(),
        ..SkillSet::default()
    };
    for (read, (folder, scope)) in read_all(&found).into_iter().zip(&found) {
        match read {
            Ok(Some(skill)) => set.skills.push(skill),
            Ok(None) => {}
            // Nobody can mend what is not theirs.
            Err(_) if *scope == SkillScope::System => {}
            Err(message) => set.errors.push(SkillErrorInfo {
                message,
                path: folder.join(SKILL_FILE).display().to_string(),
            }),
        }
    }
    set.skills.sort_by(|a, b| {
        let key = |skill: &Skill| order(skill.shown.scope);
        (key(a), &a.shown.name, a.path()).cmp(&(key(b), &b.shown.name, b.path()))
    });
    set
}

/// The order of lists.
fn order(scope: SkillScope) -> u8 {
    match scope {
        SkillScope::Repo => 0,
        SkillScope::User => 1,
        SkillScope::System => 2,
        SkillScope::Admin => 3,
    }
}

/// Hands out the real paths of all folders below the root that hold a skill. Folders that were walked already, for this
/// root or another, are not walked again.
fn walk(root: &SkillRoot, walked: &mut HashSet<(u64, u64)>, mut found: impl FnMut(PathBuf)) {
    let Ok(top) = fs::canonicalize(&root.folder) else {
        return;
    };
    let mut waiting = VecDeque::from([(top, 0)]);
    let mut count = 0;
    while let Some((folder, depth)) = waiting.pop_front() {
        let fresh = fs::metadata(&folder).is_ok_and(|own| own.is_dir() && walked.insert((own.dev(), own.ino())));
        if !fresh {
            continue;
        }
        count += 1;
        if count > MOST_FOLDERS {
            tracing::warn!(
                "{} has too many folders: not all skills are found",
                root.folder.display()
            );
            return;
        }
        let mut below: Vec<PathBuf> = Vec::new();
        let mut is_skill = false;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else {
                continue;
            };
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if kind.is_dir() {
                below.push(entry.path());
            } else if kind.is_symlink() && root.scope != SkillScope::System {
                below.extend(fs::canonicalize(entry.path()).ok().filter(|target| target.is_dir()));
            } else if kind.is_file() && name == SKILL_FILE {
                is_skill = true;
            }
        }
        if depth < DEEPEST {
            waiting.extend(below.into_iter().map(|folder| (folder, depth + 1)));
        }
        if is_skill {
            found(folder);
        }
    }
}

type Read = Result<Option<Skill>, String>;

fn read_all(found: &[(PathBuf, SkillScope)]) -> Vec<Read> {
    let read = |part: &[(PathBuf, SkillScope)]| -> Vec<Read> {
        part.iter().map(|(folder, scope)| read_skill(folder, *scope)).collect()
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let helpers = (found.len() / WORTH_A_THREAD).min(cores).min(MOST_THREADS);
    if helpers < 2 {
        return read(found);
    }
    std::thread::scope(|scope| {
        let part = found.len().div_ceil(helpers);
        let parts: Vec<_> = found
            .chunks(part)
            .map(|part| (part, scope.spawn(move || read(part))))
            .collect();
        let whole = |(part, done): (&[(PathBuf, SkillScope)], std::thread::ScopedJoinHandle<'_, Vec<Read>>)| {
            done.join().unwrap_or_else(|_| {
                part.iter()
                    .map(|_| Err("the skill could not be read".to_owned()))
                    .collect()
            })
        };
        parts.into_iter().flat_map(whole).collect()
    })
}

/// Reads the skill of a folder; nothing if it is not for this kind of product.
fn read_skill(folder: &Path, scope: SkillScope) -> Read {
    let path = folder.join(SKILL_FILE);
    let text = files::read(&path, files::MAX_TEXT)
        .and_then(|bytes| {
            String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
        })
        .map_err(|error| format!("failed to read file: {error}"))?;
    let file = skill_file::read(&text, folder)?;
    let looks = appearance::read(folder);
    if !looks.is_for_us {
        return Ok(None);
    }
    Ok(Some(Skill {
        shown: SkillMetadata {
            dependencies: looks.dependencies,
            description: file.description,
            enabled: true,
            interface: looks.interface,
            name: file.name,
            path: AbsolutePathBuf::rooted(path),
            scope,
            short_description: file.short_description,
        },
        implicit: looks.implicit,
    }))
}
