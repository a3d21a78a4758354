//! Skills: folders with a SKILL.md that tells a model how something is done.
//!
//! They are found below a few roots for each working folder ([`roots`]), read ([`skill_file`], [`appearance`]), and kept
//! until somebody says that something has changed. Which of them are switched off is not kept, but asked each time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::{ConfigLoader, SkillSwitch, SkillSwitches};
use crate::protocol::{SkillErrorInfo, SkillMetadata};

mod appearance;
mod discovery;
mod mention;
mod roots;
mod skill_file;
#[cfg(test)]
mod tests;
mod watched;

pub use mention::{mentioned, mentions_any};
pub use roots::SkillRoot;
use roots::roots;
pub use watched::{RootsGuard, WatchedRoots};

/// How many folders' skills are kept.
const MOST_FOLDERS: usize = 256;

/// A skill that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Skill {
    /// What clients are shown of it, as long as it is switched on.
    pub shown: SkillMetadata,
    /// Whether the model may choose it by itself.
    pub implicit: bool,
}

impl Skill {
    /// Its SKILL.md, by its real path.
    pub fn path(&self) -> &Path {
        self.shown.path.as_path()
    }
}

/// The skills of a folder, in the order of lists.
#[derive(Debug, Default)]
pub struct SkillSet {
    /// The skills.
    pub skills: Vec<Skill>,
    /// What is wrong with those that cannot be used.
    pub errors: Vec<SkillErrorInfo>,
    /// Where they were looked for, whether it exists or not.
    pub roots: Vec<PathBuf>,
}

impl SkillSet {
    /// The skills that are switched on.
    pub fn enabled<'s>(&'s self, switches: &'s SkillSwitches) -> impl Iterator<Item = &'s Skill> {
        self.skills.iter().filter(|skill| is_enabled(skill, switches))
    }
}

/// Whether a skill is switched on: the last switch that means it decides.
pub fn is_enabled(skill: &Skill, switches: &SkillSwitches) -> bool {
    let means = |switch: &SkillSwitch| match switch {
        SkillSwitch::Path(path) => path == skill.path(),
        SkillSwitch::Name(name) => *name == skill.shown.name,
    };
    let last = switches.iter().rev().find(|(switch, _)| means(switch));
    last.is_none_or(|(_, on)| *on)
}

#[derive(Debug, Default)]
struct Kept {
    /// Counts how often everything was forgotten: what was read before is not kept afterwards.
    forgotten: u64,
    sets: HashMap<PathBuf, Arc<SkillSet>>,
}

/// The skills of every folder that was asked for.
#[derive(Debug)]
pub struct Skills {
    config: Arc<ConfigLoader>,
    user_home: Option<PathBuf>,
    kept: Mutex<Kept>,
}

impl Skills {
    /// The skills that this configuration leads to.
    pub fn new(config: Arc<ConfigLoader>) -> Self {
        Skills {
            config,
            user_home: std::env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from),
            kept: Mutex::default(),
        }
    }

    /// The skills of a folder, as they are known if they are, unless `anew`. Blocking where they are not.
    pub fn of(&self, cwd: &Path, anew: bool) -> Arc<SkillSet> {
        let forgotten = {
            let kept = self.kept();
            if let Some(set) = kept.sets.get(cwd).filter(|_| !anew) {
                return Arc::clone(set);
            }
            kept.forgotten
        };
        let roots = roots(&self.config, self.user_home.as_deref(), cwd);
        let set = Arc::new(discovery::discover(roots));
        let mut kept = self.kept();
        if kept.forgotten == forgotten {
            if kept.sets.len() >= MOST_FOLDERS {
                kept.sets.clear();
            }
            kept.sets.insert(cwd.to_path_buf(), Arc::clone(&set));
        }
        set
    }

    /// Forgets everything: something may have changed.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.forgotten += 1;
        kept.sets.clear();
    }

    /// Which skills are switched on or off. Blocking, if only for a look at a file's time.
    pub fn switches(&self) -> SkillSwitches {
        self.config.skill_switches()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
