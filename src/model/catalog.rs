//! The models Greenroom knows, and what each of them can do.
//!
//! A name is looked up whole, then by the longest known prefix (`gpt-5.3-codex-foo` is a `gpt-5.3-codex`), then both
//! again without one leading `namespace/`. A name that stays unknown gets cautious fallback facts, and its threads warn
//! once. Prompts are not here: base instructions belong to `engine::context`.

use std::borrow::Cow;

use crate::protocol::{InputModality, ReasoningEffort, ReasoningSummary, Verbosity};

mod table;

pub use table::{BUNDLED, REHEARSAL};

/// What is known about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The name in requests. Of an unknown model, the name that was asked for.
    pub slug: Cow<'static, str>,
    /// The name for people.
    pub display_name: Cow<'static, str>,
    /// One sentence about it.
    pub description: Cow<'static, str>,
    /// Whether `model/list` shows it.
    pub visibility: Visibility,
    /// The model that clients should offer in its place.
    pub upgrade: Option<Upgrade>,
    /// The efforts it knows; empty when it cannot reason.
    pub efforts: &'static [Effort],
    /// The effort when nobody chose one; `None` when it cannot reason (requests then say `reasoning: null`).
    pub default_effort: Option<ReasoningEffort>,
    /// The summary when nobody chose one; `None` leaves it out.
    pub default_summary: Option<ReasoningSummary>,
    /// The verbosity when nobody chose one; `None` when it knows no verbosity.
    pub default_verbosity: Option<Verbosity>,
    /// Whether it may call several tools in one answer.
    pub parallel_tool_calls: bool,
    /// Whether it is offered `apply_patch`.
    pub apply_patch: bool,
    /// Whether it can search for tools that it was not shown.
    pub tool_search: bool,
    /// Whether `view_image` takes a level of detail.
    pub image_detail: bool,
    /// The content types of `web_search`; empty leaves them out.
    pub web_search_content: &'static [&'static str],
    /// How much of a tool's output it gets to see.
    pub truncation: Truncation,
    /// The window in tokens, before [`ModelInfo::EFFECTIVE_PERCENT`] is taken.
    pub context_window: i64,
    /// Tokens at which the thread is compacted, when set.
    pub auto_compact_limit: Option<i64>,
    /// What it can be shown.
    pub input_modalities: &'static [InputModality],
    /// The service tiers it can run in.
    pub service_tiers: &'static [ServiceTier],
    /// Whether it knows personalities.
    pub personality: bool,
    /// Whether nothing is known about it.
    pub fallback: bool,
}

/// Whether `model/list` shows a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Always.
    List,
    /// With `includeHidden`.
    Hide,
    /// Never.
    Never,
}

/// A reasoning effort, described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// The effort.
    pub effort: ReasoningEffort,
    /// One line about it.
    pub description: &'static str,
}

/// A service tier, described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceTier {
    /// Its value in requests.
    pub id: &'static str,
    /// Its name in configuration and parameters.
    pub alias: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// One line about it.
    pub description: &'static str,
}

/// A newer model to move to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upgrade {
    /// Its slug.
    pub model: &'static str,
    /// What a client may show about it, in Markdown.
    pub markdown: &'static str,
}

/// A limit on tool output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncation {
    /// In bytes.
    Bytes(usize),
    /// In estimated tokens.
    Tokens(usize),
}

/// What the configuration says about a model, whatever the catalog says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelOverrides {
    /// `model_context_window`.
    pub context_window: Option<i64>,
    /// `model_auto_compact_token_limit`.
    pub auto_compact_limit: Option<i64>,
    /// `tool_output_token_limit`.
    pub tool_output_tokens: Option<usize>,
    /// `model_supports_reasoning_summaries`.
    pub reasoning: Option<bool>,
}

impl ModelInfo {
    /// The share of the window that a conversation may fill.
    pub const EFFECTIVE_PERCENT: i64 = 95;

    /// The window as clients are told it.
    pub fn effective_context_window(&self) -> i64 {
        self.context_window.saturating_mul(Self::EFFECTIVE_PERCENT) / 100
    }

    /// The tokens at which a conversation is to be compacted: what is configured, at most nine tenths of the window.
    pub fn compaction_limit(&self) -> i64 {
        let most = self.context_window.saturating_mul(9) / 10;
        self.auto_compact_limit.map_or(most, |limit| limit.min(most))
    }

    /// Whether requests carry `reasoning`.
    pub fn reasons(&self) -> bool {
        self.default_effort.is_some()
    }

    /// The tier to request for a tier that somebody set; `None` when the model does not have it.
    pub fn service_tier(&self, asked: &str) -> Option<&'static str> {
        let tier = self
            .service_tiers
            .iter()
            .find(|tier| tier.id == asked || tier.alias == asked);
        tier.map(|tier| tier.id)
    }

    /// The same model under the configuration's overrides.
    pub fn with_overrides(mut self, overrides: &ModelOverrides) -> Self {
        if let Some(window) = overrides.context_window {
            self.context_window = window;
        }
        if overrides.auto_compact_limit.is_some() {
            self.auto_compact_limit = overrides.auto_compact_limit;
        }
        if let Some(tokens) = overrides.tool_output_tokens {
            self.truncation = match self.truncation {
                Truncation::Tokens(_) => Truncation::Tokens(tokens),
                Truncation::Bytes(_) => Truncation::Bytes(tokens.saturating_mul(4)),
            };
        }
        if overrides.reasoning == Some(true) && self.default_effort.is_none() {
            self.default_effort = Some(ReasoningEffort::Medium);
        }
        self
    }
}

/// The facts about the model called `name`. Never fails: see [`ModelInfo::fallback`].
pub fn find(name: &str) -> ModelInfo {
    let bare = name
        .split_once('/')
        .map(|(_, bare)| bare)
        .filter(|bare| !bare.contains('/'));
    let known = lookup(name).or_else(|| bare.and_then(lookup));
    match known {
        Some(known) => ModelInfo {
            slug: Cow::Owned(name.to_owned()),
            ..known.clone()
        },
        None => table::fallback(name),
    }
}

/// The model of a home that chose none.
pub const DEFAULT_MODEL: &str = "gpt-5.5";

fn lookup(name: &str) -> Option<&'static ModelInfo> {
    let known = BUNDLED.iter().chain(std::iter::once(&REHEARSAL));
    known
        .filter(|model| name.starts_with(&*model.slug))
        .max_by_key(|model| model.slug.len())
}

#[cfg(test)]
mod tests;
