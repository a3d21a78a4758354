//! What the configuration says about skills: where projects keep them, and which are switched off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::config::merged::project_folders;
use crate::config::{ConfigError, ConfigLoader, edit};

/// Which skill a switch means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkillSwitch {
    /// The one of this SKILL.md.
    Path(PathBuf),
    /// All of this name.
    Name(String),
}

/// The switches, in order; a later one counts more.
pub type SkillSwitches = Vec<(SkillSwitch, bool)>;

impl ConfigLoader {
    /// The folders from the project's root down to `cwd`, and whether bundled skills are wanted. Blocking.
    pub fn skill_folders(&self, cwd: &Path) -> (Vec<PathBuf>, bool) {
        let merged = self.merged(cwd, &BTreeMap::new());
        let (table, root) = (merged.table, merged.root);
        let bundled = || table.get("skills")?.get("bundled")?.get("enabled")?.as_bool();
        (project_folders(cwd, root.as_deref()), bundled().unwrap_or(true))
    }

    /// The switches of the user's file and of the command line. Blocking.
    pub fn skill_switches(&self) -> SkillSwitches {
        let user = self.user_table();
        [&*user, self.session_flags()].into_iter().flat_map(switches).collect()
    }

    /// Switches a skill on or off in the user's file. Blocking.
    pub fn switch_skill(&self, switch: &SkillSwitch, on: bool) -> Result<(), ConfigError> {
        self.edit_user_file(|document| set_switch(document, switch, on))
    }
}

fn switches(table: &toml::Table) -> SkillSwitches {
    let entries = || table.get("skills")?.get("config")?.as_array();
    let entry = |entry: &toml::Value| {
        let text = |key: &str| entry.get(key)?.as_str();
        let switch = match (text("path"), text("name").map(str::trim)) {
            (Some(path), None) => SkillSwitch::Path(real(Path::new(path))),
            (None, Some(name)) if !name.is_empty() => SkillSwitch::Name(name.to_owned()),
            // Neither or both: nobody can say what is meant.
            _ => return None,
        };
        Some((switch, entry.get("enabled")?.as_bool()?))
    };
    entries().into_iter().flatten().filter_map(entry).collect()
}

fn real(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// Takes out what the file says about the skill, then adds that it is off. Being on needs no entry.
fn set_switch(document: &mut DocumentMut, switch: &SkillSwitch, on: bool) -> Result<(), ConfigError> {
    if on && document.get("skills").and_then(|skills| skills.get("config")).is_none() {
        return Ok(());
    }
    let skills = edit::table(document.as_table_mut(), "skills")?;
    let config = skills
        .entry("config")
        .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    match config {
        Item::ArrayOfTables(entries) => {
            entries.retain(|entry| !means(entry, switch));
            if !on {
                let mut entry = Table::new();
                fill(&mut entry, switch);
                entries.push(entry);
            }
        }
        Item::Value(Value::Array(entries)) => set_inline(entries, switch, on),
        _ => {
            return Err(ConfigError::Invalid(
                "`skills.config` in config.toml is not a list".into(),
            ));
        }
    }
    let is_empty = match skills.get("config") {
        Some(Item::ArrayOfTables(entries)) => entries.is_empty(),
        Some(Item::Value(Value::Array(entries))) => entries.is_empty(),
        _ => false,
    };
    if is_empty {
        skills.remove("config");
    }
    if skills.is_empty() {
        document.remove("skills");
    }
    Ok(())
}

fn set_inline(entries: &mut Array, switch: &SkillSwitch, on: bool) {
    entries.retain(|entry| !entry.as_inline_table().is_some_and(|entry| means(entry, switch)));
    if !on {
        let mut entry = InlineTable::new();
        fill(&mut entry, switch);
        entries.push(entry);
    }
}

fn fill(entry: &mut dyn TableLike, switch: &SkillSwitch) {
    match switch {
        SkillSwitch::Path(path) => entry.insert("path", toml_edit::value(&*path.to_string_lossy())),
        SkillSwitch::Name(name) => entry.insert("name", toml_edit::value(name)),
    };
    entry.insert("enabled", toml_edit::value(false));
}

fn means(entry: &dyn TableLike, switch: &SkillSwitch) -> bool {
    let text = |key: &str| entry.get(key).and_then(Item::as_str);
    match switch {
        SkillSwitch::Path(path) => text("name").is_none() && text("path").is_some_and(|text| Path::new(text) == path),
        SkillSwitch::Name(name) => text("path").is_none() && text("name").is_some_and(|text| text.trim() == name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str, switch: SkillSwitch, on: bool) -> String {
        let mut document = text.parse::<DocumentMut>().unwrap();
        set_switch(&mut document, &switch, on).unwrap();
        document.to_string()
    }

    fn named(name: &str) -> SkillSwitch {
        SkillSwitch::Name(name.into())
    }

    #[test]
    fn switching_off_adds_an_entry_and_switching_on_takes_it_out() {
        let before = "# mine\nmodel = \"m\" # why\n\n[skills.bundled]\nenabled = false\n";
        let off = after(before, named("one"), false);
        assert_eq!(
            off,
            format!("{before}\n[[skills.config]]\nname = \"one\"\nenabled = false\n")
        );
        assert_eq!(after(&off, named("one"), false), off);
        let both = after(&off, SkillSwitch::Path("/a/SKILL.md".into()), false);
        assert_eq!(
            both,
            format!("{off}\n[[skills.config]]\npath = \"/a/SKILL.md\"\nenabled = false\n")
        );
        assert_eq!(after(&both, SkillSwitch::Path("/a/SKILL.md".into()), true), off);
        assert_eq!(after(&off, named("one"), true), before);
        assert_eq!(after("", named("one"), true), "");
    }

    #[test]
    fn lists_in_one_line_stay_in_one_line() {
        let before = "skills.config = [{ name = \"a\", enabled = false }]\n";
        let off = after(before, named("b"), false);
        let table: toml::Table = off.parse().unwrap();
        assert_eq!(switches(&table), [(named("a"), false), (named("b"), false)]);
        assert_eq!(off.lines().count(), 1);
    }

    #[test]
    fn entries_that_mean_nobody_do_not_count() {
        let text = "[[skills.config]]\nname = \"a\"\npath = \"/a\"\nenabled = false\n[[skills.config]]\nname = ' '\nenabled = \
                    false\n[[skills.config]]\nname = \" b \"\nenabled = false\n";
        assert_eq!(switches(&text.parse().unwrap()), [(named("b"), false)]);
    }
}
