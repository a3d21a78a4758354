//! The bundled table of models, in the order of the list. Data only; the first visible model is the default.

use std::borrow::Cow;

use super::{Effort, ModelInfo, ServiceTier, Truncation, Upgrade, Visibility};
use crate::protocol::{InputModality, ReasoningEffort, ReasoningSummary, Verbosity};

const EFFORTS: &[Effort] = &[
    Effort {
        effort: ReasoningEffort::Low,
        description: "Answers fast, with little reasoning",
    },
    Effort {
        effort: ReasoningEffort::Medium,
        description: "A balance of speed and depth for daily work",
    },
    Effort {
        effort: ReasoningEffort::High,
        description: "Reasons at length about hard problems",
    },
    Effort {
        effort: ReasoningEffort::Xhigh,
        description: "Reasons longest, for the hardest problems",
    },
];

const FAST: &[ServiceTier] = &[ServiceTier {
    id: "priority",
    alias: "fast",
    name: "Fast",
    description: "Faster answers at a higher price",
}];

const TEXT_AND_IMAGE: &[&str] = &["text", "image"];

const TO_GPT_5_4: Upgrade = Upgrade {
    model: "gpt-5.4",
    markdown: "**GPT-5.4** is the newer model for this kind of work. You can stay with the model you have.\n",
};

/// What the models of the family have in common; each entry of [`BUNDLED`] says where it differs.
const BASE: ModelInfo = ModelInfo {
    slug: Cow::Borrowed(""),
    display_name: Cow::Borrowed(""),
    description: Cow::Borrowed(""),
    visibility: Visibility::List,
    upgrade: None,
    efforts: EFFORTS,
    default_effort: Some(ReasoningEffort::Medium),
    default_summary: None,
    default_verbosity: Some(Verbosity::Low),
    parallel_tool_calls: true,
    apply_patch: true,
    tool_search: true,
    image_detail: true,
    web_search_content: &[],
    truncation: Truncation::Tokens(10_000),
    context_window: 272_000,
    auto_compact_limit: None,
    input_modalities: &[InputModality::Text, InputModality::Image],
    service_tiers: &[],
    personality: true,
    fallback: false,
};

/// The models that `model/list` shows, in its order.
pub static BUNDLED: [ModelInfo; 6] = [
    ModelInfo {
        slug: Cow::Borrowed("gpt-5.5"),
        display_name: Cow::Borrowed("GPT-5.5"),
        description: Cow::Borrowed("The strongest model for large coding tasks and research."),
        web_search_content: TEXT_AND_IMAGE,
        service_tiers: FAST,
        ..BASE
    },
    ModelInfo {
        slug: Cow::Borrowed("gpt-5.4"),
        display_name: Cow::Borrowed("gpt-5.4"),
        description: Cow::Borrowed("A strong model for daily coding."),
        web_search_content: TEXT_AND_IMAGE,
        service_tiers: FAST,
        ..BASE
    },
    ModelInfo {
        slug: Cow::Borrowed("gpt-5.4-mini"),
        display_name: Cow::Borrowed("GPT-5.4-Mini"),
        description: Cow::Borrowed("Small, quick and cheap, for simpler tasks."),
        default_verbosity: Some(Verbosity::Medium),
        web_search_content: TEXT_AND_IMAGE,
        ..BASE
    },
    ModelInfo {
        slug: Cow::Borrowed("gpt-5.3-codex"),
        display_name: Cow::Borrowed("gpt-5.3-codex"),
        description: Cow::Borrowed("Tuned for coding."),
        upgrade: Some(TO_GPT_5_4),
        ..BASE
    },
    ModelInfo {
        slug: Cow::Borrowed("gpt-5.2"),
        display_name: Cow::Borrowed("gpt-5.2"),
        description: Cow::Borrowed("For professional work and agents that run for long."),
        upgrade: Some(TO_GPT_5_4),
        default_summary: Some(ReasoningSummary::Auto),
        image_detail: false,
        truncation: Truncation::Bytes(10_000),
        personality: false,
        ..BASE
    },
    ModelInfo {
        slug: Cow::Borrowed("codex-auto-review"),
        display_name: Cow::Borrowed("Codex Auto Review"),
        description: Cow::Borrowed("Reviews requests for approval."),
        visibility: Visibility::Hide,
        ..BASE
    },
];

/// The built-in offline model of the provider `rehearsal`.
pub static REHEARSAL: ModelInfo = ModelInfo {
    slug: Cow::Borrowed("rehearsal"),
    display_name: Cow::Borrowed("Rehearsal"),
    description: Cow::Borrowed("Built in, offline, follows plain instructions word for word. Not an AI model."),
    visibility: Visibility::Hide,
    efforts: &[],
    default_effort: None,
    default_verbosity: None,
    tool_search: false,
    image_detail: false,
    input_modalities: &[InputModality::Text],
    personality: false,
    ..BASE
};

/// Cautious facts about a model that nobody described.
pub(super) fn fallback(name: &str) -> ModelInfo {
    ModelInfo {
        slug: Cow::Owned(name.to_owned()),
        display_name: Cow::Owned(name.to_owned()),
        visibility: Visibility::Never,
        efforts: &[],
        default_effort: None,
        default_verbosity: None,
        parallel_tool_calls: false,
        apply_patch: false,
        tool_search: false,
        image_detail: false,
        truncation: Truncation::Bytes(10_000),
        personality: false,
        fallback: true,
        ..BASE
    }
}
