//! `agents/openai.yaml` beside a SKILL.md: how the skill looks, what it needs, who may use it. What is wrong in it is left
//! out; it never costs the skill.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::files;
use crate::files::normalised;
use crate::protocol::{AbsolutePathBuf, SkillDependencies, SkillInterface, SkillToolDependency};
use crate::skills::skill_file::one_line;

const FILE: &str = "agents/openai.yaml";
/// The most characters of a displayed name, and of a dependency's kind and transport.
const LONGEST_NAME: usize = 64;
/// The most characters of any other text.
const LONGEST_TEXT: usize = 1024;
/// The kind of product that this is, for skills that name some.
const PRODUCT: &str = "codex";
/// The products that a skill can name.
const PRODUCTS: [&str; 3] = ["chatgpt", PRODUCT, "atlas"];

/// What the file says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Appearance {
    pub(super) interface: Option<SkillInterface>,
    pub(super) dependencies: Option<SkillDependencies>,
    /// Whether the model may choose the skill by itself.
    pub(super) implicit: bool,
    /// Whether it is meant for this kind of product.
    pub(super) is_for_us: bool,
}

impl Default for Appearance {
    fn default() -> Self {
        Appearance {
            interface: None,
            dependencies: None,
            implicit: true,
            is_for_us: true,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    interface: Option<Interface>,
    dependencies: Option<Dependencies>,
    policy: Option<Policy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Interface {
    display_name: Option<String>,
    short_description: Option<String>,
    icon_small: Option<PathBuf>,
    icon_large: Option<PathBuf>,
    brand_color: Option<String>,
    default_prompt: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Dependencies {
    tools: Vec<Tool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    description: Option<String>,
    transport: Option<String>,
    command: Option<String>,
    url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Policy {
    allow_implicit_invocation: Option<bool>,
    products: Vec<String>,
}

/// Reads the file of a skill's folder. Blocking.
pub(super) fn read(folder: &Path) -> Appearance {
    let path = folder.join(FILE);
    let text = match files::read_text(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Appearance::default(),
        Err(error) => {
            tracing::warn!("{} is left out: {error}", path.display());
            return Appearance::default();
        }
    };
    match serde_norway::from_str::<Option<File>>(&text) {
        Ok(file) => understood(file.unwrap_or_default(), folder),
        Err(error) => {
            tracing::warn!("{} is left out: {error}", path.display());
            Appearance::default()
        }
    }
}

fn understood(file: File, folder: &Path) -> Appearance {
    let policy = file.policy.unwrap_or_default();
    let products: Vec<String> = policy.products.iter().map(|name| name.to_ascii_lowercase()).collect();
    // A list with a name that nobody knows says nothing.
    let known = products.iter().all(|name| PRODUCTS.contains(&name.as_str()));
    Appearance {
        interface: file.interface.and_then(|interface| shown(interface, folder)),
        dependencies: file.dependencies.and_then(needed),
        implicit: policy.allow_implicit_invocation.unwrap_or(true),
        is_for_us: products.is_empty() || !known || products.iter().any(|name| name == PRODUCT),
    }
}

fn shown(interface: Interface, folder: &Path) -> Option<SkillInterface> {
    let shown = SkillInterface {
        brand_color: interface.brand_color.and_then(|color| colour(color.trim())),
        default_prompt: text(interface.default_prompt, LONGEST_TEXT),
        display_name: text(interface.display_name, LONGEST_NAME),
        icon_large: interface.icon_large.and_then(|icon| asset(&icon, folder)),
        icon_small: interface.icon_small.and_then(|icon| asset(&icon, folder)),
        short_description: text(interface.short_description, LONGEST_TEXT),
    };
    (shown != SkillInterface::default()).then_some(shown)
}

fn needed(dependencies: Dependencies) -> Option<SkillDependencies> {
    let tool = |tool: Tool| {
        Some(SkillToolDependency {
            kind: text(tool.kind, LONGEST_NAME)?,
            value: text(tool.value, LONGEST_TEXT)?,
            command: text(tool.command, LONGEST_TEXT),
            description: text(tool.description, LONGEST_TEXT),
            transport: text(tool.transport, LONGEST_NAME),
            url: text(tool.url, LONGEST_TEXT),
        })
    };
    let tools: Vec<_> = dependencies.tools.into_iter().filter_map(tool).collect();
    (!tools.is_empty()).then_some(SkillDependencies { tools })
}

/// A text on one line, unless it is empty or too long.
fn text(text: Option<String>, most: usize) -> Option<String> {
    let text = one_line(&text?);
    (!text.is_empty() && text.chars().count() <= most).then_some(text)
}

fn colour(text: &str) -> Option<String> {
    let digits = text.strip_prefix('#')?;
    (digits.len() == 6 && digits.chars().all(|digit| digit.is_ascii_hexdigit())).then(|| text.to_owned())
}

/// An icon must lie in the skill's own folder of assets.
fn asset(icon: &Path, folder: &Path) -> Option<AbsolutePathBuf> {
    let inside = icon
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let icon = normalised(icon);
    (inside && icon.starts_with("assets")).then(|| AbsolutePathBuf::rooted(folder.join(icon)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(yaml: &str) -> Appearance {
        let file: Option<File> = serde_norway::from_str(yaml).unwrap();
        understood(file.unwrap_or_default(), Path::new("/s"))
    }

    #[test]
    fn icons_lie_among_the_skills_own_assets() {
        let icon = |path: &str| asset(Path::new(path), Path::new("/s")).map(|icon| icon.to_string());
        assert_eq!(icon("./assets/i.png"), Some("/s/assets/i.png".to_owned()));
        for path in [
            "i.png",
            "/s/assets/i.png",
            "assets/../i.png",
            "../assets/i.png",
            "assetsX/i.png",
        ] {
            assert_eq!(icon(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_left_out_alone() {
        let looks = of(&format!(
            "interface:\n  display_name: '{}'\n  short_description: 's  d'\n  brand_color: red\n\
             dependencies:\n  tools:\n    - type: mcp\n      value: v\n    - type: mcp\n    - value: v\n",
            "n".repeat(65)
        ));
        let interface = looks.interface.unwrap();
        assert_eq!(interface.short_description.as_deref(), Some("s d"));
        assert!(interface.display_name.is_none() && interface.brand_color.is_none());
        assert_eq!(looks.dependencies.unwrap().tools.len(), 1);
        assert_eq!(of("interface: {}\ndependencies:\n  tools: []\n"), Appearance::default());
        assert_eq!(of(""), Appearance::default());
    }

    #[test]
    fn a_skill_for_other_products_is_not_for_us() {
        let for_us = |products: &str| of(&format!("policy:\n  products: {products}\n")).is_for_us;
        assert!(for_us("[]") && for_us("[CODEX, atlas]") && for_us("[nonsense]"));
        assert!(!for_us("[chatgpt]") && !for_us("[atlas, chatgpt]"));
    }
}
