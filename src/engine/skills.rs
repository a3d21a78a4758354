//! Skills in threads: their list is part of the first turn's context, and those that the user means follow the input.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::engine::context::{message, skills};
use crate::engine::extension::{Contribution, Extension, InputContext, ThreadStart};
use crate::files;
use crate::protocol::UserInput;
use crate::skills::{Skill, Skills, WatchedRoots, mentioned, mentions_any};

/// How many different lists are remembered as shared.
const SHARED_LISTS: usize = 16;

/// The extension that brings skills.
pub struct SkillsExtension {
    skills: Arc<Skills>,
    watched: Arc<WatchedRoots>,
    /// The lists that threads hold: equal ones are one.
    lists: Mutex<Vec<Weak<str>>>,
}

impl SkillsExtension {
    /// The extension for these skills. Loaded threads have their roots watched.
    pub fn new(skills: Arc<Skills>, watched: Arc<WatchedRoots>) -> Self {
        SkillsExtension {
            skills,
            watched,
            lists: Mutex::default(),
        }
    }

    fn shared(&self, list: String) -> Arc<str> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.retain(|known| known.strong_count() > 0);
        let known = lists.iter().filter_map(Weak::upgrade).find(|known| **known == *list);
        known.unwrap_or_else(|| {
            let list: Arc<str> = list.into();
            if lists.len() < SHARED_LISTS {
                lists.push(Arc::downgrade(&list));
            }
            list
        })
    }
}

impl Extension for SkillsExtension {
    fn thread_start(&self, start: &ThreadStart) -> Contribution {
        let set = self.skills.of(&start.cwd, false);
        let mut contribution = Contribution::default();
        contribution.held.push(Box::new(self.watched.watch(&set.roots)));
        if start.config.include_skill_instructions {
            let switches = self.skills.switches();
            let offered: Vec<&Skill> = set.enabled(&switches).filter(|skill| skill.implicit).collect();
            let told = skills::section(&offered, start.context_window);
            contribution.sections.extend(told.section.map(|list| self.shared(list)));
            contribution.warnings = Mutex::new(told.warning.into_iter().collect());
        }
        contribution
    }

    fn cares_for(&self, input: &[UserInput]) -> bool {
        mentions_any(input)
    }

    fn input(&self, cwd: &Path, input: &[UserInput]) -> InputContext {
        let set = self.skills.of(cwd, false);
        let switches = self.skills.switches();
        let enabled: Vec<&Skill> = set.enabled(&switches).collect();
        let mut context = InputContext::default();
        for skill in mentioned(input, &enabled) {
            let (name, path) = (&skill.shown.name, skill.path());
            match files::read_text(path) {
                Ok(text) => context.items.push(message::user_texts(vec![format!(
                    "<skill>\n<name>{name}</name>\n<path>{}</path>\n{text}\n</skill>",
                    path.display()
                )])),
                Err(error) => context
                    .warnings
                    .push(format!("Failed to load skill {name} at {}: {error}", path.display())),
            }
        }
        context
    }
}
