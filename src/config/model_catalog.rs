//! Catalogs of models as other programs write them: `model_catalog_json`, the home's `models_cache.json`, and what a
//! provider lists.
//!
//! Members that nobody here reads are kept out of these types; all that are read go back into a cache as they came. The
//! names of types show in the parser's words, which clients are shown, so those words have the format's own.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, ConfigLoader, ThreadOverrides};
use crate::protocol::{InputModality, ReasoningEffort, ReasoningSummary, Verbosity};

/// The key of config.toml that names a catalog.
pub(super) const KEY: &str = "model_catalog_json";

/// A catalog. The parser's words have its name in a form that no attribute gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelsResponse {
    /// Its models.
    pub models: Vec<CatalogModel>,
}

/// A model of a catalog.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelInfo")]
pub struct CatalogModel {
    /// The name in requests.
    pub slug: String,
    /// The name for people.
    pub display_name: String,
    /// A sentence about it.
    pub description: Option<String>,
    /// The effort when nobody chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_reasoning_level: Option<ReasoningEffort>,
    /// The efforts that it knows.
    pub supported_reasoning_levels: Vec<CatalogEffort>,
    /// By which tool it runs commands.
    pub shell_type: CatalogShell,
    /// Whether lists show it.
    pub visibility: CatalogVisibility,
    /// Whether it can be had with a key, not only with an account.
    pub supported_in_api: bool,
    /// Its place in lists, the smallest first.
    pub priority: i32,
    /// Service tiers by the names that older clients know.
    #[serde(default)]
    pub additional_speed_tiers: Vec<String>,
    /// Its service tiers.
    #[serde(default)]
    pub service_tiers: Vec<CatalogTier>,
    /// What clients may show when it is new.
    pub availability_nux: Option<CatalogNux>,
    /// The model to move to.
    pub upgrade: Option<CatalogUpgrade>,
    /// Its base instructions.
    pub base_instructions: String,
    /// The same with a place for the voice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_messages: Option<CatalogMessages>,
    /// Whether it reasons.
    pub supports_reasoning_summaries: bool,
    /// The summary when nobody chose one.
    #[serde(default = "auto")]
    pub default_reasoning_summary: ReasoningSummary,
    /// Whether it knows verbosity.
    pub support_verbosity: bool,
    /// The verbosity when nobody chose one.
    pub default_verbosity: Option<Verbosity>,
    /// How it is offered `apply_patch`.
    pub apply_patch_tool_type: Option<CatalogPatchTool>,
    /// What the hosted search may find for it.
    #[serde(default)]
    pub web_search_tool_type: CatalogSearch,
    /// How much of a tool's output it gets to see.
    pub truncation_policy: CatalogTruncation,
    /// Whether it may call several tools in one answer.
    pub supports_parallel_tool_calls: bool,
    /// Whether pictures can be sent to it as they are.
    #[serde(default)]
    pub supports_image_detail_original: bool,
    /// Its window in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_window: Option<i64>,
    /// The most that the window can be set to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_context_window: Option<i64>,
    /// Tokens at which a conversation is compacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_compact_token_limit: Option<i64>,
    /// The share of the window that a conversation may fill.
    #[serde(default = "most_of_it")]
    pub effective_context_window_percent: i64,
    /// Further tools.
    pub experimental_supported_tools: Vec<String>,
    /// What it can be shown.
    #[serde(default = "text_and_pictures")]
    pub input_modalities: Vec<InputModality>,
    /// Whether it can search for tools.
    #[serde(default)]
    pub supports_search_tool: bool,
}

fn auto() -> ReasoningSummary {
    ReasoningSummary::Auto
}

fn most_of_it() -> i64 {
    95
}

fn text_and_pictures() -> Vec<InputModality> {
    vec![InputModality::Text, InputModality::Image]
}

