//! The head of a SKILL.md: YAML between two lines of dashes.

use std::path::Path;

use serde::Deserialize;

/// The most characters of a name.
const LONGEST_NAME: usize = 64;
/// The most characters of a description.
const LONGEST_DESCRIPTION: usize = 1024;

/// What a SKILL.md says about its skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SkillFile {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) short_description: Option<String>,
}

// Clients are shown what the parser says, which has these names in it.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "struct SkillFrontmatter")]
struct FrontMatter {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "struct SkillFrontmatterMetadata")]
struct Metadata {
    #[serde(rename = "short-description")]
    short_description: Option<String>,
}

/// Reads a SKILL.md; the error says what is wrong with it. A skill without a name has its folder's.
pub(super) fn read(text: &str, folder: &Path) -> Result<SkillFile, String> {
    let head = head(text).ok_or("missing YAML frontmatter delimited by ---")?;
    let front: FrontMatter = match plain(&head) {
        Some(front) => front,
        None => serde_norway::from_str(&head).map_err(|error| format!("invalid YAML: {error}"))?,
    };
    let own = front.name.as_deref().map(one_line).filter(|name| !name.is_empty());
    let name = match own {
        Some(name) => name,
        None => folder
            .file_name()
            .map(|name| one_line(&name.to_string_lossy()))
            .unwrap_or_default(),
    };
    within(&name, "name", LONGEST_NAME)?;
    let description = front.description.as_deref().map(one_line).unwrap_or_default();
    if description.is_empty() {
        return Err("missing field `description`".to_owned());
    }
    within(&description, "description", LONGEST_DESCRIPTION)?;
    let short = front.metadata.and_then(|metadata| metadata.short_description);
    let short = short.map(|text| one_line(&text)).filter(|text| !text.is_empty());
    if let Some(short) = &short {
        within(short, "metadata.short-description", LONGEST_DESCRIPTION)?;
    }
    Ok(SkillFile {
        name,
        description,
        short_description: short,
    })
}

/// What stands between the first line, which must be dashes, and the next line of dashes.
fn head(text: &str) -> Option<String> {
    let mut lines = text.lines();
    if lines.next()?.trim() != "---" {
        return None;
    }
    let mut head = Vec::new();
    for line in lines {
        if line.trim() == "---" {
            return (!head.is_empty()).then(|| head.join("\n"));
        }
        head.push(line);
    }
    None
}

/// Reads the heads that most skills have, a plain name and a plain description, without the whole parser. Nothing that
/// could mean something else to it passes here.
fn plain(head: &str) -> Option<FrontMatter> {
    let mut front = FrontMatter::default();
    for line in head.split('\n') {
        let (key, value) = line.split_once(": ")?;
        let slot = match key {
            "name" => &mut front.name,
            "description" => &mut front.description,
            _ => return None,
        };
        if slot.is_some() || !is_plain(value) {
            return None;
        }
        *slot = Some(value.to_owned());
    }
    Some(front)
}

/// Whether a value is a text and nothing else: words that begin with a letter, without what has a meaning in YAML.
fn is_plain(value: &str) -> bool {
    value.starts_with(|first: char| first.is_ascii_alphabetic())
        && value.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '.' || last == ')')
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " -_.,()/+'".contains(c))
        && !matches!(
            value.to_ascii_lowercase().as_str(),
            "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
}

/// A text on one line, its words one space apart.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn within(text: &str, what: &str, most: usize) -> Result<(), String> {
    match text.chars().count() > most {
        true => Err(format!("invalid {what}: exceeds maximum length of {most} characters")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        read(text, Path::new("/skills/folder")).unwrap_err()
    }

    fn told(text: &str) -> (String, String) {
        let file = read(text, Path::new("/skills/folder")).unwrap();
        (file.name, file.description)
    }

    fn pair(name: &str, description: &str) -> (String, String) {
        (name.to_owned(), description.to_owned())
    }

    #[test]
    fn heads_are_read_as_yaml_on_one_line() {
        assert_eq!(told("---\r\nname: a\r\ndescription: d\r\n---\r\n"), pair("a", "d"));
        assert_eq!(
            told("---  \ndescription: |\n  a\n  b   c\n\n  d\n ---\n"),
            pair("folder", "a b c d")
        );
        assert_eq!(
            told("---\nname: 123\ndescription: 12\nlicense: MIT\n---"),
            pair("123", "12")
        );
        assert_eq!(
            told("---\nname: '  '\ndescription: d\nmetadata:\n---\n"),
            pair("folder", "d")
        );
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_that_clients_know() {
        let missing = "missing YAML frontmatter delimited by ---";
        for text in [
            "",
            "name: x",
            "\n---\nname: x\n---\n",
            "---\nname: x",
            "---\n---\n",
            "\u{feff}---\nname: x\n---",
        ] {
            assert_eq!(error(text), missing);
        }
        for text in [
            "---\nname: x\n---\n",
            "---\ndescription:\n---\n",
            "---\ndescription: ''\n---\n",
        ] {
            assert_eq!(error(text), "missing field `description`");
        }
        let with = |line: &str| error(&format!("---\nname: x\n{line}\n---\n"));
        assert_eq!(
            with("description: use: this"),
            "invalid YAML: mapping values are not allowed in this context at line 2 column 17"
        );
        assert_eq!(
            with("description: [a]"),
            "invalid YAML: description: invalid type: sequence, expected a string at line 2 column 14"
        );
        assert_eq!(
            with("description: d\nmetadata: 3"),
            "invalid YAML: metadata: invalid type: integer `3`, expected struct SkillFrontmatterMetadata at line 3 \
             column 11"
        );
        assert_eq!(with("name: y\ndescription: d"), "invalid YAML: duplicate field `name`");
        let long = "d".repeat(1025);
        assert_eq!(
            with(&format!("description: {long}")),
            "invalid description: exceeds maximum length of 1024 characters"
        );
        assert_eq!(
            error(&format!("---\nname: {}\ndescription: d\n---\n", "n".repeat(65))),
            "invalid name: exceeds maximum length of 64 characters"
        );
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_parser_reads(name in ".{0,12}", description in "[a-z0-9 :#'\"|>!&*%@,.()~-]{0,24}") {
            let head = format!("name: {name}\ndescription: {description}");
            if let Some(front) = plain(&head) {
                let whole: FrontMatter = serde_norway::from_str(&head).unwrap();
                prop_assert_eq!(front.name, whole.name);
                prop_assert_eq!(front.description, whole.description);
            }
        }
    }
}
