//! The models Greenroom knows, and what each of them can do.
//!
//! A name is looked up whole, then by the longest known prefix (`gpt-5.3-codex-foo` is a `gpt-5.3-codex`), then both
//! again without one leading `namespace/`. A name that stays unknown gets cautious fallback facts, and its threads warn
//! once. Which models are known is a [`Catalog`]'s to say, one for the process: the bundled ones with what the provider
//! lists, or those of a file. Prompts of bundled models are not here: they belong to `engine::context`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::protocol::{InputModality, ReasoningEffort, ReasoningSummary, Verbosity};

mod cache;
mod entry;
mod list;
mod refresh;
mod table;

pub use list::ModelList;
pub use refresh::{Asker, Catalog};
pub use table::{REHEARSAL, bundled};

/// What is known about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The name in requests. Of an unknown model, the name that was asked for.
    pub slug: Cow<'static, str>,
    /// The name for people.
    pub display_name: Cow<'static, str>,
    /// One sentence about it.
    pub description: Cow<'static, str>,
    /// Whether lists show it to who does not ask for hidden ones.
    pub visible: bool,
    /// Whether it can be had with a key; models that need an account are not listed.
    pub in_api: bool,
    /// Its place in lists, the smallest first.
    pub priority: i32,
    /// What clients may show when it is new, in Markdown.
    pub announcement: Option<Arc<str>>,
    /// The model that clients should offer in its place.
    pub upgrade: Option<Upgrade>,
    /// The efforts it knows.
    pub efforts: Arc<[Effort]>,
    /// Whether it reasons; requests say `reasoning: null` otherwise.
    pub reasons: bool,
    /// The effort when nobody chose one; `None` leaves it out.
    pub default_effort: Option<ReasoningEffort>,
    /// The summary when nobody chose one; `None` leaves it out.
    pub default_summary: Option<ReasoningSummary>,
    /// Whether it knows verbosity.
    pub knows_verbosity: bool,
    /// The verbosity when nobody chose one.
    pub default_verbosity: Option<Verbosity>,
    /// Whether it may call several tools in one answer.
    pub parallel_tool_calls: bool,
    /// Whether it is offered `apply_patch`.
    pub apply_patch: bool,
    /// Whether it may run commands. Where commands are kept running (the feature `unified_exec`) it may whatever this says.
    pub runs_commands: bool,
    /// Whether it can search for tools that it was not shown.
    pub tool_search: bool,
    /// Whether `view_image` takes a level of detail.
    pub image_detail: bool,
    /// The content types of `web_search`; empty leaves them out.
    pub web_search_content: &'static [&'static str],
    /// How much of a tool's output it gets to see.
    pub truncation: Truncation,
    /// The window in tokens, before the share that a conversation may fill is taken; none when it is not known.
    pub context_window: Option<i64>,
    /// The most that the configuration can set the window to.
    pub max_context_window: Option<i64>,
    /// The share of the window that a conversation may fill, in percent.
    pub effective_percent: i64,
    /// Tokens at which the thread is compacted, when set.
    pub auto_compact_limit: Option<i64>,
    /// What it can be shown.
    pub input_modalities: Arc<[InputModality]>,
    /// The service tiers it can run in.
    pub service_tiers: Arc<[ServiceTier]>,
    /// The same by the names that older clients know.
    pub speed_tiers: Arc<[String]>,
    /// Whether it knows personalities.
    pub personality: bool,
    /// Its base instructions, where the catalog has them.
    pub instructions: Option<Instructions>,
    /// Whether nothing is known about it.
    pub fallback: bool,
}

/// A reasoning effort, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effort {
    /// The effort.
    pub effort: ReasoningEffort,
    /// One line about it.
    pub description: Cow<'static, str>,
}

/// A service tier, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTier {
    /// Its value in requests.
    pub id: Cow<'static, str>,
    /// Its name for people.
    pub name: Cow<'static, str>,
    /// One line about it.
    pub description: Cow<'static, str>,
}

/// A newer model to move to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgrade {
    /// Its slug.
    pub model: Cow<'static, str>,
    /// What a client may show about it, in Markdown.
    pub markdown: Cow<'static, str>,
}

/// Base instructions that came with a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instructions {
    /// The instructions where no voice is wanted.
    pub plain: Arc<str>,
    /// The instructions with [`Instructions::PLACE`] where the voice belongs.
    pub template: Option<Arc<str>>,
    /// What the friendly voice says there.
    pub friendly: Option<Arc<str>>,
    /// What the pragmatic voice says there.
    pub pragmatic: Option<Arc<str>>,
}

impl Instructions {
    /// Where the voice belongs.
    pub const PLACE: &str = "{{ personality }}";
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
    /// The feature `personality` is off.
    pub without_personality: bool,
}

/// What people call the tier `priority`.
const FAST: (&str, &str) = ("fast", "priority");

impl ModelInfo {
    /// The window as clients are told it: the share that a conversation may fill.
    pub fn effective_context_window(&self) -> Option<i64> {
        Some(self.window()?.saturating_mul(self.effective_percent) / 100)
    }

    /// The whole window.
    pub fn window(&self) -> Option<i64> {
        self.context_window.or(self.max_context_window)
    }

    /// The tokens at which a conversation is to be compacted: what is configured, at most nine tenths of the window.
    pub fn compaction_limit(&self) -> Option<i64> {
        let most = self.window().map(|window| window.saturating_mul(9) / 10);
        match (self.auto_compact_limit, most) {
            (Some(limit), Some(most)) => Some(limit.min(most)),
            (limit, most) => limit.or(most),
        }
    }

    /// The tier to request for a tier that somebody set; `None` when the model does not have it.
    pub fn service_tier(&self, asked: &str) -> Option<&str> {
        let asked = if asked == FAST.0 { FAST.1 } else { asked };
        let tier = self.service_tiers.iter().find(|tier| tier.id == asked);
        tier.map(|tier| &*tier.id)
    }

    /// The same model under the configuration's overrides.
    pub fn with_overrides(mut self, overrides: &ModelOverrides) -> Self {
        if let Some(window) = overrides.context_window {
            self.context_window = Some(self.max_context_window.map_or(window, |most| window.min(most)));
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
        if overrides.reasoning == Some(true) {
            self.reasons = true;
        }
        if overrides.without_personality {
            self.personality = false;
            if let Some(instructions) = &mut self.instructions {
                instructions.template = None;
                instructions.friendly = None;
                instructions.pragmatic = None;
            }
        }
        self
    }
}

/// The model of a home that chose none, where the catalog lists none.
pub const DEFAULT_MODEL: &str = "gpt-5.5";

#[cfg(test)]
mod tests;