/// A reasoning effort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(expecting = "struct ReasoningEffortPreset")]
pub struct CatalogEffort {
    /// The effort.
    pub effort: ReasoningEffort,
    /// A line about it.
    pub description: String,
}

/// By which tool commands are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogShell {
    /// By whatever is usual.
    Default,
    /// By the provider's own.
    Local,
    /// By one that keeps commands running.
    UnifiedExec,
    /// By none.
    Disabled,
    /// By one that waits for the command's end.
    ShellCommand,
}

/// Whether lists show a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogVisibility {
    /// They do.
    List,
    /// When asked for hidden ones.
    Hide,
    /// The same.
    None,
}

/// How `apply_patch` is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogPatchTool {
    /// As a tool of free text.
    Freeform,
}

/// What the hosted search may find.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogSearch {
    /// Texts.
    #[default]
    Text,
    /// Pictures, too.
    TextAndImage,
}

/// A limit on tool output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct TruncationPolicyConfig")]
pub struct CatalogTruncation {
    /// What is counted.
    pub mode: CatalogMeasure,
    /// How much.
    pub limit: i64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatalogMeasure {
    /// Bytes.
    Bytes,
    /// Estimated tokens.
    Tokens,
}

/// A service tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelServiceTier")]
pub struct CatalogTier {
    /// Its value in requests.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// A line about it.
    pub description: String,
}

/// What clients may show when a model is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelAvailabilityNux")]
pub struct CatalogNux {
    /// The text.
    pub message: String,
}

/// A model to move to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelInfoUpgrade")]
pub struct CatalogUpgrade {
    /// Its slug.
    pub model: String,
    /// What clients may show about it.
    pub migration_markdown: String,
}

/// Base instructions with a place for the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelMessages")]
pub struct CatalogMessages {
    /// The instructions.
    pub instructions_template: Option<String>,
    /// What can stand in the place.
    pub instructions_variables: Option<CatalogVoices>,
}

/// The texts of voices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(expecting = "struct ModelInstructionsVariables")]
pub struct CatalogVoices {
    /// When nobody chose one.
    pub personality_default: Option<String>,
    /// The friendly one.
    pub personality_friendly: Option<String>,
    /// The pragmatic one.
    pub personality_pragmatic: Option<String>,
}

/// Reads a catalog. Blocking.
pub(super) fn read(path: &Path) -> Result<ModelsResponse, ConfigError> {
    let invalid = ConfigError::Invalid;
    let text = crate::files::read_text(path).map_err(|error| invalid(error.to_string()))?;
    let catalog: ModelsResponse = serde_json::from_str(&text).map_err(|error| {
        invalid(format!(
            "failed to parse model_catalog_json path `{}` as JSON: {error}",
            path.display()
        ))
    })?;
    if catalog.models.is_empty() {
        let path = path.display();
        return Err(invalid(format!(
            "model_catalog_json path `{path}` must contain at least one model"
        )));
    }
    Ok(catalog)
}

/// The path that a layer of the configuration in `folder` means: `~` is the user's own folder.
fn placed(path: &str, folder: &Path) -> PathBuf {
    let own = match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => std::env::home_dir().map(|home| (home, rest)),
        _ => None,
    };
    let path = match own {
        Some((home, rest)) => home.join(rest.trim_start_matches('/')),
        None => folder.join(path),
    };
    crate::files::normalised(&path)
}

/// A layer whose path of a catalog does not depend on where the layer comes from, which is `folder`.
pub(super) fn rooted<'a>(table: &'a toml::Table, folder: &Path) -> Cow<'a, toml::Table> {
    let Some(toml::Value::String(path)) = table.get(KEY) else {
        return Cow::Borrowed(table);
    };
    let path = placed(path, folder).display().to_string();
    let mut table = table.clone();
    table.insert(KEY.to_owned(), toml::Value::String(path));
    Cow::Owned(table)
}

