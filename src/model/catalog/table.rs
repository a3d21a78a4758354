//! The bundled table of models. Data only; the first visible model is the default.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::{Effort, ModelInfo, ModelList, ServiceTier, Truncation, Upgrade};
use crate::protocol::{InputModality, ReasoningEffort, ReasoningSummary, Verbosity};

const EFFORTS: [(ReasoningEffort, &str); 4] = [
    (ReasoningEffort::Low, "Answers fast, with little reasoning"),
    (ReasoningEffort::Medium, "A balance of speed and depth for daily work"),
    (ReasoningEffort::High, "Reasons at length about hard problems"),
    (ReasoningEffort::Xhigh, "Reasons longest, for the hardest problems"),
];

/// The content types of a search that finds pictures, too.
pub(super) const TEXT_AND_IMAGE: &[&str] = &["text", "image"];

const WINDOW: Option<i64> = Some(272_000);
const LARGE_WINDOW: Option<i64> = Some(1_000_000);

/// What the models of the family have in common; each entry says where it differs.
fn base(slug: &'static str, display_name: &'static str, description: &'static str) -> ModelInfo {
    ModelInfo {
        slug: Cow::Borrowed(slug),
        display_name: Cow::Borrowed(display_name),
        description: Cow::Borrowed(description),
        visible: true,
        in_api: true,
        priority: 0,
        announcement: None,
        upgrade: None,
        efforts: EFFORTS
            .iter()
            .map(|(effort, description)| Effort {
                effort: *effort,
                description: Cow::Borrowed(*description),
            })
            .collect(),
        reasons: true,
        default_effort: Some(ReasoningEffort::Medium),
        default_summary: None,
        knows_verbosity: true,
        default_verbosity: Some(Verbosity::Low),
        parallel_tool_calls: true,
        apply_patch: true,
        runs_commands: true,
        tool_search: true,
        image_detail: true,
        web_search_content: &[],
        truncation: Truncation::Tokens(10_000),
        context_window: WINDOW,
        max_context_window: WINDOW,
        effective_percent: 95,
        auto_compact_limit: None,
        input_modalities: [InputModality::Text, InputModality::Image].into(),
        service_tiers: [].into(),
        speed_tiers: [].into(),
        personality: true,
        instructions: None,
        fallback: false,
    }
}

/// A model that also runs in the fast tier.
fn fast(model: ModelInfo) -> ModelInfo {
    ModelInfo {
        service_tiers: [ServiceTier {
            id: Cow::Borrowed("priority"),
            name: Cow::Borrowed("Fast"),
            description: Cow::Borrowed("Faster answers at a higher price"),
        }]
        .into(),
        speed_tiers: ["fast".to_owned()].into(),
        ..model
    }
}

fn to_gpt_5_4() -> Option<Upgrade> {
    Some(Upgrade {
        model: Cow::Borrowed("gpt-5.4"),
        markdown: Cow::Borrowed(
            "**GPT-5.4** is the newer model for this kind of work. You can stay with the model you have.\n",
        ),
    })
}

/// The models that are known without asking anybody.
pub(super) fn models() -> Vec<ModelInfo> {
    vec![
        ModelInfo {
            web_search_content: TEXT_AND_IMAGE,
            ..fast(base(
                "gpt-5.5",
                "GPT-5.5",
                "The strongest model for large coding tasks and research.",
            ))
        },
        ModelInfo {
            priority: 2,
            web_search_content: TEXT_AND_IMAGE,
            max_context_window: LARGE_WINDOW,
            ..fast(base("gpt-5.4", "gpt-5.4", "A strong model for daily coding."))
        },
        ModelInfo {
            priority: 4,
            default_verbosity: Some(Verbosity::Medium),
            web_search_content: TEXT_AND_IMAGE,
            ..base(
                "gpt-5.4-mini",
                "GPT-5.4-Mini",
                "Small, quick and cheap, for simpler tasks.",
            )
        },
        ModelInfo {
            priority: 6,
            upgrade: to_gpt_5_4(),
            ..base("gpt-5.3-codex", "gpt-5.3-codex", "Tuned for coding.")
        },
        ModelInfo {
            priority: 10,
            upgrade: to_gpt_5_4(),
            default_summary: Some(ReasoningSummary::Auto),
            image_detail: false,
            truncation: Truncation::Bytes(10_000),
            personality: false,
            ..base(
                "gpt-5.2",
                "gpt-5.2",
                "For professional work and agents that run for long.",
            )
        },
        ModelInfo {
            priority: 29,
            visible: false,
            web_search_content: TEXT_AND_IMAGE,
            max_context_window: LARGE_WINDOW,
            ..base(
                "codex-auto-review",
                "Codex Auto Review",
                "Reviews requests for approval.",
            )
        },
    ]
}

/// The bundled models as a list.
pub fn bundled() -> &'static ModelList {
    static BUNDLED: LazyLock<ModelList> = LazyLock::new(|| ModelList::new(models(), true));
    &BUNDLED
}

/// The built-in offline model of the provider `rehearsal`.
pub static REHEARSAL: LazyLock<ModelInfo> = LazyLock::new(|| ModelInfo {
    visible: false,
    efforts: [].into(),
    reasons: false,
    default_effort: None,
    knows_verbosity: false,
    default_verbosity: None,
    tool_search: false,
    image_detail: false,
    max_context_window: None,
    input_modalities: [InputModality::Text].into(),
    personality: false,
    ..base(
        "rehearsal",
        "Rehearsal",
        "Built in, offline, follows plain instructions word for word. Not an AI model.",
    )
});

/// Cautious facts about a model that nobody described.
pub(super) fn fallback(name: &str) -> ModelInfo {
    ModelInfo {
        slug: Cow::Owned(name.to_owned()),
        display_name: Cow::Owned(name.to_owned()),
        visible: false,
        efforts: [].into(),
        reasons: false,
        default_effort: None,
        default_summary: Some(ReasoningSummary::Auto),
        knows_verbosity: false,
        default_verbosity: None,
        parallel_tool_calls: false,
        apply_patch: false,
        tool_search: false,
        image_detail: false,
        truncation: Truncation::Bytes(10_000),
        personality: false,
        fallback: true,
        ..base("", "", "")
    }
}
