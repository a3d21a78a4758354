//! What a model is told of the skills it may use: a list that fits a small part of its window, and how to use one.

use crate::skills::Skill;

/// The part of a model's window that the list may take, in percent.
const PERCENT: i64 = 2;
/// A token in characters, roughly.
const CHARACTERS_PER_TOKEN: i64 = 4;
/// The most characters where the window is not known.
const WITHOUT_WINDOW: usize = 8000;
/// A description that is cut below this says nothing and is left out.
const WORTH_TELLING: usize = 16;

const OPENING: &str = "<skills_instructions>\n## Skills\nA skill is a folder of instructions for one kind of task; its \
    `SKILL.md` says how the task is done. These skills are at hand, each with what it is for and its file:\n";

const GUIDANCE: &str = "## Using skills\n\
    - Use a skill when the user names it (`$name`, or by its plain name), or when the task is plainly what its \
    description says. Several may apply: use the fewest that cover the task, and say which ones you use. Use a skill for \
    the turn that calls for it, not for later ones.\n\
    - Read its `SKILL.md` first, as far as you need it, unless its text was given to you already. Relative paths in it \
    start at the skill's own folder.\n\
    - Read further files that it points to only when the task needs them. Prefer running its scripts and reusing its \
    templates to writing the same again.\n\
    - If a skill is missing or cannot be followed, say so in a line and go on in the next best way.\n\
    </skills_instructions>";

/// The section, and what the user is to know about it.
#[derive(Debug, Default, PartialEq)]
pub struct SkillsSection {
    /// The section, tags included; none without skills.
    pub section: Option<String>,
    /// Why the list does not say everything.
    pub warning: Option<String>,
}

/// Lists the skills in the space that the model's window allows. Descriptions are cut before skills are left out.
pub fn section(skills: &[&Skill], context_window: Option<i64>) -> SkillsSection {
    if skills.is_empty() {
        return SkillsSection::default();
    }
    let share = context_window.map(|window| window.saturating_mul(PERCENT * CHARACTERS_PER_TOKEN) / 100);
    let budget = match share.and_then(|share| usize::try_from(share).ok()) {
        Some(budget) if budget > 0 => budget,
        _ => WITHOUT_WINDOW,
    };
    let bare: usize = skills.iter().map(|skill| line(skill, 0).len() + 1).sum();
    let (kept, longest) = if bare <= budget {
        (skills, longest_description(skills, budget - bare))
    } else {
        let mut left = budget;
        let fits = skills.iter().take_while(|skill| {
            let needed = line(skill, 0).len() + 1;
            let fits = needed <= left;
            left -= needed.min(left);
            fits
        });
        (&skills[..fits.count()], 0)
    };
    let mut section = OPENING.to_owned();
    for skill in kept {
        section.push_str(&line(skill, longest));
        section.push('\n');
    }
    section.push_str(GUIDANCE);
    let out = skills.len() - kept.len();
    let warning = if out > 0 {
        Some(format!(
            "{out} of {} skills are not told to the model: the list has room in {PERCENT}% of its context window. Switch \
             off what is not needed.",
            skills.len()
        ))
    } else {
        let cut = skills.iter().any(|skill| skill.shown.description.len() > longest);
        cut.then(|| {
            format!(
                "The descriptions of skills were shortened, so that the list fits in {PERCENT}% of the model's context \
                 window. All skills can be used; switch off what is not needed to make room."
            )
        })
    };
    SkillsSection {
        section: Some(section),
        warning,
    }
}

/// The length at which all descriptions together fit the room.
fn longest_description(skills: &[&Skill], room: usize) -> usize {
    // With the colon and the space before it.
    let mut lengths: Vec<usize> = skills.iter().map(|skill| skill.shown.description.len() + 2).collect();
    lengths.sort_unstable();
    let mut left = room;
    for (at, length) in lengths.iter().enumerate() {
        let share = left / (lengths.len() - at);
        if *length > share {
            return share.saturating_sub(2);
        }
        left -= length;
    }
    usize::MAX
}

fn line(skill: &Skill, longest: usize) -> String {
    let shown = &skill.shown;
    let description = shortened(&shown.description, longest);
    let name = &shown.name;
    match description {
        "" => format!("- {name} (file: {})", shown.path),
        description => format!("- {name}: {description} (file: {})", shown.path),
    }
}

fn shortened(text: &str, longest: usize) -> &str {
    if text.len() <= longest {
        return text;
    }
    if longest < WORTH_TELLING {
        return "";
    }
    let end = (0..=longest).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{AbsolutePathBuf, SkillMetadata, SkillScope};

    fn skill(name: &str, description: &str) -> Skill {
        Skill {
            shown: SkillMetadata {
                dependencies: None,
                description: description.into(),
                enabled: true,
                interface: None,
                name: name.into(),
                path: AbsolutePathBuf::rooted(format!("/s/{name}/SKILL.md")),
                scope: SkillScope::User,
                short_description: None,
            },
            implicit: true,
        }
    }

    fn listed(told: &SkillsSection) -> Vec<&str> {
        let section = told.section.as_deref().unwrap();
        section.lines().filter(|line| line.contains("(file: ")).collect()
    }

    #[test]
    fn what_fits_is_told_in_full() {
        let (a, b) = (skill("a", "Paints walls"), skill("b", "Löscht"));
        let told = section(&[&a, &b], Some(100_000));
        let lines = [
            "- a: Paints walls (file: /s/a/SKILL.md)",
            "- b: Löscht (file: /s/b/SKILL.md)",
        ];
        assert_eq!((listed(&told), told.warning.is_none()), (lines.to_vec(), true));
        assert_eq!(section(&[], Some(100_000)), SkillsSection::default());
    }

    #[test]
    fn long_descriptions_are_cut_first_and_skills_left_out_last() {
        let skills: Vec<Skill> = (0..20)
            .map(|at| skill(&format!("s{at:02}"), &"é ".repeat(200)))
            .collect();
        let short = skill("short", "Short and kept");
        let all: Vec<&Skill> = skills.iter().chain([&short]).collect();
        let told = section(&all, Some(30_000));
        let lines = listed(&told);
        let total: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!(total <= 2400 && total > 2200, "{total}");
        assert_eq!(lines.len(), 21);
        assert!(lines[20].contains("Short and kept") && told.warning.unwrap().contains("shortened"));

        let told = section(&all, Some(5_000));
        let lines = listed(&told);
        assert!(lines.len() < 21 && lines.iter().map(|line| line.len() + 1).sum::<usize>() <= 400);
        assert!(
            told.warning
                .as_deref()
                .unwrap()
                .starts_with(&format!("{} of 21", 21 - lines.len()))
        );
    }
}