impl ConfigLoader {
    /// The catalog that stands for the whole process: the one of the server's own folder, if its configuration holds.
    /// Blocking.
    pub fn model_catalog(&self) -> Option<ModelsResponse> {
        self.resolve(&ThreadOverrides::default()).ok()?;
        let (merged, ..) = self.merged(self.server_cwd(), &BTreeMap::new());
        let path = merged.get(KEY)?.as_str()?;
        read(Path::new(path))
            .inspect_err(|error| tracing::warn!("the catalog of models cannot be used: {error}"))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{"slug":"m","display_name":"M","description":null,"supported_reasoning_levels":[],
        "shell_type":"default","visibility":"list","supported_in_api":true,"priority":1,"base_instructions":"B",
        "supports_reasoning_summaries":false,"support_verbosity":false,
        "truncation_policy":{"mode":"tokens","limit":10},"supports_parallel_tool_calls":true,
        "experimental_supported_tools":[],"of_tomorrow":{"x":1}}"#;

    fn told(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.json");
        std::fs::write(&path, text).unwrap();
        let error = read(&path).unwrap_err().to_string();
        error.replace(&path.display().to_string(), "c.json")
    }

    #[test]
    fn what_is_left_out_has_its_defaults_and_what_is_new_is_passed_over() {
        let model: CatalogModel = serde_json::from_str(MODEL).unwrap();
        assert_eq!(model.effective_context_window_percent, 95);
        assert_eq!(model.default_reasoning_summary, ReasoningSummary::Auto);
        assert_eq!(model.input_modalities, [InputModality::Text, InputModality::Image]);
        let again = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<CatalogModel>(&again).unwrap(), model);
    }

    #[test]
    fn mistakes_are_told_in_the_words_that_other_programs_use() {
        let parsing = "failed to parse model_catalog_json path `c.json` as JSON: ";
        for (text, why) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{}", "missing field `models` at line 1 column 2"),
            (
                "[]",
                "invalid length 0, expected struct ModelsResponse with 1 element at line 1 column 2",
            ),
            (r#"{"models":[{}]}"#, "missing field `slug` at line 1 column 13"),
        ] {
            assert_eq!(told(text), format!("{parsing}{why}"));
        }
        let changed = |from: &str, to: &str| told(&format!(r#"{{"models":[{}]}}"#, MODEL.replace(from, to)));
        let told = changed(r#""default""#, r#""x""#);
        let kinds = "`default`, `local`, `unified_exec`, `disabled`, `shell_command`";
        assert!(
            told.contains(&format!("unknown variant `x`, expected one of {kinds}")),
            "{told}"
        );
        let told = changed(r#"{"mode":"tokens","limit":10}"#, "null");
        assert!(
            told.contains("invalid type: null, expected struct TruncationPolicyConfig"),
            "{told}"
        );
        let told = changed(r#""priority":1"#, r#""priority":1,"apply_patch_tool_type":"function""#);
        assert!(
            told.contains("unknown variant `function`, expected `freeform`"),
            "{told}"
        );
    }

    #[test]
    fn a_catalog_has_a_model_and_is_a_file() {
        assert_eq!(
            told(r#"{"models":[]}"#),
            "model_catalog_json path `c.json` must contain at least one model"
        );
        let missing = read(Path::new("/nowhere/c.json")).unwrap_err();
        assert_eq!(missing.to_string(), "No such file or directory (os error 2)");
        assert_eq!(
            read(Path::new("/")).unwrap_err().to_string(),
            "Is a directory (os error 21)"
        );
    }

    #[test]
    fn a_path_starts_at_its_layer() {
        assert_eq!(placed("a.json", Path::new("/l")), Path::new("/l/a.json"));
        assert_eq!(placed("../a.json", Path::new("/l/m")), Path::new("/l/a.json"));
        assert_eq!(placed("/a.json", Path::new("/l")), Path::new("/a.json"));
        assert_eq!(placed("~x/a.json", Path::new("/l")), Path::new("/l/~x/a.json"));
    }
}
